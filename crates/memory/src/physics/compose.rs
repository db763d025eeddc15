//! Compose: which containers belong to a service, and a deployment of a project.

use std::time::Duration;

use super::container::Key;
use super::daemon::Daemon;
use super::request::{Request, Ticket};
use super::truth::By;
use crate::fettle_core::time::Timestamp;

/// How long Compose lets a process end.
const GRACE: Duration = Duration::from_secs(10);

impl Daemon {
    /// The containers of a service, by Compose's number. The one place that decides which these are.
    pub(super) fn members(&self, project: &str, service: &str) -> Vec<Key> {
        let found = self.by_service.get(project).and_then(|it| it.get(service));
        let mut members = found.cloned().unwrap_or_default();
        members.sort_by(|a, b| {
            let (a, b) = (&self.at(*a).seen, &self.at(*b).seen);
            (a.number, &a.name).cmp(&(b.number, &b.name))
        });
        members
    }

    /// `compose up` after a change of every service of a project: each container is made anew under its name.
    pub fn deploy(&mut self, project: &str, now: Timestamp) -> Vec<Ticket> {
        self.advance(now);
        let mut keys: Vec<Key> =
            self.by_service.get(project).into_iter().flat_map(|it| it.values()).flatten().copied().collect();
        keys.sort_unstable();
        let ids: Vec<String> = keys.into_iter().map(|key| self.at(key).seen.id.clone()).collect();
        ids.into_iter().map(|id| self.ask(Request::Recreate { id, grace: GRACE }, By::Deploy, now)).collect()
    }
}
