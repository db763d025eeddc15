//! What is heard goes to the engine's receiver, below the door: it comes parsed.

use bytes::Bytes;

use super::World;
use super::time::TICK;
use fettle_core::alert::webhook::{Alert, Webhook};
use fettle_core::ports::model::NewNotification;
use fettle_core::time::{Timestamp, since};
use fettle_engine::intake::Received;

impl World {
    /// A notification is received at `at`: time passes until then, what is due at that very instant excepted.
    pub async fn deliver(&mut self, at: Timestamp, alerts: Vec<Alert>) {
        self.reach(at).await;
        if let Some(upstream) = &self.upstream {
            upstream.heard(&alerts);
        }
        // The runtime's timers know milliseconds: what is that late was received in time.
        let received_at = if since(self.now(), at) < TICK { at } else { self.now() };
        let (id, count) = (self.shell.time.new_id(), u32::try_from(alerts.len()).unwrap_or(u32::MAX));
        // Its body is never read back: what is taken in at once leaves nothing pending.
        let row = NewNotification {
            id,
            received_at,
            sender: String::new(),
            receiver: String::new(),
            group_key: String::new(),
            status: "firing",
            alerts: count,
            truncated: 0,
            body: Bytes::new(),
        };
        let webhook = Webhook { receiver: String::new(), group_key: String::new(), truncated: 0, alerts };
        let stored = self.shell.store.append(std::slice::from_ref(&row)).await;
        debug_assert!(stored.is_ok(), "a database in memory takes everything: {stored:?}");
        // In one go, before anything else that is due now.
        let received = vec![Received { id, received_at, webhook, held: None }];
        tokio::task::unconstrained(self.receiver.take_in(received, &self.stop)).await;
        if let Some(forgetting) = &mut self.forgetting {
            forgetting.forget(&self.memory, received_at);
        }
    }
}
