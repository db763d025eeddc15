//! `fettle check` of many rule files, in a process of its own: what a person waits for.

use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::{Bench, noise, quiet};
use crate::machine::Watch;
use crate::table::{Row, Table};

const FILES: usize = 1_000;
const RULES_PER_FILE: usize = 10;

/// Rules as they are written in the field: two matchers, one a regular expression, a ladder of two steps, limits of their own.
fn file(number: usize) -> String {
    let mut text = "version: 1\ndefaults: {budget: [3 per 1h], cooldown: 5m}\nrules:\n".to_owned();
    for rule in 0..RULES_PER_FILE {
        let _ = write!(
            text,
            "  - name: team-{number}-service-{rule}\n    owner: team-{number}\n    match: ['alertname=\"ServiceDown\"', \
             'service=\"team-{number}-service-{rule}\"', 'env=~\"prod|stage\"', 'instance=~\"node-[0-9]+:9100\"']\n    \
             target: {{container: $labels.service, allow: [\"team-{number}-*\"]}}\n    steps:\n      - restart: {{grace: 20s}}\n        \
             verify: {{settle: 10s, healthy_for: 1m, resolved_within: 10m}}\n      - escalate: {{message: \"still down\"}}\n    \
             budget: [2 per 1h, 5 per 24h]\n"
        );
    }
    text
}

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let folder = bench.folder.join("check");
    fs::create_dir_all(folder.join("rules"))?;
    for number in 0..FILES {
        fs::write(folder.join(format!("rules/{number:04}.yaml")), file(number))?;
    }
    quiet(bench);
    let watch = Watch::start();
    let mut times = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let output = Command::new(bench.options.fettle.canonicalize()?)
            .args(["check", "rules"])
            .current_dir(&folder)
            .output()?;
        times.push(begun.elapsed());
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = format!("{} rules in {FILES} files: no problems\n", FILES * RULES_PER_FILE);
        ensure!(
            output.status.success() && said == expected,
            "fettle check: {}",
            said.lines().next().unwrap_or_default()
        );
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    let title = format!("check of {FILES} rule files with {} rules", FILES * RULES_PER_FILE);
    let measured = format!("{:.2} s{}", median.as_secs_f64(), noise(&watch));
    let met = (median < Duration::from_secs(1), median < Duration::from_millis(300));
    table.rows.push(Row::judged(&title, measured, ("< 1 s", "< 0.3 s"), met));
    Ok(())
}
