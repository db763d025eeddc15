//! What Alertmanager says by its API, as plain data: which alerts fire now, which are silenced, and what is gone.
//!
//! Alertmanager mutes an inhibited alert for every receiver, fettle's webhook included. So while an alert of fettle's own
//! inhibits, only a look at the API tells whether the original still fires. A [`Picture`] is such a look at all peers:
//!
//! - An alert that a peer lists, inhibited by nothing but fettle's own alerts (label `fettle="self"`), fires: that is
//!   evidence as of the look, silenced or not.
//! - One inhibited by anybody else neither fires nor is gone: what was heard before stays as it is.
//! - One that no peer lists is gone, but only if every peer that answered has been up for [`TRUSTED_AFTER`] or was seen to
//!   list it before, since it is up: alerts live in a peer's memory only, and after its restart they are missing until
//!   Prometheus sends them again. What a process has listed it does not forget while it fires, however young it is.
//!
//! Where peers differ, the answer that leads to less being done holds: one that lists the alert against one that does not,
//! one that has it silenced or inhibited against one that has not.
//!
//! Not known here: alerts inhibited by several. Alertmanager 0.25 names one inhibiting alert, by the first inhibit rule
//! that applies, so a rule for fettle's own alerts belongs behind all others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::alert::episode::{AlertState, Word};
use super::alert::fingerprint::Fingerprint;
use super::alert::labels::Labels;
use super::time::Timestamp;

/// The label, and its value, of every alert that fettle posts.
pub const OWN: (&str, &str) = ("fettle", "self");

/// How long a peer must have been up before an alert that it does not list is gone. Prometheus sends a firing alert again
/// every minute (`--rules.alert.resend-delay`), or every evaluation interval if that is longer: room for four of them
/// to fail.
pub const TRUSTED_AFTER: Duration = Duration::from_mins(5);

/// What one peer answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerView {
    /// How long it has been up; `None` when it did not say.
    pub up_for: Option<Duration>,
    /// Every alert that it lists: those that are not resolved.
    pub alerts: Vec<Listed>,
    /// What the same process listed before; see [`Run`].
    pub listed_before: HashSet<Fingerprint>,
}

/// One life of a peer's process, and what it was seen to list in it.
///
/// A list is the process's own if the peer said before it and after it that it is up since the same instant: then nothing
/// was started anew in between. Kept only while the process is young; an old one is believed without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    began: Timestamp,
    listed: HashSet<Fingerprint>,
}

impl Run {
    /// A process that says that it is up since then, before anything of it was seen.
    #[must_use]
    pub fn new(began: Timestamp) -> Self {
        Self { began, listed: HashSet::new() }
    }

    /// Takes a list in; `run` is the process as it was known before, and `after` since when the peer is up, and for how long,
    /// as it said after the list. What this very process listed before is the answer: nothing, if it may be another one.
    pub fn follow(
        run: &mut Option<Self>,
        alerts: &[Listed],
        after: Option<(Timestamp, Duration)>,
    ) -> HashSet<Fingerprint> {
        match (run.as_mut(), after) {
            (Some(same), Some((began, up_for))) if same.began == began => {
                let before = std::mem::take(&mut same.listed);
                if up_for < TRUSTED_AFTER {
                    same.listed = before.iter().copied().chain(alerts.iter().map(|it| it.fingerprint)).collect();
                }
                before
            }
            _ => {
                *run = after.map(|(began, _)| Self::new(began));
                HashSet::new()
            }
        }
    }
}

/// One alert as one peer lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Computed from the labels.
    pub fingerprint: Fingerprint,
    /// The peer's name for it, as other alerts of the same answer refer to it.
    pub known_as: String,
    /// Whether fettle posted it.
    pub own: bool,
    /// Whether it is suppressed, for whatever reason.
    pub suppressed: bool,
    /// Whether a silence holds it.
    pub silenced: bool,
    /// The peer's names of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// Since when it fires.
    pub starts_at: Timestamp,
}

/// Whether anybody is notified of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// By one peer at least.
    Active,
    /// By none: silenced or inhibited.
    Suppressed,
}

/// One alert as all answering peers list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Whether anybody is notified.
    pub status: Status,
    /// Whether a silence holds it, on any peer.
    pub silenced: bool,
    /// Whether an alert that is not fettle's own inhibits it, on any peer.
    pub inhibited_by_others: bool,
    /// Since when it fires; the latest, where peers differ.
    pub starts_at: Timestamp,
}

/// What all answering peers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// When they were asked; what happened later is not in it.
    pub at: Timestamp,
    /// Every alert that any of them lists.
    pub alerts: HashMap<Fingerprint, Seen>,
    /// How many peers answered.
    pub answered: usize,
    /// How many peers there are.
    pub asked: usize,
    /// Whether an alert that is not in it is gone.
    pub believes_absence: bool,
    /// What is gone even if that is not so: every peer that is too young to be believed listed it before.
    pub dropped: HashSet<Fingerprint>,
}

/// What a picture says of one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It fires.
    Firing,
    /// It is listed, and held back by an alert that is not fettle's own.
    Inhibited,
    /// It does not fire any more.
    Gone,
    /// It is not listed, by peers that may not know yet.
    Unknown,
}

impl Picture {
    /// Puts together what the peers that answered say; `asked` counts those that did not, too.
    #[must_use]
    pub fn merge(at: Timestamp, asked: usize, views: &[PeerView]) -> Self {
        let mut alerts = HashMap::new();
        for view in views {
            let own: HashSet<&str> = view.alerts.iter().filter(|it| it.own).map(|it| it.known_as.as_str()).collect();
            for listed in &view.alerts {
                let new = listed.seen(&own);
                alerts.entry(listed.fingerprint).and_modify(|seen: &mut Seen| seen.join(new)).or_insert(new);
            }
        }
        let young: Vec<&PeerView> =
            views.iter().filter(|view| view.up_for.is_none_or(|up_for| up_for < TRUSTED_AFTER)).collect();
        let dropped = young.split_first().map_or_else(HashSet::new, |(first, rest)| {
            let known = |it: &&Fingerprint| rest.iter().all(|view| view.listed_before.contains(*it));
            first.listed_before.iter().filter(known).filter(|it| !alerts.contains_key(*it)).copied().collect()
        });
        let believes_absence = !views.is_empty() && young.is_empty();
        Self { at, alerts, answered: views.len(), asked, believes_absence, dropped }
    }

    /// What it says of one alert.
    #[must_use]
    pub fn standing(&self, alert: &Fingerprint) -> Standing {
        match self.alerts.get(alert) {
            Some(seen) if seen.inhibited_by_others => Standing::Inhibited,
            Some(_) => Standing::Firing,
            None if self.believes_absence || self.dropped.contains(alert) => Standing::Gone,
            None => Standing::Unknown,
        }
    }
}

impl Listed {
    /// As `Seen`, where `own` are fettle's alerts in the same answer. An inhibiting alert that is not in the answer is
    /// somebody else's.
    fn seen(&self, own: &HashSet<&str>) -> Seen {
        Seen {
            status: if self.suppressed { Status::Suppressed } else { Status::Active },
            silenced: self.silenced,
            inhibited_by_others: self.inhibited_by.iter().any(|by| !own.contains(by.as_str())),
            starts_at: self.starts_at,
        }
    }
}

impl Seen {
    fn join(&mut self, other: Self) {
        if other.status == Status::Active {
            self.status = Status::Active;
        }
        self.silenced |= other.silenced;
        self.inhibited_by_others |= other.inhibited_by_others;
        self.starts_at = self.starts_at.max(other.starts_at);
    }
}

/// Whether a silence holds the alert.
#[must_use]
pub fn silenced(picture: &Picture, alert: &Fingerprint) -> bool {
    picture.alerts.get(alert).is_some_and(|seen| seen.silenced)
}

/// What is known of an alert once the picture is taken into account, by the rules of episodes: a look is a word like that
/// of a notification, received when the peers were asked. So a picture older than the last word changes nothing, an
/// alert that is gone ends its episode, and one that fires again after a known end begins the next.
#[must_use]
pub fn overlay(known: &AlertState, picture: &Picture) -> AlertState {
    let mut state = known.clone();
    let seen = picture.alerts.get(&known.fingerprint);
    let word = match (picture.standing(&known.fingerprint), seen) {
        (Standing::Firing, Some(seen)) => Word::Firing { starts_at: seen.starts_at },
        (Standing::Gone, _) => Word::Resolved { starts_at: known.starts_at, ends_at: picture.at },
        _ => return state,
    };
    state.hear(word, picture.at, None);
    state
}

/// An alert that fettle posts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its identity; posting the same labels again renews it.
    pub labels: Labels,
    /// What people read.
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    pub starts_at: Timestamp,
    /// When it lapses unless it is posted again; in the past: now.
    pub ends_at: Timestamp,
    /// Where a person finds more.
    pub generator_url: Option<String>,
}

#[cfg(test)]
mod tests;
