//! What goes wrong with the daemon and the way to it: it is away, it is silent, a part of it hangs, it is started again, it
//! forgets, a proxy hides its events.

use std::collections::BTreeMap;

use fettle_core::time::Timestamp;
use fettle_memory::physics::{Link, MEMORY, Part, World as Docker};

use crate::time::{Micros, SECOND, instant};
use crate::town::CONTAINERS;
use crate::world::{Wake, World};

/// Faults of the daemon that are not over, by number, and since when it is reachable.
#[derive(Debug, Default)]
pub struct Faults {
    begun: u64,
    open: BTreeMap<u64, Fault>,
    /// When the last fault was over by which the host could not be reached.
    pub back_at: Option<Micros>,
}

#[derive(Debug, Clone)]
enum Fault {
    Away,
    Silent,
    Mute,
    One(u32),
    Hangs(Part),
    Stopped,
    Denied,
}

impl Faults {
    /// Whether no host can be reached, or none answers.
    pub fn is_away(&self) -> bool {
        self.open.values().any(|it| !matches!(it, Fault::Denied))
    }
}

impl Faults {
    /// Whether a proxy hides the daemon's events.
    pub fn hides_events(&self) -> bool {
        self.open.values().any(|it| matches!(it, Fault::Denied))
    }
}

impl World {
    /// Something goes wrong with the daemon.
    pub fn daemon_fails(&self) {
        if self.is_calm() {
            return;
        }
        self.later(self.plan.weather.daemon * 2, Wake::Daemon);
        let (fault, lasts) = {
            let mut rng = self.rng();
            let name = *rng.pick(&CONTAINERS);
            let one = u32::try_from(rng.below(u64::from(self.plan.weather.replicas))).unwrap_or(0);
            let (kind, live_restore) = (rng.below(10), rng.chance(300));
            let long = *rng.pick(&[10, 40, 100]);
            let lasts = Micros::try_from(rng.between(2, long)).unwrap_or(1) * SECOND;
            drop(rng);
            let shim = || self.docker(|docker| docker.daemon.id_of(name).map(|id| Part::Shim(id.to_owned())));
            let fault = match kind {
                0 => Some(Fault::Away),
                1 => Some(Fault::Silent),
                2 => Some(Fault::Mute),
                3 => Some(Fault::One(one)),
                4 => Some(Fault::Hangs(Part::Dockerd)),
                5 => Some(Fault::Hangs(Part::Containerd)),
                6 => shim().map(Fault::Hangs),
                7 => {
                    let now = instant(self.now());
                    self.docker(|docker| docker.daemon.stop_daemon(live_restore, now));
                    Some(Fault::Stopped)
                }
                8 => Some(Fault::Denied),
                _ => {
                    self.docker(|docker| docker.daemon.forget_events(MEMORY));
                    None
                }
            };
            (fault, lasts)
        };
        let Some(fault) = fault else { return };
        self.note(|| format!("daemon: {fault:?} for {} s", lasts / SECOND));
        let number = {
            let mut checks = self.checks();
            let faults = &mut checks.faults;
            faults.begun += 1;
            let number = faults.begun;
            faults.open.insert(number, fault);
            number
        };
        self.apply();
        self.push(self.now() + lasts, Wake::DaemonOver(number));
    }

    /// One fault of the daemon is over.
    pub fn daemon_recovers(&self, number: u64) {
        let Some(fault) = self.checks().faults.open.remove(&number) else { return };
        self.note(|| format!("daemon: {fault:?} is over"));
        if !matches!(fault, Fault::Denied) {
            self.checks().faults.back_at = Some(self.now());
        }
        let now = instant(self.now());
        self.docker(|docker| match &fault {
            Fault::Stopped => docker.daemon.start_daemon(now),
            Fault::Hangs(part) => docker.daemon.resume(part, now),
            Fault::Away | Fault::Silent | Fault::Mute | Fault::One(_) | Fault::Denied => {}
        });
        self.apply();
    }

    /// Sets the ways and parts as the open faults demand.
    fn apply(&self) {
        let open: Vec<Fault> = self.checks().faults.open.values().cloned().collect();
        let now = instant(self.now());
        self.docker(|docker| set(docker, &open, now));
    }

    /// Nothing is wrong with the daemon any more, and every container is well.
    pub fn daemon_is_well(&self) {
        let numbers: Vec<u64> = self.checks().faults.open.keys().copied().collect();
        for number in numbers {
            self.daemon_recovers(number);
        }
        let now = instant(self.now());
        self.docker(|docker| docker.daemon.resume_all(now));
        self.cure();
    }
}

fn set(docker: &mut Docker, open: &[Fault], now: Timestamp) {
    docker.link = Link::Up;
    docker.links.clear();
    docker.daemon.deny_events(false);
    for fault in open {
        match fault {
            Fault::Away => docker.link = Link::Away,
            Fault::Silent => docker.link = Link::Silent,
            Fault::Mute => docker.link = Link::Mute,
            Fault::One(client) => drop(docker.links.insert(*client, Link::Silent)),
            Fault::Denied => docker.daemon.deny_events(true),
            Fault::Hangs(part) => docker.daemon.hang(part, now),
            Fault::Stopped => {}
        }
    }
}
