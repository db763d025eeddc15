//! What ails the containers, and what becomes of requests to the daemon. A restart cures some of it, sometimes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fettle_core::sight::{Health, Status};
use fettle_memory::physics::{By, Chance, Daemon, Fate, Life, Reply, Request};

use crate::rng::Rng;
use crate::time::{MINUTE, instant};
use crate::town::CONTAINERS;
use crate::world::{Wake, World};

/// What ails a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It ends soon after each start, with this code.
    Loops(i64),
    /// Its health check fails.
    Unhealthy,
    /// It does not do what it is there for, and Docker does not see that.
    Deaf,
}

/// What ails all of them.
#[derive(Debug)]
pub struct Troubles {
    rng: Rng,
    requests: u64,
    /// By container's name.
    pub ailing: BTreeMap<String, Trouble>,
}

impl Troubles {
    /// Nothing yet; `requests` in a thousand go wrong.
    pub fn new(rng: &mut Rng, requests: u64) -> Self {
        Self { rng: Rng::new(rng.below(u64::MAX)), requests, ailing: BTreeMap::new() }
    }

    /// Nothing any more.
    pub fn end(&mut self) {
        self.requests = 0;
        self.ailing.clear();
    }
}

/// What the model of Docker leaves to chance.
pub struct Fortune(pub Arc<Mutex<Troubles>>);

impl Chance for Fortune {
    fn life(&mut self, name: &str, _: usize) -> Option<Life> {
        let it = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = *it.ailing.get(name)?;
        let cured = match trouble {
            Trouble::Loops(_) => 80,
            Trouble::Unhealthy | Trouble::Deaf => 600,
        };
        if it.rng.chance(cured) {
            it.ailing.remove(name);
            return None;
        }
        match trouble {
            Trouble::Loops(code) => Some(Life::ends(Duration::from_millis(it.rng.between(500, 12_000)), code)),
            Trouble::Unhealthy => Some(Life::UNHEALTHY),
            Trouble::Deaf => None,
        }
    }

    fn fate(&mut self, _: &Request) -> Fate {
        let it = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !it.rng.chance(it.requests) {
            return Fate::ORDINARY;
        }
        // As long as a daemon that is at work may take.
        let wait = Duration::from_millis(it.rng.between(100, 25_000));
        match it.rng.below(8) {
            0 | 1 => Fate::SILENT,
            2 => Fate::LOST,
            3 => Fate::refused(500),
            4 => Fate::refused_and_done(500),
            5 => Fate { start_fails: true, ..Fate::ORDINARY },
            6 => Fate { wait, ..Fate::ORDINARY },
            _ => Fate { wait, reply: Reply::None, ..Fate::ORDINARY },
        }
    }
}

/// Whether something is wrong with the container of this name, as an alerting rule finds it: it is not running, it is
/// unhealthy, it was restarted by Docker twice lately, or it does not do what it is there for.
pub fn is_wrong(daemon: &Daemon, ailing: &BTreeMap<String, Trouble>, name: &str, now: i64) -> bool {
    if ailing.contains_key(name) {
        return true;
    }
    let Some(seen) = daemon.id_of(name).and_then(|id| daemon.container(id)) else { return false };
    if seen.status != Status::Running || seen.health == Some(Health::Unhealthy) {
        return true;
    }
    let lately = instant(now - 2 * MINUTE);
    let recent = daemon.runs().iter().rev().take_while(|run| run.begun_at >= lately);
    recent.filter(|run| run.id == seen.id && run.begun_by == By::Policy).count() >= 2
}

impl World {
    /// Something gets into trouble.
    pub fn trouble(&self) {
        if self.is_calm() {
            return;
        }
        let (chosen, kind, life) = {
            let mut rng = self.rng();
            // Troubles seldom come alone: that is what a storm is.
            let many = if rng.chance(100) { 5 } else { 1 };
            let chosen: Vec<&str> = (0..many).map(|_| *rng.pick(&CONTAINERS)).collect();
            (chosen, rng.below(10), Duration::from_millis(rng.between(500, 9_000)))
        };
        for name in &chosen {
            self.ail(name, kind, life);
        }
        self.note(|| format!("trouble {kind} of {chosen:?}"));
        self.later(self.plan.weather.trouble * 2, Wake::Trouble);
    }

    fn ail(&self, name: &str, kind: u64, life: Duration) {
        let ails = |trouble| {
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            troubles.ailing.insert(name.to_owned(), trouble);
        };
        let rest = match kind {
            0..4 => {
                ails(Trouble::Loops(1));
                Some(Life::ends(life, 1))
            }
            4 => Some(Life::ends(life, 1)),
            5 => Some(Life::out_of_memory(life)),
            6 | 7 => {
                ails(Trouble::Unhealthy);
                Some(Life::UNHEALTHY)
            }
            8 => {
                ails(Trouble::Deaf);
                None
            }
            _ => {
                self.troubles.lock().unwrap_or_else(PoisonError::into_inner).ailing.remove(name);
                Some(Life::WELL)
            }
        };
        let Some(rest) = rest else { return };
        let now = instant(self.now());
        self.docker(|docker| {
            if let Some(id) = docker.daemon.id_of(name).map(str::to_owned) {
                docker.daemon.set_life(&id, rest, now);
            }
        });
    }

    /// Every container is well from its next start on, and those that run are.
    pub fn cure(&self) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).end();
        let now = instant(self.now());
        self.docker(|docker| {
            let all: Vec<String> = docker.daemon.containers().map(|it| it.id.clone()).collect();
            for id in all {
                docker.daemon.set_life(&id, Life::WELL, now);
            }
        });
    }
}
