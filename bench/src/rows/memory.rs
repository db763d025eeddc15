//! Resident memory: idle, and under a minute of the heaviest intake; the second half must not be above the first.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, ENDLESS, closed};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::load;
use crate::machine;
use crate::table::{Row, Table};

/// How much higher the second half's peak may be and still count as flat.
const FLAT: f64 = 1.1;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let fettle = bench.fettle("memory_pg", Database::Postgres(&bench.postgres), Rules::Unselected)?;
    // Idle is what it comes to rest at, not what it is at the instant it is ready.
    std::thread::sleep(Duration::from_secs(3));
    let idle = machine::rss_mb(fettle.pid());
    table.rows.push(Row::judged(
        "RSS idle",
        format!("{idle:.0} MB"),
        ("≤ 30 MB", "≤ 20 MB"),
        (idle <= 30.0, idle <= 20.0),
    ));

    let duration = bench.seconds(60, 10);
    let plan = closed(fettle.address, Series { alerts: 1, first: 0, distinct: ENDLESS }, duration);
    let (outcome, halves) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::run(&plan, None));
        let start = Instant::now();
        let mut halves = [0.0_f64; 2];
        while !load.is_finished() {
            let half = &mut halves[usize::from(start.elapsed() > duration / 2)];
            *half = half.max(machine::rss_mb(fettle.pid()));
            std::thread::sleep(Duration::from_millis(200));
        }
        (load.join(), halves)
    });
    let outcome = outcome.map_err(|_| anyhow::anyhow!("the load thread panicked"))??;
    let [first, second] = halves;
    let peak = first.max(second);
    let flat = second <= first * FLAT;
    let measured = format!("{peak:.0} MB at {:.0} req/s, halves {first:.0} and {second:.0}", outcome.accepted_rate());
    let title = format!("RSS under intake load for {} s", duration.as_secs());
    table.rows.push(Row::judged(&title, measured, ("≤ 80 MB, flat", "≤ 50 MB"), (flat && peak <= 80.0, peak <= 50.0)));
    Ok(())
}
