//! What a look shows: from the daemon's state to the core's words, for a target by its names and for a pin.
//!
//! A look is answered if each inspect that it takes is answered. It changes nothing.

use super::container::Key;
use super::daemon::Daemon;
use super::events::What;
use fettle_core::sight::{
    self, Container as Seen, Found, Lifecycle, Pin, Replicas, Sight, Status, Wanted, ended_by_person,
};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// The daemon does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAnswer;

impl Daemon {
    /// Looks a target up by its names.
    pub fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, NoAnswer> {
        if !self.answers() {
            return Err(NoAnswer);
        }
        match target {
            Target::Container { name, .. } => match self.by_name.get(name) {
                Some(key) => self.whole(*key, wanted).map(Found::one),
                None => Ok(Found::Nothing),
            },
            Target::Compose { project, service, .. } => {
                let members = self.members(project, service);
                match (&members[..], wanted.replicas) {
                    ([], _) => Ok(Found::Nothing),
                    (_, true) => self.group(project, service, &members).map(Found::one),
                    ([one], false) => self.whole(*one, wanted).map(Found::one),
                    (many, false) => Ok(Found::Many(many.len())),
                }
            }
            Target::Swarm { service, .. } => {
                let found = self.services.iter().find(|it| it.seen.name == *service);
                Ok(found.map_or(Found::Nothing, |it| Found::one(Sight::Service(self.service_seen(it)))))
            }
            Target::Disk { name, .. } => {
                Ok(self.disk_seen(name).map_or(Found::Nothing, |it| Found::one(Sight::Disk(it))))
            }
            Target::Unresolvable { .. } => Ok(Found::Nothing),
        }
    }

    /// Looks again at what was found before; `None`: there is no such thing any more.
    pub fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, NoAnswer> {
        if !self.answers() {
            return Err(NoAnswer);
        }
        match target {
            Target::Compose { project, service, .. } if pin.id.contains(':') => {
                let members = self.members(project, service);
                if members.is_empty() { Ok(None) } else { self.group(project, service, &members).map(Some) }
            }
            Target::Container { .. } | Target::Compose { .. } => match self.key(&pin.id) {
                Some(key) => self.whole(key, Wanted::default()).map(|it| Some(it.into())),
                None => Ok(None),
            },
            Target::Swarm { .. } => {
                let found = self.services.iter().find(|it| it.seen.id == pin.id);
                Ok(found.map(|it| Sight::Service(self.service_seen(it))))
            }
            Target::Disk { name, .. } => Ok(self.disk_seen(name).map(Sight::Disk)),
            Target::Unresolvable { .. } => Ok(None),
        }
    }

    /// Everything that a target can name on this host, by name.
    #[must_use]
    pub fn targets(&self, host: &str) -> Vec<Target> {
        let host = || host.to_owned();
        let mut targets: Vec<Target> =
            self.by_name.keys().map(|name| Target::Container { host: host(), name: name.clone() }).collect();
        for (project, services) in &self.by_service {
            let there = services.iter().filter(|(_, members)| !members.is_empty());
            targets.extend(there.map(|(service, _)| Target::Compose {
                host: host(),
                project: project.clone(),
                service: service.clone(),
            }));
        }
        targets.extend(self.services.iter().map(|it| Target::Swarm { host: host(), service: it.seen.name.clone() }));
        targets.extend(self.disks.keys().map(|name| Target::Disk { host: host(), name: name.clone() }));
        targets.sort_unstable();
        targets
    }

    /// A container with those that depend on it, where they are wanted.
    fn whole(&self, key: Key, wanted: Wanted) -> Result<Seen, NoAnswer> {
        if self.at(key).held {
            return Err(NoAnswer);
        }
        let mut seen = self.seen(key);
        if wanted.dependents {
            seen.dependents = self.dependents(key);
        }
        if wanted.siblings {
            seen.siblings_well = self.siblings_well(&seen)?;
        }
        Ok(seen)
    }

    fn siblings_well(&self, seen: &Seen) -> Result<u32, NoAnswer> {
        let Some((project, service)) = seen.compose_service() else { return Ok(0) };
        match self.group(project, service, &self.members(project, service))? {
            Sight::Replicas(it) => Ok(it.well_beside(&seen.id)),
            _ => Ok(0),
        }
    }

    fn group(&self, project: &str, service: &str, members: &[Key]) -> Result<Sight, NoAnswer> {
        if members.iter().any(|key| self.at(*key).held) {
            return Err(NoAnswer);
        }
        Ok(Sight::Replicas(Replicas {
            daemon: self.id.clone(),
            project: project.to_owned(),
            service: service.to_owned(),
            members: members.iter().map(|key| self.seen(*key)).collect(),
        }))
    }

    /// What an inspect and the daemon's events show of a container.
    pub(super) fn seen(&self, key: Key) -> Seen {
        let it = self.at(key);
        let mut seen = it.seen.clone();
        if !it.hand_declared {
            seen.stopped_by_hand = self.stopped_by_hand(key);
        }
        if it.is_alive() && it.is_checked_at_once() && !it.health_declared {
            let passes = it.life.passes(fettle_core::time::since(self.now, it.life_from));
            seen.health = Some(if passes { sight::Health::Healthy } else { sight::Health::Unhealthy });
        }
        seen
    }

    /// Whether somebody stopped it through the API, as far as the daemon remembers and lets fettle read.
    fn stopped_by_hand(&self, key: Key) -> Option<bool> {
        let it = self.at(key);
        match it.seen.started_at {
            _ if it.seen.status != Status::Exited => None,
            _ if it.start_failed => Some(false),
            // The exit code alone says that it was asked to end.
            Some(started) if !matches!(it.seen.exit_code, 0 | 143) && !self.events_denied => {
                self.was_asked_to_end(key, started)
            }
            _ => None,
        }
    }

    /// What Docker's events show of the end; read as the Docker adapter reads them.
    fn was_asked_to_end(&self, key: Key, started: Timestamp) -> Option<bool> {
        let seen = &self.at(key).seen;
        let of_it = self.events.of(&seen.id, started).filter_map(|event| {
            let what = match event.what {
                What::Start => Lifecycle::Start,
                What::Stop => Lifecycle::Stop,
                What::Die(_) => Lifecycle::Die,
                What::Kill(signal) => Lifecycle::Kill(Some(signal.into())),
                _ => return None,
            };
            Some((event.at, what))
        });
        ended_by_person(of_it, seen.exit_code, started, self.events.oldest())
    }

    fn disk_seen(&self, name: &str) -> Option<sight::Disk> {
        let it = self.disks.get(name)?;
        Some(sight::Disk { daemon: self.id.clone(), name: name.to_owned(), allow: it.allow.clone(), space: it.space })
    }
}
