//! The inbox keeps what was acknowledged, byte for byte, until it is taken in.

use bytes::Bytes;
use fettle_core::ports::model::{Changes, ReceiveAsk};

use super::fixture::{at, notification, write};
use super::{Db, on_all};

on_all!(
    what_was_appended_is_pending_oldest_first_and_byte_for_byte,
    what_was_appended_is_there_after_a_restart,
    nothing_is_pending_that_was_received_after_the_given_instant,
    a_nul_in_one_row_spoils_no_batch,
    the_same_batch_again_changes_nothing,
    bodies_beyond_one_statement_are_stored_and_read_in_steps,
    nothing_appended_is_nothing_stored,
);

const FAR: i64 = 1_000_000;

async fn what_was_appended_is_pending_oldest_first_and_byte_for_byte(db: Db) {
    let batch: Vec<_> = (0..300).map(|n| notification(at(n), &format!("{{\"n\":{n},\"ü\":\"\\u0000\"}}"))).collect();
    db.store.append(&batch).await.unwrap();

    let pending = db.store.pending(at(FAR), 1000).await.unwrap();
    assert_eq!(db.store.backlog().await.unwrap(), 300);
    assert_eq!(pending.len(), 300);
    for (stored, sent) in pending.iter().zip(&batch) {
        assert_eq!((stored.id, stored.received_at, &stored.body), (sent.id, sent.received_at, &sent.body));
    }
    assert_eq!(db.store.pending(at(FAR), 7).await.unwrap().len(), 7);
}

async fn what_was_appended_is_there_after_a_restart(db: Db) {
    let sent = notification(at(1), "{}");
    db.store.append(std::slice::from_ref(&sent)).await.unwrap();
    let db = db.reopen().await;
    assert_eq!(db.store.pending(at(FAR), 10).await.unwrap()[0].id, sent.id);
}

async fn nothing_is_pending_that_was_received_after_the_given_instant(db: Db) {
    db.store.append(&[notification(at(1), "a"), notification(at(2), "b")]).await.unwrap();
    let pending = db.store.pending(at(2), 10).await.unwrap();
    assert_eq!(pending.iter().map(|n| &n.body[..]).collect::<Vec<_>>(), [b"a"]);
}

async fn a_nul_in_one_row_spoils_no_batch(db: Db) {
    let before = notification(at(0), "a");
    let mut poison = notification(at(1), "bytes may hold \0 and stay as they came");
    poison.group_key = "{}:{alertname=\"\0\"}".into();
    poison.receiver = "\0".into();
    poison.truncated = u64::MAX;
    db.store.append(&[before, poison.clone(), notification(at(2), "b")]).await.unwrap();

    assert_eq!(db.store.pending(at(FAR), 10).await.unwrap()[1].body, poison.body);
    let told = db.told("SELECT receiver || group_key FROM fettle_notifications ORDER BY id", |rows| {
        let all = rows.notifications().map(|it| &it.notification);
        all.map(|it| format!("{}{}", it.receiver, it.group_key)).collect()
    });
    assert_eq!(told.await[1], "\u{fffd}{}:{alertname=\"\u{fffd}\"}");
}

async fn the_same_batch_again_changes_nothing(db: Db) {
    let batch = [notification(at(1), "a"), notification(at(2), "b")];
    db.store.append(&batch).await.unwrap();
    let mut ask = ReceiveAsk::new(db.owner, at(3));
    ask.take = vec![batch[0].id];
    write(&*db.store, &ask, Changes::default()).await.unwrap();

    // As after an answer that was lost on its way.
    db.store.append(&batch).await.unwrap();
    let pending = db.store.pending(at(FAR), 10).await.unwrap();
    assert_eq!(pending.iter().map(|n| n.id).collect::<Vec<_>>(), [batch[1].id]);
    assert_eq!(db.count("fettle_notifications").await, 2);
}

async fn bodies_beyond_one_statement_are_stored_and_read_in_steps(db: Db) {
    let body = Bytes::from(vec![b'x'; 9 << 20]);
    let mut batch: Vec<_> = (0..5).map(|n| notification(at(n), "")).collect();
    for n in &mut batch {
        n.body = body.clone();
    }
    db.store.append(&batch).await.unwrap();

    assert_eq!(db.store.backlog().await.unwrap(), 5);
    let step = db.store.pending(at(FAR), 100).await.unwrap();
    assert!((1..5).contains(&step.len()), "{} bodies at once", step.len());
    assert!(step.iter().all(|n| n.body == body));
}

async fn nothing_appended_is_nothing_stored(db: Db) {
    db.store.append(&[]).await.unwrap();
    assert_eq!(db.store.backlog().await.unwrap(), 0);
}
