//! fettle's share of a real restart: from the decision to the recorded result, less what Docker itself took for the same
//! restart (timed by a relay in front of a real daemon).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Bench, quiet};
use crate::bodies::{self, Series};
use crate::fettle::{Database, Fettle, Rules};
use crate::figures::{median, ms, quantile};
use crate::load::{self, Plan};
use crate::machine::Watch;
use crate::real_docker::RealDocker;
use crate::relay::Relay;
use crate::table::{Row, Table};

/// A restart and the verification after it.
const PATIENCE: Duration = Duration::from_mins(1);
/// The audit's own account of a restart, in milliseconds from decision to result.
const ACCOUNTS: &str = "SELECT extract(epoch FROM finished_at - planned_at) * 1000 FROM fettle_audit \
                        WHERE action = 'restart' AND result = 'succeeded' ORDER BY planned_at";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let count = if bench.options.quick { 8 } else { 20 };
    let docker = RealDocker::start(&bench.folder)?;
    for n in 0..count {
        docker.run(&bodies::container(n))?;
    }
    let relay = Relay::start(&bench.folder, &docker.socket)?;
    let postgres = Database::Postgres(&bench.postgres);
    let name = "restart_pg";
    let fettle = Fettle::start(&bench.options.fettle, &bench.folder, name, postgres, Rules::Restart, &[&relay.socket])?;
    quiet(bench);
    let watch = Watch::start();
    let mut accounts = Vec::new();
    for n in 0..count {
        // One at a time: several restarts at once make all of them slower, and that would be Docker's share.
        let series = Series { alerts: 1, first: n, distinct: 1 };
        let duration = Duration::from_secs(5);
        let one = Plan { address: fettle.address, series, connections: 1, duration, rate: None, limit: 1 };
        let outcome = load::run(&one, None)?;
        ensure!(outcome.count(202) == 1, "the notification was answered {}", outcome.statuses());
        accounts = until_recorded(bench, name, n as usize + 1)?;
    }
    let docker: Vec<f64> = relay.restarts().iter().map(|&took| ms(took)).collect();
    ensure!(docker.len() == accounts.len(), "{} restarts, {} on record", docker.len(), accounts.len());
    let shares: Vec<f64> = accounts.iter().zip(&docker).map(|(account, docker)| account - docker).collect();
    let p50 = median(&shares);
    let measured = format!(
        "p50 {p50:.1} ms, worst {:.1} ms of {} restarts; Docker's own p50 {:.0} ms{}",
        quantile(&shares, 1.0),
        shares.len(),
        median(&docker),
        super::noise(&watch)
    );
    let title = "fettle's share of a real restart";
    table.rows.push(Row::judged(title, measured, ("p50 ≤ 15 ms", "≤ 6 ms"), (p50 <= 15.0, p50 <= 6.0)));
    Ok(())
}

/// Waits until that many restarts have succeeded on record.
fn until_recorded(bench: &Bench, database: &str, count: usize) -> Result<Vec<f64>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = bench.postgres.ask(database, ACCOUNTS)?;
        let accounts: Result<Vec<f64>, _> = answer.lines().map(str::parse).collect();
        let accounts = accounts.with_context(|| format!("read {answer:?}"))?;
        if accounts.len() >= count {
            return Ok(accounts);
        }
        if Instant::now() > deadline {
            let audit = "SELECT action, result, reason, error FROM fettle_audit ORDER BY at DESC LIMIT 3";
            let last = bench.postgres.ask(database, audit)?;
            bail!("{} of {count} restarts on record; the last audit rows: {last}", accounts.len());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
