//! `/-/healthy`, `/-/ready`, `/-/reload` and `/metrics`, as Prometheus and Alertmanager have them.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::auth::{Admin, Gate};
use super::problem::{Kind, Problem};
use super::scrape::Scrape;
use crate::config::Role;
use crate::config::rulebook::Reload;
use fettle_core::diagnostic::Diagnostic;
use fettle_core::diagnostic::render::Record;
use fettle_engine::readiness::Readiness;

/// The process answers.
pub(super) async fn healthy() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("fettle is healthy.\n")
}

/// The process may be sent work.
pub(super) async fn ready(readiness: web::Data<Readiness>) -> Result<HttpResponse, Problem> {
    match readiness.ready() {
        Ok(()) => Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("fettle is ready.\n")),
        Err(unmet) => Err(Problem::new(Kind::NotReady, unmet.join("; ")).with("unmet", json!(unmet))),
    }
}

/// Loads the rules again.
pub(super) async fn reload(Admin(caller): Admin, rules: web::Data<dyn Reload>) -> Result<HttpResponse, Problem> {
    match rules.reload().await {
        Ok((count, warnings)) => Ok(HttpResponse::Ok().json(json!({"rules": count, "warnings": records(&warnings)}))),
        Err(found) => {
            let errors = found.iter().filter(|it| it.is_error()).count();
            let plural = if errors == 1 { "" } else { "s" };
            let detail = format!("{errors} error{plural}; the rules from before still run");
            let problem = Problem::new(Kind::RulesRefused, detail);
            tracing::warn!(request.id = %problem.id(), actor = &*caller.name, "a reload of the rules was refused: {problem}");
            Err(problem.with("errors", json!(records(&found))))
        }
    }
}

/// As `fettle check --output json` has them.
fn records(found: &[Diagnostic]) -> Vec<Record<'_>> {
    found.iter().map(Record::from).collect()
}

/// Who may scrape without a token.
pub(super) struct MetricsOpen(pub(super) bool);

/// Prometheus's text format.
pub(super) async fn metrics(
    request: HttpRequest,
    gate: web::Data<Gate>,
    open: web::Data<MetricsOpen>,
    scrape: web::Data<Scrape>,
) -> Result<HttpResponse, Problem> {
    if !open.0 {
        gate.admit(request.method(), request.headers(), Role::Viewer).map_err(|denied| denied.problem)?;
    }
    let text = scrape.render().await;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")).body(text))
}
