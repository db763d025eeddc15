//! `GET /api/v1/budgets`: what is left of every budget, as `/metrics` has it: the least over its windows and targets.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Answer;
use crate::http::auth::Viewer;
use crate::http::problem::Problem;
use crate::http::scrape::Scrape;

/// `GET /api/v1/budgets`
pub(in crate::http) async fn budgets(_: Viewer, scrape: web::Data<Scrape>) -> Answer {
    let left = scrape.left().await.map_err(|error| Problem::store(&error))?;
    let shown = left.iter().map(|(rule, scope, left)| {
        let rule = Some(rule).filter(|rule| !rule.is_empty());
        json!({"rule": rule, "scope": scope.as_str(), "remaining": left})
    });
    Ok(HttpResponse::Ok().json(shown.collect::<Vec<Value>>()))
}
