//! A flood: three times what fettle can take, from two thousand connections. What it takes is stored, exactly; the rest is
//! told so at once.

use anyhow::Result;

use super::{Bench, ENDLESS, closed, noise, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::figures::quantile;
use crate::load::{self, Plan};
use crate::machine::{self, Watch};
use crate::table::{Row, Table};

/// More than fettle lets wait, so that the rest has to be refused.
const CONNECTIONS: usize = 2048;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let fettle = bench.fettle("flood_pg", Database::Postgres(&bench.postgres), Rules::Unselected)?;
    quiet(bench);
    let series = |first| Series { alerts: 1, first, distinct: ENDLESS };
    let before = load::run(&closed(fettle.address, series(0), bench.seconds(5, 2)), None)?;
    let capacity = before.accepted_rate();
    fettle.drain(bench.seconds(120, 60))?;
    let stored_before = fettle.notifications()?;

    let plan = Plan {
        address: fettle.address,
        series: series(before.sent.len() as u64),
        connections: CONNECTIONS,
        duration: bench.seconds(30, 5),
        rate: Some(3.0 * capacity),
        limit: u64::MAX,
    };
    let watch = Watch::start();
    let outcome = load::run(&plan, None)?;
    let noise = noise(&watch);
    let rss = machine::rss_mb(fettle.pid());
    let rows = fettle.notifications()? - stored_before;
    let (accepted, refused) = (outcome.count(202) as u64, outcome.count(503));
    let (_, times) = outcome.accepted_times();
    let p99 = quantile(&times, 0.99);
    let exact = rows == accepted && accepted as usize + refused == outcome.answers.len();
    let offered = outcome.sent.len() as f64 / outcome.seconds;
    let measured = format!(
        "{rows} rows; {}; p99 of the 202s {p99:.0} ms; offered {offered:.0}/s of the {:.0}/s meant, RSS {rss:.0} MB{noise}",
        outcome.statuses(),
        3.0 * capacity
    );
    let title = "flood at 3 × capacity: 202s = rows, the rest 503, p99 of the 202s";
    table.rows.push(Row::judged(title, measured, ("exact, ≤ 1 s", "≤ 300 ms"), (exact && p99 <= 1000.0, p99 <= 300.0)));
    Ok(())
}
