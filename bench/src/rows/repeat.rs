//! What a repeat of a firing alert costs, against its first notification: CPU of fettle and its database, until decided.

use anyhow::Result;

use super::{Bench, CONNECTIONS, noise, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Fettle, Rules};
use crate::load::{self, Plan};
use crate::machine::{self, Watch};
use crate::table::{Row, Table};

/// Slow enough to be neither batched much nor queued: a repeat is cheap because of what it is, not because of company.
const RATE: f64 = 300.0;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    // A first notification is decided and recorded, but nothing is done that would add to its cost.
    for (name, what, rules) in [
        ("repeat_observed", "that was looked up in Docker", Rules::Observe),
        ("repeat_refused", "that names alone refused", Rules::Refuse),
    ] {
        one(bench, table, name, what, rules)?;
    }
    Ok(())
}

fn one(bench: &Bench, table: &mut Table, name: &str, what: &str, rules: Rules) -> Result<()> {
    let fettle = bench.fettle(name, Database::Postgres(&bench.postgres), rules)?;
    quiet(bench);
    let watch = Watch::start();
    let count = bench.seconds(15, 5).as_secs() * RATE as u64;
    let first = cost(&fettle, count)?;
    let repeat = cost(&fettle, count)?;
    let share = repeat / first;
    let measured = format!(
        "{share:.2}: {:.2} ms against {:.2} ms{}",
        repeat * 1e3 / count as f64,
        first * 1e3 / count as f64,
        noise(&watch)
    );
    let title = format!("a repeat of a firing alert against its first notification {what}, CPU");
    table.rows.push(Row::judged(&title, measured, ("≤ 1/2", "≤ 1/4"), (share <= 0.5, share <= 0.25)));
    Ok(())
}

/// CPU seconds for sending each of `count` alerts once, byte-identical every time this is called.
fn cost(fettle: &Fettle<'_>, count: u64) -> Result<f64> {
    let series = Series { alerts: 1, first: 0, distinct: count };
    let duration = std::time::Duration::from_mins(2);
    let address = fettle.address;
    let plan = Plan { address, series, connections: CONNECTIONS, duration, rate: Some(RATE), limit: count };
    let before = machine::cpu(&fettle.pids());
    let outcome = load::run(&plan, None)?;
    anyhow::ensure!(outcome.count(202) as u64 == count, "answers: {}", outcome.statuses());
    fettle.drain(std::time::Duration::from_mins(1))?;
    Ok(machine::cpu(&fettle.pids()) - before)
}
