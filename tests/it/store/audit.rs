//! The audit: opened before the act, closed once, and kept by the database itself.

use fettle_core::id::ActionId;
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::ports::view::{ActionFilter, EventFilter};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{EventRow, Record, ResultRow, Severity, TransitionRow};
use fettle_core::remediation::state::{Remediation, StateName};
use serde_json::json;
use uuid::Uuid;

use super::fixture::{at, closed, held, intent, record, succeeded, verdict, write};
use super::{Db, on_all, on_both};

on_all!(
    a_result_is_set_once_and_adds_to_what_was_intended,
    the_latest_verdict_is_the_one_shown,
    a_budget_once_given_back_cannot_be_spent_again,
    refusals_are_not_rows,
    a_late_call_is_told_once_beside_a_row_that_says_that_nothing_happened,
);

// What a person at a shell may not do: there is no shell in memory.
on_both!(the_database_refuses_every_other_change_of_an_audit_row, verdicts_transitions_and_events_are_only_appended);

async fn store(
    db: &Db,
    opened: Vec<Remediation>,
    records: Vec<Record>,
) -> Result<Changes, fettle_core::ports::StoreError> {
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), Changes { opened, records, ..Changes::default() }).await
}

/// A closed remediation with one intent, and one of everything else.
async fn one_of_each(db: &Db) -> ActionId {
    let it = closed(held("web", at(0)), Outcome::Fixed, at(9));
    let row = intent(&it, at(1));
    let records = vec![
        record(&row),
        verdict(row.id, Verdict::Unconfirmed, at(5)),
        Record::Transition(TransitionRow {
            remediation_id: it.id,
            at: at(1),
            state: StateName::Running,
            what: "began".into(),
            detail: json!({}),
        }),
        Record::Event(EventRow {
            at: at(1),
            event: "truncated",
            severity: Severity::Warning,
            details: json!({"n": 1}),
        }),
    ];
    store(db, vec![it], records).await.unwrap();
    row.id
}

async fn the_action(db: &Db) -> fettle_core::ports::view::ActionView {
    db.store.actions(&ActionFilter { limit: 1, ..ActionFilter::default() }).await.unwrap().remove(0)
}

async fn a_result_is_set_once_and_adds_to_what_was_intended(db: Db) {
    let id = one_of_each(&db).await;
    let open = the_action(&db).await;
    assert_eq!((open.result, open.duration_ms, open.at), (None, None, at(1)));

    let half = fettle_core::time::after(at(2), std::time::Duration::from_micros(1_234_500));
    store(&db, vec![], vec![Record::Result(succeeded(id, at(2), half))]).await.unwrap();
    let done = the_action(&db).await;
    assert_eq!((done.result.as_deref(), done.finished_at), (Some("succeeded"), Some(half)));
    assert_eq!(done.duration_ms, Some(1235));
    assert_eq!(done.detail, json!({"grace": "10s", "seen": "running"}));

    let again = ResultRow { result: ActionResult::Failed, ..succeeded(id, at(2), at(9)) };
    store(&db, vec![], vec![Record::Result(again)]).await.expect_err("it has its result");
    assert_eq!(the_action(&db).await, done);
}

async fn the_database_refuses_every_other_change_of_an_audit_row(db: Db) {
    one_of_each(&db).await;
    let before = the_action(&db).await;
    for column in [
        "rule",
        "action",
        "target",
        "target_key",
        "host",
        "actor",
        "alertname",
        "fingerprint",
        "severity",
        "reason",
        "error",
    ] {
        let sql = format!("UPDATE actions SET {column} = 'x'");
        db.sql(&sql).await.expect_err(&sql);
        // Nor under the cover of a result.
        if !["reason", "error"].contains(&column) {
            let sql = format!(
                "UPDATE actions SET {column} = 'x', result = 'succeeded', finished_at = '2027-01-15T08:00:02.000000Z'"
            );
            db.sql(&sql).await.expect_err(&sql);
        }
    }
    for sql in [
        "UPDATE actions SET mode = 'observe'",
        "UPDATE actions SET labels = '{}'",
        "UPDATE actions SET planned_at = '2020-01-01T00:00:00.000000Z'",
        "UPDATE actions SET attempt = 7",
        "UPDATE actions SET result = 'succeeded'",
        "UPDATE actions SET result = 'wonderful', finished_at = '2027-01-15T08:00:02.000000Z'",
        "UPDATE actions SET spends = false",
        "DELETE FROM verdicts",
        "DELETE FROM actions",
        "DELETE FROM remediations",
        "INSERT INTO actions SELECT * FROM actions",
    ] {
        db.sql(sql).await.expect_err(sql);
    }
    let sql = if db.is_sqlite() {
        "INSERT OR REPLACE INTO actions SELECT * FROM actions"
    } else {
        "TRUNCATE actions CASCADE"
    };
    db.sql(sql).await.expect_err(sql);
    assert_eq!(the_action(&db).await, before);

    let set = "UPDATE actions SET result = 'failed', finished_at = '2027-01-15T08:00:02.000000Z', error = 'broken'";
    assert_eq!(db.sql(set).await.unwrap(), 1);
    db.sql(set).await.expect_err("twice");
    for sql in
        ["UPDATE actions SET error = NULL", "UPDATE actions SET result = NULL", "UPDATE actions SET detail = '{}'"]
    {
        db.sql(sql).await.expect_err(sql);
    }
}

async fn verdicts_transitions_and_events_are_only_appended(db: Db) {
    one_of_each(&db).await;
    for (table, column) in [("verdicts", "reason"), ("transitions", "what"), ("events", "event")] {
        for sql in [format!("UPDATE {table} SET {column} = 'x'"), format!("DELETE FROM {table}")] {
            db.sql(&sql).await.expect_err(&sql);
        }
        let replaced = format!("INSERT OR REPLACE INTO {table} SELECT * FROM {table}");
        let sql = if db.is_sqlite() { replaced } else { format!("TRUNCATE {table}") };
        db.sql(&sql).await.expect_err(&sql);
        assert_eq!(db.count(table).await, 1);
    }
}

async fn the_latest_verdict_is_the_one_shown(db: Db) {
    let id = one_of_each(&db).await;
    let shown = the_action(&db).await;
    assert_eq!(shown.verdict.as_deref(), Some("unconfirmed"));
    store(&db, vec![], vec![verdict(id, Verdict::Fixed, at(6)), verdict(id, Verdict::Regressed, at(90))])
        .await
        .unwrap();
    assert_eq!(the_action(&db).await.verdict.as_deref(), Some("regressed"));
    let story = db.store.story(shown.remediation_id).await.unwrap().expect("it is there");
    let verdicts: Vec<_> = story.verdicts.iter().map(|it| &*it.verdict).collect();
    assert_eq!(verdicts, ["unconfirmed", "fixed", "regressed"]);
    store(&db, vec![], vec![verdict(Uuid::now_v7().into(), Verdict::Fixed, at(7))])
        .await
        .expect_err("a verdict on nothing");
}

async fn a_budget_once_given_back_cannot_be_spent_again(db: Db) {
    let it = closed(held("web", at(0)), Outcome::Refused, at(9));
    let row = fettle_core::remediation::record::ActionRow { spends: false, ..intent(&it, at(1)) };
    store(&db, vec![it], vec![record(&row)]).await.unwrap();
    store(&db, vec![], vec![Record::Result(succeeded(row.id, at(1), at(2)))]).await.expect_err("spends after all");
}

async fn refusals_are_not_rows(db: Db) {
    let refusal = Record::Refusal { rule: "web".into(), guard: fettle_core::remediation::refusal::Guard::Cooldown };
    store(&db, vec![], vec![refusal]).await.unwrap();
    for table in ["actions", "verdicts", "transitions", "events"] {
        assert_eq!(db.count(table).await, 0);
    }
}

async fn a_late_call_is_told_once_beside_a_row_that_says_that_nothing_happened(db: Db) {
    let told = |id| {
        let details = json!({"action_id": id});
        let event = EventRow { at: at(80), event: "late_call", severity: Severity::Warning, details };
        [verdict(id, Verdict::Superseded, at(80)), Record::Event(event)]
    };
    let id = one_of_each(&db).await;
    assert!(!db.store.late(id, &told(id)).await.unwrap(), "open: a look is going to tell");
    let given_up = ResultRow { result: ActionResult::Failed, ..succeeded(id, at(2), at(70)) };
    store(&db, vec![], vec![Record::Result(given_up)]).await.unwrap();
    assert!(db.store.late(id, &told(id)).await.unwrap());
    assert!(!db.store.late(id, &told(id)).await.unwrap(), "and not twice");
    let shown = the_action(&db).await;
    assert_eq!((shown.result.as_deref(), shown.verdict.as_deref()), (Some("failed"), Some("superseded")));
    let late = EventFilter { event: Some("late_call".into()), limit: 9, ..EventFilter::default() };
    assert_eq!(db.store.events(&late).await.unwrap().len(), 1);

    let done = one_of_each(&db).await;
    store(&db, vec![], vec![Record::Result(succeeded(done, at(2), at(70)))]).await.unwrap();
    assert!(!db.store.late(done, &told(done)).await.unwrap(), "the record is right");
    assert!(!db.store.late(Uuid::now_v7().into(), &told(done)).await.unwrap());
}
