//! Swarm services.

use std::collections::BTreeMap;

use super::{daemon, ms, plain};
use crate::fettle_core::sight::{Found, Service, Sight, Wanted};
use crate::physics::{Answer, By, Daemon, Request, ServiceChange, ServiceSpec};

fn service(it: &Daemon) -> Service {
    let target = "swarm:local/api".parse().expect("a target");
    match it.find(&target, Wanted::default()) {
        Ok(Found::One(sight)) => match *sight {
            Sight::Service(it) => it,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn with_tasks(replicas: u64) -> Daemon {
    let mut it = daemon();
    let spec =
        ServiceSpec { name: "api".into(), labels: BTreeMap::new(), replicas: Some(replicas), task: plain("task") };
    it.create_service(spec, ms(0));
    it
}

#[test]
fn tasks_follow_what_is_asked_for_and_a_stale_version_is_refused() {
    let mut it = with_tasks(2);
    let seen = service(&it);
    assert_eq!((seen.running, seen.replicas), (2, Some(2)));
    let change = |version, change| Request::UpdateService { id: seen.id.clone(), version, change };
    let done = it.ask(change(seen.version, ServiceChange::Replicas(4)), By::Person, ms(0));
    let stale = it.ask(change(seen.version, ServiceChange::Replicas(1)), By::Person, ms(0));
    assert_eq!(it.job(done).finished.map(|(_, answer)| answer), Some(Answer::Done));
    assert!(matches!(it.job(stale).finished, Some((_, Answer::Failed(500, _)))));
    it.advance(ms(10_000));
    assert_eq!((service(&it).running, it.tasks("api").len()), (4, 4));
    it.scale_service("api", 1, ms(10_000));
    it.advance(ms(20_000));
    assert_eq!((service(&it).running, it.tasks("api").len()), (1, 1));
}

#[test]
fn a_killed_task_is_replaced_by_a_new_container() {
    let mut it = with_tasks(1);
    let old = it.tasks("api")[0].to_owned();
    it.ask(Request::Kill { id: old.clone(), signal: 9 }, By::Person, ms(0));
    it.advance(ms(4_000));
    assert_eq!(service(&it).running, 0);
    it.advance(ms(10_000));
    assert_eq!(service(&it).running, 1);
    assert_ne!(it.tasks("api")[0], old);
    assert_eq!(it.runs().last().map(|run| run.begun_by), Some(By::Swarm));
}

#[test]
fn a_forced_update_replaces_each_task_and_is_under_way_meanwhile() {
    let mut it = with_tasks(2);
    let before: Vec<String> = it.tasks("api").into_iter().map(str::to_owned).collect();
    let seen = service(&it);
    let request = Request::UpdateService { id: seen.id, version: seen.version, change: ServiceChange::Force };
    it.ask(request, By::Fettle(0), ms(0));
    assert!(service(&it).updating);
    it.advance(ms(60_000));
    let after = service(&it);
    assert_eq!((after.updating, after.running), (false, 2));
    assert!(after.version > seen.version && it.tasks("api").iter().all(|id| !before.iter().any(|old| old == id)));
}
