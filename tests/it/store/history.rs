//! The record of a period, read beside whoever writes it.

use fettle_core::ports::history::{History, Period};
use fettle_core::ports::model::NewNotification;
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::{Record, TransitionRow, VerdictRow};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::{Pause, PauseScope};
use fettle_core::time::Timestamp;
use fettle_store::history::open_history;
use serde_json::json;
use uuid::Uuid;

use super::fixture::{at, closed, commit, held, intent, notification, open_claimed, record, succeeded};
use super::{Db, on_all, on_both};

on_all!(
    notifications_of_a_period_come_in_pages_in_the_order_they_were_received,
    a_page_ends_at_eight_mebibytes_and_has_always_one_body,
    what_was_done_is_read_with_its_first_verdict,
    what_people_did_is_read_with_its_end,
);

// What becomes of a file or a server's database: memory is neither.
on_both!(
    the_record_is_read_while_the_service_has_the_database_and_is_never_written,
    a_place_without_a_database_of_ours_is_said_to_be_none,
);

fn period(from: i64, to: i64) -> Period {
    Period { from: at(from), to: at(to) }
}

async fn bodies(history: &dyn History, period: Period, limit: u32) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = history.notifications(period, after, limit).await.expect("a page");
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return found };
        after = Some((last.received_at, last.id));
        found.extend(page.iter().map(|it| String::from_utf8_lossy(&it.body).into_owned()));
    }
}

async fn notifications_of_a_period_come_in_pages_in_the_order_they_were_received(db: Db) {
    // Two of the same instant, and ids that do not follow time.
    let mut batch: Vec<NewNotification> =
        [(5, "e"), (1, "a"), (3, "c"), (3, "d"), (2, "b")].iter().map(|(n, body)| notification(at(*n), body)).collect();
    batch.sort_by_key(|it| std::cmp::Reverse(it.body.clone()));
    db.store.append(&batch).await.expect("stored");
    let history = db.history().await;
    for limit in [1, 2, 100] {
        let mut all = bodies(&*history, period(0, 100), limit).await;
        assert_eq!((all.remove(2), all.remove(2)).0.len(), 1);
        assert_eq!(all, ["a", "b", "e"]);
        assert_eq!(bodies(&*history, period(2, 3), limit).await, ["b"], "the end does not belong to the period");
        assert_eq!(bodies(&*history, period(5, 6), limit).await, ["e"], "the beginning does");
        assert!(bodies(&*history, period(6, 9), limit).await.is_empty());
    }
    let extent = history.extent(period(2, 5)).await.expect("counted");
    assert_eq!((extent.notifications, extent.alerts), (3, 3));
    assert_eq!(history.extent(period(90, 99)).await.expect("counted").alerts, 0);
    history.close().await;
}

async fn a_page_ends_at_eight_mebibytes_and_has_always_one_body(db: Db) {
    let large = "x".repeat(5 << 20);
    let batch: Vec<_> = (0..3).map(|n| notification(at(n), &large)).collect();
    db.store.append(&batch).await.expect("stored");
    let history = db.history().await;
    let first = history.notifications(period(0, 9), None, 100).await.expect("a page");
    assert_eq!(first.len(), 2, "the second begins below the bound");
    assert_eq!(bodies(&*history, period(0, 9), 100).await.len(), 3);
    history.close().await;
}

async fn what_was_done_is_read_with_its_first_verdict(db: Db) {
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(5));
    let verdict = |when: Timestamp, verdict| Record::Verdict {
        rule: "web".into(),
        action: "restart",
        row: VerdictRow { action_id: row.id, at: when, verdict, reason: "in a test".into() },
    };
    let step = |what: &str| {
        Record::Transition(TransitionRow {
            remediation_id: it.id,
            at: at(4),
            state: StateName::Blocked,
            what: what.into(),
            detail: json!({}),
        })
    };
    let records = vec![
        step("opened"),
        step("blocked by budget"),
        step("approval asked for"),
        record(&row),
        Record::Result(succeeded(row.id, at(5), at(6))),
        verdict(at(9), Verdict::Fixed),
        verdict(at(20), Verdict::Regressed),
    ];
    db.store.work().commit(&claim, &commit(&closed(it.clone(), Outcome::Fixed, at(9)), records)).await.expect("stored");
    let history = db.history().await;
    let [past] = &history.remediations(period(0, 100), None, 10).await.expect("read")[..] else { panic!("one") };
    assert_eq!((past.id, &*past.rule, &*past.target), (it.id, "web", "container:local/web"));
    assert_eq!((past.state, past.outcome), (StateName::Closed, Some(Outcome::Fixed)));
    assert_eq!((past.opened_at, past.closed_at), (at(0), Some(at(9))));
    let [action] = &history.actions(period(0, 100), None, 10).await.expect("read")[..] else { panic!("one") };
    assert_eq!((action.remediation, &*action.action, action.verdict), (it.id, "restart", Some(Verdict::Fixed)));
    assert_eq!((action.planned_at, action.finished_at, action.step), (at(5), Some(at(6)), 1));
    let steps = history.steps(period(0, 100), 0, 10).await.expect("read");
    let what: Vec<_> = steps.iter().map(|step| &*step.what).collect();
    assert_eq!(what, ["blocked by budget", "approval asked for"]);
    let rest = history.steps(period(0, 100), steps[0].seq, 10).await.expect("read");
    assert_eq!(rest.len(), 1);
    assert!(history.remediations(period(0, 100), Some(past.id), 10).await.expect("read").is_empty());
    assert!(history.actions(period(0, 100), Some(action.id), 10).await.expect("read").is_empty());
    assert!(history.remediations(period(1, 100), None, 10).await.expect("read").is_empty());
    assert!(history.actions(period(6, 100), None, 10).await.expect("read").is_empty());
    history.close().await;
}

async fn what_people_did_is_read_with_its_end(db: Db) {
    let pause = |reason: &str, since: i64, until: Option<i64>| Pause {
        id: Uuid::now_v7().into(),
        scope: PauseScope::Rule("web".into()),
        reason: reason.into(),
        by: "anna".into(),
        at: at(since),
        until: until.map(at),
    };
    let ended = pause("ended", 10, Some(100));
    for it in [&pause("stands", 20, None), &pause("timed", 5, Some(30)), &ended, &pause("over", 0, Some(3))] {
        db.store.pause(it).await.expect("stored");
    }
    assert!(db.store.resume(ended.id, "bert", at(50)).await.expect("ended"));
    let history = db.history().await;
    let pauses = history.pauses(period(4, 1000)).await.expect("read");
    let told: Vec<_> = pauses.iter().map(|it| (&*it.reason, it.at, it.until)).collect();
    let expected = [("timed", at(5), Some(at(30))), ("ended", at(10), Some(at(50))), ("stands", at(20), None)];
    assert_eq!(told, expected);
    assert_eq!(pauses[0].scope, PauseScope::Rule("web".into()));
    assert_eq!(history.pauses(period(60, 70)).await.expect("read").len(), 1);
    assert!(history.answers(period(0, 1000)).await.expect("read").is_empty());
    history.close().await;
}

async fn the_record_is_read_while_the_service_has_the_database_and_is_never_written(db: Db) {
    let history = db.history().await;
    db.store.append(&[notification(at(1), "later")]).await.expect("still writable");
    assert_eq!(bodies(&*history, period(0, 9), 10).await, ["later"]);
    history.close().await;
    if db.is_sqlite() {
        // Also when nobody has it open.
        db.store.close().await;
        let history = open_history(&db.url()).await.expect("at rest");
        assert_eq!(bodies(&*history, period(0, 9), 10).await, ["later"]);
        history.close().await;
    }
}

async fn a_place_without_a_database_of_ours_is_said_to_be_none(db: Db) {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("none.db");
    let error = open_history(&format!("sqlite://{}", missing.display())).await.err().expect("nothing is there");
    assert!(error.to_string().contains("no database at"), "{error}");
    assert!(!missing.exists(), "it is not made");
    db.sql("DROP TABLE _sqlx_migrations").await.expect("dropped");
    let error = open_history(&db.url()).await.err().expect("not ours");
    assert!(error.to_string().contains("no database of fettle's"), "{error}");
    let error = open_history("mysql://x").await.err().expect("neither");
    assert!(error.to_string().contains("neither"), "{error}");
}
