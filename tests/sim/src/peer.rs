//! A process's way to Alertmanager's API.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fettle_core::ports::upstream::{Upstream, UpstreamError};
use fettle_core::time::{Timestamp, since};
use fettle_core::upstream::{Announcement, Picture, Seen, Status};

use crate::alerts::Shown;
use crate::replica::Replica;
use crate::time::instant;
use crate::world::World;

/// The one Alertmanager's name.
const NAME: &str = "alertmanager";

/// How long the client waits for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Alertmanager as one process has it.
pub struct Peer {
    world: Arc<World>,
    me: Arc<Replica>,
    last: Mutex<Option<Arc<Picture>>>,
}

impl Peer {
    /// Alertmanager as the process on this machine has it.
    pub fn new(world: &Arc<World>, me: Arc<Replica>) -> Self {
        Self { world: world.clone(), me, last: Mutex::default() }
    }

    async fn reach(&self) -> Result<(), UpstreamError> {
        self.world.step(&self.me).await;
        let (down, silent) = {
            let people = self.world.people();
            (people.upstream_down, people.upstream_silent)
        };
        let peer = NAME.to_owned();
        if down {
            return Err(UpstreamError::Unreachable { peer, cause: "connection refused".to_owned() });
        }
        if silent {
            tokio::time::sleep(DEADLINE).await;
            return Err(UpstreamError::TimedOut { peer, after: DEADLINE });
        }
        Ok(())
    }
}

#[async_trait]
impl Upstream for Peer {
    fn peers(&self) -> Vec<String> {
        vec![NAME.to_owned()]
    }

    async fn picture(&self, now: Timestamp, max_age: Duration) -> Result<Arc<Picture>, UpstreamError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last.filter(|it| since(now, it.at) <= max_age) {
            return Ok(last);
        }
        self.reach().await?;
        let world = &self.world;
        let (silenced, alerts) = (world.people().silences, world.alerts());
        let mut listed = HashMap::new();
        let mut evidence = Vec::new();
        for (at, (plan, one)) in world.plan.alerts.iter().zip(&alerts.all).enumerate() {
            if !one.firing {
                continue;
            }
            let muted = silenced || alerts.is_inhibited(&world.plan, at, instant(world.now()));
            let status = if muted { Status::Suppressed } else { Status::Active };
            let seen = Seen { status, silenced, inhibited_by_others: false, starts_at: instant(one.starts_at) };
            listed.insert(plan.fingerprint, seen);
            evidence.push(Shown { alert: at, true_at: one.seen_true_at, starts_at: one.starts_at });
        }
        drop(alerts);
        let picture =
            Picture { at: now, alerts: listed, answered: 1, asked: 1, believes_absence: true, dropped: HashSet::new() };
        world.checks().heard(&evidence, world.now());
        let picture = Arc::new(picture);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(picture.clone());
        Ok(picture)
    }

    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)> {
        let answer = self.reach().await;
        if answer.is_ok() {
            let mut alerts = self.world.alerts();
            for it in announcements {
                alerts.post(&it.labels, it.ends_at);
            }
        }
        vec![(NAME.to_owned(), answer)]
    }
}
