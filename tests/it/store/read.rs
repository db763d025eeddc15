//! Lists, filters, pages, and one remediation's story.

use fettle_core::alert::episode::Word;
use fettle_core::id::ActionId;
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::ports::view::{ActionFilter, AlertFilter, RemediationFilter};
use fettle_core::remediation::outcome::{ActionResult, Outcome};
use fettle_core::remediation::record::{ActionRow, Record, TransitionRow, VerdictRow};
use fettle_core::remediation::state::{Remediation, StateName};
use serde_json::json;
use uuid::Uuid;

use super::fixture::{
    at, closed, commit, firing, held, intent, notification, open_all, open_claimed, record, running, succeeded, target,
    write,
};
use super::{Db, on_all, on_both};

on_all!(
    remediations_are_listed_newest_first_by_pages,
    remediations_are_filtered_by_state_rule_and_target,
    actions_are_filtered_and_paged,
    alerts_are_listed_last_heard_first,
    a_story_tells_everything_in_order,
    hostile_filters_find_nothing_and_break_nothing,
    the_latest_instant_is_that_of_whatever_was_stored_last,
    the_clock_is_the_stores_own_where_it_has_one,
);

// Read from where the database is.
on_both!(labels_of_recorded_alerts_are_read_beside_a_running_service);

fn all(limit: u32) -> RemediationFilter {
    RemediationFilter { limit, ..RemediationFilter::default() }
}

async fn remediations_are_listed_newest_first_by_pages(db: Db) {
    let made: Vec<Remediation> = (0..7).map(|n| held(&format!("s{n}"), at(n))).collect();
    open_all(&*db.store, &made).await;
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = db.store.remediations(&RemediationFilter { after, ..all(3) }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        listed.extend(page.into_iter().map(|r| r.id));
    }
    assert_eq!(listed, made.iter().rev().map(|r| r.id).collect::<Vec<_>>());
}

async fn remediations_are_filtered_by_state_rule_and_target(db: Db) {
    let mut other = held("b", at(1));
    other.rule = "disk".into();
    let done = closed(held("a", at(1)), Outcome::Fixed, at(2));
    open_all(&*db.store, &[held("a", at(1)), other.clone()]).await;
    let changes = Changes { opened: vec![done.clone()], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(2)), changes).await.unwrap();

    let count = async |filter: RemediationFilter| db.store.remediations(&filter).await.unwrap().len();
    assert_eq!(count(RemediationFilter { state: Some("open".into()), ..all(9) }).await, 2);
    assert_eq!(count(RemediationFilter { state: Some("closed".into()), ..all(9) }).await, 1);
    assert_eq!(count(RemediationFilter { state: Some("blocked".into()), ..all(9) }).await, 0);
    assert_eq!(count(RemediationFilter { target: Some(target("a")), ..all(9) }).await, 2);
    assert_eq!(count(RemediationFilter { rule: Some("disk".into()), ..all(9) }).await, 1);
    assert_eq!(count(RemediationFilter { rule: Some("disk".into()), target: Some(target("a")), ..all(9) }).await, 0);
    assert_eq!(count(all(0)).await, 0);

    let closed =
        &db.store.remediations(&RemediationFilter { state: Some("closed".into()), ..all(9) }).await.unwrap()[0];
    assert_eq!((closed.outcome.as_deref(), closed.reason.as_deref()), (Some("fixed"), Some("in a test")));
    assert_eq!((closed.closed_at, closed.due_at), (Some(at(2)), None));
    assert_eq!((&*closed.alertname, closed.severity.as_deref()), ("ServiceDown", Some("critical")));
}

async fn actions_are_filtered_and_paged(db: Db) {
    let it = closed(held("a", at(0)), Outcome::Fixed, at(9));
    let other = closed(held("b", at(0)), Outcome::Refused, at(9));
    let (one, two) = (intent(&it, at(1)), intent(&it, at(2)));
    let refused = ActionRow {
        result: Some(ActionResult::Refused),
        reason: Some("no_target".into()),
        attempt: 0,
        spends: false,
        rule: "disk".into(),
        ..intent(&other, at(3))
    };
    let rows = [one, two, refused];
    let changes =
        Changes { opened: vec![it.clone(), other], records: rows.iter().map(record).collect(), ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(2)), changes).await.unwrap();

    let list = async |filter: ActionFilter| -> Vec<ActionId> {
        db.store.actions(&filter).await.unwrap().into_iter().map(|a| a.id).collect()
    };
    let any = ActionFilter { limit: 9, ..ActionFilter::default() };
    assert_eq!(list(any.clone()).await, [rows[2].id, rows[1].id, rows[0].id]);
    assert_eq!(list(ActionFilter { after: Some(rows[1].id), ..any.clone() }).await, [rows[0].id]);
    assert_eq!(list(ActionFilter { limit: 1, ..any.clone() }).await, [rows[2].id]);
    assert_eq!(list(ActionFilter { rule: Some("disk".into()), ..any.clone() }).await, [rows[2].id]);
    assert_eq!(list(ActionFilter { target: Some(target("a")), ..any.clone() }).await, [rows[1].id, rows[0].id]);
    assert_eq!(list(ActionFilter { result: Some("refused".into()), ..any.clone() }).await, [rows[2].id]);
    assert_eq!(list(ActionFilter { remediation: Some(it.id), ..any }).await, [rows[1].id, rows[0].id]);
}

async fn alerts_are_listed_last_heard_first(db: Db) {
    let mut gone = firing("gone", at(1));
    gone.hear(Word::Resolved { starts_at: at(1), ends_at: at(4) }, at(5), None);
    let alerts = vec![firing("a", at(2)), gone, firing("b", at(3))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(5)), Changes { alerts, ..Changes::default() }).await.unwrap();

    let list = async |status: Option<&str>| -> Vec<String> {
        let filter = AlertFilter { status: status.map(Into::into), limit: 9 };
        let alerts = db.store.alerts(&filter).await.unwrap();
        alerts.into_iter().map(|a| format!("{} {}", a.labels["service"].as_str().unwrap(), a.status)).collect()
    };
    assert_eq!(list(None).await, ["gone resolved", "b firing", "a firing"]);
    assert_eq!(list(Some("firing")).await, ["b firing", "a firing"]);
    assert_eq!(list(Some("resolved")).await, ["gone resolved"]);
}

async fn labels_of_recorded_alerts_are_read_beside_a_running_service(db: Db) {
    let alerts = vec![firing("a", at(2)), firing("b", at(3)), firing("c", at(4))];
    write(&*db.store, &ReceiveAsk::new(db.owner, at(5)), Changes { alerts, ..Changes::default() }).await.unwrap();
    let read = fettle_store::recorded_labels(&db.url(), 2).await.unwrap();
    assert_eq!(read.iter().map(|labels| labels.get("service")).collect::<Vec<_>>(), ["c", "b"], "the latest");
}

async fn a_story_tells_everything_in_order(db: Db) {
    assert_eq!(db.store.story(Uuid::now_v7().into()).await.unwrap(), None);
    let it = held("web", at(1));
    let claim = open_claimed(&*db.store, db.owner, &it).await;
    let row = intent(&it, at(2));
    let told = |second, state, what: &str| {
        let (what, detail) = (what.into(), json!({"at": second}));
        Record::Transition(TransitionRow { remediation_id: it.id, at: at(second), state, what, detail })
    };
    let mut begin = commit(&running(it.clone(), row.id, at(2)), vec![]);
    begin.records =
        vec![told(2, StateName::Running, "budget passed"), told(2, StateName::Running, "began"), record(&row)];
    begin.keep_until = Some(at(60));
    let claim = db.store.work().commit(&claim, &begin).await.unwrap().expect("claimed").claim;
    let verdict = VerdictRow {
        action_id: row.id,
        at: at(9),
        verdict: fettle_core::remediation::outcome::Verdict::Fixed,
        reason: "well for 30 s".into(),
    };
    let mut end = commit(&closed(it.clone(), Outcome::Fixed, at(9)), vec![]);
    end.effort.attempts = 1;
    end.records = vec![
        Record::Result(succeeded(row.id, at(2), at(3))),
        Record::Verdict { rule: "web".into(), action: "restart", row: verdict },
        told(9, StateName::Closed, "fixed"),
    ];
    db.store.work().commit(&claim, &end).await.unwrap().expect("claimed");

    let story = db.store.story(it.id).await.unwrap().expect("it is there");
    assert_eq!((&*story.remediation.state, story.remediation.actions), ("closed", 1));
    let timeline: Vec<_> = story.timeline.iter().map(|t| (t.at, &*t.state, &*t.what)).collect();
    assert_eq!(
        timeline,
        [(at(2), "running", "budget passed"), (at(2), "running", "began"), (at(9), "closed", "fixed")]
    );
    assert_eq!(story.timeline[2].detail, json!({"at": 9}));
    assert_eq!(story.actions.len(), 1);
    let action = &story.actions[0];
    assert_eq!(
        (action.verdict.as_deref(), action.duration_ms, action.attempt, action.step),
        (Some("fixed"), Some(1000), 1, 1)
    );
    assert_eq!(action.labels["service"], "web");
    assert_eq!((story.verdicts[0].action_id, story.verdicts[0].at), (row.id, at(9)));
    assert_eq!(story.alerts[0].fingerprint, it.alert.fingerprint.to_string());
}

async fn hostile_filters_find_nothing_and_break_nothing(db: Db) {
    open_all(&*db.store, &[held("web", at(1))]).await;
    for text in ["\0", "' OR 1=1 --", "%", "\u{fffd}\\"] {
        let text = Some(text.to_owned());
        let filter = RemediationFilter { rule: text.clone(), target: text.clone(), state: text.clone(), ..all(9) };
        assert_eq!(db.store.remediations(&filter).await.unwrap(), []);
        let filter = ActionFilter { rule: text.clone(), result: text, limit: 9, ..ActionFilter::default() };
        assert_eq!(db.store.actions(&filter).await.unwrap(), []);
    }
}

async fn the_latest_instant_is_that_of_whatever_was_stored_last(db: Db) {
    assert_eq!(db.store.latest().await.unwrap(), None);
    db.store.append(&[notification(at(7), "a")]).await.unwrap();
    assert_eq!(db.store.latest().await.unwrap(), Some(at(7)));
    let it = closed(held("web", at(0)), Outcome::Fixed, at(8));
    let row = intent(&it, at(9));
    let changes = Changes { opened: vec![it], records: vec![record(&row)], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(9)), changes).await.unwrap();
    assert_eq!(db.store.latest().await.unwrap(), Some(at(9)));
}

async fn the_clock_is_the_stores_own_where_it_has_one(db: Db) {
    let now = db.store.now().await.unwrap();
    assert!(["sqlite", "postgres", "memory"].contains(&db.store.kind()));
    assert_eq!(now.is_some(), !db.is_sqlite());
    if let Some(now) = now {
        assert!(now.duration_since(fettle_core::time::Timestamp::now()).abs().as_secs() < 60, "{now}");
    }
}
