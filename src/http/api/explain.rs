//! `POST /api/v1/explain` and `GET /api/v1/reach`: what would be done, and what could be; and the part of a story that is yet
//! to come.
//!
//! Always holds: nothing is done or stored, not even in the inbox. Looks at Docker are bounded: so many alerts per request,
//! one inventory at a time, which is used again for [`AGE`], and a story waits for its look no longer than [`PATIENCE`].

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Answer;
use super::control::unread;
use crate::http::auth::{Analyst, Viewer};
use crate::http::body::Bodies;
use crate::http::problem::Problem;
use fettle_core::alert::bounds::Bounds;
use fettle_core::alert::webhook::Webhook;
use fettle_core::id::RemediationId;
use fettle_core::ports::Store;
use fettle_core::ports::platform::Platform;
use fettle_core::ports::upstream::Upstream;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::Hosts;
use fettle_engine::clock::Time;
use fettle_predict::explain::{Now, Sources, explain_alerts, explain_remediation};
use fettle_predict::reach::{Ground, Inventory, Reach, gather};

/// How old an inventory may be: many people look at once.
const AGE: Duration = Duration::from_secs(5);

/// How long a story waits for what is yet to come.
const PATIENCE: Duration = Duration::from_secs(3);

/// What predictions are made from.
pub(in crate::http) struct Parts {
    pub(in crate::http) store: Arc<dyn Store>,
    pub(in crate::http) platform: Arc<dyn Platform>,
    pub(in crate::http) upstream: Option<Arc<dyn Upstream>>,
    pub(in crate::http) rules: Arc<ArcSwap<RuleSet>>,
    pub(in crate::http) hosts: Hosts,
    pub(in crate::http) settings: Settings,
    pub(in crate::http) time: Arc<Time>,
}

/// Who predicts.
pub(in crate::http) struct Oracle {
    parts: Parts,
    bodies: Bodies,
    bounds: Bounds,
    /// The last inventory, with the rules that it was made for.
    last: Mutex<Option<(Instant, String, Inventory)>>,
}

impl Oracle {
    /// Reads notifications of at most `body_bytes`, within `bounds`.
    pub(in crate::http) fn new(parts: Parts, body_bytes: usize, bounds: Bounds) -> Self {
        Self { parts, bounds, bodies: Bodies::new(body_bytes), last: Mutex::default() }
    }

    fn sources(&self) -> Sources {
        let parts = &self.parts;
        Sources {
            rules: parts.rules.load_full(),
            hosts: parts.hosts.clone(),
            settings: parts.settings.clone(),
            store: Some(parts.store.clone()),
            platform: Some(parts.platform.clone()),
            upstream: parts.upstream.clone(),
            now: parts.time.now(),
        }
    }

    /// What an open remediation is about to do; `None` when it is closed by now, or that could not be found out in time.
    pub(super) async fn now(&self, id: RemediationId) -> Option<Now> {
        let sources = self.sources();
        tokio::time::timeout(PATIENCE, explain_remediation(&sources, id)).await.ok()?.ok()?
    }

    async fn reach(&self) -> Reach {
        let rules = self.parts.rules.load_full();
        let ground = Ground { hosts: self.parts.hosts.clone(), settings: self.parts.settings.clone() };
        // Held while Docker is looked at: whoever comes meanwhile gets the same.
        let mut last = self.last.lock().await;
        let known = last.as_ref().filter(|(at, digest, _)| at.elapsed() < AGE && digest == rules.digest());
        let inventory = if let Some((_, _, inventory)) = known {
            inventory.clone()
        } else {
            let inventory = gather(&*self.parts.platform, &[&rules], &ground, self.parts.time.now()).await;
            *last = Some((Instant::now(), rules.digest().to_owned(), inventory.clone()));
            inventory
        };
        drop(last);
        Reach::of(&rules, &ground, inventory)
    }
}

/// `POST /api/v1/explain`
pub(in crate::http) async fn explain(
    _: Analyst,
    request: HttpRequest,
    payload: web::Payload,
    oracle: web::Data<Oracle>,
) -> Answer {
    let body = oracle.bodies.read(request.headers(), payload).await;
    let body = body.map_err(|it| unread(it, oracle.bodies.limit()))?;
    let webhook = Webhook::parse_within(&body.bytes, &oracle.bounds).map_err(|it| Problem::malformed(&it))?;
    Ok(HttpResponse::Ok().json(explain_alerts(&oracle.sources(), &webhook.alerts).await))
}

/// `GET /api/v1/reach`
pub(in crate::http) async fn reach(_: Viewer, oracle: web::Data<Oracle>) -> HttpResponse {
    HttpResponse::Ok().json(oracle.reach().await)
}
