//! From exec to ready: with the schema in place, and again after kill -9 under full load; nothing acknowledged is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;

use super::{Bench, ENDLESS, closed, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::figures::{median, ms, quantile};
use crate::load;
use crate::table::{Row, Table};

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let turns = if bench.options.quick { 3 } else { 10 };
    let mut fettle = bench.fettle("start_pg", Database::Postgres(&bench.postgres), Rules::Restart)?;
    quiet(bench);
    let mut times = Vec::new();
    for _ in 0..turns {
        fettle.kill();
        times.push(ms(fettle.start_again()?));
    }
    let (p50, worst) = (median(&times), quantile(&times, 1.0));
    let measured =
        format!("p50 {p50:.0} ms, worst {worst:.0} ms; {:.0} ms with an empty database", ms(fettle.first_start));
    let met = (p50 <= 100.0, p50 <= 50.0);
    table.rows.push(Row::judged("start → ready", measured, ("≤ 100 ms", "≤ 50 ms"), met));
    drop(fettle);

    let mut fettle = bench.fettle("kill_pg", Database::Postgres(&bench.postgres), Rules::Unselected)?;
    quiet(bench);
    let plan = closed(fettle.address, Series { alerts: 1, first: 0, distinct: ENDLESS }, Duration::from_mins(10));
    let stop = AtomicBool::new(false);
    let (outcome, again) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::run(&plan, Some(&stop)));
        let mut times = Ok(Vec::new());
        for _ in 0..turns {
            std::thread::sleep(bench.seconds(2, 1));
            fettle.kill();
            let took = fettle.start_again();
            times = times.and_then(|mut times: Vec<f64>| {
                took.map(|took| {
                    times.push(ms(took));
                    times
                })
            });
            if times.is_err() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        (load.join(), times)
    });
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the load thread panicked"))??;
    let times = again?;
    let (acknowledged, rows) = (outcome.count(202) as u64, fettle.notifications()?);
    let lost = acknowledged.saturating_sub(rows);
    let (p50, worst) = (median(&times), quantile(&times, 1.0));
    let measured = format!("p50 {p50:.0} ms, worst {worst:.0} ms of {turns}; {acknowledged} acknowledged, {lost} lost");
    let title = "ready again after kill -9 under full load";
    table.rows.push(Row::judged(
        title,
        measured,
        ("≤ 250 ms, none lost", "≤ 100 ms"),
        (lost == 0 && worst <= 250.0, worst <= 100.0),
    ));
    Ok(())
}
