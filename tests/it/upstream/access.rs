//! How fettle gets in: TLS, passwords and tokens, and that none of them is seen in an error.

use std::path::Path;

use fettle::config::{Config, Credentials, load};
use fettle_core::diagnostic::render::human;
use fettle_core::ports::upstream::UpstreamError;

use super::canned::{Canned, reply};
use super::*;
use crate::support::missing;
use crate::support::server::find_program;

/// `hunter2` by bcrypt at its lowest cost.
const WEB: &str = r"
tls_server_config: {cert_file: server.pem, key_file: server.key}
basic_auth_users: {fettle: $2b$04$CdNm0P9vs8zyfAwE.3.oq.bXGswF7zIcnQnIRBEecBPkxPnPxXjt6}
";

/// A certificate for 127.0.0.1 that nobody else trusts, and its key.
fn certificate(folder: &Path) -> (String, String) {
    let openssl = find_program("openssl", &[]).unwrap_or_else(|| missing("openssl", "openssl"));
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=fettle-test \
                     -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout server.key -out server.pem";
    let made = std::process::Command::new(openssl).args(arguments.split_whitespace()).current_dir(folder).output();
    let made = made.expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name| std::fs::read_to_string(folder.join(name)).expect("written");
    (read("server.pem"), read("server.key"))
}

/// The settings in `folder`, as a person would write them.
fn settings(folder: &Path, text: &str) -> Config {
    let path = folder.join("fettle.yaml");
    std::fs::write(&path, text).expect("written");
    load(Some(&path), &|_| None).unwrap_or_else(|found| panic!("{}", human(&found))).0
}

#[tokio::test]
async fn a_server_with_tls_and_passwords_is_entered_with_the_right_ones_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pem, key) = certificate(folder.path());
    let files = [("web.yml", WEB), ("server.pem", pem.as_str()), ("server.key", key.as_str())];
    let real = Real::with(&files, &["--web.config.file=web.yml"]).await;
    let url = format!("https://127.0.0.1:{}", real.port);
    std::fs::write(folder.path().join("password"), "hunter2\n").expect("written");
    std::fs::write(folder.path().join("wrong"), "hunter3").expect("written");
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("other.pem"), certificate(elsewhere.path()).0).expect("written");
    for (password, ca, expected) in [
        ("password", "server.pem", None),
        ("wrong", "server.pem", Some("upstream_denied")),
        ("password", "other.pem", Some("upstream_unreachable")),
    ] {
        let auth = format!("basic_auth: {{username: fettle, password_file: {password}}}, ca_file: {ca}");
        let text = format!("alertmanager: {{urls: [\"{url}\"], {auth}}}\nlog: {{level: debug}}\n");
        let config = settings(folder.path(), &text).alertmanager.expect("given");
        provider();
        let upstream = Alertmanager::new(&config.urls, &config.access).expect("a client");
        let looked = upstream.picture(Timestamp::now(), FRESH).await;
        assert_eq!(looked.as_ref().err().map(UpstreamError::reason), expected, "{looked:?}");
        assert!(!format!("{looked:?} {config:?}").contains("hunter"));
    }
}

#[tokio::test]
async fn a_token_is_read_again_for_every_request() {
    let canned = Canned::always(reply(200, "", b"[]")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "first\n").expect("written");
    let access = Access { credentials: Some(Credentials::Bearer { token_file: token_file.clone() }), ca: None };
    let upstream = with(&[&canned.url()], &access);
    upstream.picture(Timestamp::now(), FRESH).await.expect("it answers");
    std::fs::write(&token_file, "second").expect("written");
    let posted = upstream.post(&[announcement(&own("web"), SOON)]).await;
    assert!(posted.iter().all(|(_, posted)| posted.is_ok()));
    let heads = canned.heads().join("").to_lowercase();
    assert!(
        heads.contains("authorization: bearer first\r\n") && heads.contains("authorization: bearer second\r\n"),
        "{heads}"
    );
    std::fs::remove_file(&token_file).expect("removed");
    let (_, posted) = upstream.post(&[]).await.remove(0);
    let error = posted.expect_err("no token");
    assert!(error.reason() == "upstream_credentials" && error.is_transient(), "{error}");
    std::fs::write(&token_file, "a\u{1}b").expect("written");
    let (_, posted) = upstream.post(&[]).await.remove(0);
    assert_eq!(
        posted.expect_err("no header").to_string(),
        format!("credentials in {}: not fit for a header", token_file.display())
    );
}

#[tokio::test]
async fn a_user_in_a_url_is_not_in_an_error() {
    let upstream = peers(&["http://fettle:hunter2@127.0.0.1:1/am"]);
    let error = upstream.picture(Timestamp::now(), FRESH).await.expect_err("nobody there");
    assert_eq!(error.reason(), "upstream_unreachable");
    assert!(error.to_string().starts_with("http://127.0.0.1:1/am is unreachable: "), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!(upstream.peers(), ["http://127.0.0.1:1/am"]);
}
