//! `POST /webhook`: what Alertmanager sends. 202 after the commit, and never before.
//!
//! Checked in this order, the cheapest first, and what fails is answered at once: method, credentials, content type,
//! declared length, then the body within its bounds, then its meaning. Every answer is counted by sender and code.
//!
//! How Alertmanager reads the answers decides them (facts: a 5xx or a broken connection is tried again within a second,
//! any 4xx costs a whole `group_interval`, a redirect loses the alert): 503 when it cannot be taken now, never 429, never
//! a redirect. A body that comes too slowly has its connection cut instead of a 408, for the same reason; it is counted
//! as 408 all the same.

use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde_json::json;

use super::auth::{Denied, Gate};
use super::body::{Bodies, Unread};
use super::connection::Connection;
use super::problem::{Kind, Problem};
use super::sample;
use crate::config::Role;
use crate::health::refusals::Refusals;
use crate::telemetry::metrics::{Metrics, UNKNOWN_SENDER};
use fettle_core::alert::bounds::{Bound, Exceeded};
use fettle_core::alert::webhook::Webhook;
use fettle_core::rule::model::Budget;
use fettle_engine::clock::Time;
use fettle_engine::intake::{Accepted, Intake, IntakeError};
use fettle_engine::seldom::Seldom;

/// What records the answers to senders.
pub(super) struct Recorders {
    pub(super) metrics: Arc<Metrics>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) time: Arc<Time>,
}

/// The door for senders.
pub(super) struct Door {
    gate: Arc<Gate>,
    intake: Intake,
    recorders: Recorders,
    bodies: Bodies,
    /// By the token's name, so there are only as many keys as tokens.
    pace: Option<DefaultKeyedRateLimiter<Arc<str>>>,
    complaints: Seldom,
}

impl Door {
    pub(super) fn new(
        gate: Arc<Gate>,
        intake: Intake,
        recorders: Recorders,
        body_limit: usize,
        senders: Option<Budget>,
    ) -> Self {
        let pace = senders.and_then(quota).map(RateLimiter::keyed);
        Self { gate, intake, recorders, bodies: Bodies::new(body_limit), pace, complaints: Seldom::default() }
    }

    async fn take(&self, request: &HttpRequest, payload: web::Payload) -> Result<(Arc<str>, Accepted), Denied> {
        if *request.method() != Method::POST {
            return Err(Denied { name: UNKNOWN_SENDER.into(), problem: Problem::method("POST") });
        }
        let sender = self.gate.admit(request.method(), request.headers(), Role::Sender)?.name;
        match self.accept(request, payload, &sender).await {
            Ok(accepted) => Ok((sender, accepted)),
            Err(problem) => Err(Denied { name: sender, problem }),
        }
    }

    async fn accept(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        sender: &Arc<str>,
    ) -> Result<Accepted, Problem> {
        let encoding = request.headers().get(CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Problem::new(Kind::UnsupportedMediaType, "send the body without Content-Encoding"));
        }
        if self.pace.as_ref().is_some_and(|pace| pace.check_key(sender).is_err()) {
            return Err(Problem::new(Kind::Overloaded, "this sender posts faster than it may; come again"));
        }
        let body = self.bodies.read(request.headers(), payload).await.map_err(|unread| self.unread(unread, sender))?;
        let _timer = self.recorders.metrics.intake_timer();
        let held = self.intake.hold(body.bytes.len()).await.map_err(|error| self.refused(&error, sender, &[]))?;
        // From here on its bytes are counted there; another body may be read.
        let bytes = body.bytes.clone();
        drop(body);
        let accepted = self.intake.submit_held(sender, bytes.clone(), held).await;
        accepted.map_err(|error| self.refused(&error, sender, &bytes))
    }

    fn unread(&self, unread: Unread, sender: &str) -> Problem {
        match unread {
            Unread::TooLarge => {
                let limit_bytes = self.bodies.limit();
                let detail = format!("more than {limit_bytes} bytes, the limit limits.body");
                let problem = Problem::new(Kind::PayloadTooLarge, detail);
                self.exceeds(Exceeded { bound: Bound::Body, most: limit_bytes }, &problem, sender, None);
                problem.with("limit", json!("limits.body")).with("most", json!(limit_bytes))
            }
            Unread::TooSlow => Problem::new(Kind::RequestTimeout, "the body came too slowly"),
            Unread::Broken => Problem::new(Kind::BrokenBody, "the body broke off"),
            Unread::NoRoom => Problem::new(Kind::Overloaded, "too many bodies are under way; come again"),
        }
    }

    fn refused(&self, error: &IntakeError, sender: &str, body: &[u8]) -> Problem {
        match error {
            IntakeError::Malformed(malformed) => {
                let problem = Problem::malformed(malformed);
                if let Some(exceeded) = malformed.exceeded {
                    let group_key = Webhook::group_key_of(body);
                    self.exceeds(exceeded, &problem, sender, group_key.as_deref());
                    return problem;
                }
                let (path, expected) = (&malformed.path, sample::without_values(&malformed.problem));
                if let Some(unsaid) = self.complaints.due(&format!("malformed {sender}")) {
                    let shape = sample::shape(body);
                    tracing::warn!(sender, path, shape, unsaid, request.id = %problem.id(),
                        "what {sender} sent is not a notification of version 4: {expected}");
                }
                problem
            }
            IntakeError::Full => Problem::new(Kind::Overloaded, "the queue is full; come again"),
            IntakeError::NotStored => Problem::new(Kind::NotStored, "it could not be stored; come again"),
            IntakeError::Closing => Problem::new(Kind::Closing, "come again"),
        }
    }

    /// Alertmanager sends what was answered 4xx again after each `group_interval`, and can never deliver it: a person must know.
    fn exceeds(&self, exceeded: Exceeded, problem: &Problem, sender: &str, group_key: Option<&str>) {
        let Exceeded { bound, most } = exceeded;
        self.recorders.metrics.refused(sender, bound);
        self.recorders.refusals.exceeded(bound, self.recorders.time.monotonic());
        let limit = bound.as_str();
        if let Some(unsaid) = self.complaints.due(&format!("{limit} {sender}")) {
            tracing::warn!(sender, group_key, limit, most, unsaid, request.id = %problem.id(),
                "a notification of {sender} exceeds limits.{limit} and is refused: nothing is done about its alerts until it \
                 fits; split the group, set max_alerts in Alertmanager, or raise the limit");
        }
    }

    /// Alerts that were cut off are not sent later on their own: somebody must raise the limit.
    fn tell_truncated(&self, sender: &str, accepted: &Accepted) {
        if accepted.truncated > 0
            && let Some(unsaid) = self.complaints.due(&format!("truncated {sender}"))
        {
            let truncated = accepted.truncated;
            tracing::warn!(sender, truncated, unsaid, notification.id = %accepted.id,
                "Alertmanager cut {truncated} alerts off a notification of {sender}: nothing is done about them; raise max_alerts");
        }
    }

    fn complain(&self, sender: &str, problem: &Problem) {
        if matches!(problem.kind(), Kind::Overloaded | Kind::NotStored)
            && let Some(unsaid) = self.complaints.due(&format!("busy {sender}"))
        {
            tracing::warn!(sender, unsaid, request.id = %problem.id(), "a notification of {sender} was not taken: {problem}");
        }
    }
}

/// So many at once, and as many again evenly over the time. `None` for a budget that means nothing.
fn quota(budget: Budget) -> Option<Quota> {
    let most = NonZeroU32::new(budget.max)?;
    Some(Quota::with_period(budget.per / budget.max)?.allow_burst(most))
}

/// Any request to the webhook.
pub(super) async fn webhook(request: HttpRequest, payload: web::Payload, door: web::Data<Door>) -> HttpResponse {
    match door.take(&request, payload).await {
        Ok((sender, accepted)) => {
            door.recorders.metrics.notification(&sender, 202);
            door.recorders.metrics.alerts(accepted.firing, accepted.resolved, accepted.truncated);
            door.tell_truncated(&sender, &accepted);
            let (id, alerts) = (accepted.id, accepted.firing + accepted.resolved);
            let body = format!("{{\"id\":\"{id}\",\"alerts\":{alerts}}}");
            HttpResponse::Accepted().insert_header((CONTENT_TYPE, "application/json")).body(body)
        }
        Err(Denied { name, problem }) => {
            door.recorders.metrics.notification(&name, problem.status_code().as_u16());
            door.complain(&name, &problem);
            if problem.kind() == Kind::RequestTimeout
                && let Some(connection) = request.conn_data::<Arc<Connection>>()
            {
                connection.cut();
            }
            HttpResponse::from_error(problem)
        }
    }
}
