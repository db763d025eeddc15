//! For people: what failed, expected against happened in the order of time, and what no test reached.

use std::fmt::Write as _;

use super::{Ran, Results};
use crate::test::Line;
use fettle_core::diagnostic::render;

/// Lines that are as expected before and after one that is not.
const CONTEXT: usize = 2;

/// Gaps that are named.
const GAPS: usize = 20;

/// The results as text.
#[must_use]
pub fn human(results: &Results) -> String {
    let mut text = render::human(&results.problems);
    for ran in results.ran.iter().filter(|it| !it.difference.is_none()) {
        failed(&mut text, ran);
    }
    let (all, bad) = (results.ran.len(), results.failed());
    let _ = writeln!(text, "{all} {}, {} passed, {bad} failed", plural(all, "test"), all - bad);
    if !results.partial && results.problems.is_empty() {
        coverage(&mut text, results);
    }
    text
}

fn failed(text: &mut String, ran: &Ran) {
    let _ = writeln!(text, "FAIL {}:{} {}", ran.file, ran.line, ran.name);
    let lines = &ran.difference.lines;
    let width = lines.iter().map(|line| line.at.len()).max().unwrap_or(0);
    let near = |at: usize| {
        let around = at.saturating_sub(CONTEXT)..(at + CONTEXT + 1).min(lines.len());
        lines[around].iter().any(|line| line.kind != "same")
    };
    let mut skipped = false;
    for (at, line) in lines.iter().enumerate() {
        if !near(at) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            text.push_str("       …\n");
        }
        let _ = writeln!(text, "  {} {:>width$}  {}{}", sign(line), line.at, line.text, place(line));
    }
    if skipped {
        text.push_str("       …\n");
    }
    text.push_str("  - expected, + happened, ! cannot be done\n\n");
}

fn sign(line: &Line) -> char {
    match line.kind {
        "missing" => '-',
        "unexpected" => '+',
        "wrong" => '!',
        _ => ' ',
    }
}

fn place(line: &Line) -> String {
    if matches!(line.kind, "missing" | "wrong") { format!("  [line {}]", line.line) } else { String::new() }
}

fn coverage(text: &mut String, results: &Results) {
    let ((rules, all_rules), (steps, all_steps)) = (results.coverage.rules(), results.coverage.steps());
    let _ = writeln!(text, "reached {rules} of {all_rules} rules, {steps} of {all_steps} steps");
    let gaps = results.coverage.not_reached();
    for gap in gaps.iter().take(GAPS) {
        match (gap.step, gap.action) {
            (Some(step), Some(action)) => {
                let _ = writeln!(text, "  not reached: {} step {step}, {action} ({})", gap.rule, gap.source);
            }
            _ => {
                let _ = writeln!(text, "  not reached: {} ({})", gap.rule, gap.source);
            }
        }
    }
    if gaps.len() > GAPS {
        let _ = writeln!(text, "  and {} more", gaps.len() - GAPS);
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}
