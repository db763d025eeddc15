//! Measures rule selection: one JSON line per case, read by `make bench`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints figures and may stop on any fault"
)]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use fettle::core::alert::labels::Labels;
use fettle::core::rule::compile::{Context, SourceFile, compile};
use fettle::core::rule::set::RuleSet;

/// How long each case is repeated.
const LONG_ENOUGH: Duration = Duration::from_millis(300);
/// The best of so many rounds counts: what disturbs only ever makes it slower.
const ROUNDS: u32 = 5;

/// The matcher of the rule with this number.
type Pattern = fn(usize) -> String;

fn main() {
    for rules in [10, 1_000, 10_000] {
        let (set, load_ms, kib) = load(rules, |at| format!("alertname=\"Alert{at}\""));
        report("alertname", rules, &set, &alert(rules / 2), load_ms, kib);
        report("alertname_miss", rules, &set, &alert(rules), load_ms, kib);
    }
    let patterns: [(&str, Pattern); 3] = [
        ("regex_prefix", |at| format!("alertname=~\"Prefix{at}.*\"")),
        ("regex_suffix", |at| format!("alertname=~\".*Suffix{at}\"")),
        ("regex_classes", |at| format!("alertname=~\"[A-Z][a-z]+[0-9]*-{at}-(up|down).+\"")),
    ];
    for (case, pattern) in patterns {
        let (set, load_ms, kib) = load(10_000, pattern);
        report(case, 10_000, &set, &alert(5_000), load_ms, kib);
    }
}

fn load(rules: usize, matcher: impl Fn(usize) -> String) -> (RuleSet, u128, usize) {
    let mut text = "version: 1\nrules:\n".to_owned();
    for at in 0..rules {
        let matcher = matcher(at);
        write!(
            text,
            "  - name: rule-{at}\n    match: ['{matcher}', 'env=~\"prod|stage\"']\n    hold: 30s\n    \
             target: {{container: $labels.service, allow: [web, \"api-*\"]}}\n    steps: [restart]\n    budget: [3 per 1h]\n"
        )
        .unwrap();
    }
    let kib = text.len() / 1024;
    let files = [SourceFile { path: "rules.yaml".to_owned(), text }];
    let start = Instant::now();
    let (set, _) = compile(&files, &Context::default()).unwrap();
    (set, start.elapsed().as_millis(), kib)
}

/// An alert as Prometheus sends it, with a dozen labels.
fn alert(number: usize) -> Labels {
    let mut labels = vec![("alertname".to_owned(), format!("Alert{number}")), ("env".to_owned(), "prod".to_owned())];
    for name in ["instance", "job", "namespace", "pod", "region", "service", "severity", "team", "cluster", "zone"] {
        labels.push((name.to_owned(), format!("{name}-value-7")));
    }
    labels.into_iter().collect()
}

fn report(case: &str, rules: usize, set: &RuleSet, labels: &Labels, load_ms: u128, kib: usize) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (mut times, start) = (0_u32, Instant::now());
        while start.elapsed() < LONG_ENOUGH / ROUNDS {
            for _ in 0..10 {
                black_box(set.select(black_box(labels)).count());
                times += 1;
            }
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(times));
    }
    println!(
        "{{\"case\":\"{case}\",\"rules\":{rules},\"ns_per_alert\":{best:.0},\"load_ms\":{load_ms},\"yaml_kib\":{kib}}}"
    );
}
