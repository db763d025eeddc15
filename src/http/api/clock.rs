//! `POST /api/v1/clock/reset`: fettle's time is set to the clock that it follows, at once.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::control::{self, Control};
use crate::health::clock::seconds;
use crate::http::auth::Admin;
use crate::http::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    reason: String,
}

/// `POST /api/v1/clock/reset`
pub(in crate::http) async fn reset_clock(
    Admin(caller): Admin,
    request: HttpRequest,
    control: web::Data<Control>,
    payload: web::Payload,
) -> Answer {
    let asked: Asked = control.read(&request, payload).await?;
    let reason = control::reason(&asked.reason)?;
    let offset = control.by_hand.reset_clock(&caller.name, reason).await;
    let offset = seconds(offset.map_err(|error| Problem::not_stored(&error))?);
    Ok(HttpResponse::Ok().json(json!({"offset_seconds": offset})))
}
