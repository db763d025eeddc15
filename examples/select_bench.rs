//! Measures rule selection; `make bench` reads the JSON lines.
//!
//! A line per case: `case` is `distinct` (each rule has an alert name of its own, the alert matches one of them) or `regex`
//! (no rule can be filed under a value, every one is asked), `select_us` is the median per alert, `load_ms` is text to
//! rule set, `rss_mb` the most memory the process has had so far.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and may stop on any fault"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fettle_core::alert::labels::Labels;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::set::RuleSet;

/// How long each case is repeated.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

fn main() {
    for rules in [10, 1_000, 10_000] {
        measure("distinct", rules, |at| format!("alertname=\"Alert{at}\""));
    }
    // What begins, what ends, and what only an automaton can tell.
    measure("regex", 10_000, |at| match at % 3 {
        0 => format!("alertname=~\"Prefix{at}.*\""),
        1 => format!("alertname=~\".*Suffix{at}\""),
        _ => format!("alertname=~\"[A-Z][a-z]+[0-9]*-{at}-(up|down).+\""),
    });
}

fn measure(case: &str, rules: usize, matcher: impl Fn(usize) -> String) {
    let files = [SourceFile { path: "rules.yaml".to_owned(), text: text(rules, matcher) }];
    let start = Instant::now();
    let (set, _) = compile(&files, &Context::default()).unwrap();
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let rss_mb = peak_mb();
    let select_us = median_us(&set, &alert(rules / 2));
    println!(
        "{{\"case\":\"{case}\",\"rules\":{rules},\"select_us\":{select_us:.3},\"load_ms\":{load_ms:.1},\"rss_mb\":{rss_mb:.1}}}"
    );
}

fn text(rules: usize, matcher: impl Fn(usize) -> String) -> String {
    // `env` is written so that it cannot be filed under either.
    let mut text = "version: 1\nrules:\n".to_owned();
    for at in 0..rules {
        let matcher = matcher(at);
        write!(
            text,
            "  - name: rule-{at}\n    match: ['{matcher}', 'env=~\"pro.|stag.\"']\n    hold: 30s\n    \
             target: {{container: $labels.service, allow: [web, \"api-*\"]}}\n    steps: [restart]\n    budget: [3 per 1h]\n"
        )
        .unwrap();
    }
    text
}

/// An alert as Prometheus sends it, with a dozen labels.
fn alert(number: usize) -> Labels {
    let mut labels = vec![("alertname".to_owned(), format!("Alert{number}")), ("env".to_owned(), "prod".to_owned())];
    for name in ["instance", "job", "namespace", "pod", "region", "service", "severity", "team", "cluster", "zone"] {
        labels.push((name.to_owned(), format!("{name}-value-7")));
    }
    labels.into_iter().collect()
}

fn median_us(set: &RuleSet, labels: &Labels) -> f64 {
    // As many at once as take about a hundred microseconds, so that the clock itself does not count.
    let once = Instant::now();
    black_box(set.select(black_box(labels)).count());
    let batch = u32::try_from((100_000 / once.elapsed().as_nanos().max(1)).clamp(1, 1_000)).unwrap();
    let (mut times, start) = (Vec::new(), Instant::now());
    while start.elapsed() < LONG_ENOUGH {
        let begin = Instant::now();
        for _ in 0..batch {
            black_box(set.select(black_box(labels)).count());
        }
        times.push(begin.elapsed().as_secs_f64() * 1e6 / f64::from(batch));
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The most memory this process has had.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
