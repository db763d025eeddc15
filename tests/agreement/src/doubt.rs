//! Scenarios whose order of things is in doubt: the service may do two things that are due together in either order, and where
//! they take something from each other the other order has another end.

use std::time::Duration;

use fettle_core::duration::show;
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::{Timestamp, after, since};
use fettle_sim::time::instant;

use crate::scenario::Scenario;
use crate::told::{Line, Told};

/// What comes nearer to each other may come in either order.
const NEAR: Duration = Duration::from_millis(60);

/// Whether the order matters somewhere.
pub fn is_in_doubt(scenario: &Scenario, foretold: &Told) -> bool {
    let events: Vec<Timestamp> = scenario.events.iter().map(|event| after(instant(0), event.at)).collect();
    let mut lines: Vec<(&str, &Line)> = foretold.lines().collect();
    lines.sort_by_key(|(_, line)| line.at);
    let near = |a: Timestamp, b: Timestamp| since(a, b).max(since(b, a)) < NEAR;
    // What an event causes comes at its very instant.
    let beside_event = |line: &Line| events.iter().any(|event| *event != line.at && near(*event, line.at));
    if lines.iter().any(|(_, line)| beside_event(line)) {
        return true;
    }
    let end = after(instant(0), scenario.until);
    if lines.iter().any(|(_, line)| near(line.at, end)) {
        return true;
    }
    if waits_for_its_end(scenario) || probes_together(&lines, near) {
        return true;
    }
    let shares = shares_little(scenario);
    let caused = |line: &Line| events.contains(&line.at);
    lines.iter().enumerate().any(|(at, (target, line))| {
        let together = lines[at + 1..].iter().take_while(|(_, other)| near(other.at, line.at));
        together.filter(|(other, _)| other != target).any(|(_, other)| {
            let begin = |line: &Line| line.what.contains(" begins") && !caused(line);
            is_rationed(line) || is_rationed(other) || (shares && begin(line) && begin(other))
        })
    })
}

/// Whether targets share so little that whoever comes first may take all of it.
fn shares_little(scenario: &Scenario) -> bool {
    let settings = &scenario.settings;
    let little = settings.in_flight < 2 || settings.budget.iter().any(|budget| budget.max < 4);
    little || scenario.rules[0].to_string().contains("rule_budget")
}

/// Whether an alert is as old as it may be at the very instant at which its hold ends.
fn waits_for_its_end(scenario: &Scenario) -> bool {
    let freshness = show(scenario.settings.freshness);
    let rules = scenario.rules[0]["rules"].as_array();
    rules.into_iter().flatten().any(|rule| rule["hold"] == freshness.as_str())
}

/// Whether two targets may try a breaker at the same instant: one of them does, and the other waits on.
fn probes_together(lines: &[(&str, &Line)], near: impl Fn(Timestamp, Timestamp) -> bool) -> bool {
    let tripped = format!("blocked by {}", Guard::Tripped);
    let waits: Vec<(&str, Timestamp)> = lines
        .iter()
        .filter(|(_, line)| line.what == tripped)
        .filter_map(|(of, line)| Some((*of, line.then?)))
        .collect();
    waits
        .iter()
        .enumerate()
        .any(|(at, (of, until))| waits[at + 1..].iter().any(|(other, then)| other != of && near(*until, *then)))
}

/// Whether a limit that targets share said no, or a place was taken that others may want.
fn is_rationed(line: &Line) -> bool {
    [Guard::InFlight, Guard::Budget].iter().any(|guard| line.what == format!("blocked by {guard}"))
}
