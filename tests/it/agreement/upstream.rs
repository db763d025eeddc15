//! Alertmanager as the service sees it in a scenario: it lists what was posted and not resolved, but for what it is told here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::webhook::Webhook;
use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::upstream::{Upstream, UpstreamError};
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Announcement, Picture, Seen, Status};
use serde_json::Value;

/// One peer.
#[derive(Default)]
pub struct Scripted(Mutex<State>);

#[derive(Default)]
struct State {
    down: bool,
    firing: BTreeMap<Fingerprint, Timestamp>,
    silenced: HashSet<Fingerprint>,
    given_up: BTreeSet<String>,
}

impl Scripted {
    fn with<T>(&self, how: impl FnOnce(&mut State) -> T) -> T {
        how(&mut self.0.lock().expect("one at a time"))
    }

    /// It sends this notification, so it lists what the notification says.
    pub fn sends(&self, body: &Value) {
        let webhook = Webhook::parse(body.to_string().as_bytes()).expect("a notification");
        self.with(|state| {
            for alert in webhook.alerts {
                if alert.firing {
                    state.firing.insert(alert.fingerprint, alert.starts_at);
                } else {
                    state.firing.remove(&alert.fingerprint);
                }
            }
        });
    }

    pub fn answers(&self, answers: bool) {
        self.with(|state| state.down = !answers);
    }

    pub fn gone(&self, alert: Fingerprint) {
        self.with(|state| state.firing.remove(&alert));
    }

    pub fn silence(&self, alert: Fingerprint, silenced: bool) {
        self.with(|state| if silenced { state.silenced.insert(alert) } else { state.silenced.remove(&alert) });
    }

    /// Targets that people were called for.
    pub fn given_up(&self) -> BTreeSet<String> {
        self.with(|state| state.given_up.clone())
    }
}

fn silent() -> UpstreamError {
    UpstreamError::Unreachable { peer: "scripted".to_owned(), cause: "it is down".to_owned() }
}

#[async_trait]
impl Upstream for Scripted {
    fn peers(&self) -> Vec<String> {
        vec!["scripted".to_owned()]
    }

    async fn picture(&self, now: Timestamp, _: Duration) -> Result<Arc<Picture>, UpstreamError> {
        self.with(|state| {
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
        })
    }

    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)> {
        let taken = self.with(|state| {
            if state.down {
                return Err(silent());
            }
            let calls = |it: &&Announcement| it.labels.get("alertname") == AnnouncementName::GaveUp.as_str();
            let targets = announcements.iter().filter(calls).map(|it| it.labels.get("fettle_target").to_owned());
            state.given_up.extend(targets);
            Ok(())
        });
        vec![("scripted".to_owned(), taken)]
    }
}
