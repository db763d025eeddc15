//! From a request being written to the first request that Docker sees because of it: all intents durable, no hold.
//!
//! The sender notes when it writes each body, the fake Docker when each request arrives; the container's name joins them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, ENDLESS, HOSTS, noise, open, quiet};
use crate::bodies::{self, Series};
use crate::fake_docker::Call;
use crate::fettle::{Database, Rules};
use crate::figures::quantile;
use crate::load;
use crate::machine::Watch;
use crate::table::{Row, Table};

/// After the last request, until a Docker request that is still missing is called missing.
const STRAGGLERS: Duration = Duration::from_secs(10);

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for (name, what, database) in
        [("pg", "PostgreSQL", Database::Postgres(&bench.postgres)), ("lite", "SQLite", Database::Sqlite)]
    {
        let fettle = bench.fettle(&format!("reaction_{name}"), database, Rules::Restart)?;
        let mut first = 0;
        for rate in [20.0, 200.0] {
            quiet(bench);
            bench.docker_calls().for_each(drop);
            let series = Series { alerts: 1, first, distinct: ENDLESS };
            let watch = Watch::start();
            let outcome = load::run(&open(fettle.address, series, bench.seconds(15, 5), rate), None)?;
            let noise = noise(&watch);
            let sent: HashMap<String, u128> =
                outcome.sent.iter().map(|sent| (bodies::container(first + sent.index), sent.at)).collect();
            first += outcome.sent.len() as u64;

            let mut seen: HashMap<String, u128> = HashMap::new();
            let mut calls = 0_usize;
            let deadline = Instant::now() + STRAGGLERS;
            loop {
                for call in bench.docker_calls() {
                    calls += 1;
                    if let Some(name) = container(&call) {
                        seen.entry(name).or_insert(call.at);
                    }
                }
                if sent.keys().all(|name| seen.contains_key(name)) || Instant::now() > deadline {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let delay = |(name, at): (&String, &u128)| Some((seen.get(name)?.saturating_sub(*at)) as f64 / 1e6);
            let delays: Vec<f64> = sent.iter().filter_map(delay).collect();
            let missing = sent.len() - delays.len();
            let (p50, p99) = (quantile(&delays, 0.5), quantile(&delays, 0.99));
            let lost =
                if missing > 0 { format!("; {missing} of {} never reached Docker", sent.len()) } else { String::new() };
            let each = calls as f64 / sent.len() as f64;
            let measured =
                format!("p50 {p50:.2} ms, p99 {p99:.1} ms; so far {each:.1} Docker requests each{lost}{noise}");
            let title = format!("request written → first Docker request, {rate:.0}/s over {HOSTS} hosts, {what}");
            table.rows.push(match database {
                Database::Postgres(_) => Row::judged(
                    &title,
                    measured,
                    ("p50 ≤ 5 ms, p99 ≤ 25 ms", "2.5, 10"),
                    (missing == 0 && p50 <= 5.0 && p99 <= 25.0, p50 <= 2.5 && p99 <= 10.0),
                ),
                Database::Sqlite => Row::printed(&title, measured),
            });
        }
    }
    Ok(())
}

/// The container that a call is about.
fn container(call: &Call) -> Option<String> {
    let at = call.line.find(bodies::CONTAINER)?;
    let digits: String = call.line[at + bodies::CONTAINER.len()..].chars().take_while(char::is_ascii_digit).collect();
    Some(format!("{}{digits}", bodies::CONTAINER))
}
