//! `GET /api/v1/health` and its parts. What is healthy is [`crate::health`]'s to say; here it gets a status code: 503 when it
//! does not work, 200 otherwise.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::Value;

use super::problem::Problem;
use crate::health::{Parts, Status};

/// All parts.
pub(super) async fn all(parts: web::Data<Parts>) -> HttpResponse {
    let health = parts.health().await;
    HttpResponse::build(code(health.status == Status::Unhealthy)).json(&*health)
}

/// One part.
pub(super) async fn one(parts: web::Data<Parts>, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let health = parts.health().await;
    let components = serde_json::to_value(&health.components).unwrap_or(Value::Null);
    let Some(part) = components.get(name.as_str()) else {
        return Err(Problem::not_found(
            "components: database, docker, disk, rules, workers, clock, heartbeat, storm, paused",
        ));
    };
    let of = |part: &Value| part.is_null() || part.get("status").and_then(Value::as_str) == Some("unhealthy");
    // Docker is a map of hosts: it does not work when none of them does.
    let hosts = part.as_object().filter(|_| name.as_str() == "docker").filter(|hosts| !hosts.is_empty());
    let unhealthy = hosts.map_or_else(|| of(part), |hosts| hosts.values().all(of));
    Ok(HttpResponse::build(code(unhealthy)).json(part))
}

fn code(unhealthy: bool) -> StatusCode {
    if unhealthy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}
