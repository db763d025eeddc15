//! `GET /api/v1/system` and `/api/v1/system/history`: how the machines are doing that fettle runs on.
//!
//! The first is this process's own machine, a few seconds old at most; the second is what all replicas stored, a row a minute.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::query::Query;
use super::{Answer, Control, Stored};
use crate::http::auth::Viewer;
use crate::http::problem::{Kind, Problem};
use crate::telemetry::host::{self, Latest, Load};
use fettle_core::ports::model::SAMPLED;
use fettle_core::ports::view::{EventFilter, EventView};
use fettle_core::time::before;

/// The machine, as far as it is looked at.
#[derive(Clone)]
pub struct Machine {
    /// The last look at it.
    pub latest: Latest,
    /// A folder on the disk that fettle writes to.
    pub folder: PathBuf,
}

/// What this handler shows: the machine, and since when this process runs.
pub(in crate::http) struct Shown {
    pub(in crate::http) machine: Machine,
    pub(in crate::http) began: Instant,
}

/// A day, as charts show it.
const HOURS: u32 = 24;

/// A week; more is for a dashboard, which reads the view.
const HOURS_MAX: u32 = 168;

/// A week of four replicas.
const ROWS: u32 = 4 * 60 * HOURS_MAX;

/// `GET /api/v1/system`
pub(in crate::http) async fn system(_: Viewer, shown: web::Data<Shown>) -> Answer {
    let Some(look) = shown.machine.latest.load_full() else {
        return Err(Problem::new(Kind::NotReady, "the machine was not looked at yet; come again in a second"));
    };
    let used = look.disk.map(|disk| disk.used);
    Ok(HttpResponse::Ok().json(json!({
        "status": Load::of(look.cpu, look.ram, used),
        "timestamp": look.at,
        "host": look.host,
        "cpu": look.cpu,
        "ram": look.ram,
        "disk": used,
        "disk_free_gb": look.disk.map(|disk| host::gigabytes(disk.free_bytes)),
        "uptime_seconds": look.uptime_seconds,
        "process": {"pid": std::process::id(), "uptime_seconds": shown.began.elapsed().as_secs()},
    })))
}

/// `GET /api/v1/system/history`, oldest first, as charts are drawn.
pub(in crate::http) async fn history(
    _: Viewer,
    request: HttpRequest,
    store: Stored,
    control: web::Data<Control>,
) -> Answer {
    let mut query = Query::read(request.query_string(), &["hours"])?;
    let hours = query.number("hours", HOURS, HOURS_MAX)?;
    let filter = EventFilter {
        event: Some(SAMPLED.to_owned()),
        since: Some(before(control.time.now(), Duration::from_hours(hours.into()))),
        limit: ROWS,
        ..EventFilter::default()
    };
    let found = store.events(&filter).await.map_err(|error| Problem::store(&error))?;
    Ok(HttpResponse::Ok().json(found.iter().rev().map(sample).collect::<Vec<_>>()))
}

fn sample(it: &EventView) -> Value {
    json!({"at": it.at, "host": it.details["host"], "status": it.details["status"], "cpu": it.cpu, "ram": it.ram,
        "disk": it.disk})
}
