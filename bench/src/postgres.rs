//! A PostgreSQL of the bench's own: Debian's defaults, fsync on, on loopback; asked through `psql`.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::place::{self, Process};

/// A running cluster.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    bin: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a cluster in `folder` and starts it.
    pub fn start(folder: &Path) -> Result<Self> {
        let bin = newest_bin().context("PostgreSQL is not installed: apt-get install -y postgresql")?;
        let user = service_user()?;
        let home = folder.join("postgres");
        fs::create_dir(&home)?;
        let data = home.join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "-D"]).arg(&data);
        if let Some((uid, gid)) = user {
            chown(&home, Some(uid), Some(gid))?;
            initdb.uid(uid).gid(gid);
        }
        let made = initdb.current_dir("/").output()?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let port = place::free_port()?;
        let mut server = Command::new(bin.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string()]).current_dir("/");
        server.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=200",
        ]);
        let mut process = Process::start(&server, folder.join("postgres.log"), "INT", user)?;
        let pid_file = data.join("postmaster.pid");
        // The eighth line of its pid file is its state.
        let ready = || {
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            state.lines().nth(7).is_some_and(|line| line.trim() == "ready")
        };
        process.until_ready(Duration::from_mins(1), ready).context("start postgres")?;
        Ok(Self { process, bin, port })
    }

    /// A new, empty database.
    pub fn create(&self, name: &str) -> Result<()> {
        self.ask("postgres", &format!("CREATE DATABASE {name}")).map(drop)
    }

    /// For fettle's configuration.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The answer as psql prints it: a line a row, `|` between columns.
    pub fn ask(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql]);
        let answer = psql.output()?;
        ensure!(answer.status.success(), "psql: {}", String::from_utf8_lossy(&answer.stderr).trim());
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// A count, or whatever else is one whole number.
    pub fn number(&self, database: &str, sql: &str) -> Result<u64> {
        let answer = self.ask(database, sql)?;
        answer.parse().with_context(|| format!("{sql} answers {answer:?}"))
    }

    /// The postmaster; its backends are below it.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Debian keeps the programs of each version in a folder of its own.
fn newest_bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.filter(|path| path.join("bin/initdb").is_file()).max_by_key(number)?;
    Some(newest.join("bin"))
}

/// PostgreSQL refuses to run as root.
fn service_user() -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:")).context("there is no user postgres")?;
    let fields: Vec<&str> = line.split(':').collect();
    Ok(Some((fields[2].parse()?, fields[3].parse()?)))
}
