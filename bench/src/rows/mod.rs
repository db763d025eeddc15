//! The groups of rows, in the order of the table, and what they share.

mod check;
mod crowd;
mod decided;
mod flood;
mod intake;
mod latency;
mod memory;
mod reaction;
mod repeat;
mod replay;
mod restart;
mod select;
mod start;
mod unit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Options;
use crate::bodies::Series;
use crate::fake_docker::{Call, FakeDocker};
use crate::fettle::{Database, Fettle, Rules};
use crate::http;
use crate::load::{self, Plan};
use crate::machine::{self, Watch};
use crate::place::{self, Process};
use crate::postgres::Postgres;
use crate::table::{Row, Table};

/// Connections of the closed loop, as many as a large Alertmanager would never open.
pub const CONNECTIONS: usize = 64;
/// Docker hosts, because fettle asks each of them at a measured pace, and that pace is not what is measured.
const HOSTS: usize = 20;
/// As good as without end.
pub const ENDLESS: u64 = 900_000_000;

/// Measures one group and adds its rows.
type Group = fn(&Bench, &mut Table) -> Result<()>;

const GROUPS: [(&str, Group); 14] = [
    ("intake", intake::measure),
    ("decided", decided::measure),
    ("crowd", crowd::measure),
    ("latency", latency::measure),
    ("reaction", reaction::measure),
    ("restart", restart::measure),
    ("select", select::measure),
    ("check", check::measure),
    ("repeat", repeat::measure),
    ("replay", replay::measure),
    ("memory", memory::measure),
    ("start", start::measure),
    ("flood", flood::measure),
    ("unit", unit::measure),
];

/// The servers that all groups share.
#[derive(Debug)]
pub struct Bench {
    options: Options,
    folder: PathBuf,
    postgres: Postgres,
    dockers: Vec<FakeDocker>,
    typed: SocketAddr,
    _typed: Process,
}

impl Bench {
    /// Starts PostgreSQL, the fake Docker and the reference server.
    pub fn new(options: Options) -> Result<Self> {
        let folder = place::folder()?;
        let postgres = Postgres::start(&folder)?;
        let dockers = (0..HOSTS).map(|n| FakeDocker::start(&folder, n)).collect::<Result<_>>()?;
        let port = place::free_port()?;
        let typed = SocketAddr::from(([127, 0, 0, 1], port));
        let mut server = Command::new(std::env::current_exe()?);
        server.args(["typed", &port.to_string()]);
        let mut process = Process::start(&server, folder.join("typed.log"), "TERM", None)?;
        let ready = || http::get(typed, "/").is_ok();
        process.until_ready(Duration::from_secs(10), ready).context("start the reference server")?;
        Ok(Self { options, folder, postgres, dockers, typed, _typed: process })
    }

    /// A fettle on an empty PostgreSQL database, or on SQLite, with fake Docker hosts.
    fn fettle(&self, name: &str, database: Database<'_>, rules: Rules) -> Result<Fettle<'_>> {
        // Both arms, because the borrow of the cluster must be the bench's own.
        let database = match database {
            Database::Postgres(_) => Database::Postgres(&self.postgres),
            Database::Sqlite => Database::Sqlite,
        };
        // Without a rule that selects, one host is as good as twenty.
        let hosts = if matches!(rules, Rules::Unselected) { 1 } else { HOSTS };
        let sockets: Vec<&Path> = self.dockers[..hosts].iter().map(|docker| docker.socket.as_path()).collect();
        Fettle::start(&self.options.fettle, &self.folder, name, database, rules, &sockets)
    }

    /// The Docker requests since the last time, of all hosts.
    fn docker_calls(&self) -> impl Iterator<Item = Call> {
        self.dockers.iter().flat_map(FakeDocker::take_calls)
    }

    /// The longer figure, or the shorter one of a quick run.
    fn seconds(&self, full: u64, quick: u64) -> Duration {
        Duration::from_secs(if self.options.quick { quick } else { full })
    }

    /// One closed-loop run against the reference server: answers a second.
    fn typed_rate(&self, alerts: u64, duration: Duration) -> Result<f64> {
        let series = Series { alerts, first: 0, distinct: ENDLESS };
        Ok(load::run(&closed(self.typed, series, duration), None)?.accepted_rate())
    }
}

/// As fast as answers come.
fn closed(address: SocketAddr, series: Series, duration: Duration) -> Plan {
    Plan { address, series, connections: CONNECTIONS, duration, rate: None, limit: u64::MAX }
}

/// A fixed rate.
fn open(address: SocketAddr, series: Series, duration: Duration, rate: f64) -> Plan {
    Plan { address, series, connections: CONNECTIONS, duration, rate: Some(rate), limit: u64::MAX }
}

/// Says in a cell when others disturbed what it shows.
fn noise(watch: &Watch) -> String {
    let others = watch.other_cores();
    if others > machine::NOISY { format!(" (noisy: others used {others:.1} cores)") } else { String::new() }
}

/// Waits for a quiet moment before something is measured.
fn quiet(bench: &Bench) {
    machine::await_quiet(bench.seconds(15, 2));
}

/// Measures every group that was asked for.
pub fn all(bench: &Bench) -> Table {
    let mut table = Table::default();
    for (name, group) in GROUPS {
        let wanted = &bench.options.only;
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        eprintln!("measuring: {name}");
        if let Err(error) = group(bench, &mut table) {
            table.rows.push(Row::not_measured(name, &error));
        }
    }
    let sync = latency::fdatasync(&bench.folder).unwrap_or(f64::NAN);
    table.notes.push(format!(
        "{} cores, {}; clients, fettle and PostgreSQL share them. \"typed\" is an actix handler that only parses. One 8 kB write \
         and fdatasync here: {sync:.2} ms. {}A cell is noisy when other processes used more than {} cores.",
        machine::cores(),
        if bench.options.quick { "a quick run" } else { "a full run" },
        if bench.options.quick { "Quick runs are rough. " } else { "" },
        machine::NOISY
    ));
    table
}
