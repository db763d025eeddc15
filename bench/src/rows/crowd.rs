//! A thousand remediations opened by one notification: how long until each of them is decided, and how much memory that takes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Bench, ENDLESS, closed, noise, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::load::{self, Plan};
use crate::machine::{self, Watch};
use crate::table::{Row, Table};

const CROWD: u64 = 1000;
const MUST: Duration = Duration::from_secs(2);
const MUST_MB: f64 = 120.0;

/// Between two looks at how many are decided. Each is a connection to the database, and looking more often would be a good part
/// of what is measured.
const LOOK: Duration = Duration::from_millis(100);

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for (name, what, rules) in [
        ("crowd_refused", "refused by name", Rules::Refuse),
        ("crowd_limited", "looked up, as many restarted as the limits allow", Rules::RestartFew),
        ("crowd_restarted", "looked up, admitted and restarted, without limits", Rules::Restart),
    ] {
        let fettle = bench.fettle(name, Database::Postgres(&bench.postgres), rules)?;
        quiet(bench);
        let watch = Watch::start();
        let series = Series { alerts: CROWD, first: 0, distinct: ENDLESS };
        let one = Plan { limit: 1, connections: 1, ..closed(fettle.address, series, Duration::from_secs(10)) };
        let start = Instant::now();
        let taken = load::run(&one, None)?.count(202);
        let mut most = 0_f64;
        // A remediation that is not held any more was decided: refused, blocked, or its effect is under way.
        while fettle.decided()? < CROWD {
            most = most.max(machine::rss_mb(fettle.pid()));
            if start.elapsed() > Duration::from_mins(1) {
                bail!("{} of {CROWD} decided after a minute ({taken} notification taken)", fettle.decided()?);
            }
            std::thread::sleep(LOOK);
        }
        let took = start.elapsed();
        most = most.max(machine::rss_mb(fettle.pid()));
        let measured = format!("{:.2} s, RSS {most:.0} MB{}", took.as_secs_f64(), noise(&watch));
        let title = format!("1,000 alerts in one notification, all {what}, PostgreSQL");
        let met = took <= MUST && most < MUST_MB;
        table.rows.push(Row::judged(&title, measured, ("≤ 2 s, < 120 MB", "1 s"), (met, took <= MUST / 2)));
    }
    Ok(())
}
