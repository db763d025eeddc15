//! What is there: everything on every host that a rule could name, looked at once.
//!
//! Always holds: bounded in time, and what could not be seen is listed as such. A container's labels are kept only where
//! fettle reads them, and its addresses only where they may be those of fettle's database: the rest may hold secrets, and
//! an inventory is saved and shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::Ground;
use super::pairs::could_touch;
use fettle_core::action::Action;
use fettle_core::ports::platform::Platform;
use fettle_core::rule::model::Rule;
use fettle_core::rule::set::RuleSet;
use fettle_core::sight::{Container, Found, Replicas, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// Everything is looked at within this time, or is not seen.
const WHOLE: Duration = Duration::from_secs(12);

/// Looks under way at the same time: a daemon answers eight about as fast as one.
const LOOKS: usize = 8;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONEOFF: &str = "com.docker.compose.oneoff";

/// Labels that are kept: those that fettle reads.
const KEPT: [&str; 2] = ["fettle.", "com.docker.compose."];

/// Everything that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was looked at.
    pub at: Timestamp,
    /// The hosts.
    pub hosts: Vec<HostSaid>,
    /// What was seen on them, in order of targets: containers, Swarm services, disks. Compose services are known by their
    /// containers.
    pub things: Vec<Thing>,
    /// What is there and could not be seen.
    pub unseen: Vec<Unseen>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSaid {
    /// Its name.
    pub host: String,
    /// Why it could not be asked.
    pub error: Option<String>,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// As it is written.
    pub target: Target,
    /// As it was seen.
    pub sight: Sight,
}

/// One thing that could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// As it is written.
    pub target: Target,
    /// Why.
    pub error: String,
}

impl Inventory {
    /// Nothing at all, for comparing rules by what is written alone.
    #[must_use]
    pub fn empty(at: Timestamp) -> Self {
        Self { at, hosts: Vec::new(), things: Vec::new(), unseen: Vec::new() }
    }

    /// Every target that can be named, in order.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<Target> {
        let compose = self.things.iter().filter_map(|thing| service_of(thing).map(|(target, _)| target));
        self.things.iter().map(|thing| thing.target.clone()).chain(compose).collect()
    }

    /// What a look at a target would have shown.
    #[must_use]
    pub fn find(&self, target: &Target, wanted: Wanted) -> Found {
        let Target::Compose { .. } = target else {
            let thing = self.things.iter().find(|thing| thing.target == *target);
            return thing.map_or(Found::Nothing, |thing| {
                let sight = without(thing.sight.clone(), wanted);
                Found::one(if wanted.siblings { self.beside(thing, sight) } else { sight })
            });
        };
        let of_it = self.things.iter().filter_map(service_of).filter(|(it, _)| it == target);
        let mut members: Vec<Container> = of_it.map(|(_, container)| container.clone()).collect();
        members.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
        match (&members[..], wanted.replicas, target) {
            ([], _, _) => Found::Nothing,
            ([first, ..], true, Target::Compose { project, service, .. }) => Found::one(Sight::Replicas(Replicas {
                daemon: first.daemon.clone(),
                project: project.clone(),
                service: service.clone(),
                members: members.iter().map(|it| Container { dependents: Vec::new(), ..it.clone() }).collect(),
            })),
            ([one], ..) => Found::one(without(one.clone().into(), wanted)),
            (many, ..) => Found::Many(many.len()),
        }
    }

    /// A container's sight, with how many others of its service are well.
    fn beside(&self, thing: &Thing, sight: Sight) -> Sight {
        let (Some((service, own)), Sight::Container(it)) = (service_of(thing), &sight) else { return sight };
        let others = self.things.iter().filter_map(service_of).filter(|(of, _)| *of == service);
        let well = others.filter(|(_, other)| other.id != own.id && other.is_well()).count();
        Container { siblings_well: u32::try_from(well).unwrap_or(u32::MAX), ..(**it).clone() }.into()
    }
}

/// The sight as a look shows it that does not ask for dependents.
fn without(sight: Sight, wanted: Wanted) -> Sight {
    match sight {
        Sight::Container(it) if !wanted.dependents => Container { dependents: Vec::new(), ..*it }.into(),
        sight => sight,
    }
}

/// The Compose service that a container is of.
fn service_of(thing: &Thing) -> Option<(Target, &Container)> {
    let container = thing.sight.container()?;
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    let (project, service) = (label(PROJECT)?, label(SERVICE)?);
    let of = Target::Compose { host: thing.target.host().to_owned(), project: project.into(), service: service.into() };
    (label(ONEOFF) == Some("False")).then_some((of, container))
}

/// Looks at everything on every host. `rules` tell for which containers those that depend on them are looked at, too.
pub async fn gather(platform: &dyn Platform, rules: &[&RuleSet], ground: &Ground, at: Timestamp) -> Inventory {
    let end = Instant::now() + WHOLE;
    let mut inventory = Inventory::empty(at);
    let mut names: Vec<Target> = Vec::new();
    for (host, asked) in platform.targets().await {
        let error = asked.as_ref().err().map(ToString::to_string);
        inventory.hosts.push(HostSaid { host, error });
        // A Compose service is known by its containers.
        let found = asked.unwrap_or_default();
        names.extend(found.into_iter().filter(|it| !matches!(it, Target::Compose { .. })));
    }
    let plain = Wanted::default();
    let mut things = BTreeMap::new();
    look(platform, names, plain, end, &mut things, &mut inventory.unseen).await;
    inventory.things = listed(&things, ground);
    let with_dependents = Wanted { dependents: true, ..plain };
    look(platform, wanting(rules, ground, &inventory), with_dependents, end, &mut things, &mut inventory.unseen).await;
    inventory.things = listed(&things, ground);
    inventory
}

fn listed(things: &BTreeMap<Target, Sight>, ground: &Ground) -> Vec<Thing> {
    let thing = |(target, sight): (&Target, &Sight)| Thing { target: target.clone(), sight: kept(sight, ground) };
    things.iter().map(thing).collect()
}

async fn look(
    platform: &dyn Platform,
    targets: Vec<Target>,
    wanted: Wanted,
    end: Instant,
    things: &mut BTreeMap<Target, Sight>,
    unseen: &mut Vec<Unseen>,
) {
    let one = |target: Target| async move {
        let found = timeout_at(end, platform.find(&target, wanted)).await;
        (target, found)
    };
    let mut looks = stream::iter(targets).map(one).buffer_unordered(LOOKS);
    while let Some((target, found)) = looks.next().await {
        match found {
            Ok(Ok(Found::One(sight))) => drop(things.insert(target, *sight)),
            // It went meanwhile.
            Ok(Ok(Found::Nothing | Found::Many(_))) => {}
            Ok(Err(error)) => unseen.push(Unseen { target, error: error.to_string() }),
            Err(_) => {
                let error = format!("not looked at within {} s", WHOLE.as_secs());
                unseen.push(Unseen { target, error });
            }
        }
    }
}

/// The containers that a rule restarts together with what depends on them.
fn wanting(rules: &[&RuleSet], ground: &Ground, inventory: &Inventory) -> Vec<Target> {
    let wants =
        |rule: &Rule| rule.steps.iter().any(|step| matches!(&step.action, Action::Restart { dependents: Some(_), .. }));
    let all: Vec<&Rule> = rules.iter().flat_map(|set| set.iter()).map(|rule| &**rule).filter(|it| wants(it)).collect();
    let touched = |target: &Target| all.iter().any(|rule| could_touch(rule, target, ground));
    let containers = inventory.things.iter().filter(|thing| thing.sight.container().is_some());
    let meant = containers
        .filter(|thing| touched(&thing.target) || service_of(thing).is_some_and(|(service, _)| touched(&service)));
    meant.map(|thing| thing.target.clone()).collect()
}

/// What of a sight is kept.
fn kept(sight: &Sight, ground: &Ground) -> Sight {
    match sight.clone() {
        Sight::Container(it) => kept_of(*it, ground).into(),
        Sight::Service(mut it) => {
            it.labels.retain(|name, _| is_kept(name));
            Sight::Service(it)
        }
        sight @ (Sight::Replicas(_) | Sight::Disk(_)) => sight,
    }
}

fn kept_of(mut it: Container, ground: &Ground) -> Container {
    it.labels.retain(|name, _| is_kept(name));
    it.addresses.retain(|address| ground.settings.protected.database.contains(address));
    it.health_log.clear();
    it.dependents = it.dependents.into_iter().map(|dependent| kept_of(dependent, ground)).collect();
    it
}

fn is_kept(label: &str) -> bool {
    KEPT.iter().any(|kept| label.starts_with(kept))
}
