//! Taken *and decided*: what fettle sustains when nothing may pile up, with 20 different alerts in every body.
//!
//! Two kinds of decision: no rule selects the alert (rows per alert only), and a rule in `observe` selects each of them (a
//! remediation and an audit row each). First a burst shows what can be decided in a second; then nine tenths of that is
//! offered at a fixed rate for a minute, and the backlog must not grow.

use std::time::Instant;

use anyhow::Result;

use super::{Bench, ENDLESS, closed, noise, open, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Fettle, Rules};
use crate::load;
use crate::machine::Watch;
use crate::table::{Row, Table};

const ALERTS: u64 = 20;
/// The share of typed that must be sustained, and that is striven for.
const MUST: f64 = 0.06;
const STRIVE: f64 = 0.10;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for (rules, what) in [(Rules::Unselected, "no rule selects them"), (Rules::Observe, "each one observed")] {
        let suffix = format!("{rules:?}").to_lowercase();
        let postgres = bench.fettle(&format!("decided_pg_{suffix}"), Database::Postgres(&bench.postgres), rules)?;
        let (share, measured) = sustained(bench, &postgres)?;
        table.rows.push(Row::judged(
            &format!("taken and decided, 20-alert bodies, {what}, PostgreSQL"),
            measured,
            ("≥ 6 % of typed", "≥ 10 %"),
            (share >= MUST, share >= STRIVE),
        ));
        drop(postgres);
        let sqlite = bench.fettle(&format!("decided_lite_{suffix}"), Database::Sqlite, rules)?;
        let (lite, measured) = sustained(bench, &sqlite)?;
        let what = format!("the same, SQLite, {what}");
        table.rows.push(Row::judged(&what, measured, ("printed", "≥ PostgreSQL"), (true, lite >= share)));
    }
    Ok(())
}

/// The share of typed at which the backlog does not grow, and how it was found. Zero when it grew at every rate tried.
fn sustained(bench: &Bench, fettle: &Fettle<'_>) -> Result<(f64, String)> {
    quiet(bench);
    let watch = Watch::start();
    let before = bench.typed_rate(ALERTS, bench.seconds(4, 2))?;
    let mut first = 0;
    let burst = bench.seconds(10, 3);
    let outcome = load::run(&closed(fettle.address, series(first), burst), None)?;
    let start = Instant::now();
    let drained = fettle.drain(bench.seconds(600, 120))?;
    first += outcome.sent.len() as u64 * ALERTS;
    let mut rate = 0.9 * outcome.count(202) as f64 / (outcome.seconds + drained.as_secs_f64());
    eprintln!("  a burst of {} was decided {:.1} s after its end", outcome.count(202), start.elapsed().as_secs_f64());

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
