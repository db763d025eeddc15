//! The reference: a no-op actix handler that parses the body into typed structs and answers. It stores nothing.
//!
//! Its rate is 100 % in the table: what an actix server could do on these cores if durability and deciding were free.

use std::collections::BTreeMap;
use std::process::ExitCode;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

// Everything is parsed, nothing is used: that is the point.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "parsed, not used")]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "parsed, not used")]
struct Notification {
    version: String,
    group_key: String,
    #[serde(default)]
    truncated_alerts: u64,
    status: String,
    receiver: String,
    group_labels: BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: String,
    alerts: Vec<Alert>,
}

async fn typed(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Notification>(&body) {
        Ok(notification) => {
            std::hint::black_box(&notification);
            HttpResponse::Accepted().finish()
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

/// Serves `POST /webhook` on loopback until killed, with two workers.
pub fn serve(port: &str) -> Result<ExitCode> {
    let port: u16 = port.parse().context("PORT is a number")?;
    let app = || App::new().app_data(web::PayloadConfig::new(10 << 20)).route("/webhook", web::post().to(typed));
    actix_web::rt::System::new().block_on(HttpServer::new(app).workers(2).bind(("127.0.0.1", port))?.run())?;
    Ok(ExitCode::SUCCESS)
}
