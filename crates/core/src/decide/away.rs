//! Docker does not answer: a wait, never a failure. Which failures mean that is the guard's
//! ([`docker_away`]).
//!
//! - Before a decision the remediation is `blocked docker_away` and looks again soon. An order by hand is refused: the person
//!   who gave it waits for the answer. A proposal that a person agreed to waits as such while the answer counts.
//! - A call that certainly never left closes its row as `failed`, gives its budget back, gets no verdict, and is planned anew
//!   when Docker is back. The call for a dependent keeps its intent and is made then: the effect that it belongs to happened.
//! - An effect that is being verified is not judged by what nobody saw: the time without Docker extends its deadline. It is
//!   `unknown` only when the deadline is over and Docker has been away for [`docker_patience`].
//!
//! Always holds: none of these waits counts for or against the rule. Each is reported to people once, after
//! [`docker_patience`]. Looks are at most [`LOOK_PAUSE_MAX`] apart; calls that cannot be sent although looks are answered (two
//! proxies, one of them down) are at most [`CALL_PAUSE_MAX`] apart, because each leaves a row.
//!
//! [`docker_patience`]: crate::settings::Settings::docker_patience

use std::time::Duration;

use serde_json::json;

use super::running::{self, End};
use super::{Blind, Decision, Turn, Wait, telling, transition};
use crate::decide::refusing::refuse;
use crate::guard::docker_away;
use crate::remediation::record::Record;
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Awaiting, Away, Remediation, Running, State, Verifying};
use crate::rule::model::{Mode, Rule};
use crate::settings::Settings;
use crate::time::{Timestamp, after, since};

/// Pause after the first look that was not answered; doubled after each further one.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest pause between two looks: when Docker is back, nothing waits longer than that.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(15);

/// The longest pause between two calls that could not be sent.
const CALL_PAUSE_MAX: Duration = Duration::from_mins(1);

/// The pause after so many vain tries in a row, at least one.
fn pause(tries: u32, longest: Duration) -> Duration {
    PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(longest)
}

impl Turn<'_> {
    /// Docker did not answer once more. When to try again: never past the instant at which it is reported to people.
    fn note_away(&mut self, pause: Duration) -> (Away, Timestamp) {
        let now = self.facts.now;
        let away = *self.remediation.away.get_or_insert(Away { since: now, unsent: 0, reported: false });
        let again = after(now, pause);
        let report_at = after(away.since, self.facts.settings.docker_patience);
        let until = if away.reported || report_at <= now { again } else { again.min(report_at) };
        (away, until)
    }

    /// Reports the wait to people, once, when it has lasted for the patience of the settings.
    fn report_away(&mut self, blind: &Blind) {
        let now = self.facts.now;
        let patience = self.facts.settings.docker_patience;
        let Some(away) = self.remediation.away.as_mut().filter(|away| !away.reported) else { return };
        if since(now, away.since) < patience {
            return;
        }
        away.reported = true;
        let refusal = docker_away::refusal(blind, away.since, now, None);
        self.report_guard(&refusal);
    }
}

/// The target could not be seen before a decision.
pub(super) fn block(mut turn: Turn<'_>, wait: &Wait, blind: &Blind) -> Decision {
    turn.remediation.blind = turn.remediation.blind.saturating_add(1);
    let (away, until) = turn.note_away(pause(turn.remediation.blind, LOOK_PAUSE_MAX));
    turn.report_away(blind);
    let now = turn.facts.now;
    // A person who agreed is not asked again for the same plan while the answer counts.
    if let Some(asked) = wait.asked().filter(|asked| now < asked.until) {
        let look_at = Some(until.min(asked.until));
        if asked.look_at.is_none() {
            turn.tell("target could not be seen", json!({"reason": blind.reason, "error": blind.error}));
        }
        turn.remediation.state = State::AwaitingApproval(Awaiting { look_at, ..asked.clone() });
        return turn.done();
    }
    refuse(turn, &docker_away::refusal(blind, away.since, now, Some(until)))
}

/// The call certainly never left. `end` closes its row.
pub(super) fn postpone(mut turn: Turn<'_>, running: Running, end: End, blind: &Blind) -> Decision {
    let away = turn.remediation.away.get_or_insert(Away { since: turn.facts.now, unsent: 0, reported: false });
    away.unsent = away.unsent.saturating_add(1);
    let tries = away.unsent;
    if running.attempt.dependent.is_some() {
        let (_, until) = turn.note_away(pause(tries, LOOK_PAUSE_MAX));
        turn.report_away(blind);
        turn.tell("call could not be sent", json!({"reason": blind.reason, "error": blind.error, "until": until}));
        turn.remediation.state = State::Running(Running { until, unsent: true, ..running });
        return turn.done();
    }
    running::withdraw(&mut turn, &running, end);
    // As if it had not been tried: if the alert ends meanwhile, nothing was done about it.
    turn.remediation.attempts = turn.remediation.attempts.saturating_sub(1);
    let (away, until) = turn.note_away(pause(tries, CALL_PAUSE_MAX));
    turn.report_away(blind);
    let now = turn.facts.now;
    refuse(turn, &docker_away::refusal(blind, away.since, now, Some(until)))
}

/// A call was sent, or may have been: calls that were not are over.
pub(super) fn note_sent(turn: &mut Turn<'_>) {
    if let Some(away) = &mut turn.remediation.away {
        away.unsent = 0;
    }
}

/// Whether the call of a dependent waits for Docker for longer than it may.
pub(super) fn is_over(turn: &Turn<'_>) -> bool {
    let patience = turn.facts.settings.docker_patience;
    turn.remediation.away.is_some_and(|away| since(turn.facts.now, away.since) >= patience)
}

/// A look at an effect that is being verified was not answered. When to look again; `None`: it is judged all the same.
pub(super) fn suspend(turn: &mut Turn<'_>, verifying: &Verifying, blind: &Blind) -> Option<Timestamp> {
    if !docker_away::hides_target(blind.reason) {
        return None;
    }
    turn.remediation.blind = turn.remediation.blind.saturating_add(1);
    let (away, until) = turn.note_away(pause(turn.remediation.blind, LOOK_PAUSE_MAX));
    turn.report_away(blind);
    let now = turn.facts.now;
    let patience = turn.facts.settings.docker_patience;
    let deadline = after(verifying.effect_at, verifying.attempt.verify.resolved_within);
    let over = deadline.max(after(away.since, patience));
    (now < over).then(|| until.min(over))
}

/// The target was seen again: the time without Docker does not count for the verification.
pub(super) fn resume(turn: &mut Turn<'_>, verifying: &mut Verifying) {
    turn.remediation.blind = 0;
    if let Some(away) = turn.remediation.away {
        let lost = since(turn.facts.now, away.since);
        let within = &mut verifying.attempt.verify.resolved_within;
        *within = within.saturating_add(lost);
    }
}

/// Ends the wait when Docker has answered: a look after looks in vain, a call after calls that were not sent.
pub(super) fn end(
    remediation: &mut Remediation,
    records: &mut Vec<Record>,
    rule: Option<&Rule>,
    settings: &Settings,
    now: Timestamp,
) {
    let Some(away) = remediation.away.filter(|away| remediation.blind == 0 && away.unsent == 0) else { return };
    remediation.away = None;
    let seconds = since(now, away.since).as_secs();
    let row = transition(remediation, now, "docker answers again", json!({"since": away.since, "seconds": seconds}));
    // Before what was decided with the answer.
    records.insert(0, row);
    let mode = rule.map_or(settings.mode, |rule| rule.mode.min(settings.mode));
    if away.reported && settings.alertmanager && mode > Mode::Observe {
        records.insert(1, telling::take_back(remediation, rule, Guard::DockerAway.as_str(), now));
    }
}
