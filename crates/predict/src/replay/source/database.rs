//! The inbox of a database, read again as the service took it in.

use tokio::sync::mpsc;

use super::{Batch, Delivery, Unreadable};
use fettle_core::alert::webhook::Webhook;
use fettle_core::ports::StoreError;
use fettle_core::ports::history::{History, Period};

/// Notifications in one page.
const PAGE: u32 = 128;

/// Sends the notifications of a period; ends early when nobody listens any more. `done` of the batches is notifications.
pub async fn run(history: &dyn History, period: Period, into: mpsc::Sender<Batch>) -> Result<(), StoreError> {
    let (mut after, mut done) = (None, 0);
    loop {
        let page = history.notifications(period, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.received_at, last.id));
        done += page.len() as u64;
        let mut batch = Batch { done, ..Batch::default() };
        for row in page {
            match Webhook::parse(&row.body) {
                Ok(webhook) => batch.deliveries.push(Delivery { at: row.received_at, alerts: webhook.alerts }),
                Err(problem) => {
                    batch.unreadable.push(Unreadable { place: format!("notification {}", row.id), problem });
                }
            }
        }
        if into.send(batch).await.is_err() {
            return Ok(());
        }
    }
}
