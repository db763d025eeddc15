//! A call that was made after others had given its effect up: what is written beside the row that says it did not happen.
//!
//! Whoever took over saw an unchanged target when the daemon could not be at it any more, and closed the row as failed. A
//! process that stood still right before its call does not know that, and calls all the same (design §1). The row is final;
//! the verdict `superseded` and an event beside it say what became of it. The budget is spent by the row as it is.

use serde_json::json;

use super::running::Call;
use crate::effect::Proof;
use crate::id::RemediationId;
use crate::remediation::outcome::Verdict;
use crate::remediation::record::{EventRow, Record, Severity, VerdictRow};
use crate::remediation::state::Attempt;
use crate::target::Target;
use crate::time::{Timestamp, since};

/// Whose call it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The remediation; of a loan, the one that lent.
    pub remediation: RemediationId,
    /// Its rule.
    pub rule: &'a str,
    /// What was touched.
    pub target: &'a Target,
}

/// What is written when the result of `call` finds its claim lost; `None` when it is certain that the call did nothing.
#[must_use]
pub fn late(whose: &Whose<'_>, attempt: &Attempt, call: &Call, now: Timestamp) -> Option<Vec<Record>> {
    let seen = matches!(&call.after, Ok(Some(sight)) if attempt.effect.proof(&attempt.pin, sight) == Proof::Happened);
    let what = match &call.answer {
        Ok(()) => "it was done",
        Err(_) if seen => "it was done",
        // A daemon that says no may have done some of it; only a look that it was not is certain.
        Err(failure) if failure.nothing_sent || (failure.is_answer && call.after.is_ok()) => return None,
        Err(_) => "it may have been done",
    };
    let late = since(call.started_at, attempt.intended_at).as_secs();
    let reason = format!("{what} {late} s after its intent, when others had given it up");
    let (name, action_id) = (attempt.action.name(), attempt.action_id);
    let details = json!({"action_id": action_id, "remediation_id": whose.remediation, "rule": whose.rule,
        "target": whose.target, "action": name, "intended_at": attempt.intended_at, "called_at": call.started_at,
        "error": call.answer.as_ref().err().map(|failure| &failure.error), "why": reason});
    let row = VerdictRow { action_id, at: now, verdict: Verdict::Superseded, reason };
    Some(vec![
        Record::Verdict { rule: whose.rule.to_owned(), action: name, row },
        Record::Event(EventRow { at: now, event: "late_call", severity: Severity::Warning, details }),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Blind, CallFailure};
    use crate::effect::Effect;
    use crate::id::ActionId;
    use crate::rule::model::Verify;
    use crate::sight::Sight;
    use crate::testing::{at, container, restart, secs, web};

    fn told(answer: Result<(), CallFailure>, after: bool) -> Option<String> {
        let look = if after { container().restarted_at(90) } else { container() };
        told_after(answer, Ok(Some(Box::new(look.into()))))
    }

    fn told_after(answer: Result<(), CallFailure>, after: Result<Option<Box<Sight>>, Blind>) -> Option<String> {
        let attempt = Attempt {
            action_id: ActionId::nil(),
            rung: 0,
            action: restart().action,
            effect: Effect::Restart { grace: secs(10) },
            dependent: None,
            verify: Verify::default(),
            pin: container().pin(),
            intended_at: at(0),
        };
        let call = Call { started_at: at(75), detail: json!({}), answer, after, short: None };
        let target = web();
        let whose = Whose { remediation: RemediationId::nil(), rule: "r", target: &target };
        let records = late(&whose, &attempt, &call, at(80))?;
        match &records[..] {
            [Record::Verdict { row, .. }, Record::Event(event)] => {
                assert_eq!((row.verdict, event.event), (Verdict::Superseded, "late_call"));
                Some(row.reason.clone())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_late_call_is_told_unless_it_is_certain_that_it_did_nothing() {
        let failure = |nothing_sent, is_answer| CallFailure {
            reason: "docker_error",
            error: "no".to_owned(),
            nothing_sent,
            is_answer,
        };
        assert_eq!(
            told(Ok(()), true).as_deref(),
            Some("it was done 75 s after its intent, when others had given it up")
        );
        assert_eq!(told(Err(failure(true, false)), false), None, "nothing was sent");
        assert_eq!(told(Err(failure(false, true)), false), None, "the daemon said no, and nothing is to be seen");
        assert!(told(Err(failure(false, true)), true).is_some_and(|it| it.starts_with("it was done")), "no, and done");
        let blind = || Err(Blind { reason: "unreachable", error: "gone".to_owned() });
        assert!(
            told_after(Err(failure(false, true)), blind()).is_some_and(|it| it.starts_with("it may have")),
            "no, and unseen"
        );
        assert_eq!(told_after(Err(failure(true, false)), blind()), None, "nothing was sent, whoever looks");
        assert!(told(Err(failure(false, false)), false).is_some_and(|it| it.starts_with("it may have")), "no answer");
    }
}
