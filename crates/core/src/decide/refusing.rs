//! What a guard's "no" means: final ones close, waiting ones block, and those that speak of the alert end the effort.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Decision, Turn};
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::State;
use crate::surroundings::Upstream;
use crate::time::{Timestamp, after};

/// Pause before a waiting guard that knows no time is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Pause before Alertmanager is asked again whether the alert is silenced, or whether it answers again.
const ASK_UPSTREAM_AGAIN: Duration = Duration::from_secs(15);

/// One guard's "no".
pub(super) fn refuse(mut turn: Turn<'_>, refusal: &Refusal) -> Decision {
    let guard = refusal.guard;
    if turn.remediation.order.is_some() {
        // The person who gave the order waits for the answer; an effect much later would surprise them.
        turn.audit_refusal(refusal);
        turn.close_as(Outcome::Refused, guard.as_str());
        turn.tell(format!("refused by {guard}"), describe(refusal));
        return turn.done();
    }
    match guard {
        // Alertmanager could tell, and does not answer: nothing is done, and nothing is forgotten.
        Guard::Expired if matches!(turn.facts.surroundings.upstream, Upstream::Silent { .. }) => {
            block(&mut turn, refusal);
        }
        Guard::Expired => {
            turn.tell("refused by expired", describe(refusal));
            turn.count(guard);
            if turn.remediation.attempts > 0 {
                // An attempt did not help and it is unknown whether the alert still fires: people must hear of it.
                turn.gave_up(refusal);
            }
            turn.close(Outcome::Expired, &refusal.why);
        }
        Guard::Resolved if turn.remediation.attempts == 0 => turn.close(Outcome::Cancelled, &refusal.why),
        Guard::Resolved => turn.cleared("the alert resolved before the next step"),
        _ if guard.is_final() => {
            turn.audit_refusal(refusal);
            turn.close_as(Outcome::Refused, guard.as_str());
            turn.leave(Came::Refused { guard });
            turn.tell(format!("refused by {guard}"), describe(refusal));
        }
        _ => block(&mut turn, refusal),
    }
    turn.done()
}

fn block(turn: &mut Turn<'_>, refusal: &Refusal) {
    let guard = refusal.guard;
    let pause = if matches!(guard, Guard::Silenced | Guard::Expired) { ASK_UPSTREAM_AGAIN } else { ASK_AGAIN };
    let again = after(turn.facts.now, pause);
    let until = refusal.until.unwrap_or(again).max(turn.facts.now);
    let same = matches!(turn.remediation.state, State::Blocked { reason, .. } if reason == guard);
    turn.remediation.state = State::Blocked { reason: guard, until };
    if same {
        return;
    }
    turn.count(guard);
    if matches!(guard, Guard::Budget | Guard::Tripped) && !turn.remediation.told {
        // The limit that protects production is reached and the alert still fires.
        turn.audit_refusal(refusal);
        turn.gave_up(refusal);
    }
    turn.tell(format!("blocked by {guard}"), describe_block(refusal, until));
}

/// A refusal that is asked again, for the timeline.
fn describe_block(refusal: &Refusal, until: Timestamp) -> Value {
    json!({"why": refusal.why, "until": until, "numbers": refusal.detail})
}

/// A final refusal, for the timeline.
fn describe(refusal: &Refusal) -> Value {
    json!({"why": refusal.why, "numbers": refusal.detail})
}
