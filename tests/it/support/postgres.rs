//! `PostgreSQL` for the tests: one cluster for the run, a database for each test.
//!
//! fsync stays on: durability is what is tested. The cluster is ours, on loopback, on a free port; one that the machine
//! runs itself is never used. Faults that hit a whole cluster are [`super::private_postgres`], a cut network is [`super::proxy`].

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::server::{self, Owner, Server};
use super::wait;

/// Fast shutdown: clients are cut, the rest is in order.
pub const QUIT: &str = "kill -INT $pid";

/// A database of this test's own on the run's cluster, dropped with the value.
#[derive(Debug)]
pub struct Database {
    name: String,
    address: SocketAddr,
}

impl Database {
    /// An empty database.
    pub async fn create() -> Self {
        let address = tokio::task::spawn_blocking(shared).await.expect("start postgres");
        let database = Self { name: super::unique("it"), address };
        database
            .administer(&format!(r#"CREATE DATABASE "{}""#, database.name))
            .await
            .expect("create the test's database");
        database
    }

    /// What goes into fettle's configuration.
    pub fn url(&self) -> String {
        self.url_through(self.address)
    }

    /// The same database as seen through a proxy.
    pub fn url_through(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/{}", self.name)
    }

    /// Where the server listens, as a proxy's upstream.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection to this database from the server's side.
    pub async fn terminate_connections(&self) {
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        self.administer(&sql).await.expect("terminate connections");
    }

    async fn administer(&self, sql: &str) -> sqlx::Result<()> {
        let mut connection = PgConnection::connect(&format!("postgres://postgres@{}/postgres", self.address)).await?;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!(r#"DROP DATABASE IF EXISTS "{}" WITH (FORCE)"#, self.name);
        // A test may have killed the server itself; the cluster goes with the run anyway.
        let _ = wait::block_on(self.administer(&sql));
    }
}

fn shared() -> SocketAddr {
    let server = Server::named("postgres", Owner::Run, QUIT);
    let answers = |dir: &Path| read_port(dir).is_some_and(|port| TcpStream::connect((localhost(), port)).is_ok());
    server.open(answers, |dir| {
        init(dir);
        start(dir, free_port());
    });
    SocketAddr::from((localhost(), read_port(&server.dir).expect("an open server has a port")))
}

fn localhost() -> std::net::Ipv4Addr {
    std::net::Ipv4Addr::LOCALHOST
}

/// A port nobody listens on now. Somebody may take it before we do: then the server says so and the test fails loudly.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((localhost(), 0)).expect("bind any port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn read_port(dir: &Path) -> Option<u16> {
    fs::read_to_string(dir.join("port")).ok()?.trim().parse().ok()
}

/// Makes an empty cluster in `dir/data`.
pub fn init(dir: &Path) {
    let user = service_user();
    if let Some((uid, gid)) = user {
        chown(dir, Some(uid), Some(gid)).expect("give the folder to postgres");
    }
    let mut initdb = Command::new(program("initdb"));
    // No sync of the empty cluster itself: nothing in it is worth keeping. The server that runs on it does sync.
    initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
    initdb.arg(dir.join("data")).current_dir("/").env("TZ", "UTC");
    if let Some((uid, gid)) = user {
        std::os::unix::process::CommandExt::uid(&mut initdb, uid);
        std::os::unix::process::CommandExt::gid(&mut initdb, gid);
    }
    let output = initdb.output().expect("run initdb");
    assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
}

/// Starts the server of `dir` and returns when it accepts connections.
pub fn start(dir: &Path, port: u16) {
    let data = dir.join("data");
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "synchronous_commit=on",
        "max_connections=300",
        "timezone=UTC",
    ];
    let mut arguments = vec!["-D".into(), data.display().to_string(), "-p".into(), port.to_string()];
    for setting in settings {
        arguments.extend(["-c".into(), setting.into()]);
    }
    fs::write(dir.join("port"), port.to_string()).expect("write the port");
    server::launch(dir, &program("postgres"), &arguments, service_user());
    wait::until_blocking("postgres accepts connections", Duration::from_mins(1), || {
        // The eighth line of its pid file is its state, "ready" once it accepts.
        let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let ready = state.lines().nth(7).is_some_and(|line| line.trim() == "ready");
        ready.then_some(()).ok_or_else(|| server::log_tail(dir))
    });
}

/// Debian keeps the server's programs off `PATH`, one folder per version: the newest one wins.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<PathBuf> = versions.collect();
    versions.sort_by_key(|path| path.file_name().and_then(|v| v.to_str()?.parse::<u32>().ok()));
    let folders: Vec<PathBuf> = versions.into_iter().rev().map(|version| version.join("bin")).collect();
    server::find_program(name, &folders).unwrap_or_else(|| super::missing(name, "postgresql"))
}

/// `PostgreSQL` refuses to run as root: then it runs as the user that the package made.
fn service_user() -> Option<(u32, u32)> {
    if !server::is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("read /etc/passwd");
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<&str> =
        line.unwrap_or_else(|| super::missing("the user postgres", "postgresql")).split(':').collect();
    Some((fields[2].parse().expect("a uid is a number"), fields[3].parse().expect("a gid is a number")))
}
