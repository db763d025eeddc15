//! Retention: what is old goes with its whole story, what is not stays, and nothing else opens that door.

use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::ports::model::{Changes, Commit, ReceiveAsk, SAMPLED, Sample, Standing};
use fettle_core::remediation::loan::LoanEnd;
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::{EventRow, Record, Severity, TransitionRow, VerdictRow};
use fettle_core::remediation::state::{Remediation, StateName};
use fettle_core::surroundings::{Answer, AnswerKind, PauseScope};
use fettle_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::fixture::{
    at, attached, closed, ended, firing, held, intent, lend, loan, notification, open_all, open_claimed, record, write,
};
use super::{Db, fixture, on_all, on_both};

on_all!(
    old_notifications_go_except_those_still_to_be_taken_in,
    old_remediations_go_with_their_story_and_young_ones_stay,
    a_large_heap_goes_in_bounded_steps,
    the_last_day_of_the_audit_stays_whoever_asks,
    a_sample_of_a_host_opens_nothing_for_retention,
    what_upkeep_notes_is_there_for_the_next_one,
    alerts_nobody_speaks_of_go_and_a_firing_one_keeps_its_spent_episode,
    a_remediation_stays_while_what_it_lent_is_not_long_back,
    what_people_said_and_were_told_goes_with_the_remediation,
    pauses_that_were_over_long_ago_go,
);

// Which rows a statement may delete is the schema's to say.
on_both!(pruning_leaves_no_door_open, nobody_permits_more_than_all_but_the_last_day);

async fn old_notifications_go_except_those_still_to_be_taken_in(db: Db) {
    let batch = [notification(at(1), "old"), notification(at(2), "pending"), notification(at(10), "young")];
    db.store.append(&batch).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(11));
    ask.take = vec![batch[0].id, batch[2].id];
    write(&*db.store, &ask, Changes::default()).await.unwrap();

    assert_eq!(db.store.prune(at(10), at(0)).await.unwrap(), 1);
    assert_eq!(db.count("fettle_notifications").await, 2);
    assert_eq!(db.store.pending(at(99), 9).await.unwrap()[0].id, batch[1].id);
    assert_eq!(db.store.prune(at(10), at(0)).await.unwrap(), 0);
}

/// One day of the audit, which never goes.
const DAY: i64 = 86_400;

/// An event at `when`, so that what is a day older may go.
async fn told(db: &Db, when: Timestamp) {
    let event = EventRow { at: when, event: "told", severity: Severity::Info, details: json!(null) };
    let changes = Changes { records: vec![Record::Event(event)], ..Changes::default() };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
}

/// A closed remediation with an audit row, a verdict that came later, a transition, an event and its alert.
async fn finished(db: &Db, service: &str, when: Timestamp, verdict_at: Timestamp) -> Remediation {
    let it = closed(held(service, at(0)), Outcome::Fixed, when);
    let row = intent(&it, when);
    let verdict = VerdictRow { action_id: row.id, at: verdict_at, verdict: Verdict::Regressed, reason: String::new() };
    let told = TransitionRow {
        remediation_id: it.id,
        at: when,
        state: StateName::Closed,
        what: "closed".into(),
        detail: json!(null),
    };
    let changes = Changes {
        alerts: vec![firing(service, when)],
        candidates: vec![fettle_core::ports::model::Candidate { standing: Standing::Spent, ..attached(&it) }],
        opened: vec![it.clone()],
        records: vec![
            record(&row),
            Record::Verdict { rule: "web".into(), action: "restart", row: verdict },
            Record::Transition(told),
            Record::Event(EventRow { at: when, event: "closed", severity: Severity::Info, details: json!(null) }),
        ],
        ..Changes::default()
    };
    write(&*db.store, &ReceiveAsk::new(db.owner, at(0)), changes).await.unwrap();
    it
}

async fn old_remediations_go_with_their_story_and_young_ones_stay(db: Db) {
    finished(&db, "old", at(9), at(500)).await;
    let young = finished(&db, "young", at(10), at(10)).await;
    open_all(&*db.store, &[held("open", at(1))]).await;
    told(&db, at(10 + DAY)).await;
    // Opened long ago, but open.
    assert_eq!(db.store.prune(at(0), at(10)).await.unwrap(), 6);
    for (table, left) in [("actions", 1), ("verdicts", 1), ("transitions", 1), ("events", 2)] {
        assert_eq!(db.count(table).await, left, "{table}");
    }
    assert_eq!((db.count("remediations").await, db.count("alerts").await), (2, 2));
    assert!(db.store.story(young.id).await.unwrap().is_some());
}

async fn a_large_heap_goes_in_bounded_steps(db: Db) {
    let batch: Vec<_> = (0..1200).map(|_| notification(at(1), "x")).collect();
    db.store.append(&batch).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(2));
    ask.take = batch.iter().map(|n| n.id).collect();
    write(&*db.store, &ask, Changes::default()).await.unwrap();
    let mut gone = Vec::new();
    while let n @ 1.. = db.store.prune(at(9), at(0)).await.unwrap() {
        gone.push(n);
    }
    assert!(gone.len() > 1, "{gone:?}");
    assert_eq!(gone.iter().sum::<u64>(), 1200);
}

async fn pruning_leaves_no_door_open(db: Db) {
    finished(&db, "old", at(1), at(1)).await;
    finished(&db, "young", at(50 + DAY), at(50 + DAY)).await;
    db.store.prune(at(0), at(10)).await.unwrap();
    assert_eq!(db.count("retention").await, 0);
    db.sql("DELETE FROM events").await.expect_err("retention is over");
    // Nor may retention itself reach beyond what it declared.
    let sql =
        "BEGIN; INSERT INTO retention (cutoff) VALUES ('2020-01-01T00:00:00.000000Z'); DELETE FROM events; COMMIT";
    db.sql(sql).await.expect_err("younger than the cutoff");
    assert_eq!(db.count("events").await, 1);
}

async fn alerts_nobody_speaks_of_go_and_a_firing_one_keeps_its_spent_episode(db: Db) {
    let it = finished(&db, "chatty", at(1), at(1)).await;
    finished(&db, "silent", at(1), at(1)).await;
    told(&db, at(50 + DAY)).await;
    let mut chatty = firing("chatty", at(1));
    chatty.hear(fettle_core::alert::episode::Word::Firing { starts_at: at(1) }, at(100), None);
    let mut ask = ReceiveAsk::new(db.owner, at(100));
    ask.fingerprints = [chatty.fingerprint].into();
    write(&*db.store, &ask, Changes { alerts: vec![chatty.clone()], ..Changes::default() }).await.unwrap();

    db.store.prune(at(0), at(50)).await.unwrap();
    assert_eq!(db.count("remediations").await, 0);
    assert_eq!(db.count("alerts").await, 1);
    let kept = db.candidates(chatty.fingerprint).await;
    let spent = fettle_core::ports::model::Candidate { standing: Standing::Spent, remediation: None, ..attached(&it) };
    assert_eq!(kept, [spent], "its repeats still open nothing");
}

async fn the_last_day_of_the_audit_stays_whoever_asks(db: Db) {
    finished(&db, "old", at(0), at(0)).await;
    finished(&db, "young", at(2), at(2)).await;
    told(&db, at(1 + DAY)).await;
    // All of it is asked for; what is a day younger than the newest stays.
    assert_eq!(db.store.prune(at(0), at(9 * DAY)).await.unwrap(), 7, "one story, and both alerts");
    assert_eq!((db.count("actions").await, db.count("events").await), (1, 2));
    assert_eq!(db.store.prune(at(0), at(9 * DAY)).await.unwrap(), 0);
}

/// One is written every minute, dated by a clock that may be years ahead.
async fn a_sample_of_a_host_opens_nothing_for_retention(db: Db) {
    finished(&db, "young", at(2), at(2)).await;
    let years_ahead = at(1000 * DAY);
    let sample = Sample {
        id: Uuid::now_v7().into(),
        at: years_ahead,
        event: SAMPLED,
        severity: Severity::Info,
        details: json!({}),
        cpu: 1.0,
        ram: 1.0,
        disk: None,
    };
    db.store.sample(&[sample]).await.unwrap();
    db.store.prune(at(0), years_ahead).await.unwrap();
    assert_eq!((db.count("actions").await, db.count("remediations").await, db.count("events").await), (1, 1, 2));
}

async fn what_upkeep_notes_is_there_for_the_next_one(db: Db) {
    assert_eq!(db.store.noted("clock").await.unwrap(), None);
    for value in ["one", "another"] {
        db.store.note("clock", value).await.unwrap();
        assert_eq!(db.store.noted("clock").await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(db.store.noted("retention").await.unwrap(), None);
}

async fn nobody_permits_more_than_all_but_the_last_day(db: Db) {
    finished(&db, "young", at(2), at(2)).await;
    told(&db, at(1 + DAY)).await;
    let bound = db.texts("SELECT CAST(cutoff AS text) FROM retention_bound").await;
    assert!(bound[0].contains("08:00:01"), "a day before the newest, to the microsecond: {bound:?}");
    let allowed = "INSERT INTO retention (cutoff) VALUES ('2027-01-15T08:00:01.000000Z')";
    db.sql(&format!("{allowed}; DELETE FROM retention")).await.expect("old enough");
    for sql in [
        "INSERT INTO retention (cutoff) VALUES ('2027-01-15T08:00:01.000001Z')".to_owned(),
        "INSERT INTO retention (cutoff) VALUES ('9999-12-30T00:00:00.000000Z')".to_owned(),
        format!("BEGIN; {allowed}; UPDATE retention SET cutoff = '2027-01-16T08:00:00.000000Z'; COMMIT"),
    ] {
        db.sql(&sql).await.expect_err(&sql);
    }
    assert_eq!(db.count("retention").await, 0);
}

/// Something that happened today: retention counts back from what is there.
async fn today(db: &Db, day: i64) {
    let row = EventRow { at: at(day * DAY), event: "noon", severity: Severity::Info, details: json!(null) };
    db.store.record(&[Record::Event(row)]).await.unwrap();
}

async fn a_remediation_stays_while_what_it_lent_is_not_long_back(db: Db) {
    let lender = held("web", at(0));
    let lent = loan(&lender, at(50));
    let claim = lend(&db, &lender, &lent, Outcome::Fixed).await;
    today(&db, 20).await;
    db.store.prune(at(0), at(10 * DAY)).await.unwrap();
    assert_eq!((db.count("remediations").await, db.count("loans").await), (1, 1), "it is not back yet");

    let over = Commit { effort: ended(lent, LoanEnd::Returned, at(11 * DAY)), records: vec![], keep_until: None };
    db.store.loans().commit(&claim, &over).await.unwrap().expect("claimed");
    db.store.prune(at(0), at(10 * DAY)).await.unwrap();
    assert_eq!((db.count("remediations").await, db.count("loans").await), (1, 1), "it is back since the day before");
    db.store.prune(at(0), at(12 * DAY)).await.unwrap();
    assert_eq!((db.count("remediations").await, db.count("loans").await), (0, 0));
}

async fn what_people_said_and_were_told_goes_with_the_remediation(db: Db) {
    for (service, day) in [("old", 1), ("young", 15)] {
        let it = held(service, at(0));
        let claim = open_claimed(&*db.store, db.owner, &it).await;
        let cancel =
            Answer { id: Uuid::now_v7().into(), kind: AnswerKind::Cancel, plan: None, by: "me".into(), at: at(1) };
        db.store.answer(it.id, &cancel).await.unwrap();
        let said = Announcement {
            name: AnnouncementName::Working,
            remediation: it.id,
            labels: it.alert.labels.clone(),
            annotations: std::collections::BTreeMap::new(),
            at: at(1),
            until: at(99 * DAY),
        };
        let over = closed(it, Outcome::Cancelled, at(day * DAY));
        let done = fixture::commit(&over, vec![Record::Announce(Box::new(said))]);
        db.store.work().commit(&claim, &done).await.unwrap().expect("claimed");
    }
    today(&db, 20).await;
    db.store.prune(at(0), at(10 * DAY)).await.unwrap();
    for table in ["remediations", "answers", "announcements"] {
        assert_eq!(db.count(table).await, 1, "{table}");
    }
}

async fn pauses_that_were_over_long_ago_go(db: Db) {
    let pause = |until: Option<i64>| super::pauses::pause(PauseScope::All, 1, until.map(|day| at(day * DAY)));
    let (ended, timed, late, open) = (pause(None), pause(Some(2)), pause(Some(15)), pause(None));
    for pause in [&ended, &timed, &late, &open] {
        db.store.pause(pause).await.unwrap();
    }
    db.store.resume(ended.id, "me", at(DAY)).await.unwrap();
    today(&db, 20).await;
    db.store.prune(at(0), at(10 * DAY)).await.unwrap();
    let left = db.told("SELECT CAST(id AS text) FROM pauses ORDER BY id", |rows| {
        rows.pauses().map(|it| it.pause.id.to_string()).collect()
    });
    assert_eq!(left.await, [late.id.to_string(), open.id.to_string()]);
}
