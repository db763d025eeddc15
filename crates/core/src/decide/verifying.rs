//! The effect happened: is the target well, for long enough, and is the alert gone?

use super::{Ask, Decision, Event, Looked, Turn, approving, away};
use crate::action::Action;
use crate::remediation::outcome::Verdict;
use crate::remediation::state::{State, Verifying};
use crate::time::after;
use crate::verdict::{Evidence, Judgement, Look, judge};

pub(super) fn decide(mut turn: Turn<'_>, mut verifying: Verifying, event: &Event) -> Decision {
    if let Some(answer) = approving::cancellation(&turn) {
        // A person's decision proves nothing for or against the rule.
        let reason = format!("cancelled by {} before it could be judged", answer.by);
        give_verdict(&mut turn, &verifying, Verdict::Superseded, &reason);
        return approving::cancelled(turn, answer);
    }
    let Verifying { attempt, effect_at, .. } = &verifying;
    // A resolve may wake it early: nothing is judged before the target had time to settle.
    let settled_at = after(*effect_at, attempt.verify.settle);
    if turn.facts.now < settled_at {
        turn.remediation.state = State::Verifying(Verifying { until: settled_at, ..verifying });
        return turn.done();
    }
    let looked = match event {
        Event::Due => {
            let (target, pin, query) =
                (turn.remediation.target.clone(), attempt.pin.clone(), attempt.verify.query.clone());
            return turn.ask(Ask::Look { target, pin, query, path_of: None });
        }
        Event::Looked(looked) => looked,
        Event::Found(_) | Event::Peeked(_) | Event::Refused(_) | Event::Returned(_) => return turn.done(),
    };
    match &looked.target {
        Ok(_) => away::resume(&mut turn, &mut verifying),
        Err(blind) => {
            if let Some(until) = away::suspend(&mut turn, &verifying, blind) {
                turn.remediation.state = State::Verifying(Verifying { well_since: None, until, ..verifying });
                return turn.done();
            }
        }
    }
    let Verifying { attempt, effect_at, .. } = &verifying;
    let look = match looked {
        Looked { metric: Some(Err(_)), .. } | Looked { target: Err(_), .. } => Look::Blind,
        Looked { target: Ok(Some(sight)), .. } => Look::Seen(sight),
        Looked { target: Ok(None), .. } => Look::Gone,
    };
    let free_above = match &attempt.action {
        Action::CleanLogs(clean) => clean.free_above,
        Action::Prune(prune) => prune.free_above,
        _ => None,
    };
    let evidence = Evidence {
        verify: &attempt.verify,
        free_above,
        metric: looked.metric.as_ref().and_then(|metric| metric.clone().ok()),
        effect_at: *effect_at,
        first: verifying.first.as_ref(),
        baseline: turn.remediation.pin.as_ref(),
        well_since: verifying.well_since,
        alerts: turn.facts.alerts,
        now: turn.facts.now,
    };
    let judgement = judge(&evidence, look);
    let seen = if let Look::Seen(sight) = look { Some(sight.pin()) } else { None };
    let first = verifying.first.clone().or_else(|| seen.clone());
    if seen.is_some() {
        // Restarts by Docker's own policy move the run on; the break in wellness is judged already.
        turn.remediation.pin = seen;
    }
    match judgement {
        Judgement::Wait { well_since, until } => {
            turn.remediation.state = State::Verifying(Verifying { first, well_since, until, ..verifying });
            turn.done()
        }
        Judgement::Given { verdict, reason } => {
            give_verdict(&mut turn, &verifying, verdict, &reason);
            turn.follow(verdict, &reason)
        }
    }
}

/// The verdict on the effect, which its dependents share.
fn give_verdict(turn: &mut Turn<'_>, of: &Verifying, verdict: Verdict, reason: &str) {
    turn.verdict(of.attempt.action_id, of.attempt.action.name(), verdict, reason);
    for dependent in &of.also {
        turn.shared_verdict(dependent.action_id, dependent.action.name(), verdict, reason);
    }
}
