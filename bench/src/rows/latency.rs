//! How long an answer takes at a thousand requests a second, against what one durable write costs on this disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::{Bench, ENDLESS, noise, open, quiet};
use crate::bodies::Series;
use crate::fettle::{Database, Rules};
use crate::figures::{median, ms, quantile};
use crate::load;
use crate::machine::Watch;
use crate::table::{Row, Table};

const RATE: f64 = 1000.0;

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let databases = [("pg", "PostgreSQL", Database::Postgres(&bench.postgres)), ("lite", "SQLite", Database::Sqlite)];
    for (name, what, database) in databases {
        let fettle = bench.fettle(&format!("latency_{name}"), database, Rules::Unselected)?;
        quiet(bench);
        let before = fdatasync(&bench.folder)?;
        let series = Series { alerts: 1, first: 0, distinct: ENDLESS };
        let watch = Watch::start();
        let outcome = load::run(&open(fettle.address, series, bench.seconds(20, 5), RATE), None)?;
        let noise = noise(&watch);
        let sync = fdatasync(&bench.folder)?.min(before);
        let (times, _) = outcome.accepted_times();
        let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
        let factor = p50 / sync;
        let all = outcome.count(202) == outcome.answers.len();
        let others = if all { String::new() } else { format!("; {}", outcome.statuses()) };
        let measured =
            format!("p50 {p50:.2} ms = {factor:.1} × fdatasync ({sync:.2} ms), p99 {p99:.1} ms{others}{noise}");
        let title = format!("answer at 1,000 req/s, open loop, {what}");
        table.rows.push(match database {
            Database::Postgres(_) => Row::judged(
                &title,
                measured,
                ("p50 ≤ 10 × fdatasync, p99 ≤ 25 ms", "5 ×, 10 ms"),
                (all && factor <= 10.0 && p99 <= 25.0, factor <= 5.0 && p99 <= 10.0),
            ),
            Database::Sqlite => Row::printed(&title, measured),
        });
    }
    Ok(())
}

/// Milliseconds of one 8 kB write and fdatasync into a file that is there already, as a write-ahead log does it: the median
/// of the best of ten batches, because a disturbed look at the disk would flatter fettle.
pub fn fdatasync(folder: &Path) -> Result<f64> {
    let path = folder.join("fdatasync");
    let file = File::options().create(true).write(true).truncate(true).open(&path)?;
    file.write_all_at(&vec![0; 16 << 20], 0)?;
    file.sync_all()?;
    let block = [1; 8192];
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let mut times = Vec::new();
        for turn in 0..50_u64 {
            let start = Instant::now();
            file.write_all_at(&block, turn * 8192)?;
            file.sync_data()?;
            times.push(ms(start.elapsed()));
        }
        best = best.min(median(&times));
    }
    std::fs::remove_file(path)?;
    Ok(best)
}
