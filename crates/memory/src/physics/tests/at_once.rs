//! For tools: an effect at once, on what was declared.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{daemon, ms, plain, secs};
use crate::physics::{Daemon, Failure, HealthCheck, Spec, touched};
use fettle_core::effect::{Effect, Replica};
use fettle_core::sight::{Container, Disk, Health, Pin, Replicas, Service, Sight, Space, Status};
use fettle_core::target::Target;

fn target(text: &str) -> Target {
    text.parse().expect("a target")
}

fn look(it: &Daemon, name: &Target, pin: &Pin) -> Container {
    match it.look(name, pin) {
        Ok(Some(Sight::Container(it))) => *it,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restart_helps_or_not_as_it_is_given() {
    let web = target("container:local/web");
    for (checked, helps, expected) in [
        (true, true, (Status::Running, Some(Health::Healthy))),
        (true, false, (Status::Running, Some(Health::Unhealthy))),
        (false, true, (Status::Running, None)),
        (false, false, (Status::Exited, None)),
    ] {
        let mut it = daemon();
        let spec = plain("web");
        let id = it.run(if checked { spec.check(HealthCheck::AT_ONCE) } else { spec }, ms(0));
        let pin = it.container(&id).expect("it is there").pin();
        it.perform(&web, &pin, &Effect::Restart { grace: secs(10) }, helps, ms(5_000)).expect("done");
        let seen = look(&it, &web, &pin);
        assert_eq!((seen.status, seen.health), expected);
        assert_eq!((seen.started_at, seen.restart_count), (Some(ms(5_000)), 0));
        // The signal that ended the run before is of the same instant, and says nothing about this one.
        assert_eq!(seen.stopped_by_hand, (expected.0 == Status::Exited).then_some(false));
    }
}

#[test]
fn replicas_are_stopped_and_started_and_one_that_is_gone_ends_it() {
    let web = target("compose:local/shop/web");
    let mut it = daemon();
    let ids: Vec<String> =
        (1..=3).map(|n| it.run(plain(&format!("web-{n}")).compose("shop", "web", n), ms(0))).collect();
    let replicas: Vec<Replica> =
        ids.iter().map(|id| Replica { id: id.clone(), name: String::new(), started_at: None }).collect();
    let pin = Pin { id: "shop/web:x".into(), started_at: None, restart_count: 0, size: None };
    let stop = Effect::StopReplicas { replicas: replicas[1..].to_vec(), grace: secs(10), from: 3 };
    it.perform(&web, &pin, &stop, true, ms(0)).expect("done");
    let Ok(Some(Sight::Replicas(group))) = it.look(&web, &pin) else { panic!("no group") };
    assert_eq!((group.running().len(), group.stopped().len()), (1, 2));
    let mut start = replicas[1..].to_vec();
    start.push(Replica { id: "f".repeat(64), name: String::new(), started_at: None });
    let start = Effect::StartReplicas { replicas: start, from: 1 };
    assert!(matches!(it.perform(&web, &pin, &start, true, ms(1)), Err(Failure::Answered(404, _))));
    let Ok(Some(Sight::Replicas(group))) = it.look(&web, &pin) else { panic!("no group") };
    assert_eq!(group.running().len(), 3);
}

#[test]
fn one_look_is_changed_as_the_daemon_would_change_it() {
    let mut it = daemon();
    let id = it.run(plain("web").check(HealthCheck::AT_ONCE), ms(0));
    let seen = it.container(&id).expect("it is there").clone();
    let web = target("container:local/web");
    let limits = Effect::SetLimits { memory: Some(7), nano_cpus: None, already: false };
    let Sight::Container(after) = touched(seen.clone().into(), &web, &limits, true, ms(9)) else { panic!() };
    assert_eq!((after.memory_limit, after.nano_cpus, after.started_at), (Some(7), None, seen.started_at));
    let stop = Effect::Stop { grace: Duration::ZERO };
    let Sight::Container(after) = touched(seen.clone().into(), &web, &stop, true, ms(9)) else { panic!() };
    assert_eq!((after.status, after.id), (Status::Exited, id));

    let group = Replicas { daemon: "D".into(), project: "shop".into(), service: "web".into(), members: vec![] };
    let mut member = seen;
    member.labels.extend(Spec::named("").compose("shop", "web", 1).labels);
    let group = Replicas { members: vec![member.clone()], ..group };
    let one = vec![Replica { id: member.id.clone(), name: String::new(), started_at: None }];
    let stop = Effect::StopReplicas { replicas: one, grace: secs(10), from: 1 };
    let Sight::Replicas(after) = touched(Sight::Replicas(group), &target("compose:local/shop/web"), &stop, true, ms(9))
    else {
        panic!()
    };
    assert_eq!((after.running().len(), after.daemon.as_str()), (0, "D"));
}

#[test]
fn declared_services_and_disks_are_numbers() {
    let service = Service {
        daemon: "D".into(),
        id: "s".repeat(25),
        name: "api".into(),
        labels: [].into(),
        version: 4,
        replicas: Some(2),
        running: 2,
        updating: false,
    };
    let api = target("swarm:local/api");
    let up = Effect::SetReplicas { version: 4, from: 2, to: 5 };
    for (helps, running) in [(true, 5), (false, 2)] {
        let Sight::Service(after) = touched(Sight::Service(service.clone()), &api, &up, helps, ms(9)) else { panic!() };
        assert_eq!((after.version, after.replicas, after.running), (5, Some(5), running));
    }
    let disk = Disk {
        daemon: "D".into(),
        name: "srv".into(),
        allow: BTreeSet::new(),
        space: Some(Space { total: 100, free: 0 }),
    };
    let prune = Effect::Prune(fettle_core::action::Prune {
        images: true,
        unused_images: false,
        build_cache: true,
        stopped_containers: false,
        older_than: secs(60),
        free_above: None,
    });
    let Sight::Disk(after) = touched(Sight::Disk(disk), &target("disk:local/srv"), &prune, true, ms(9)) else {
        panic!()
    };
    assert_eq!(after.space, Some(Space { total: 100, free: 100 }));
}
