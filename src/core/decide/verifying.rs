//! The effect happened: is the target well, for long enough, and is the alert gone?

use super::{Ask, Decision, Event, Turn};
use crate::core::remediation::state::State;
use crate::core::time::after;
use crate::core::verdict::{Evidence, Judgement, Look, judge};

pub(super) fn decide(mut turn: Turn<'_>, event: &Event) -> Decision {
    let State::Verifying { attempt, effect_at, well_since, .. } = turn.remediation.state.clone() else {
        return turn.done();
    };
    // A resolve may wake it early: nothing is judged before the target had time to settle.
    let settled_at = after(effect_at, attempt.verify.settle);
    if turn.facts.now < settled_at {
        turn.remediation.state = State::Verifying { attempt, effect_at, well_since, until: settled_at };
        return turn.done();
    }
    let look = match event {
        Event::Due => return turn.ask(Ask::Look { id: attempt.pin.id }),
        Event::Looked(Ok(Some(sight))) => Look::Seen(sight),
        Event::Looked(Ok(None)) => Look::Gone,
        Event::Looked(Err(_)) => Look::Blind,
        Event::Found(_) | Event::Refused(_) | Event::Returned(_) => return turn.done(),
    };
    let evidence = Evidence {
        verify: attempt.verify,
        effect_at,
        baseline: turn.remediation.pin.as_ref(),
        well_since,
        alerts: turn.facts.alerts,
        now: turn.facts.now,
    };
    let judgement = judge(&evidence, look);
    if let Look::Seen(sight) = look {
        // Restarts by Docker's own policy move the run on; the break in wellness is judged already.
        turn.remediation.pin = Some(sight.pin());
    }
    match judgement {
        Judgement::Wait { well_since, until } => {
            turn.remediation.state = State::Verifying { attempt, effect_at, well_since, until };
            turn.done()
        }
        Judgement::Given { verdict, reason } => {
            turn.verdict(attempt.action_id, attempt.action.name(), verdict, &reason);
            turn.follow(verdict, &reason)
        }
    }
}
