//! Selecting rules for an alert, in process: run by the project's own example `select_bench`, which links the crate.
//!
//! It prints a JSON line per case: `{"case": "distinct" | "regex", "rules": N, "select_us": median microseconds per alert}`,
//! and for `regex` also `load_ms` and `rss_mb`. The bounds are here.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{Bench, noise, quiet};
use crate::machine::Watch;
use crate::table::{Row, Table};

#[derive(Debug, Deserialize)]
struct Line {
    case: String,
    rules: u64,
    select_us: f64,
    load_ms: Option<f64>,
    rss_mb: Option<f64>,
}

pub fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let program = bench.options.examples.join("select_bench");
    ensure!(program.is_file(), "{} is not built", program.display());
    quiet(bench);
    let watch = Watch::start();
    let output = Command::new(&program).output()?;
    ensure!(output.status.success(), "select_bench: {}", String::from_utf8_lossy(&output.stderr).trim());
    let noise = noise(&watch);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("select_bench prints {line:?}"))?;
        table.rows.push(row(&line, &noise));
    }
    Ok(())
}

fn row(line: &Line, noise: &str) -> Row {
    let Line { rules, select_us, .. } = line;
    if line.case == "regex" {
        let (load, rss) = (line.load_ms.unwrap_or(f64::NAN), line.rss_mb.unwrap_or(f64::NAN));
        let measured = format!("{:.2} ms per alert, loads in {:.2} s, {rss:.0} MB{noise}", select_us / 1e3, load / 1e3);
        let met = *select_us <= 5e3 && load < 1e3 && rss < 150.0;
        let title = format!("{rules} regex-only rules");
        return Row::judged(&title, measured, ("≤ 5 ms, loads < 1 s, < 150 MB", "≤ 1 ms"), (met, *select_us <= 1e3));
    }
    let (must, text) = match rules {
        0..=10 => (1.0, "≤ 1 µs"),
        11..=1000 => (1.5, "≤ 1.5 µs"),
        _ => (2.0, "≤ 2 µs"),
    };
    let title = format!("select per alert, {rules} rules with distinct alert names");
    let measured = format!("{select_us:.2} µs{noise}");
    Row::judged(&title, measured, (text, "≤ 0.5 µs"), (*select_us <= must, *select_us <= 0.5))
}
