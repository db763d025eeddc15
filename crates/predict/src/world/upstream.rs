//! Alertmanager as a world sees it: it lists what was last heard of every alert, but for what it is told here, and it takes
//! what fettle announces as soon as it can be reached.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::World;
use super::docker::Docker;
use super::happening::{Happening, What};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::announcement::AnnouncementName;
use fettle_core::time::Timestamp;

/// What it says beyond what was heard, and what it could not be told yet.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// It does not answer.
    pub(super) down: bool,
    /// Alerts that a person silences.
    pub(super) silenced: HashSet<Fingerprint>,
    /// Alerts that it lists no more, though nobody was told.
    pub(super) gone: HashSet<Fingerprint>,
    /// The latest announcement of each kind and remediation that could not be delivered, by when it was put in.
    outbox: BTreeMap<u64, Happening>,
    put: u64,
}

impl Upstream {
    /// An alert was heard of, so what it lists is that.
    pub(super) fn heard(&mut self, alert: Fingerprint) {
        self.gone.remove(&alert);
    }

    /// Gives back what is not an announcement, and what can be delivered; keeps the rest, as the outbox does.
    pub(super) fn deliver(&mut self, it: Happening) -> Option<Happening> {
        let Some(about) = announced(&it).filter(|_| self.down) else { return Some(it) };
        // A later one takes its place.
        self.outbox.retain(|_, other| announced(other) != Some(about));
        self.put += 1;
        self.outbox.insert(self.put, it);
        None
    }

    /// It can be reached again: what it is told now. What has lapsed meanwhile is taken back.
    fn flush(&mut self, now: Timestamp) -> impl Iterator<Item = Happening> + use<> {
        let late = move |mut it: Happening| {
            it.at = now;
            if let What::Announced { until, .. } = &mut it.what {
                *until = until.filter(|until| *until > now);
            }
            it
        };
        std::mem::take(&mut self.outbox).into_values().map(late)
    }
}

/// Which announcement it is.
fn announced(it: &Happening) -> Option<(AnnouncementName, Uuid)> {
    match &it.what {
        What::Announced { name, .. } => Some((*name, it.remediation.into())),
        _ => None,
    }
}

impl<D: Docker> World<D> {
    /// From `at` on Alertmanager answers, or does not: time passes until then, what is due at that very instant excepted.
    pub fn alertmanager_answers(&mut self, at: Timestamp, answers: bool) {
        self.reach(at);
        self.upstream.down = !answers;
        if answers {
            self.happened.extend(self.upstream.flush(self.now));
        }
    }

    /// From `at` on Alertmanager does not list this alert any more, though nobody is told, until it is heard of again.
    pub fn gone(&mut self, at: Timestamp, alert: Fingerprint) {
        self.reach(at);
        self.upstream.gone.insert(alert);
    }
}
