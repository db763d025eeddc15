//! Must a person agree, and what did they say?
//!
//! An answer is bound to the hash of a plan: target, run, step and parameters. It counts once, within its time, and only for
//! exactly that; the guards are asked again before it is used. Before anybody is asked, budget and exclusion are peeked
//! at, so that no one is woken for what could not be done anyway.

use serde_json::json;

use super::refusing::refuse;
use super::{Ask, Decision, Turn, audit_row};
use crate::guard::{self, Request};
use crate::id::AnswerId;
use crate::matcher::all_match;
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::{ActionResult, Outcome};
use crate::remediation::plan;
use crate::remediation::record::Record;
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Approved, Awaiting, Proposal, State};
use crate::rule::model::{APPROVAL_WITHIN, Mode, Rule, Step};
use crate::sight::Sight;
use crate::surroundings::{Answer, AnswerKind};
use crate::time::after;

/// A container that carries this label with the value `always` is touched only when a person agrees.
const LABEL: &str = "fettle.approval";

/// A person's answer that was not taken in yet.
fn fresh<'a>(turn: &Turn<'a>) -> Option<&'a Answer> {
    turn.facts.surroundings.answer.as_ref().filter(|answer| turn.remediation.answered != Some(answer.id))
}

/// A person stops the whole effort.
pub(super) fn cancellation<'a>(turn: &Turn<'a>) -> Option<&'a Answer> {
    fresh(turn).filter(|answer| answer.kind == AnswerKind::Cancel)
}

/// A person's answer to exactly what was proposed, given within its time.
pub(super) fn answer_to<'a>(turn: &Turn<'a>, asked: &Awaiting) -> Option<&'a Answer> {
    let Awaiting { proposal, until, .. } = asked;
    fresh(turn).filter(|answer| {
        answer.kind != AnswerKind::Cancel
            && answer.plan.as_deref() == Some(&*proposal.hash)
            && (proposal.asked_at..=*until).contains(&answer.at)
    })
}

/// A person refused what was proposed.
pub(super) fn rejected(mut turn: Turn<'_>, asked: &Awaiting, answer: &Answer) -> Decision {
    turn.remediation.answered = Some(answer.id);
    record_unused(&mut turn, &asked.proposal, ActionResult::Refused, &answer.by);
    turn.close(Outcome::Rejected, &format!("rejected by {}", answer.by));
    turn.leave(Came::Declined);
    turn.done()
}

/// A person stops the whole effort.
pub(super) fn cancelled(mut turn: Turn<'_>, answer: &Answer) -> Decision {
    turn.remediation.answered = Some(answer.id);
    turn.close(Outcome::Cancelled, &format!("cancelled by {}", answer.by));
    turn.leave(Came::Declined);
    turn.done()
}

/// The time for an answer is over.
pub(super) fn unanswered(mut turn: Turn<'_>, asked: &Awaiting) -> Decision {
    if let Some(refusal) = guard::before_look(&turn.known())
        && refusal.guard == Guard::Resolved
    {
        return refuse(turn, &refusal);
    }
    let Awaiting { proposal, until, .. } = asked;
    let detail = json!({"plan": proposal.hash, "asked_at": proposal.asked_at, "until": until});
    let refusal =
        Refusal { guard: Guard::Approval, until: None, why: format!("nobody answered until {until}"), detail };
    record_unused(&mut turn, proposal, ActionResult::Expired, "fettle");
    turn.gave_up(&refusal);
    turn.close(Outcome::Expired, &refusal.why);
    turn.leave(Came::Unanswered);
    turn.done()
}

/// Writes the audit row of a proposal that was not carried out.
fn record_unused(turn: &mut Turn<'_>, proposal: &Proposal, result: ActionResult, by: &str) {
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
    /// Whether a person stopped the container is not known.
    UnknownEnd,
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
            Self::UnknownEnd => f.write_str("the daemon began after the container ended: a person may have stopped it"),
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
    let ended = turn.remediation.ended.as_ref();
    if sight.is_some_and(|sight| guard::asks_whether_stopped(&step.action, sight, ended)) {
        return Some(Consent::UnknownEnd);
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
pub(super) fn admit_or_propose(
    turn: Turn<'_>,
    asked: Option<&Awaiting>,
    step: &Step,
    sight: &Sight,
    mut request: Request,
) -> Decision {
    if let Some(order) = &turn.remediation.order {
        // Ordering an action means agreeing to it: the order itself is the answer.
        let hash = plan::hash(&turn.remediation.target.to_string(), &sight.pin(), turn.remediation.rung, &step.action);
        request.plan.approved = Some(Approved { id: AnswerId(turn.remediation.id.0), by: order.by.clone(), hash });
        return turn.ask(Ask::Admit(Box::new(request)));
    }
    let Some(why) = reason(&turn, step, Some(sight), request.plan.mode) else {
        return turn.ask(Ask::Admit(Box::new(request)));
    };
    let (target, pin) = (turn.remediation.target.to_string(), sight.pin());
    let (action, rung) = (&step.action, turn.remediation.rung);
    let same = |it: &Proposal| it.rung == rung && it.action == *action && !it.pin.superseded_by(&pin);
    let hash = match asked {
        Some(asked) if same(&asked.proposal) => asked.proposal.hash.clone(),
        _ => plan::hash(&target, &pin, rung, action),
    };
    if let Some(answer) = asked.and_then(|asked| answer_to(&turn, asked))
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
        Err(refusal) => return refuse(turn, &refusal),
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
    turn.remediation.state = State::AwaitingApproval(Awaiting { proposal: Box::new(proposal), until, look_at: None });
    turn.count(Guard::Approval);
    turn.tell("approval asked for", detail);
    turn.done()
}
