//! Taken *and decided*: what fettle sustains when nothing may pile up, with 20 different alerts in every body.
//!
//! Two kinds of decision: no rule selects the alert (rows per alert, nothing more), which is what most alerts are and what
//! is judged; and a rule selects each of them and refuses (a remediation, a look at Docker and an audit row each), which is
//! printed: it cannot be faster than fettle is willing to ask one Docker host.
//!
//! First a burst shows what can be decided in a second; then nine tenths of that is offered at a fixed rate for a minute,
//! and the backlog must not grow.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, ENDLESS, closed, noise, open, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Fettle, Rules};
use crate::load::{self, Plan};
use crate::machine::Watch;
use crate::table::{Row, Table};

const ALERTS: u64 = 20;
/// The share of typed that must be sustained, and that is striven for.
const MUST: f64 = 0.06;
const STRIVE: f64 = 0.10;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let cluster = Database::Postgres(&bench.postgres);
    let title = "taken and decided, 20-alert bodies, no rule selects them";
    let postgres = bench.fettle("decided_pg", cluster, Rules::Unselected)?;
    let (share, measured) = sustained(bench, &postgres)?;
    let bounds = ("≥ 6 % of typed", "≥ 10 %");
    let met = (share >= MUST, share >= STRIVE);
    table.rows.push(Row::judged(&format!("{title}, PostgreSQL"), measured, bounds, met));
    drop(postgres);

    let sqlite = bench.fettle("decided_lite", Database::Sqlite, Rules::Unselected)?;
    let (lite, measured) = sustained(bench, &sqlite)?;
    let bounds = ("printed", "≥ PostgreSQL");
    table.rows.push(Row::judged("the same, SQLite", measured, bounds, (true, lite >= share)));
    drop(sqlite);

    let postgres = bench.fettle("decided_pg_refused", cluster, Rules::Refuse)?;
    let (_, measured) = sustained(bench, &postgres)?;
    table.rows.push(Row::printed("the same, PostgreSQL, each one selected and refused by name", measured));
    Ok(())
}

/// The share of typed at which the backlog does not grow, and how it was found. Zero when it grew at every rate tried.
fn sustained(bench: &Bench, fettle: &Fettle<'_>) -> Result<(f64, String)> {
    quiet(bench);
    let watch = Watch::start();
    let before = bench.typed_rate(ALERTS, bench.seconds(4, 2))?;
    let (capacity, mut first) = capacity(bench, fettle)?;
    let mut rate = 0.9 * capacity;
    for _ in 0..3 {
        let run = minute(bench, fettle, first, rate)?;
        first += run.sent * ALERTS;
        // A second's worth may be under way at any moment.
        if run.late_backlog <= run.early_backlog + rate as u64 {
            let typed = f64::midpoint(before, bench.typed_rate(ALERTS, bench.seconds(4, 2))?);
            let share = run.rate / typed;
            let measured = format!(
                "{:.1} % of typed: {:.0} req/s = {:.0} alerts/s, backlog {} → {}{}",
                share * 100.0,
                run.rate,
                run.rate * ALERTS as f64,
                run.early_backlog,
                run.late_backlog,
                noise(&watch)
            );
            return Ok((share, measured));
        }
        fettle.drain(bench.seconds(600, 120))?;
        rate *= 0.8;
    }
    Ok((0.0, format!("the backlog grew even at {:.0} req/s{}", rate / 0.8, noise(&watch))))
}

/// Requests a second that are taken and decided in a burst, and the next unused container. The burst grows until it takes
/// long enough to mean something.
fn capacity(bench: &Bench, fettle: &Fettle<'_>) -> Result<(f64, u64)> {
    let (mut first, mut requests) = (0, 100);
    loop {
        let start = Instant::now();
        let burst = Plan { limit: requests, ..closed(fettle.address, series(first), bench.seconds(60, 20)) };
        let accepted = load::run(&burst, None)?.count(202);
        fettle.drain(bench.seconds(600, 120))?;
        first += requests * ALERTS;
        if start.elapsed() > bench.seconds(8, 3) {
            return Ok((accepted as f64 / start.elapsed().as_secs_f64(), first));
        }
        requests *= 3;
    }
}

struct Minute {
    sent: u64,
    rate: f64,
    early_backlog: u64,
    late_backlog: u64,
}

/// A minute at a fixed rate, with the backlog after a third of it and at its end.
fn minute(bench: &Bench, fettle: &Fettle<'_>, first: u64, rate: f64) -> Result<Minute> {
    let duration = bench.seconds(60, 9);
    let plan = open(fettle.address, series(first), duration, rate);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load::run(&plan, None));
        std::thread::sleep(duration / 3);
        let early_backlog = fettle.backlog()?;
        std::thread::sleep(duration * 2 / 3);
        let late_backlog = fettle.backlog()?;
        let outcome = load.join().map_err(|_| anyhow::anyhow!("the load thread panicked"))??;
        Ok(Minute { sent: outcome.sent.len() as u64, rate: outcome.accepted_rate(), early_backlog, late_backlog })
    })
}

fn series(first: u64) -> Series {
    Series { alerts: ALERTS, first, distinct: ENDLESS }
}
