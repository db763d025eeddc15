//! Which containers depend on one, in the order in which they are to be restarted after it, as fettle's Docker client finds
//! them: those that share its network, then those that name it, then by Compose's label, each after what it depends on.

use std::collections::BTreeMap;

use super::container::Key;
use super::daemon::Daemon;
use super::spec::label;
use crate::fettle_core::sight::{Container as Seen, Status};

/// As many as the client looks at.
const ENOUGH: usize = 9;

impl Daemon {
    pub(super) fn dependents(&self, of: Key) -> Vec<Seen> {
        let name = &self.at(of).seen.name;
        let mut found: Vec<Key> = Vec::new();
        let numbered = || self.containers.iter().zip((0..).map(Key)).filter(|(it, key)| !it.removed && *key != of);
        found.extend(numbered().filter(|(it, _)| it.spec.network_of.as_ref() == Some(name)).map(|(_, key)| key));
        found.extend(numbered().filter(|(it, _)| it.spec.depends_on.contains(name)).map(|(_, key)| key));
        found.extend(self.by_depends_on(of));
        let mut dependents = Vec::new();
        for (at, key) in found.iter().enumerate() {
            if dependents.len() >= ENOUGH {
                break;
            }
            if found[..at].contains(key) {
                continue;
            }
            let seen = self.seen(*key);
            let counts = match seen.status {
                Status::Running | Status::Paused | Status::Restarting => true,
                Status::Exited => seen.stopped_by_hand == Some(false),
                _ => false,
            };
            if counts {
                dependents.push(seen);
            }
        }
        dependents
    }

    fn by_depends_on(&self, of: Key) -> Vec<Key> {
        let Some((project, on)) = self.at(of).service() else { return Vec::new() };
        let Some(services) = self.by_service.get(project) else { return Vec::new() };
        // By name, so that the order does not depend on the map.
        let needs: BTreeMap<&str, Vec<&str>> = services
            .iter()
            .map(|(name, members)| {
                let labels = members.iter().filter_map(|key| self.at(*key).seen.labels.get(label::DEPENDS_ON));
                (name.as_str(), labels.flat_map(|text| names(text)).collect())
            })
            .collect();
        let mut affected: Vec<&str> = Vec::new();
        while let Some(next) = needs
            .iter()
            .find(|(name, needs)| {
                **name != on && !affected.contains(*name) && needs.iter().any(|it| *it == on || affected.contains(it))
            })
            .map(|(name, _)| *name)
        {
            affected.push(next);
        }
        affected.sort_unstable();
        let mut ordered = Vec::new();
        while !affected.is_empty() {
            let free = |name: &&str| needs.get(name).is_none_or(|it| !it.iter().any(|need| need != name && affected.contains(need)));
            // In a circle none is free: the first by name goes.
            let at = affected.iter().position(free).unwrap_or(0);
            ordered.push(affected.remove(at));
        }
        ordered.into_iter().flat_map(|service| self.members(project, service)).collect()
    }
}

/// `db:service_started:false,cache:service_healthy:true`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter_map(|it| it.split(':').next()).map(str::trim).filter(|name| !name.is_empty())
}
