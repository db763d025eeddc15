//! Daemons of both generations, each with a containerd, a data folder and namespaces of its own.
//!
//! A shell is the first process of the namespace: dockerd can end and be started again while its containers run on, and
//! ending the shell ends everything. Processes are found from outside, so that one of them can be stopped by SIGSTOP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fettle_memory::physics::Generation;

use super::http;
use crate::support::server::{self, Owner, Server};
use crate::support::{docker, image, wait};

/// Ends the first process of the namespace, and everything with it.
const QUIT: &str = "kill -KILL $(cat /proc/$pid/task/$pid/children)";

/// In the namespace: a key folder of its own, then dockerd as long as the folder is there, again each time `go` is.
const RUN: &str = r#"dir=$0
if [ -e "$dir/network" ]; then ip link set lo up; fi
mount --bind "$dir/etc" /etc/docker
while :; do
    while [ ! -e "$dir/go" ]; do sleep 0.05; done
    rm -f "$dir/go"
    "$@" &
    wait $!
done"#;

const FLAGS: [&str; 5] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--shutdown-timeout=5", "--log-level=warn"];

/// A file of the newer generation, where scripts/test-deps unpacks it.
fn newer(file: &str) -> PathBuf {
    let parts = std::env::var_os("FETTLE_PARTS").map_or_else(|| "/opt/fettle-parts".into(), PathBuf::from);
    let file = parts.join("docker-sid").join(file);
    assert!(
        file.is_file(),
        "the newer Docker is not there ({}); type: scripts/test-deps   (FETTLE_PARTS names its folder)",
        file.display()
    );
    file
}

fn find(name: &str, package: &str) -> PathBuf {
    server::find_program(name, &[]).unwrap_or_else(|| crate::support::missing(name, package))
}

/// A daemon of one generation.
#[derive(Debug)]
pub(super) struct Docker {
    server: Server,
    owner: Owner,
    pub(super) generation: Generation,
}

impl Docker {
    /// The run's daemon of this generation, started if need be. Nothing may stop it.
    pub(super) async fn shared(generation: Generation) -> Self {
        let name = match generation {
            Generation::V20 => "physics20",
            Generation::V28 => "physics28",
        };
        Self::open(name.to_owned(), generation, Owner::Run, &[], false).await
    }

    /// A daemon of this test's own, with more flags; `network`: with a network of its own, for Swarm.
    pub(super) async fn private(generation: Generation, more: &'static [&str], network: bool) -> Self {
        Self::open(crate::support::unique("physics"), generation, Owner::Process, more, network).await
    }

    async fn open(name: String, generation: Generation, owner: Owner, more: &'static [&str], network: bool) -> Self {
        let make = move || {
            assert!(server::is_root(), "Docker daemons of both generations need root");
            let server = Server::named(&name, owner, QUIT);
            server.open(
                |dir| matches!(owner, Owner::Run) && wait::block_on(http::ping(&dir.join("docker.sock"))),
                |dir| start(dir, generation, more, network),
            );
            Self { server, owner, generation }
        };
        tokio::task::spawn_blocking(make).await.expect("start dockerd")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.server.dir.join("docker.sock")
    }

    /// The Compose of its generation: Compose 1 cannot recreate a container of the newer one.
    pub(super) fn compose(&self) -> PathBuf {
        match self.generation {
            Generation::V20 => find("docker-compose", "docker-compose"),
            Generation::V28 => newer("usr/libexec/docker/cli-plugins/docker-compose"),
        }
    }

    /// dockerd's pid, seen from outside.
    pub(super) fn dockerd(&self) -> u32 {
        self.process("dockerd", None).expect("dockerd runs")
    }

    /// Its containerd's.
    pub(super) fn containerd(&self) -> u32 {
        self.process("containerd", None).expect("containerd runs")
    }

    /// The shim of a container.
    pub(super) fn shim(&self, id: &str) -> u32 {
        self.process("containerd-shim", Some(id)).expect("the shim runs")
    }

    /// The first process of this daemon whose name begins so and whose command line has `part` in it.
    fn process(&self, name: &str, part: Option<&str>) -> Option<u32> {
        let first = children(self.server.pid()?).first().copied()?;
        let mut left = vec![first];
        while let Some(pid) = left.pop() {
            left.extend(children(pid));
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            let is_it = match part {
                // The kernel cuts names to 15 characters.
                Some(part) => comm.starts_with(name) && command.contains(part),
                None => comm.trim() == name,
            };
            if is_it {
                return Some(pid);
            }
        }
        None
    }

    /// dockerd ends in good order.
    pub(super) async fn stop(&self) {
        signal(self.dockerd(), "-TERM");
        wait::until("dockerd has ended", Duration::from_mins(1), async || match self.process("dockerd", None) {
            None => Ok(()),
            Some(pid) => Err(format!("pid {pid} runs")),
        })
        .await;
    }

    /// dockerd is started again.
    pub(super) async fn start(&self) {
        fs::write(self.server.dir.join("go"), "").expect("let it start");
        let socket = self.socket();
        wait::until("dockerd answers again", Duration::from_mins(1), async || {
            if http::ping(&socket).await { Ok(()) } else { Err(server::log_tail(&self.server.dir)) }
        })
        .await;
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if matches!(self.owner, Owner::Process) {
            self.server.stop();
        }
    }
}

/// Stops a process, and returns when it stands still: the signal takes effect a little later.
pub(super) async fn freeze(pid: u32) {
    signal(pid, "-STOP");
    wait::until("the process stands still", Duration::from_secs(10), async || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).map_err(|error| error.to_string())?;
        for thread in threads.flatten() {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            if !state.starts_with('T') {
                return Err(stat);
            }
        }
        Ok(())
    })
    .await;
}

/// Sends a signal to a process of ours.
pub(super) fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|it| it.success()), "{signal} is sent to {pid}");
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn start(dir: &Path, generation: Generation, more: &[&str], network: bool) {
    let (dockerd, path) = match generation {
        Generation::V20 => (find("dockerd", "docker.io"), String::new()),
        Generation::V28 => {
            let containerd = newer("usr/bin/containerd");
            let folder = containerd.parent().expect("a folder");
            (newer("usr/sbin/dockerd"), format!("{}:", folder.display()))
        }
    };
    let path = format!("PATH={path}{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let inside = |name: &str| dir.join(name).display().to_string();
    fs::create_dir_all("/etc/docker").expect("create the mount point of the daemon's key");
    fs::create_dir_all(dir.join("etc")).expect("create the folder of the daemon's key");
    let mut arguments: Vec<String> =
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"].map(Into::into).into();
    if network {
        arguments.push("--net".into());
        fs::write(dir.join("network"), "").expect("mark it");
    }
    arguments.extend(["sh", "-c", RUN].map(Into::into));
    arguments.extend([dir.display().to_string(), "env".into(), path, dockerd.display().to_string()]);
    for (flag, name) in [("--data-root", "root"), ("--exec-root", "exec"), ("--pidfile", "dockerd.pid")] {
        arguments.extend([flag.into(), inside(name)]);
    }
    arguments.extend(["-H".into(), format!("unix://{}", inside("docker.sock"))]);
    arguments.extend(FLAGS.map(Into::into));
    arguments.extend(more.iter().map(ToString::to_string));
    fs::write(dir.join("go"), "").expect("let it start");
    server::launch(dir, &find("unshare", "util-linux"), &arguments, None);
    let socket = dir.join("docker.sock");
    wait::until_blocking("dockerd answers", Duration::from_mins(1), || {
        if wait::block_on(http::ping(&socket)) { Ok(()) } else { Err(server::log_tail(dir)) }
    });
    wait::block_on(image::import_missing(&docker::connect(&socket)));
}
