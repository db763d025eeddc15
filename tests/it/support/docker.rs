//! A Docker daemon for the tests: one for the run, apart from anything else on the machine.
//!
//! It runs in mount and process namespaces of its own, so that killing one process ends the daemon, its containers and
//! its mounts, and nothing can be left behind. It has no bridge and touches no firewall: containers have loopback only.
//! Because of the namespaces, `State.Pid` is not a pid of the test's: kill a container through the API.
//!
//! `DOCKER_HOST` (a unix socket) is used instead when set. Without root no daemon can be started: then the machine's own
//! socket is used if it answers. Containers have unique names and go with their test in either case.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;

use super::server::{self, Owner, Server};
use super::{image, wait};

/// dockerd is the child of `unshare` ($pid): it stops its containers and itself; `unshare` follows.
const QUIT: &str = "kill -TERM $(cat /proc/$pid/task/$pid/children)";
/// The newest API that Debian 12's Docker 20.10 speaks; newer daemons accept it too.
const API: bollard::ClientVersion = bollard::ClientVersion { major_version: 1, minor_version: 41 };
/// What `dockerd` is given besides its folders. Containers get a second to stop when it ends.
const FLAGS: [&str; 5] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--shutdown-timeout=1", "--log-level=warn"];
/// In the new namespaces: a key of its own (20.10 derives the daemon's id from it, and ids must differ), then dockerd.
const IN_NAMESPACE: &str = r#"mount --bind "$0/etc" /etc/docker && exec "$@""#;
/// The same with a network of its own: Swarm makes bridges, and may make them there.
const IN_NETWORK: &str = r#"ip link set lo up && mount --bind "$0/etc" /etc/docker && exec "$@""#;

/// The run's daemon, seen from one test: the client belongs to the test's runtime.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// To look and act with; fettle itself makes its own client from [`Daemon::socket`].
    pub client: Docker,
    socket: PathBuf,
}

impl Daemon {
    /// The run's daemon, started if need be, with the images of [`image`] in it.
    pub async fn shared() -> Self {
        let socket = tokio::task::spawn_blocking(shared).await.expect("start dockerd");
        Self { client: connect(&socket), socket }
    }

    /// The daemon's socket, as a proxy's upstream.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What goes into fettle's configuration under `docker:`.
    pub fn url(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

/// A client for a socket, also one of a proxy.
pub fn connect(socket: &Path) -> Docker {
    let path = socket.to_str().expect("socket paths are UTF-8");
    Docker::connect_with_unix(path, 60, &API).expect("a client for the docker socket")
}

fn shared() -> PathBuf {
    if let Some(socket) = borrowed() {
        // One test process at a time puts the images there.
        let images = Server::named("docker-images", Owner::Run, ":");
        images.open(|_| false, |_| wait::block_on(image::import_missing(&connect(&socket))));
        return socket;
    }
    let server = Server::named("docker", Owner::Run, QUIT);
    server.open(|dir| answers(&dir.join("docker.sock")), |dir| start(dir, false, &[]));
    server.dir.join("docker.sock")
}

/// A daemon of one test's own, ended when dropped, or by the watcher when the test process is killed.
#[derive(Debug)]
pub struct PrivateDocker {
    /// To look and act with.
    pub daemon: Daemon,
    server: Server,
}

impl PrivateDocker {
    /// One that listens on its socket and is told `more`.
    pub async fn start(more: &[&str]) -> Self {
        Self::with(false, more).await
    }

    /// One with a network namespace of its own.
    pub async fn with_network() -> Self {
        Self::with(true, &[]).await
    }

    async fn with(network: bool, more: &[&str]) -> Self {
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        let make = move || {
            assert!(server::is_root(), "a Docker daemon of a test's own needs root");
            let server = Server::named(&super::unique("dockerd"), Owner::Process, QUIT);
            server.open(|_| false, |dir| start(dir, network, &more));
            server
        };
        let server = tokio::task::spawn_blocking(make).await.expect("start dockerd");
        let socket = server.dir.join("docker.sock");
        Self { daemon: Daemon { client: connect(&socket), socket }, server }
    }
}

impl Drop for PrivateDocker {
    fn drop(&mut self) {
        self.server.stop();
    }
}

/// A daemon that is not ours: named by `DOCKER_HOST`, or the machine's when we may not start one.
fn borrowed() -> Option<PathBuf> {
    if let Ok(host) = std::env::var("DOCKER_HOST") {
        let socket =
            host.strip_prefix("unix://").unwrap_or_else(|| panic!("DOCKER_HOST={host}: only unix:// is used here"));
        return Some(socket.into());
    }
    if server::is_root() {
        return None;
    }
    let socket = PathBuf::from("/var/run/docker.sock");
    assert!(answers(&socket), "a Docker daemon needs root: run the tests as root, or set DOCKER_HOST=unix://SOCKET");
    Some(socket)
}

fn start(dir: &Path, network: bool, more: &[String]) {
    let program = |name, package| server::find_program(name, &[]).unwrap_or_else(|| super::missing(name, package));
    let (dockerd, unshare) = (program("dockerd", "docker.io"), program("unshare", "util-linux"));
    let inside = |name: &str| dir.join(name).display().to_string();
    fs::create_dir_all("/etc/docker").expect("create the mount point of the daemon's key");
    fs::create_dir_all(dir.join("etc")).expect("create the folder of the daemon's key");

    let mut arguments: Vec<String> =
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"].map(Into::into).into();
    if network {
        arguments.push("--net".into());
    }
    arguments.extend(["sh", "-c", if network { IN_NETWORK } else { IN_NAMESPACE }].map(Into::into));
    arguments.extend([dir.display().to_string(), dockerd.display().to_string()]);
    for (flag, name) in [("--data-root", "root"), ("--exec-root", "exec"), ("--pidfile", "dockerd.pid")] {
        arguments.extend([flag.into(), inside(name)]);
    }
    arguments.extend(["-H".into(), format!("unix://{}", inside("docker.sock"))]);
    arguments.extend(FLAGS.map(Into::into));
    arguments.extend(more.iter().cloned());
    server::launch(dir, &unshare, &arguments, None);

    let socket = dir.join("docker.sock");
    wait::until_blocking("dockerd answers", Duration::from_mins(1), || {
        answers(&socket).then_some(()).ok_or_else(|| server::log_tail(dir))
    });
    wait::block_on(image::import_missing(&connect(&socket)));
}

/// One ping, without a runtime.
fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains(" 200 "))
    };
    ping().unwrap_or(false)
}
