//! The receiver over a store in memory.

use bytes::Bytes;
use fettle_core::ports::Store;
use fettle_core::ports::model::NewNotification;
use fettle_core::testing::at;
use fettle_memory::store::Memory;
use uuid::Uuid;

use super::*;
use crate::pulse::Pulses;
use crate::testing::script::{Plot, Script};
use crate::worker;

/// A page of the backlog that is short because of its bytes is not the last one.
#[tokio::test(start_paused = true)]
async fn a_backlog_of_large_bodies_is_read_back_at_once() {
    let Script { mut shell, .. } = Script::of(Plot::default());
    let store: Arc<dyn Store> = Arc::new(Memory::shared(|| at(100)).process(shell.owner));
    shell.store = store.clone();
    let shell = Arc::new(shell);
    let rows: Vec<_> = (1..=5).map(|number| large(number, READ_BACK / 2 + 1)).collect();
    store.append(&rows).await.expect("stored");
    assert_eq!(store.pending(at(100), 9).await.expect("readable").len(), 2, "a page");

    let (again, asked) = mpsc::channel(1);
    let readiness = Arc::new(Readiness::fulfilled());
    let receiver = Receiver {
        queue: worker::remediations(shell.clone(), again, readiness.clone()).0,
        shell,
        stored: mpsc::channel(1).1,
        overflow: Arc::default(),
        again: asked,
        pulse: Pulses::of(&["receiver"]).pulse(0),
        readiness,
    };
    receiver.catch_up(Duration::ZERO, &CancellationToken::new()).await;
    assert_eq!(store.backlog().await.expect("readable"), 0);
}

fn large(number: u128, bytes: usize) -> NewNotification {
    let text = r#"{"version":"4","alerts":[]}"#;
    NewNotification {
        id: Uuid::from_u128(number).into(),
        received_at: at(-1),
        sender: "test".to_owned(),
        receiver: String::new(),
        group_key: String::new(),
        status: "firing",
        alerts: 0,
        truncated: 0,
        body: Bytes::from(format!("{text}{}", " ".repeat(bytes - text.len()))),
    }
}
