//! A `PostgreSQL` cluster of one test's own, to be killed and started again at the same address.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::postgres;
use super::server::{Owner, Server};
use super::wait;

/// Running from creation on; ended when dropped, or by the watcher when the test process is killed.
#[derive(Debug)]
pub struct PrivatePostgres {
    server: Server,
    port: u16,
}

impl PrivatePostgres {
    /// A new, empty cluster.
    pub async fn start() -> Self {
        let make = || {
            let server = Server::named(&super::unique("pg"), Owner::Process, postgres::QUIT);
            let port = postgres::free_port();
            server.open(
                |_| false,
                |dir| {
                    postgres::init(dir);
                    postgres::start(dir, port);
                },
            );
            Self { server, port }
        };
        tokio::task::spawn_blocking(make).await.expect("start postgres")
    }

    /// The cluster's own database `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address())
    }

    /// Where it listens, as a proxy's upstream.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// kill -9 of the postmaster and every process of it, as when the machine dies. What was committed must still be there.
    pub fn kill(&self) {
        let postmaster = self.server.pid().expect("postgres runs");
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap_or_default();
        let pids: Vec<String> =
            std::iter::once(postmaster.to_string()).chain(children.split_whitespace().map(Into::into)).collect();
        // A child may have ended by itself in between; what matters is that none is left.
        let _ = Command::new("kill").arg("-KILL").args(&pids).output().expect("run kill");
        wait::until_blocking("postgres is dead", Duration::from_secs(10), || {
            let left: Vec<&String> = pids.iter().filter(|pid| alive(pid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("still alive: {left:?}")) }
        });
    }

    /// Starts it again after [`Self::kill`], on the same port and data; returns when it accepts.
    pub async fn restart(&self) {
        let (dir, port) = (self.server.dir.clone(), self.port);
        let start = move || {
            // The dead server's state would be taken for the new one's.
            let _ = fs::remove_file(dir.join("data/postmaster.pid"));
            postgres::start(&dir, port);
        };
        tokio::task::spawn_blocking(start).await.expect("restart postgres");
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.server.stop();
    }
}

/// A zombie is dead: it waits only for whoever started it.
fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}
