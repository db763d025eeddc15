//! Pauses: as they were given, until their time or a person ends them, and kept.

use fettle_core::ports::view::ActionFilter;
use fettle_core::surroundings::{Pause, PauseScope};
use fettle_core::time::Timestamp;
use uuid::Uuid;

use super::fixture::{at, target};
use super::{Db, on_all, on_both};

on_all!(
    pauses_of_every_scope_read_back_newest_first,
    a_pause_is_over_at_its_time_or_when_a_person_ends_it_once,
    a_pause_survives_a_restart,
);

// The columns of a view, and what a person at a shell may not do: there is no shell in memory.
on_both!(the_view_says_what_a_pause_is_about, the_database_refuses_other_changes_of_a_pause);

/// A pause of everything, given at `second`.
pub fn pause(scope: PauseScope, second: i64, until: Option<Timestamp>) -> Pause {
    Pause {
        id: Uuid::now_v7().into(),
        scope,
        reason: "deploy\0ment".into(),
        by: "oncall".into(),
        at: at(second),
        until,
    }
}

fn cleaned(pause: &Pause) -> Pause {
    Pause { reason: pause.reason.replace('\0', "\u{fffd}"), ..pause.clone() }
}

async fn pauses_of_every_scope_read_back_newest_first(db: Db) {
    let all = [
        pause(PauseScope::All, 1, None),
        pause(PauseScope::Rule("web".into()), 3, Some(at(60))),
        pause(PauseScope::Target(target("web").parse().unwrap()), 2, None),
    ];
    for pause in &all {
        db.store.pause(pause).await.unwrap();
        db.store.pause(pause).await.expect("its answer may have been lost");
    }
    assert_eq!(db.store.pauses(at(5)).await.unwrap(), [&all[1], &all[2], &all[0]].map(cleaned));
    assert_eq!(db.store.actions(&ActionFilter { limit: 1, ..ActionFilter::default() }).await.unwrap(), []);
}

async fn the_view_says_what_a_pause_is_about(db: Db) {
    let target = PauseScope::Target(target("web").parse().unwrap());
    for (scope, second) in [(PauseScope::All, 1), (PauseScope::Rule("web".into()), 3), (target, 2)] {
        db.store.pause(&pause(scope, second, None)).await.unwrap();
    }
    assert_eq!(
        db.texts("SELECT scope || ':' || coalesce(about, '-') FROM fettle_pauses ORDER BY at").await,
        ["all:-", "target:container:local/web", "rule:web"]
    );
}

async fn a_pause_is_over_at_its_time_or_when_a_person_ends_it_once(db: Db) {
    let (timed, open) = (pause(PauseScope::All, 1, Some(at(10))), pause(PauseScope::All, 2, None));
    db.store.pause(&timed).await.unwrap();
    db.store.pause(&open).await.unwrap();
    assert_eq!(db.store.pauses(at(9)).await.unwrap().len(), 2);
    assert_eq!(db.store.pauses(at(10)).await.unwrap(), [cleaned(&open)], "`until` is the first instant without it");

    assert!(!db.store.resume(timed.id, "oncall", at(10)).await.unwrap(), "over by itself");
    assert!(!db.store.resume(Uuid::now_v7().into(), "oncall", at(10)).await.unwrap(), "never given");
    assert!(db.store.resume(open.id, "boss", at(11)).await.unwrap());
    assert!(!db.store.resume(open.id, "oncall", at(12)).await.unwrap(), "once");
    assert_eq!(db.store.pauses(at(11)).await.unwrap(), []);
    let by = db.told("SELECT ended_by FROM fettle_pauses WHERE ended_at IS NOT NULL", |rows| {
        rows.pauses().filter_map(|it| it.ended.as_ref()).map(|(_, by)| by.clone()).collect()
    });
    assert_eq!(by.await, ["boss"]);
}

async fn a_pause_survives_a_restart(db: Db) {
    let given = pause(PauseScope::All, 1, None);
    db.store.pause(&given).await.unwrap();
    let db = db.reopen().await;
    assert_eq!(db.store.pauses(at(2)).await.unwrap(), [cleaned(&given)]);
}

async fn the_database_refuses_other_changes_of_a_pause(db: Db) {
    let given = pause(PauseScope::Rule("web".into()), 1, None);
    db.store.pause(&given).await.unwrap();
    for sql in [
        "UPDATE pauses SET reason = 'x'",
        "UPDATE pauses SET until = '2020-01-01T00:00:00.000000Z'",
        "UPDATE pauses SET about = 'x', ended_at = '2030-01-01T00:00:00.000000Z', ended_by = 'x'",
        "DELETE FROM pauses",
    ] {
        db.sql(sql).await.expect_err(sql);
    }
    assert!(db.store.resume(given.id, "oncall", at(2)).await.unwrap());
    for sql in ["UPDATE pauses SET ended_by = 'x'", "UPDATE pauses SET ended_at = NULL, ended_by = NULL"] {
        db.sql(sql).await.expect_err(sql);
    }
    let sql = if db.is_sqlite() { "INSERT OR REPLACE INTO pauses SELECT * FROM pauses" } else { "TRUNCATE pauses" };
    db.sql(sql).await.expect_err(sql);
}
