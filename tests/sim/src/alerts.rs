//! A model of Prometheus and Alertmanager: alerts that fire when something is in trouble, or for no reason; notifications
//! that are repeated, sent twice, frozen and sent late, lost, and whose `startsAt` moves.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use fettle_core::alert::episode::Word;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Picture, Seen, Status};

use uuid::Uuid;

use crate::checks::Deed;
use crate::plan::Plan;
use crate::rng::Rng;
use crate::shell;
use crate::time::{MINUTE, Micros, SECOND, instant};
use crate::world::{Wake, World};

/// One alert as Alertmanager has it.
#[derive(Debug, Clone, Default)]
pub struct One {
    /// Whether it fires.
    pub firing: bool,
    starts_at: Micros,
    ends_at: Micros,
    /// For no reason.
    forced: Option<bool>,
    /// The plan for the next flush; a flush with another number is off.
    flush: u64,
    /// How often it is repeated.
    repeat: Micros,
    asked: bool,
}

/// A body on its way.
#[derive(Debug, Clone)]
pub struct Body {
    /// What it says, by alert.
    pub words: Vec<(usize, Word)>,
    tries: u32,
}

/// Alertmanager.
#[derive(Debug, Default)]
pub struct Alerts {
    /// By number.
    pub all: Vec<One>,
    /// Bodies that were not accepted yet.
    pub bodies: BTreeMap<u64, Body>,
    sent: u64,
}

/// How often a body is sent before it is dropped; the next flush says the same.
const TRIES: u32 = 4;

impl Alerts {
    /// Draws how each is repeated.
    pub fn draw(rng: &mut Rng, plan: &Plan) -> Self {
        let one = |rng: &mut Rng| One {
            repeat: Micros::try_from(rng.between(20, 200)).unwrap_or(60) * SECOND,
            ..One::default()
        };
        Self { all: plan.alerts.iter().map(|_| one(rng)).collect(), ..Self::default() }
    }

    /// Nothing fires and nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.bodies.is_empty() && self.all.iter().all(|one| !one.firing)
    }
}

impl World {
    /// Every alert whose trouble began or ended is evaluated soon.
    pub fn reevaluate(&self) {
        if self.calm.get() {
            return;
        }
        let mut due = Vec::new();
        {
            let (docker, mut alerts) = (self.docker.borrow(), self.alerts.borrow_mut());
            for (at, one) in alerts.all.iter_mut().enumerate() {
                if !one.asked && one.firing != docker.in_trouble(&self.plan.alerts[at].about) {
                    one.asked = true;
                    due.push(at);
                }
            }
        }
        for at in due {
            self.later(25, Wake::Evaluate(at));
        }
        if self.chance(60) {
            let at = usize::try_from(self.below(Micros::try_from(self.plan.alerts.len()).unwrap_or(0))).unwrap_or(0);
            let forced = [None, Some(true), Some(true), Some(false)][usize::try_from(self.below(4)).unwrap_or(0)];
            self.alerts.borrow_mut().all[at].forced = forced;
            self.later(5, Wake::Evaluate(at));
        }
    }

    /// It may begin or end.
    pub fn evaluate(&self, at: usize) {
        let trouble = self.docker.borrow().in_trouble(&self.plan.alerts[at].about);
        let now = self.now();
        let mut alerts = self.alerts.borrow_mut();
        let one = &mut alerts.all[at];
        one.asked = false;
        let firing = !self.calm.get() && one.forced.unwrap_or(trouble);
        // In the end everybody learns how it is, whatever was lost before.
        if firing == one.firing && !self.calm.get() {
            return;
        }
        let changed = firing != one.firing;
        one.firing = firing;
        if !changed && one.starts_at == 0 {
            return;
        }
        if !changed {
            one.ends_at = now;
        } else if firing {
            one.starts_at = now;
        } else {
            one.ends_at = now;
        }
        one.flush += 1;
        let number = one.flush;
        drop(alerts);
        self.tell(|| format!("alert {at} {:?} firing={firing}", self.plan.alerts[at].labels.get("alertname")));
        self.later(8, Wake::Flush(at, number));
    }

    /// A notification is made and sent.
    pub fn flush(&self, at: usize, number: u64) {
        let (one, others) = {
            let alerts = self.alerts.borrow();
            let others: Vec<usize> = (0..alerts.all.len()).filter(|it| alerts.all[*it].firing && *it != at).collect();
            (alerts.all[at].clone(), others)
        };
        if one.flush != number {
            return;
        }
        if one.firing {
            self.push(self.now() + one.repeat, Wake::Flush(at, number));
        } else if self.chance(40) {
            self.tell(|| format!("alert {at}: its resolve is lost"));
            return;
        }
        if self.is_inhibited(at) {
            return;
        }
        let mut words = vec![(at, self.word(&one))];
        if self.chance(200) {
            for other in others {
                let one = self.alerts.borrow().all[other].clone();
                words.push((other, self.word(&one)));
            }
        }
        self.send(words.clone(), 0);
        if self.chance(100) {
            self.send(words.clone(), 5);
        }
        if self.chance(40) {
            self.send(words, 480);
        }
    }

    /// While `FettleWorking` stands it holds back the notifications, where the configuration says so.
    fn is_inhibited(&self, at: usize) -> bool {
        if !self.plan.inhibits || self.calm.get() {
            return false;
        }
        let store = self.store.borrow();
        let stands = |it: &Announcement| it.name == AnnouncementName::Working && it.until > instant(self.now());
        let about = self.plan.alerts[at].labels.get("instance");
        store.outbox.values().any(|it| stands(it) && it.labels.get("instance") == about)
    }

    /// What the API lists, unless nobody answers.
    pub fn picture(&self, at: Timestamp) -> Option<Picture> {
        let people = self.people.borrow();
        if people.upstream_down {
            return None;
        }
        let alerts = self.alerts.borrow();
        let firing = self.plan.alerts.iter().zip(&alerts.all).filter(|(_, one)| one.firing);
        let seen = |one: &One| Seen {
            status: Status::Active,
            silenced: people.silences,
            inhibited_by_others: false,
            starts_at: instant(one.starts_at),
        };
        let alerts = firing.map(|(plan, one)| (plan.fingerprint, seen(one))).collect();
        Some(Picture { at, alerts, answered: 1, asked: 1, believes_absence: true, dropped: HashSet::new() })
    }

    fn word(&self, one: &One) -> Word {
        let moved = if self.chance(80) { self.below(20 * SECOND) } else { 0 };
        let jumped = if self.chance(20) { 6 * MINUTE } else { 0 };
        let starts_at = instant(one.starts_at + moved + jumped);
        if one.firing {
            Word::Firing { starts_at }
        } else {
            Word::Resolved { starts_at, ends_at: instant(one.ends_at) }
        }
    }

    fn send(&self, words: Vec<(usize, Word)>, within: u64) {
        let mut alerts = self.alerts.borrow_mut();
        alerts.sent += 1;
        let number = alerts.sent;
        alerts.bodies.insert(number, Body { words, tries: 0 });
        drop(alerts);
        self.later(within, Wake::Deliver(number));
    }

    /// A body is posted to one of the processes, and again when nobody accepted it.
    pub fn deliver(self: &Rc<Self>, number: u64) {
        let body = {
            let mut alerts = self.alerts.borrow_mut();
            let Some(body) = alerts.bodies.get_mut(&number) else { return };
            body.tries += 1;
            if body.tries > TRIES && !self.calm.get() {
                alerts.bodies.remove(&number);
                return;
            }
            body.clone()
        };
        let up: Vec<_> = self.replicas.iter().filter(|it| it.is_up(self.now())).collect();
        if !up.is_empty() {
            let chosen = usize::try_from(self.below(Micros::try_from(up.len()).unwrap_or(0))).unwrap_or(0);
            let replica = up[chosen].clone();
            let world = self.clone();
            self.spawn(replica.number, async move { shell::receive::intake(world, replica, number, body).await });
        }
        self.push(self.now() + 10 * SECOND + self.below(5 * SECOND), Wake::Deliver(number));
    }

    /// A body was accepted: 202.
    pub fn accepted(&self, number: u64, notification: Uuid) {
        self.alerts.borrow_mut().bodies.remove(&number);
        self.deed(&Deed::Accepted { notification });
    }
}
