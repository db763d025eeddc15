//! What a look shows of a target that nobody looked at: made up from its name and from what is on record about it.
//!
//! Always holds: the same target looks the same every time, down to the id, until an effect touches it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fettle_core::action::Action;
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::model::Find;
use fettle_core::rule::set::RuleSet;
use fettle_core::sight::{Container, Disk, Found, Health, ImageLabel, Replicas, Service, Sight, Space, Status, Wanted};
use fettle_core::target::{Disks, Target};
use fettle_core::time::Timestamp;

/// An address by which a container is known as fettle's database: that of what the record calls protected.
pub(super) const PROTECTED: &str = "protected, says the record";

/// More replicas than this are not made up.
const REPLICAS_MAX: u32 = 1000;

/// What a look finds, where `refused` is what the record says of it.
pub(super) fn find(target: &Target, wanted: Wanted, refused: Option<Guard>, rules: &RuleSet, disks: &Disks) -> Found {
    match refused {
        Some(Guard::NoTarget) => return Found::Nothing,
        Some(Guard::AmbiguousTarget) => return Found::Many(2),
        _ => {}
    }
    match sight(target, wanted.replicas, rules, disks) {
        None => Found::Nothing,
        Some(mut sight) => {
            if let Some(guard) = refused {
                refuse(&mut sight, guard);
            }
            Found::one(sight)
        }
    }
}

/// The target as it is while its alert fires; `None`: it names nothing.
pub(super) fn sight(target: &Target, replicas: bool, rules: &RuleSet, disks: &Disks) -> Option<Sight> {
    Some(match target {
        Target::Container { host, name } => container(target, host, name, 1).into(),
        Target::Compose { host, project, service } if replicas => {
            let (running, stopped) = sizes(target, rules);
            let member = |number| {
                let mut member = of_service(target, host, project, service, number);
                // How many must stay well is asked before one is touched.
                member.health = Some(Health::Healthy);
                if number > running {
                    member.status = Status::Exited;
                }
                member
            };
            Sight::Replicas(Replicas {
                daemon: host.clone(),
                project: project.clone(),
                service: service.clone(),
                members: (1..=running + stopped).map(member).collect(),
            })
        }
        Target::Compose { host, project, service } => of_service(target, host, project, service, 1).into(),
        Target::Swarm { host, service } => {
            let (running, _) = sizes(target, rules);
            Sight::Service(Service {
                daemon: host.clone(),
                id: id(target, 0),
                name: service.clone(),
                labels: enabled(),
                version: 1,
                replicas: Some(running.into()),
                running: running.into(),
                updating: false,
            })
        }
        Target::Disk { host, name } => Sight::Disk(Disk {
            daemon: host.clone(),
            name: name.clone(),
            allow: disks.get(host).and_then(|disks| disks.get(name)).cloned().unwrap_or_default(),
            space: Some(Space { total: 100, free: 0 }),
        }),
        Target::Unresolvable { .. } => return None,
    })
}

/// Makes it well or unwell; what an effect is judged by.
pub(super) fn set_well(sight: &mut Sight, well: bool) {
    let health = Some(if well { Health::Healthy } else { Health::Unhealthy });
    match sight {
        Sight::Container(it) => it.health = health,
        Sight::Replicas(it) => it.members.iter_mut().for_each(|member| member.health = health),
        Sight::Service(it) => it.running = if well { it.replicas.unwrap_or(1) } else { 0 },
        Sight::Disk(it) => it.space = Some(Space { total: 100, free: if well { 100 } else { 0 } }),
    }
}

fn container(target: &Target, host: &str, name: &str, number: u32) -> Container {
    Container {
        daemon: host.to_owned(),
        id: id(target, number),
        name: name.to_owned(),
        labels: enabled(),
        image_label: ImageLabel::Absent,
        status: Status::Running,
        started_at: Some(Timestamp::UNIX_EPOCH),
        restart_count: 0,
        exit_code: 0,
        oom_killed: false,
        health: Some(Health::Unhealthy),
        start_period: Duration::ZERO,
        addresses: Vec::new(),
        stopped_by_hand: None,
        ended_at: None,
        ended_by: None,
        number: None,
        memory_limit: None,
        nano_cpus: None,
        health_log: Vec::new(),
        siblings_well: 0,
        dependents: Vec::new(),
    }
}

fn of_service(target: &Target, host: &str, project: &str, service: &str, number: u32) -> Container {
    let mut it = container(target, host, &format!("{project}-{service}-{number}"), number);
    it.labels.insert("com.docker.compose.project".to_owned(), project.to_owned());
    it.labels.insert("com.docker.compose.service".to_owned(), service.to_owned());
    it.number = Some(number);
    it
}

fn enabled() -> BTreeMap<String, String> {
    BTreeMap::from([("fettle.enable".to_owned(), "true".to_owned())])
}

/// 64 hexadecimal digits, as Docker's.
fn id(target: &Target, number: u32) -> String {
    let mut hash = DefaultHasher::new();
    (target, number).hash(&mut hash);
    let digits = format!("{:016x}", hash.finish());
    digits.repeat(4)
}

/// So many replicas run and are stopped that the first step that scales them can.
fn sizes(target: &Target, rules: &RuleSet) -> (u32, u32) {
    let name = target.name().unwrap_or_default();
    let same_kind = |find: &Find| {
        matches!(
            (find, target),
            (Find::Compose { .. }, Target::Compose { .. }) | (Find::Swarm(_), Target::Swarm { .. })
        )
    };
    let theirs = rules.iter().filter(|rule| same_kind(&rule.target.find) && rule.target.permits(name));
    let mut steps = theirs.flat_map(|rule| rule.steps.iter().map(|step| (&step.action, rule.target.min_healthy)));
    let (running, stopped) = steps
        .find_map(|(action, min_healthy)| match action {
            Action::ScaleDown { by, floor } => Some((by.saturating_add((*floor).max(min_healthy)), 0)),
            Action::ScaleUp { by, ceiling } => Some((ceiling.saturating_sub(*by).max(1), *by)),
            _ => None,
        })
        .unwrap_or((2, 0));
    (running.min(REPLICAS_MAX), stopped.min(REPLICAS_MAX))
}

/// Makes it what the record says that it was.
fn refuse(sight: &mut Sight, guard: Guard) {
    match sight {
        Sight::Container(it) => refuse_container(it, guard),
        Sight::Replicas(it) => match guard {
            Guard::NotScalable => it.members.clear(),
            _ => it.members.iter_mut().for_each(|member| refuse_container(member, guard)),
        },
        Sight::Service(it) => match guard {
            Guard::NotEnabled => it.labels.clear(),
            Guard::HeldByLabel => {
                it.labels.insert("fettle.hold".to_owned(), "as recorded".to_owned());
            }
            Guard::NotScalable => it.replicas = None,
            _ => {}
        },
        Sight::Disk(it) => {
            if guard == Guard::NotEnabled {
                it.allow.clear();
            }
        }
    }
}

fn refuse_container(it: &mut Container, guard: Guard) {
    match guard {
        Guard::SwarmTask => {
            it.labels.insert("com.docker.swarm.task.id".to_owned(), "as recorded".to_owned());
        }
        Guard::NotEnabled => it.labels.retain(|name, _| name != "fettle.enable"),
        Guard::Protected => it.addresses.push(PROTECTED.to_owned()),
        Guard::Stopped => {
            it.status = Status::Exited;
            it.stopped_by_hand = Some(true);
        }
        Guard::HeldByLabel => {
            it.labels.insert("fettle.hold".to_owned(), "as recorded".to_owned());
        }
        // Well, so that one less would be too few.
        Guard::MinHealthy => it.health = Some(Health::Healthy),
        _ => {}
    }
}
