//! `GET /api/v1/events`: what belongs to no single action, newest first. The minute's samples of hosts are left out unless they
//! are asked for by name: they are what `/api/v1/system/history` shows.

use actix_web::{HttpRequest, HttpResponse};

use super::query::Query;
use super::{Answer, Stored};
use crate::http::auth::Viewer;
use crate::http::problem::Problem;
use fettle_core::ports::view::EventFilter;
use fettle_core::remediation::record::Severity;

/// `GET /api/v1/events`
pub(in crate::http) async fn events(_: Viewer, request: HttpRequest, store: Stored) -> Answer {
    let mut query = Query::read(request.query_string(), &["severity", "event", "limit", "after"])?;
    let filter = EventFilter {
        severity: query.word("severity", Severity::ALL.iter().map(|it| it.as_str()))?,
        event: query.text("event"),
        since: None,
        limit: query.limit()?,
        after: query.id("after")?,
    };
    let found = store.events(&filter).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found))
}
