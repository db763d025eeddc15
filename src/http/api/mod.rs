//! `/api/v1`: what is stored, for people and scripts, and what people tell fettle. Lists are JSON arrays, newest first;
//! `after` is the id of the last one that was read.

mod answers;
mod breakers;
mod budgets;
mod clock;
mod control;
mod events;
mod explain;
mod orders;
mod pauses;
mod query;
mod rules;
mod system;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use self::query::Query;
use super::auth::{Known, Viewer};
use super::problem::Problem;
use fettle_core::id::RemediationId;
use fettle_core::ports::Store;
use fettle_core::ports::view::{ActionFilter, AlertFilter, RemediationFilter, Story};
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::remediation::state::StateName;
use fettle_predict::explain::Now;

pub(super) use self::answers::{approve, cancel, reject};
pub(super) use self::breakers::{breakers, reset, since as unproven_since, stands as breaker_stands};
pub(super) use self::budgets::budgets;
pub(super) use self::clock::reset_clock;
pub(super) use self::control::{Control, bodies};
pub(super) use self::events::events;
pub(super) use self::explain::{Oracle, Parts, explain, reach};
pub(super) use self::orders::{order, self_heal};
pub(super) use self::pauses::{pause, pauses, resume};
pub(super) use self::rules::rules;
pub use self::system::Machine;
pub(super) use self::system::{Shown, history, system};

/// What every handler here reads from.
pub(super) type Stored = web::Data<dyn Store>;

type Answer = Result<HttpResponse, Problem>;

/// The states that may be asked for: one of them, or any but closed.
fn states() -> impl Iterator<Item = &'static str> {
    StateName::ALL.iter().map(|state| state.as_str()).chain(["open"])
}

/// `GET /api/v1/remediations`
pub(super) async fn remediations(_: Viewer, request: HttpRequest, store: Stored) -> Answer {
    let mut query = Query::read(request.query_string(), &["state", "rule", "target", "limit", "after"])?;
    let filter = RemediationFilter {
        state: query.word("state", states())?,
        rule: query.text("rule"),
        target: query.text("target"),
        limit: query.limit()?,
        after: query.id("after")?,
    };
    let found = store.remediations(&filter).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found))
}

/// A story, with what is proposed while it waits for a person, and what it is about to do while it is open.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    story: Story,
    proposal: Option<Value>,
    now: Option<Now>,
}

fn unknown() -> Problem {
    Problem::not_found("no remediation has this id")
}

/// `GET /api/v1/remediations/{id}`
pub(super) async fn remediation(_: Viewer, id: web::Path<String>, store: Stored, oracle: web::Data<Oracle>) -> Answer {
    let id = id.parse::<RemediationId>().map_err(|_| unknown())?;
    let found = store.story(id).await.map_err(|error| Problem::store(&error))?;
    let told = found.ok_or_else(unknown)?;
    let now = match told.remediation.closed_at {
        None => oracle.now(id).await,
        Some(_) => None,
    };
    Ok(HttpResponse::Ok().json(Told { proposal: answers::proposal(&told), story: told, now }))
}

/// `GET /api/v1/actions`
pub(super) async fn actions(_: Viewer, request: HttpRequest, store: Stored) -> Answer {
    let mut query =
        Query::read(request.query_string(), &["rule", "target", "result", "remediation", "limit", "after"])?;
    let filter = ActionFilter {
        rule: query.text("rule"),
        target: query.text("target"),
        result: query.word("result", ActionResult::ALL.iter().map(|it| it.as_str()))?,
        remediation: query.id("remediation")?,
        limit: query.limit()?,
        after: query.id("after")?,
    };
    let found = store.actions(&filter).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found))
}

/// `GET /api/v1/alerts`
pub(super) async fn alerts(_: Viewer, request: HttpRequest, store: Stored) -> Answer {
    let mut query = Query::read(request.query_string(), &["status", "limit"])?;
    let filter =
        AlertFilter { status: query.word("status", ["firing", "resolved"].into_iter())?, limit: query.limit()? };
    let found = store.alerts(&filter).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found))
}

/// `GET /api/v1/whoami`: who the token is, and what it may do.
pub(super) async fn whoami(Known(caller): Known) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"name": *caller.name, "role": caller.role.as_str()}))
}
