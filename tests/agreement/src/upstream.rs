//! Alertmanager and Prometheus of a scenario as the engine has them. Alertmanager lists what was posted and not resolved, but
//! for what it is told here; the bodies that it sends are made here, too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::upstream::{Answer, Query, Upstream, UpstreamError};
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Announcement, Picture, Seen, Status};
use serde_json::{Value, json};

use crate::docker::Docker;
use crate::scenario::Metrics;

/// One peer.
pub struct Alertmanager {
    start: Timestamp,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    down: bool,
    /// What fires, and since when.
    firing: HashMap<Fingerprint, Timestamp>,
    silenced: HashSet<Fingerprint>,
    /// Targets that people were called for.
    given_up: Vec<String>,
}

impl Alertmanager {
    /// One in which nothing fires.
    pub fn new(start: Timestamp) -> Arc<Self> {
        Arc::new(Self { start, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notification that these alerts fire at `now`, or do not any more; it lists them so from now on. A repeat speaks of
    /// the same firing.
    pub fn sends(&self, firing: bool, alerts: &[Labels], now: Timestamp) -> Value {
        let mut state = self.state();
        let starts: Vec<Timestamp> = alerts
            .iter()
            .map(|labels| {
                let fingerprint = Fingerprint::of(labels);
                if firing {
                    *state.firing.entry(fingerprint).or_insert(now)
                } else {
                    state.firing.remove(&fingerprint).unwrap_or(self.start)
                }
            })
            .collect();
        drop(state);
        body(firing, alerts, &starts, now)
    }

    /// Whether it lists this alert.
    pub fn fires(&self, alert: &Labels) -> bool {
        self.state().firing.contains_key(&Fingerprint::of(alert))
    }

    /// Whether it answers.
    pub fn answers(&self, answers: bool) {
        self.state().down = !answers;
    }

    /// It lists this alert no more.
    pub fn gone(&self, alert: &Labels) {
        self.state().firing.remove(&Fingerprint::of(alert));
    }

    /// A person silences an alert, or ends that.
    pub fn silence(&self, alert: &Labels, silenced: bool) {
        let (mut state, fingerprint) = (self.state(), Fingerprint::of(alert));
        if silenced {
            state.silenced.insert(fingerprint);
        } else {
            state.silenced.remove(&fingerprint);
        }
    }

    /// Targets that people were called for, in order, each once.
    pub fn given_up(&self) -> Vec<String> {
        let mut all = self.state().given_up.clone();
        all.sort();
        all.dedup();
        all
    }
}

/// A body of the webhook.
pub fn body(firing: bool, alerts: &[Labels], starts: &[Timestamp], now: Timestamp) -> Value {
    let status = if firing { "firing" } else { "resolved" };
    let ends_at = if firing { "0001-01-01T00:00:00Z".to_owned() } else { now.to_string() };
    let one = |(labels, starts_at): (&Labels, &Timestamp)| json!({"status": status, "labels": labels, "annotations": {}, "startsAt": starts_at, "endsAt": ends_at});
    let alerts: Vec<Value> = alerts.iter().zip(starts).map(one).collect();
    json!({
        "version": "4", "groupKey": "{}:{}", "receiver": "fettle", "status": status, "truncatedAlerts": 0,
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": alerts,
    })
}

fn silent() -> UpstreamError {
    UpstreamError::Unreachable { peer: "alertmanager".to_owned(), cause: "it is down".to_owned() }
}

#[async_trait]
impl Upstream for Alertmanager {
    fn peers(&self) -> Vec<String> {
        vec!["alertmanager".to_owned()]
    }

    async fn picture(&self, now: Timestamp, _: Duration) -> Result<Arc<Picture>, UpstreamError> {
        let state = self.state();
        if state.down {
            return Err(silent());
        }
        let seen = |(alert, since): (&Fingerprint, &Timestamp)| {
            let silenced = state.silenced.contains(alert);
            (*alert, Seen { status: Status::Active, silenced, inhibited_by_others: false, starts_at: *since })
        };
        let alerts = state.firing.iter().map(seen).collect();
        let dropped = HashSet::new();
        Ok(Arc::new(Picture { at: now, alerts, answered: 1, asked: 1, believes_absence: true, dropped }))
    }

    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)> {
        let mut state = self.state();
        let taken = if state.down { Err(silent()) } else { Ok(()) };
        if taken.is_ok() {
            let calls = |it: &&Announcement| it.labels.get("alertname") == AnnouncementName::GaveUp.as_str();
            let targets = announcements.iter().filter(calls).map(|it| it.labels.get("fettle_target").to_owned());
            state.given_up.extend(targets);
        }
        vec![("alertmanager".to_owned(), taken)]
    }
}

/// Prometheus, which answers every query as the scenario says.
pub struct Prometheus(pub Arc<Docker>);

#[async_trait]
impl Query for Prometheus {
    async fn query(&self, _: &str, _: Option<Timestamp>) -> Result<Answer, UpstreamError> {
        match self.0.metric() {
            Metrics::Say(says) => Ok(Answer::Scalar(f64::from(u8::from(says)))),
            Metrics::Blind => {
                Err(UpstreamError::Unreachable { peer: "prometheus".to_owned(), cause: "it is down".to_owned() })
            }
        }
    }
}
