//! Must a person agree, and what did they say?
//!
//! An answer is bound to the hash of a plan: target, run, step and parameters. It counts once, within its time, and only for
//! exactly that; the guards are asked again before it is used. Before anybody is asked, budget and exclusion are peeked
//! at, so that no one is woken for what could not be done anyway.

use serde_json::json;

use super::refusing::refuse;
use super::waiting::{early, on_time};
use super::{Ask, Decision, Turn, audit_row};
use crate::guard::{self, Request};
use crate::matcher::all_match;
use crate::remediation::outcome::{ActionResult, Outcome};
use crate::remediation::plan;
use crate::remediation::record::Record;
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Approved, Proposal, State};
use crate::rule::model::{APPROVAL_WITHIN, Mode, Rule, Step};
use crate::sight::Sight;
use crate::surroundings::{Answer, AnswerKind};
use crate::time::after;

/// A container that carries this label with the value `always` is touched only when a person agrees.
const LABEL: &str = "fettle.approval";

/// A person's answer that was not taken in yet.
pub(super) fn fresh_answer<'a>(turn: &'a Turn<'_>) -> Option<&'a Answer> {
    let answer = turn.facts.surroundings.answer.as_ref()?;
    let meant = match (&turn.remediation.state, answer.kind) {
        (_, AnswerKind::Cancel) => true,
        (State::AwaitingApproval { proposal, until, .. }, _) => {
            answer.plan.as_deref() == Some(&*proposal.hash) && (proposal.asked_at..=*until).contains(&answer.at)
        }
        _ => false,
    };
    (meant && turn.remediation.answered != Some(answer.id)).then_some(answer)
}

/// A person answered, and the answer counts.
pub(super) fn answered(mut turn: Turn<'_>, rule: &Rule) -> Decision {
    let Some(answer) = fresh_answer(&turn).cloned() else { return turn.done() };
    match answer.kind {
        // The plan is looked at once more, with all guards; the answer is used up by the intent.
        AnswerKind::Approve => on_time(turn, rule),
        AnswerKind::Reject => {
            turn.remediation.answered = Some(answer.id);
            unused(&mut turn, ActionResult::Refused, &answer.by);
            turn.close(Outcome::Rejected, &format!("rejected by {}", answer.by));
            turn.done()
        }
        AnswerKind::Cancel => cancelled(turn, &answer),
    }
}

/// A person stops the whole effort.
pub(super) fn cancelled(mut turn: Turn<'_>, answer: &Answer) -> Decision {
    turn.remediation.answered = Some(answer.id);
    turn.close(Outcome::Cancelled, &format!("cancelled by {}", answer.by));
    turn.done()
}

/// Nobody answered yet.
pub(super) fn unanswered(mut turn: Turn<'_>, due: bool) -> Decision {
    if !due {
        return early(turn);
    }
    if let Some(refusal) = guard::before_look(&turn.known())
        && refusal.guard == Guard::Resolved
    {
        return refuse(turn, refusal);
    }
    let State::AwaitingApproval { proposal, until, .. } = turn.remediation.state.clone() else { return turn.done() };
    let detail = json!({"plan": proposal.hash, "asked_at": proposal.asked_at, "until": until});
    let refusal =
        Refusal { guard: Guard::Approval, until: None, why: format!("nobody answered until {until}"), detail };
    unused(&mut turn, ActionResult::Expired, "fettle");
    turn.gave_up(&refusal);
    turn.close(Outcome::Expired, &refusal.why);
    turn.done()
}

/// The audit row of a proposal that was not carried out.
fn unused(turn: &mut Turn<'_>, result: ActionResult, by: &str) {
    let State::AwaitingApproval { proposal, .. } = turn.remediation.state.clone() else { return };
    let id = turn.new_id();
    let mut row = audit_row(&turn.remediation, id, proposal.action.name(), Mode::Propose, turn.facts.now);
    row.result = Some(result);
    row.reason = Some(Guard::Approval.as_str().to_owned());
    by.clone_into(&mut row.actor);
    row.planned_at = proposal.asked_at;
    row.finished_at = Some(turn.facts.now);
    row.detail = json!({"plan": proposal.hash, "parameters": proposal.action.parameters(), "why": proposal.why});
    turn.records.push(Record::Action(Box::new(row)));
}

/// Why a person must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// The rule's breaker lowered the mode.
    Breaker,
    /// A storm lowered the mode.
    Storm,
    /// The mode of rule or service.
    Mode,
    /// The container's own label.
    Label,
    /// The step says so.
    Rule,
    /// The action is a last resort, and the step does not say otherwise.
    LastResort(&'static str),
}

impl std::fmt::Display for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Breaker => f.write_str("the rule's breaker is open"),
            Self::Storm => f.write_str("there is a storm"),
            Self::Mode => f.write_str("mode is propose"),
            Self::Label => write!(f, "the container carries {LABEL}"),
            Self::Rule => f.write_str("the rule asks for it"),
            Self::LastResort(action) => write!(f, "{action} is a last resort"),
        }
    }
}

/// Why a person must agree to this step; `None`: nobody is asked. Without a sight its labels are not asked.
pub(super) fn reason(turn: &Turn<'_>, step: &Step, sight: Option<&Sight>, mode: Mode) -> Option<Consent> {
    if mode == Mode::Observe {
        return None;
    }
    if mode == Mode::Propose {
        let known = turn.known();
        return Some(if guard::trip_ceiling(&known).is_some() {
            Consent::Breaker
        } else if guard::storm_ceiling(&known).is_some() {
            Consent::Storm
        } else {
            Consent::Mode
        });
    }
    let dependents = sight.and_then(Sight::container).map(|it| &it.dependents[..]).unwrap_or_default();
    let own = sight.map(Sight::parts).unwrap_or_default().into_iter().map(|part| part.labels);
    // Whatever it says: a value that does not read counts as the strictest.
    if own.chain(dependents.iter().map(|it| &it.labels)).any(|labels| labels.contains_key(LABEL)) {
        return Some(Consent::Label);
    }
    if let Some(approval) = &step.approval {
        return all_match(&approval.when, &turn.remediation.alert.labels).then_some(Consent::Rule);
    }
    step.action.asks_by_default().then(|| Consent::LastResort(step.action.name()))
}

/// The plan is made: admitted if nobody must agree or somebody has, else proposed.
pub(super) fn agreed(turn: Turn<'_>, step: &Step, sight: &Sight, mut request: Request) -> Decision {
    if let Some(order) = &turn.remediation.order {
        // Whoever orders it agrees to it.
        let hash = plan::hash(&turn.remediation.target.to_string(), &sight.pin(), turn.remediation.rung, &step.action);
        request.plan.approved = Some(Approved { id: turn.remediation.id, by: order.by.clone(), hash });
        return turn.ask(Ask::Admit(Box::new(request)));
    }
    let Some(why) = reason(&turn, step, Some(sight), request.plan.mode) else {
        return turn.ask(Ask::Admit(Box::new(request)));
    };
    let target = turn.remediation.target.to_string();
    let (pin, action, rung) = (sight.pin(), &step.action, turn.remediation.rung);
    let hash = match &turn.remediation.state {
        State::AwaitingApproval { proposal, .. }
            if proposal.rung == rung && proposal.action == *action && !proposal.pin.superseded_by(&pin) =>
        {
            proposal.hash.clone()
        }
        _ => plan::hash(&target, &pin, rung, action),
    };
    if let Some(answer) = fresh_answer(&turn)
        && answer.kind == AnswerKind::Approve
        && answer.plan.as_deref() == Some(&*hash)
    {
        request.plan.approved = Some(Approved { id: answer.id, by: answer.by.clone(), hash });
        // What is done is an act, whoever agreed to it: it counts where acts are counted.
        request.plan.mode = Mode::Act;
        return turn.ask(Ask::Admit(Box::new(request)));
    }
    request.plan.approved = None;
    request.proposing = Some((hash, why.to_string()));
    turn.ask(Ask::Peek(Box::new(request)))
}

/// Budget and exclusion were looked at: a person is asked, or not yet.
pub(super) fn peeked(mut turn: Turn<'_>, rule: &Rule, answer: Result<Box<Request>, Refusal>) -> Decision {
    let request = match answer {
        Err(refusal) => return refuse(turn, refusal),
        Ok(request) => request,
    };
    let Some((hash, why)) = request.proposing else { return turn.done() };
    let step = rule.steps.get(turn.remediation.rung);
    let within = step.and_then(|step| step.approval.as_ref()).map_or(APPROVAL_WITHIN, |approval| approval.within);
    let now = turn.facts.now;
    let attempt = request.plan.attempt;
    let proposal = Proposal { hash, rung: attempt.rung, action: attempt.action, pin: attempt.pin, asked_at: now, why };
    let detail = json!({"plan": proposal.hash, "action": proposal.action.name(), "why": proposal.why,
        "parameters": proposal.action.parameters(), "effect": attempt.effect.describe(), "until": after(now, within)});
    let until = after(now, within);
    turn.remediation.state = State::AwaitingApproval { proposal: Box::new(proposal), until, look_at: None };
    turn.count(Guard::Approval);
    turn.tell("approval asked for", detail);
    turn.done()
}
