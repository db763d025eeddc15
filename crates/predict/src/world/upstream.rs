//! Alertmanager as a world sees it: it lists what was last heard of every alert, but for what it is told here, and it takes
//! what fettle announces as soon as it can be reached.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::telling::Teller;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::webhook::Alert;
use fettle_core::ports::upstream::{Upstream, UpstreamError};
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Announcement, Picture, Seen, Status};

/// The one peer's name.
const NAME: &str = "alertmanager";

/// Alertmanager.
pub(super) struct Alertmanager {
    state: Mutex<State>,
    teller: Arc<Teller>,
    back: Notify,
}

#[derive(Default)]
struct State {
    /// It does not answer.
    down: bool,
    /// Since when each fires that it lists.
    firing: BTreeMap<Fingerprint, Timestamp>,
    /// Alerts that a person silences.
    silenced: HashSet<Fingerprint>,
    /// The last picture, as long as nothing changes.
    last: Option<Arc<Picture>>,
}

impl Alertmanager {
    pub(super) fn new(teller: Arc<Teller>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), teller, back: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.last = None;
        state
    }

    /// Whether it answers from now on.
    pub(super) fn answer(&self, answers: bool) {
        self.change().down = !answers;
        if answers {
            self.back.notify_one();
        }
    }

    /// A person silences an alert, or does not any more.
    pub(super) fn silence(&self, alert: Fingerprint, silenced: bool) {
        let mut state = self.change();
        if silenced {
            state.silenced.insert(alert);
        } else {
            state.silenced.remove(&alert);
        }
    }

    /// It lists this one no more.
    pub(super) fn gone(&self, alert: Fingerprint) {
        self.change().firing.remove(&alert);
    }

    /// What it said of alerts.
    pub(super) fn heard(&self, alerts: &[Alert]) {
        let mut state = self.change();
        for alert in alerts {
            if alert.firing {
                state.firing.insert(alert.fingerprint, alert.starts_at);
            } else {
                state.firing.remove(&alert.fingerprint);
            }
        }
    }
}

fn away() -> UpstreamError {
    UpstreamError::Unreachable { peer: NAME.to_owned(), cause: "it does not answer".to_owned() }
}

#[async_trait]
impl Upstream for Alertmanager {
    fn peers(&self) -> Vec<String> {
        vec![NAME.to_owned()]
    }

    async fn picture(&self, now: Timestamp, _: Duration) -> Result<Arc<Picture>, UpstreamError> {
        let mut state = self.lock();
        if state.down {
            return Err(away());
        }
        if let Some(last) = state.last.as_ref().filter(|last| last.at == now) {
            return Ok(last.clone());
        }
        let seen = |(alert, since): (&Fingerprint, &Timestamp)| {
            let silenced = state.silenced.contains(alert);
            (*alert, Seen { status: Status::Active, silenced, inhibited_by_others: false, starts_at: *since })
        };
        let alerts: HashMap<_, _> = state.firing.iter().map(seen).collect();
        let dropped = HashSet::new();
        let picture = Arc::new(Picture { at: now, alerts, answered: 1, asked: 1, believes_absence: true, dropped });
        state.last = Some(picture.clone());
        Ok(picture)
    }

    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)> {
        // One announcer posts, one post after the other. It does not give up, so that what it has to tell is told at the very
        // instant at which it can be, not some seconds later.
        while self.lock().down {
            self.back.notified().await;
        }
        self.teller.announced(announcements);
        vec![(NAME.to_owned(), Ok(()))]
    }
}
