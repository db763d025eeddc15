//! Durable intake against the reference server: as many requests as 64 connections can make, in interleaved rounds.

use anyhow::Result;

use super::{Bench, ENDLESS, closed, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::figures::median;
use crate::load;
use crate::machine::{NOISY, Watch};
use crate::table::{Row, Table};

/// The share of typed that must be had, and that is striven for.
const MUST: f64 = 0.20;
const STRIVE: f64 = 0.33;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for alerts in [1, 20] {
        let postgres =
            bench.fettle(&format!("intake_pg_{alerts}"), Database::Postgres(&bench.postgres), Rules::Unselected)?;
        let sqlite = bench.fettle(&format!("intake_lite_{alerts}"), Database::Sqlite, Rules::Unselected)?;
        let contenders = [(bench.typed, None), (postgres.address, Some(&postgres)), (sqlite.address, Some(&sqlite))];
        let mut rates = [const { Vec::new() }; 3];
        let rounds = if bench.options.quick { 3 } else { 5 };
        let mut noisy = 0;
        let mut first = 0;
        for _ in 0..rounds {
            let mut disturbed = false;
            for ((address, fettle), rates) in contenders.iter().zip(&mut rates) {
                quiet(bench);
                let series = Series { alerts, first, distinct: ENDLESS };
                let watch = Watch::start();
                let outcome = load::run(&closed(*address, series, bench.seconds(4, 2)), None)?;
                disturbed |= watch.other_cores() > NOISY;
                rates.push(outcome.accepted_rate());
                first += outcome.sent.len() as u64 * alerts;
                // What was taken is decided before the next round: each round starts from rest.
                if let Some(fettle) = fettle {
                    fettle.drain(bench.seconds(120, 60))?;
                }
            }
            noisy += usize::from(disturbed);
        }
        let [typed, postgres, sqlite] = rates.map(|rates| median(&rates));
        let noisy = if noisy > 0 { format!("; {noisy} of {rounds} rounds noisy") } else { String::new() };
        let share = postgres / typed;
        table.rows.push(Row::judged(
            &format!("durable intake, {alerts}-alert bodies, PostgreSQL"),
            format!("{:.0} % of typed ({postgres:.0} of {typed:.0} req/s{noisy})", share * 100.0),
            ("≥ 20 %", "≥ 33 %"),
            (share >= MUST, share >= STRIVE),
        ));
        table.rows.push(Row::judged(
            &format!("the same, SQLite, {alerts}-alert bodies"),
            format!("{:.0} % of typed ({sqlite:.0} req/s)", sqlite / typed * 100.0),
            ("printed", "≥ PostgreSQL"),
            (true, sqlite >= postgres),
        ));
    }
    Ok(())
}
