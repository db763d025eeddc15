//! A daemon that asks for client certificates.

use std::path::{Path, PathBuf};
use std::process::Command;

use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::Wanted;
use fettle_docker::{BadHost, Docker, HostConfig, Tls};

use super::{Calling, clean_inside, configured, found, named};
use crate::support::container::Run;
use crate::support::docker::PrivateDocker;
use crate::support::postgres::free_port;
use crate::support::server::find_program;
use crate::support::{image, missing, unique};

/// A CA, a certificate of the server and one of the client, made by openssl.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn make() -> Self {
        let it = Self(tempfile::tempdir().expect("a folder"));
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        // A name of its own: by the name it is known who should have signed.
        it.openssl(&format!("req -x509 {key} -subj /CN={} -keyout ca.key -out ca.pem", unique("ca")));
        for (name, more) in [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")] {
            std::fs::write(it.file(&format!("{name}.ext")), more).expect("write");
            it.openssl(&format!("req -new {key} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
            it.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.pem"
            ));
        }
        it
    }

    fn openssl(&self, arguments: &str) {
        let openssl = find_program("openssl", &[]).unwrap_or_else(|| missing("openssl", "openssl"));
        let made = Command::new(openssl).args(arguments.split_whitespace()).current_dir(self.0.path()).output();
        let made = made.expect("openssl runs");
        assert!(made.status.success(), "{arguments}: {}", String::from_utf8_lossy(&made.stderr));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn tls(&self) -> Tls {
        let (ca_file, cert_file, key_file) = (self.file("ca.pem"), self.file("client.pem"), self.file("client.key"));
        Tls { ca_file, cert_file, key_file }
    }
}

fn platform(port: u16, tls: Option<Tls>) -> Docker {
    let endpoint = format!("tcp://127.0.0.1:{port}");
    configured([("local".to_owned(), HostConfig { endpoint, tls, ..HostConfig::default() })]).0
}

#[tokio::test]
async fn a_daemon_that_asks_for_certificates_is_spoken_to_with_the_right_ones_only() {
    let (certificates, port) = (Certificates::make(), free_port());
    let path = |name: &str| certificates.file(name).display().to_string();
    let own = PrivateDocker::start(&[
        "-H",
        &format!("tcp://127.0.0.1:{port}"),
        "--tlsverify",
        &format!("--tlscacert={}", path("ca.pem")),
        &format!("--tlscert={}", path("server.pem")),
        &format!("--tlskey={}", path("server.key")),
    ])
    .await;
    let container = Run::named("web").image(image::PLAIN).start(&own.daemon).await;

    let docker = platform(port, Some(certificates.tls()));
    assert!(docker.ping().await[0].1.is_ok(), "{:?}", docker.ping().await);
    let before = found(&docker, &named(&container.name)).await;
    docker.restart("local", &before.id, std::time::Duration::from_secs(1)).await.expect("restarted");
    assert!(found(&docker, &named(&container.name)).await.started_at > before.started_at);
    // A program inside is a connection that becomes another one: it works through TLS, too.
    container.sh("mkdir /logs; dd if=/dev/zero of=/logs/a.log bs=1024 count=8").await;
    let clean = fettle_core::effect::Effect::Clean(clean_inside::clean("/logs"));
    let done = docker.does(&before.id, clean).await;
    done.answer.unwrap_or_else(|error| panic!("{error}: {:#}", done.touched));
    assert_eq!(container.sh("stat -c %s /logs/a.log").await, "0\n");

    // Nobody listens there: that host alone is a state.
    let error = platform(free_port(), Some(certificates.tls())).ping().await.remove(0).1.expect_err("nobody there");
    assert!(error.nothing_sent(), "{error}");
    // The daemon's certificate is of somebody else's CA: nothing was sent.
    let other = Certificates::make();
    let stranger = Tls { ca_file: other.file("ca.pem"), ..certificates.tls() };
    let error = platform(port, Some(stranger)).find(&named("web"), Wanted::default()).await.expect_err("a stranger");
    assert!(error.nothing_sent() && error.to_string().contains("UnknownIssuer"), "{error}");
    // Ours is of somebody else's CA, and no certificate at all.
    let ours = Tls { cert_file: other.file("client.pem"), key_file: other.file("client.key"), ..certificates.tls() };
    for tls in [Some(ours), None] {
        let error = platform(port, tls).find(&named("web"), Wanted::default()).await.expect_err("not let in");
        assert!(!error.to_string().contains("web"), "{error}");
        assert!(!matches!(error, PlatformError::TimedOut { .. }), "{error}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_told_at_the_start() {
    let certificates = Certificates::make();
    let host = |tls: Tls| {
        let config = HostConfig { endpoint: "tcp://127.0.0.1:1".into(), tls: Some(tls), ..HostConfig::default() };
        Docker::new([("far".to_owned(), config)], None, std::sync::Arc::new(()))
    };
    assert!(host(certificates.tls()).is_ok());
    let gone = Tls { key_file: Path::new("/nowhere/key.pem").into(), ..certificates.tls() };
    let error = host(gone).expect_err("it is not there");
    assert!(matches!(&error, BadHost::Tls { host, .. } if host == "far"), "{error:?}");
    let swapped = Tls { cert_file: certificates.file("client.key"), ..certificates.tls() };
    assert!(host(swapped).is_err());
    let of_another = Tls { key_file: certificates.file("server.key"), ..certificates.tls() };
    assert!(host(of_another).is_err(), "a key that does not belong to the certificate");
}
