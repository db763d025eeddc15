//! `POST /api/v1/remediations/{id}/approve`, `/reject`, `/cancel`: what people answer.
//!
//! Always holds: an approval names the plan it agrees to, and the store compares it in the transaction that stores it. 202:
//! it counts, and the worker was woken; what comes of it is in the story. A refused answer says why by its `type`. An answer
//! that comes after the remediation went on is told what became of its plan, as if it had come just before.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::control::{Control, reason};
use super::{Answer, unknown};
use crate::http::auth::{Admin, Caller};
use crate::http::problem::{Kind, Problem};
use fettle_core::id::RemediationId;
use fettle_core::ports::model::Answered;
use fettle_core::ports::view::{ActionView, Story};
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::record::{Record, TransitionRow};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::{self, AnswerKind};

/// What the core tells in the story when it asks for an approval.
const ASKED: &str = "approval asked for";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    plan: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    plan: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    reason: Option<String>,
}

/// `POST /api/v1/remediations/{id}/approve`
pub(in crate::http) async fn approve(
    Admin(caller): Admin,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let body: ApproveBody = control.read(&request, payload).await?;
    let plan = body.plan.filter(|plan| !plan.trim().is_empty());
    let plan = plan.ok_or_else(|| Problem::parameter("plan", "is missing: name the hash of the plan you agree to"))?;
    let question = Question { kind: AnswerKind::Approve, id: parsed(&id)?, plan: Some(plan.trim().to_owned()) };
    question.put(&control, &caller, StateName::AwaitingApproval, Value::Null).await
}

/// `POST /api/v1/remediations/{id}/reject`. Without a plan: whatever is proposed now.
pub(in crate::http) async fn reject(
    Admin(caller): Admin,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let body: RejectBody = control.read(&request, payload).await?;
    let id = parsed(&id)?;
    let plan = match body.plan.filter(|plan| !plan.trim().is_empty()) {
        Some(plan) => plan.trim().to_owned(),
        None => proposed(&story(&control, id).await?)?,
    };
    let question = Question { kind: AnswerKind::Reject, id, plan: Some(plan) };
    question.put(&control, &caller, StateName::AwaitingApproval, Value::Null).await
}

/// `POST /api/v1/remediations/{id}/cancel`
pub(in crate::http) async fn cancel(
    Admin(caller): Admin,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    control: web::Data<Control>,
) -> Answer {
    let body: CancelBody = control.read(&request, payload).await?;
    let why = body.reason.as_deref().map(reason).transpose()?.map_or(Value::Null, |why| json!(why));
    let id = parsed(&id)?;
    let state = StateName::from_word(&story(&control, id).await?.remediation.state);
    let question = Question { kind: AnswerKind::Cancel, id, plan: None };
    question.put(&control, &caller, state.unwrap_or(StateName::Held), why).await
}

fn parsed(id: &str) -> Result<RemediationId, Problem> {
    id.parse().map_err(|_| unknown())
}

async fn story(control: &Control, id: RemediationId) -> Result<Story, Problem> {
    let found = control.store.story(id).await.map_err(|error| Problem::store(&error))?;
    found.ok_or_else(unknown)
}

/// The plan that waits now.
fn proposed(story: &Story) -> Result<String, Problem> {
    let plan = proposal(story).and_then(|it| it["plan"].as_str().map(str::to_owned));
    plan.ok_or_else(|| not_waiting(story))
}

/// What a person is asked to agree to, while that is so: `plan`, `action`, `parameters`, `effect`, `why`, `asked_at`, `until`.
pub(super) fn proposal(story: &Story) -> Option<Value> {
    if story.remediation.state != StateName::AwaitingApproval.as_str() {
        return None;
    }
    let asked = story.timeline.iter().rev().find(|it| it.what == ASKED)?;
    let mut proposal = asked.detail.clone();
    proposal["asked_at"] = json!(asked.at);
    Some(proposal)
}

/// An answer on its way.
struct Question {
    kind: AnswerKind,
    id: RemediationId,
    plan: Option<String>,
}

impl Question {
    async fn put(self, control: &Control, caller: &Caller, state: StateName, why: Value) -> Answer {
        let (id, kind) = (self.id, self.kind);
        let answer = surroundings::Answer {
            id: control.time.new_id(),
            kind,
            plan: self.plan,
            by: caller.name.to_string(),
            at: control.time.now(),
        };
        let answered = control.store.answer(id, &answer).await.map_err(|error| Problem::not_stored(&error))?;
        let plan = answer.plan.as_deref();
        if answered != Answered::Taken {
            return Err(refused(control, id, plan, answered).await);
        }
        control.wake.wake();
        tracing::info!(remediation.id = %id, actor = &*answer.by, answer = kind.as_str(), plan,
            "{} answered {kind} to remediation {id}", answer.by);
        let told = Record::Transition(TransitionRow {
            remediation_id: id,
            at: answer.at,
            state,
            what: format!("{} by {}", past(kind), answer.by),
            detail: json!({"plan": plan, "reason": why}),
        });
        // The answer counts all the same, and its end names who gave it.
        if let Err(error) = control.store.record(&[told]).await {
            tracing::warn!(remediation.id = %id, error = %fettle_core::ports::chain(&error),
                "the story lacks that {} answered {kind}", answer.by);
        }
        let body = json!({"remediation": id, "answer": kind, "plan": plan, "by": answer.by, "at": answer.at});
        Ok(HttpResponse::Accepted().json(body))
    }
}

fn past(kind: AnswerKind) -> &'static str {
    match kind {
        AnswerKind::Approve => "approved",
        AnswerKind::Reject => "rejected",
        AnswerKind::Cancel => "cancelled",
    }
}

async fn refused(control: &Control, id: RemediationId, plan: Option<&str>, answered: Answered) -> Problem {
    match answered {
        Answered::Changed => changed(),
        Answered::Used => used(None),
        Answered::TooLate => timed_out(),
        Answered::Taken | Answered::Unknown => unknown(),
        Answered::NotWaiting => match story(control, id).await {
            Ok(story) => plan.and_then(|plan| became(&story, plan)).unwrap_or_else(|| not_waiting(&story)),
            Err(problem) => problem,
        },
    }
}

/// What became of a plan that waits no more; `None`: nobody was ever asked about it, or nothing came of it.
fn became(story: &Story, plan: &str) -> Option<Problem> {
    let of_plan = |row: &&ActionView| row.detail["plan"].as_str() == Some(plan);
    match story.actions.iter().rev().find(of_plan) {
        Some(row) if row.result.as_deref() == Some(ActionResult::Expired.as_str()) => Some(timed_out()),
        Some(row) => Some(used(Some(row))),
        None => {
            let asked = story.timeline.iter().any(|it| it.what == ASKED && it.detail["plan"].as_str() == Some(plan));
            (!asked && story.timeline.iter().any(|it| it.what == ASKED)).then(changed)
        }
    }
}

fn changed() -> Problem {
    Problem::new(Kind::PlanChanged, "this is not the plan that is proposed now; look at it again")
}

fn used(by: Option<&ActionView>) -> Problem {
    let what = match by {
        Some(row) if row.result.as_deref() == Some(ActionResult::Refused.as_str()) => {
            format!("rejected by {}", row.actor)
        }
        Some(row) => format!("approved by {}", row.actor),
        None => "answered".to_owned(),
    };
    Problem::new(Kind::PlanUsed, format!("this plan was {what} already; an answer counts once"))
}

fn timed_out() -> Problem {
    Problem::new(Kind::PlanTimedOut, "nobody answered in time; nothing was done")
}

fn not_waiting(story: &Story) -> Problem {
    let it = &story.remediation;
    let stands = match &it.outcome {
        Some(outcome) => format!("closed {outcome}"),
        None => it.state.clone(),
    };
    Problem::new(Kind::NotWaiting, format!("the remediation is {stands}")).with("state", json!(it.state))
}

#[cfg(test)]
mod tests;
