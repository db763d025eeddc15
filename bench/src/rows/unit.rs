//! Unit tests of rules: a thousand timelines through `fettle test`, from the start of the process to its end.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::{Bench, noise, quiet};
use crate::machine::Watch;
use crate::table::{Row, Table};

/// Timelines, each of four restarts and a refusal.
const TIMELINES: usize = 1000;

/// Timelines in one file.
const PER_FILE: usize = 50;

/// The best of so many runs.
const RUNS: usize = 3;

const RULES: &str = "\
version: 1
rules:
  - name: web
    match: ['alertname=\"Down\"']
    target: {container: $labels.service, allow: [\"*\"]}
    steps: [restart]
    budget: [3 per 1h]
    cooldown: 5m
";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let folder = bench.folder.join("unit");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("web.yaml"), RULES)?;
    for file in 0..TIMELINES / PER_FILE {
        std::fs::write(folder.join(format!("web-{file}.test.yaml")), tests(file)?)?;
    }
    quiet(bench);
    let watch = Watch::start();
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let began = Instant::now();
        let output = Command::new(&bench.options.fettle).arg("test").arg(&folder).output()?;
        best = best.min(began.elapsed().as_secs_f64());
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && said.contains(&format!("{TIMELINES} tests")), "fettle test: {said}");
    }
    let measured = format!("{best:.2} s{}", noise(&watch));
    let title = format!("fettle test, {TIMELINES} timelines");
    table.rows.push(Row::judged(&title, measured, ("< 2 s", "< 1 s"), (best < 2.0, best < 1.0)));
    Ok(())
}

fn tests(file: usize) -> Result<String> {
    let mut text = String::from("rule_files: [web.yaml]\ntests:\n");
    for number in 0..PER_FILE {
        let name = format!("s{}", file * PER_FILE + number);
        writeln!(text, "  - name: the fourth restart of {name} within the hour is refused")?;
        writeln!(text, "    docker: {{containers: [{{name: {name}}}]}}\n    timeline:")?;
        for minute in [0, 12, 24, 36] {
            writeln!(text, "      - {{at: {minute}m, firing: {{alertname: Down, service: {name}}}}}")?;
            writeln!(text, "      - {{at: {}m, resolved: {{alertname: Down, service: {name}}}}}", minute + 1)?;
        }
        writeln!(text, "    expect:")?;
        for minute in [0, 12, 24] {
            writeln!(text, "      - {{at: {minute}m, action: restart, verdict: fixed}}")?;
        }
        writeln!(text, "      - {{at: 36m, blocked: budget}}")?;
    }
    Ok(text)
}
