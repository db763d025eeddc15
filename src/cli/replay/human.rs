//! The report of a replay for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use super::super::table::{clean, table};
use super::sources::Source;
use fettle_core::action::Action;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::time::since;
use fettle_predict::replay::effort::{Effort, Tally};
use fettle_predict::replay::report::{Change, Kind, Pair, Report};

/// The report.
pub(super) fn show(report: &Report) -> String {
    let mut text = format!(
        "{} to {}, {}: {} notifications, {} alerts\n\n",
        instant(report.from),
        instant(report.to),
        clean(&report.source),
        report.notifications,
        report.alerts
    );
    let mut rows: Vec<Vec<String>> = report.rules.iter().map(|it| row(&clean(&it.rule), &it.pair)).collect();
    if rows.is_empty() {
        text.push_str("no rule selects any of them\n");
    } else {
        if rows.len() > 1 {
            rows.push(row("all", &report.total));
        }
        text.push_str(&table(&["RULE", "OPENED", "DONE", "REFUSED", "BLOCKED", "PEOPLE", "ENDED"], &rows));
    }
    if let Some(it) = report.compared {
        text.push_str("\nIn brackets: more or fewer than on record.\n");
        let _ = writeln!(
            text,
            "Remediations: {} the same, {} different, {} new, {} gone.",
            it.same, it.different, it.new, it.gone
        );
    }
    for change in &report.remediations {
        text.push('\n');
        text.push_str(&changed(change));
    }
    text
}

fn row(name: &str, pair: &Pair) -> Vec<String> {
    let (would, was) = (&pair.would, pair.was.as_ref());
    let empty = Tally::default();
    let old = was.unwrap_or(&empty);
    let has = was.is_some();
    let people = [("asked", would.asked, old.asked), ("called", would.escalated, old.escalated)];
    let people = people.into_iter().filter(|(_, now, then)| *now > 0 || (has && *then > 0));
    let people: Vec<_> =
        people.map(|(what, now, then)| format!("{what} {}", number(now, has.then_some(then)))).collect();
    let mut done = counts(&would.actions, has.then_some(&old.actions), "");
    let observed = counts(&would.observed, has.then_some(&old.observed), "would ");
    if !observed.is_empty() {
        done = if done.is_empty() { observed } else { format!("{done}, {observed}") };
    }
    let cells = [
        name.to_owned(),
        number(would.opened, was.map(|was| was.opened)),
        done,
        counts(&would.refused, has.then_some(&old.refused), ""),
        counts(&would.blocked, has.then_some(&old.blocked), ""),
        people.join(", "),
        counts(&would.outcomes, has.then_some(&old.outcomes), ""),
    ];
    cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }).into()
}

fn counts(would: &BTreeMap<&'static str, u64>, was: Option<&BTreeMap<&'static str, u64>>, before: &str) -> String {
    let names: std::collections::BTreeSet<_> = would.keys().chain(was.into_iter().flat_map(BTreeMap::keys)).collect();
    let of = |from: &BTreeMap<&'static str, u64>, name| from.get(name).copied().unwrap_or_default();
    let cell = |name: &&&'static str| {
        let count = number(of(would, **name), was.map(|was| of(was, **name)));
        format!("{before}{name} {count}")
    };
    names.iter().map(cell).collect::<Vec<_>>().join(", ")
}

/// A number, and how many more or fewer than on record.
fn number(would: u64, was: Option<u64>) -> String {
    match was {
        Some(was) if would > was => format!("{would} (+{})", would - was),
        Some(was) if would < was => format!("{would} (-{})", was - would),
        _ => would.to_string(),
    }
}

fn changed(change: &Change) -> String {
    let Some(either) = change.either() else { return String::new() };
    let sign = match change.change {
        Kind::Same => '=',
        Kind::Different => '~',
        Kind::New => '+',
        Kind::Gone => '-',
    };
    let mut text =
        format!("{sign} {}  {}  {}\n", instant(either.opened_at), clean(&either.rule), clean(&either.target));
    match (&change.was, &change.would) {
        (Some(was), Some(would)) => {
            if was.rule != would.rule {
                let _ = writeln!(text, "    was by {}", clean(&was.rule));
            }
            let _ = writeln!(text, "    was    {}\n    would  {}", story(was), story(would));
        }
        (Some(one), None) | (None, Some(one)) => {
            let _ = writeln!(text, "    {}", story(one));
        }
        (None, None) => {}
    }
    text
}

/// What happened in it, on one line.
fn story(effort: &Effort) -> String {
    let mut parts: Vec<String> = effort.blocked.iter().map(|guard| format!("blocked by {guard}")).collect();
    if effort.asked > 0 {
        parts.push("asked a person".to_owned());
    }
    for act in &effort.acts {
        let result = act.result.map(|it| format!(" {it}")).unwrap_or_default();
        let verdict = act.verdict.map(|it| format!(", {it}")).unwrap_or_default();
        parts.push(format!("{}{result}{verdict}", act.action));
    }
    parts.extend(effort.refused.map(|guard| format!("refused by {guard}")));
    parts.push(effort.outcome.map_or("still open".to_owned(), |it| format!("closed {it}")));
    parts.join("; ")
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// What decides which warnings there are.
pub(super) struct Facts<'a> {
    pub(super) rules: &'a RuleSet,
    pub(super) settings: &'a Settings,
    pub(super) source: Source,
    pub(super) first: Option<Timestamp>,
    pub(super) passed_over: u64,
    pub(super) idle_answers: u64,
}

/// What this replay could not know.
pub(super) fn warnings(facts: &Facts<'_>, from: Timestamp) -> Vec<String> {
    let mut found = Vec::new();
    match (facts.first, facts.source) {
        (None, Source::Database) => found.push("nothing was received in this period".to_owned()),
        (None, _) => found.push("there is nothing in it".to_owned()),
        (Some(first), Source::Database) if since(first, from) > Duration::from_hours(24) => found.push(format!(
            "nothing before {} is kept (retention.notifications), so less was replayed than asked for",
            instant(first)
        )),
        _ => {}
    }
    if facts.source == Source::Database && facts.settings.alertmanager {
        found.push(
            "ends and silences that fettle learnt from Alertmanager's API are in no notification, so they are not here"
                .to_owned(),
        );
    }
    if facts.source != Source::Database {
        found.push("there is no record of Docker: every target is taken to be there and to permit fettle".to_owned());
    }
    if facts.source == Source::Prometheus {
        found.push(
            "labels that Prometheus adds on its way to Alertmanager (external_labels) are not in ALERTS".to_owned(),
        );
    }
    if facts.passed_over > 0 {
        found.push(format!(
            "alerts passed over, because an effect that is assumed to have fixed them would have kept them from firing on: {}",
            facts.passed_over
        ));
    }
    if facts.idle_answers > 0 {
        found.push(format!("answers of people to something that is not proposed here: {}", facts.idle_answers));
    }
    let steps = || facts.rules.iter().flat_map(|rule| &rule.steps);
    if steps().any(|step| step.verify.query.is_some()) {
        found.push("metrics (verify.query) are taken to hold".to_owned());
    }
    if steps().any(|step| matches!(&step.action, Action::Restart { dependents: Some(_), .. })) {
        found.push("dependents of a container are not known and are left out".to_owned());
    }
    found
}
