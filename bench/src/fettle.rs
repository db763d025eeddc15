//! fettle under test: a process with a configuration, rules and database of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::bodies;
use crate::http;
use crate::place::{self, Process};
use crate::postgres::Postgres;

/// Schema and recovery included.
const START: Duration = Duration::from_secs(30);

/// Where fettle keeps what it knows.
#[derive(Clone, Copy, Debug)]
pub enum Database<'a> {
    /// A new database on the bench's cluster.
    Postgres(&'a Postgres),
    /// A new file.
    Sqlite,
}

/// What the rules make of the bench's alerts.
#[derive(Clone, Copy, Debug)]
pub enum Rules {
    /// No rule selects them.
    Unselected,
    /// A rule selects each of them and does not allow its container: refused by its name alone, and on record.
    Refuse,
    /// A rule selects each of them: looked up, and what would be done is on record.
    Observe,
    /// A rule selects each of them and restarts its container; nothing limits how many.
    Restart,
    /// The same with the limits that fettle has by itself: a few are restarted, and the rest has to wait.
    RestartFew,
}

impl Rules {
    fn yaml(self) -> String {
        let (name, allowed) = match self {
            Self::Unselected => ("SomethingElse", bodies::CONTAINER),
            Self::Refuse => (bodies::ALERTNAME, "something-else-"),
            Self::Observe | Self::Restart | Self::RestartFew => (bodies::ALERTNAME, bodies::CONTAINER),
        };
        // Limits wide open: what is measured is how fast fettle is, not how careful.
        let limits = "    budget: [1000000 per 1h]\n    rule_budget: [1000000 per 1h]\n    cooldown: 0s\n";
        let limits = match self {
            Self::Unselected | Self::Refuse | Self::Restart => limits.to_owned(),
            Self::Observe => format!("    mode: observe\n{limits}"),
            Self::RestartFew => String::new(),
        };
        format!(
            r#"version: 1
rules:
  - name: restart-unhealthy
    match: ['alertname="{name}"']
    target: {{container: $labels.container, host: $labels.instance, allow: ["{allowed}*"]}}
    steps:
      - restart: {{grace: 5s}}
        verify: {{settle: 1s, healthy_for: 1s, resolved_within: 2s}}
{limits}"#
        )
    }

    /// The same of the configuration.
    fn limits(self) -> &'static str {
        match self {
            Self::RestartFew => "",
            Self::Unselected | Self::Refuse | Self::Observe | Self::Restart => {
                "limits: {in_flight: 1000, budget: [1000000 per 1h], target_budget: [1000000 per 1h]}\n\
                 storm: off\ntrip: off\n"
            }
        }
    }
}

/// A running fettle; killed when dropped.
#[derive(Debug)]
pub struct Fettle<'a> {
    process: Process,
    binary: PathBuf,
    folder: PathBuf,
    name: String,
    database: Database<'a>,
    /// Where it serves.
    pub address: SocketAddr,
    /// How long the first start took, schema included.
    pub first_start: Duration,
}

impl<'a> Fettle<'a> {
    /// Starts it on an empty database and returns when it is ready. The instances that alerts name are spread evenly over
    /// the sockets of `dockers`, each a host.
    pub fn start(
        binary: &Path,
        place: &Path,
        name: &str,
        database: Database<'a>,
        rules: Rules,
        dockers: &[&Path],
    ) -> Result<Self> {
        let folder = place.join(name);
        fs::create_dir_all(folder.join("rules")).with_context(|| format!("create {}", folder.display()))?;
        let port = place::free_port()?;
        let url = match database {
            Database::Postgres(postgres) => {
                postgres.create(name)?;
                postgres.url(name)
            }
            Database::Sqlite => format!("sqlite://{}", folder.join("fettle.db").display()),
        };
        let hosts = dockers.iter().enumerate().map(|(n, socket)| {
            let instances: Vec<String> = (n..bodies::INSTANCES).step_by(dockers.len()).map(bodies::instance).collect();
            format!("  host-{n}: {{docker: \"unix://{}\", instances: {instances:?}}}\n", socket.display())
        });
        let config = format!(
            "listen: 127.0.0.1:{port}\ndatabase: {url}\nrules: {}\nmode: act\n{}hosts:\n{}",
            folder.join("rules").display(),
            rules.limits(),
            hosts.collect::<String>()
        );
        fs::write(folder.join("fettle.yaml"), config)?;
        fs::write(folder.join("rules/bench.yaml"), rules.yaml())?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (process, first_start) =
            launch(binary, &folder, address).with_context(|| format!("start fettle {name}"))?;
        Ok(Self { process, binary: binary.into(), folder, name: name.into(), database, address, first_start })
    }

    /// kill -9; [`Self::start_again`] must follow.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it on the same database and port; from exec to ready.
    pub fn start_again(&mut self) -> Result<Duration> {
        let (process, took) = launch(&self.binary, &self.folder, self.address).context("start fettle again")?;
        self.process = process;
        Ok(took)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What CPU is accounted to it: itself, and its database.
    pub fn pids(&self) -> Vec<u32> {
        match self.database {
            Database::Postgres(postgres) => vec![self.pid(), postgres.pid()],
            Database::Sqlite => vec![self.pid()],
        }
    }

    /// Asks its database for a whole number.
    fn number(&self, sql: &str) -> Result<u64> {
        match self.database {
            Database::Postgres(postgres) => postgres.number(&self.name, sql),
            Database::Sqlite => {
                let mut sqlite = Command::new("sqlite3");
                sqlite.args(["-readonly", "-cmd", ".timeout 5000"]).arg(self.folder.join("fettle.db")).arg(sql);
                let answer = sqlite.output().context("run sqlite3")?;
                ensure!(answer.status.success(), "sqlite3: {}", String::from_utf8_lossy(&answer.stderr).trim());
                Ok(String::from_utf8_lossy(&answer.stdout).trim().parse()?)
            }
        }
    }

    /// What is stored and not yet decided on: notifications that are not taken in, remediations that are open. Comes to 0
    /// with rules that do not act. Asked of the database, because a scrape of `/metrics` would count budgets too.
    pub fn backlog(&self) -> Result<u64> {
        let open = self.number("SELECT count(*) FROM fettle_remediations WHERE state <> 'closed'")?;
        Ok(open + self.number("SELECT count(*) FROM pending")?)
    }

    /// Remediations that do not wait for their first decision any more.
    pub fn decided(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM fettle_remediations WHERE state <> 'held'")
    }

    /// Waits until everything stored is decided on; how long it took, or an error when `most` is over.
    pub fn drain(&self, most: Duration) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let left = self.backlog()?;
            if left == 0 {
                return Ok(start.elapsed());
            }
            if start.elapsed() > most {
                bail!("{left} notifications or remediations are still undecided after {most:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Rows of the view `fettle_notifications`.
    pub fn notifications(&self) -> Result<u64> {
        self.number("SELECT count(*) FROM fettle_notifications")
    }
}

fn launch(binary: &Path, folder: &Path, address: SocketAddr) -> Result<(Process, Duration)> {
    let mut serve = Command::new(binary);
    serve.args(["serve", "--config"]).arg(folder.join("fettle.yaml")).current_dir(folder);
    // Nothing of the caller's surroundings may change what is measured.
    for name in ["FETTLE_LISTEN", "DATABASE_URL", "RUST_LOG", "DOCKER_HOST"] {
        serve.env_remove(name);
    }
    let mut process = Process::start(&serve, folder.join("log"), "TERM", None)?;
    let ready = || matches!(http::get(address, "/-/ready"), Ok((200, _)));
    let took = process.until_ready(START, ready)?;
    Ok((process, took))
}
