//! How the runs of containers ended, and who follows each Docker daemon.

use std::collections::BTreeMap;

use async_trait::async_trait;
use fettle_core::id::ReplicaId;
use fettle_core::ports::{Runs, StoreError};
use fettle_core::sight::past::{CONTAINERS_MAX, EndedRun, Learnt, Past, Watch, keep};
use fettle_core::time::Timestamp;

use super::Process;

/// The watches and what they saw, by daemon.
#[derive(Debug, Default)]
pub(super) struct Watches(BTreeMap<String, Watched>);

#[derive(Debug, Default)]
struct Watched {
    lease: Option<(ReplicaId, Timestamp)>,
    watch: Watch,
    /// The ended runs of each container, the oldest first. Never empty.
    runs: BTreeMap<String, Vec<EndedRun>>,
}

impl Watches {
    /// Gives back the watches of the owners meant.
    pub(super) fn release(&mut self, meant: impl Fn(ReplicaId) -> bool) {
        for it in self.0.values_mut() {
            it.lease = it.lease.filter(|(owner, _)| !meant(*owner));
        }
    }

    fn watch(&mut self, daemon: &str, owner: ReplicaId, now: Timestamp, until: Timestamp) -> Option<Watch> {
        let it = self.0.entry(daemon.to_owned()).or_default();
        let is_free = it.lease.is_none_or(|(other, until)| other == owner || until <= now);
        is_free.then(|| {
            it.lease = Some((owner, until));
            it.watch.clone()
        })
    }

    fn seen(&mut self, daemon: &str, owner: ReplicaId, watch: &Watch, learnt: &Learnt) -> bool {
        let Some(it) = self.0.get_mut(daemon).filter(|it| it.lease.is_some_and(|(holder, _)| holder == owner)) else {
            return false;
        };
        it.watch = watch.clone();
        for run in &learnt.ended {
            keep(it.runs.entry(run.container.clone()).or_default(), run.clone());
        }
        for container in &learnt.removed {
            it.runs.remove(container);
        }
        while it.runs.len() > CONTAINERS_MAX as usize {
            let oldest = it.runs.iter().min_by_key(|(_, runs)| runs.last().map(|run| run.ended_at));
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            it.runs.remove(&oldest);
        }
        true
    }

    fn past(&self, daemon: &str, containers: &[String]) -> Past {
        let Some(it) = self.0.get(daemon) else { return Past::default() };
        let runs = containers.iter().filter_map(|id| it.runs.get(id)).flatten().cloned().collect();
        Past { runs, gaps: it.watch.gaps.clone() }
    }
}

#[async_trait]
impl Runs for Process {
    async fn watch(
        &self,
        daemon: &str,
        owner: ReplicaId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<Watch>, StoreError> {
        self.write("watch a daemon", |rows| Ok(rows.watches.watch(daemon, owner, now, lease_until)))
    }

    async fn seen(&self, daemon: &str, owner: ReplicaId, watch: &Watch, learnt: &Learnt) -> Result<bool, StoreError> {
        self.write("store ended runs", |rows| Ok(rows.watches.seen(daemon, owner, watch, learnt)))
    }

    async fn past(&self, daemon: &str, containers: &[String]) -> Result<Past, StoreError> {
        self.read("read ended runs", |rows| rows.watches.past(daemon, containers))
    }
}
