//! How the runs of containers ended, and who follows each Docker daemon.

use fettle_core::id::ReplicaId;
use fettle_core::sight::past::{EndedBy, EndedRun, Gap, Learnt, Past, RUNS_MAX, Watch};

use super::fixture::at;
use super::{Db, on_all};

on_all!(
    one_process_follows_a_daemon_until_its_lease_ends_or_is_given_back,
    who_does_not_hold_the_watch_stores_nothing,
    the_newest_runs_of_a_container_are_kept_and_go_with_it,
);

const DAEMON: &str = "DAEMON";

fn run(container: &str, ended_at: i64, ended_by: EndedBy) -> EndedRun {
    EndedRun {
        container: container.to_owned(),
        started_at: Some(at(ended_at - 1)),
        ended_at: at(ended_at),
        exit_code: Some(137),
        oom: false,
        ended_by,
    }
}

fn ended(runs: Vec<EndedRun>) -> Learnt {
    Learnt { ended: runs, removed: Vec::new() }
}

impl Db {
    async fn takes(&self, owner: ReplicaId, now: i64) -> bool {
        self.store.watch(DAEMON, owner, at(now), at(now + 30)).await.unwrap().is_some()
    }

    async fn past(&self, container: &str) -> Past {
        self.store.past(DAEMON, &[container.to_owned()]).await.unwrap()
    }
}

async fn one_process_follows_a_daemon_until_its_lease_ends_or_is_given_back(db: Db) {
    let (one, other) = (ReplicaId::from(uuid::Uuid::now_v7()), ReplicaId::from(uuid::Uuid::now_v7()));
    assert!(db.takes(one, 0).await);
    assert!(!db.takes(other, 29).await);
    assert!(db.takes(one, 29).await, "it renews its own");
    assert!(!db.takes(other, 58).await);
    assert!(db.takes(other, 59).await, "the lease is over");
    assert!(!db.takes(one, 60).await);
    db.store.release(other).await.unwrap();
    assert!(db.takes(one, 60).await, "it was given back");
}

async fn who_does_not_hold_the_watch_stores_nothing(db: Db) {
    let (one, other) = (ReplicaId::from(uuid::Uuid::now_v7()), ReplicaId::from(uuid::Uuid::now_v7()));
    assert!(db.takes(one, 0).await);
    let gap = Gap { from: None, until: at(3), daemon_began: true };
    let watch = Watch { seen_to: Some(at(3)), gaps: vec![gap.clone()] };
    let learnt = ended(vec![run("a", 2, EndedBy::Person)]);
    assert!(!db.store.seen(DAEMON, other, &watch, &learnt).await.unwrap());
    assert_eq!(db.past("a").await, Past::default());
    assert!(db.store.seen(DAEMON, one, &watch, &learnt).await.unwrap());
    assert_eq!(db.past("a").await, Past { runs: learnt.ended.clone(), gaps: vec![gap] });
    assert_eq!(db.store.watch(DAEMON, one, at(5), at(35)).await.unwrap(), Some(watch), "it goes on where it was");
    assert_eq!(db.store.past("ANOTHER", &["a".to_owned()]).await.unwrap(), Past::default());
}

async fn the_newest_runs_of_a_container_are_kept_and_go_with_it(db: Db) {
    let one = ReplicaId::from(uuid::Uuid::now_v7());
    assert!(db.takes(one, 0).await);
    let watch = Watch::default();
    let all: Vec<_> = (1..20).map(|second| run("a", second, EndedBy::Itself)).collect();
    assert!(db.store.seen(DAEMON, one, &watch, &ended(all.clone())).await.unwrap());
    let again = ended(vec![run("a", 19, EndedBy::Person), run("b", 1, EndedBy::Person)]);
    assert!(db.store.seen(DAEMON, one, &watch, &again).await.unwrap());
    let kept = db.past("a").await.runs;
    assert_eq!(kept.len(), RUNS_MAX);
    assert_eq!(kept[..RUNS_MAX - 1], all[all.len() - RUNS_MAX..all.len() - 1]);
    assert_eq!(kept.last(), again.ended.first(), "what is learnt later counts");
    let removed = Learnt { ended: Vec::new(), removed: vec!["a".to_owned()] };
    assert!(db.store.seen(DAEMON, one, &watch, &removed).await.unwrap());
    assert_eq!((db.past("a").await.runs, db.past("b").await.runs.len()), (Vec::new(), 1));
}
