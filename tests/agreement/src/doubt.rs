//! Scenarios whose order of things is in doubt: the service may do two things that are due together in either order, and where
//! they take something from each other the other order has another end.

use std::time::Duration;

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
    lines.iter().enumerate().any(|(at, (target, line))| {
        let together = lines[at + 1..].iter().take_while(|(_, other)| near(other.at, line.at));
        together.filter(|(other, _)| other != target).any(|(_, other)| is_rationed(line) || is_rationed(other))
    })
}

/// Whether a limit that targets share said no, or a place was taken that others may want.
fn is_rationed(line: &Line) -> bool {
    [Guard::InFlight, Guard::Budget].iter().any(|guard| line.what == format!("blocked by {guard}"))
}
