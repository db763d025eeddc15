//! What people ask fettle to do now: one action by hand, or another look at everything that fires.
//!
//! Always holds: an order is a row before anything is done about it, in the transaction that sees whether the target is free;
//! from then on it is driven like any remediation, by whichever process claims it, through all guards. Who asked is in the
//! row, in the audit and in the log.

use std::sync::Arc;

use serde_json::json;

use crate::receive::TRIES;
use crate::shell::Shell;
use crate::upkeep::clock;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::RemediationId;
use fettle_core::ports::chain;
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::ports::{StoreError, Think};
use fettle_core::receive::{Heard, Notice, World, again, receive, take};
use fettle_core::remediation::order::Order;
use fettle_core::remediation::record::{EventRow, Record, Severity};
use fettle_core::remediation::state::Remediation;
use fettle_core::select::select;
use fettle_core::target::Target;

/// Alerts looked at in one transaction.
const PAGE: u32 = 1000;

/// The door for people.
#[derive(Clone)]
pub struct ByHand {
    /// The engine's parts.
    pub shell: Arc<Shell>,
}

impl ByHand {
    /// Takes an order; the remediation it became, which may be refused already. The worker was woken.
    pub async fn order(&self, target: &Target, order: &Order) -> Result<RemediationId, StoreError> {
        let shell = &*self.shell;
        let now = shell.time.now();
        let ids: (RemediationId, _) = (shell.time.new_id(), shell.time.new_id());
        let mut ask = ReceiveAsk::new(shell.owner, now);
        ask.targets.insert(target.to_string());
        let changes = self.write(&ask, &|world| take(world, target, order, &shell.settings, now, ids)).await?;
        tracing::info!(remediation.id = %ids.0, actor = order.by, %target, action = order.action.name(),
            "{} ordered {} of {target}", order.by, order.action.name());
        self.done(&changes);
        Ok(ids.0)
    }

    /// Looks again at every firing alert that no open remediation is attached to, as if nothing had been given up; what was
    /// opened for it, some of it refused at once.
    pub async fn self_heal(&self, by: &str) -> Result<Vec<Remediation>, StoreError> {
        let shell = &*self.shell;
        let (mut opened, mut after): (Vec<Remediation>, Option<Fingerprint>) = (Vec::new(), None);
        loop {
            let page = shell.store.unattended(after, PAGE).await?;
            let last = page.len() < PAGE as usize;
            after = page.last().map(|alert| alert.fingerprint).or(after);
            let rules = shell.rules.load_full();
            let alerts: Vec<Heard> = page
                .into_iter()
                .map(|alert| {
                    let selected = select(&rules, &shell.hosts, &alert.labels);
                    Heard::again(alert, selected)
                })
                .filter(|heard| !heard.selected.is_empty())
                .collect();
            if !alerts.is_empty() {
                let now = shell.time.now();
                let notices = [Notice { notification: None, received_at: now, alerts }];
                let ask = ReceiveAsk::about(&notices, &shell.settings, shell.owner, now);
                let think =
                    |world: &World| receive(&again(world), &notices, &shell.settings, &mut || shell.time.new_id());
                let changes = self.write(&ask, &think).await?;
                self.done(&changes);
                opened.extend(changes.opened);
            }
            if last {
                break;
            }
        }
        self.tell(by, &opened).await;
        Ok(opened)
    }

    /// Sets time to the clock that it follows, because a person says that this clock is right now. It is on record before it
    /// happens, dated by the time that ends. Gives how far time was ahead of the clock, in microseconds; negative: behind.
    pub async fn reset_clock(&self, by: &str, reason: &str) -> Result<i64, StoreError> {
        let shell = &*self.shell;
        let offset = shell.time.offset().followed;
        let details = json!({"by": by, "reason": reason, "offset_microseconds": offset});
        let event = EventRow { at: shell.time.now(), event: "clock_reset", severity: Severity::Warning, details };
        let records = [Record::Event(event)];
        shell.store.record(&records).await?;
        shell.telemetry.recorded(&[], &records);
        clock::reset(&*shell.store, &shell.time).await;
        // What waited for an instant may be due now.
        shell.wake.notify_one();
        shell.recheck.notify_one();
        tracing::warn!(actor = by, reason, microseconds = offset, "{by} reset fettle's clock");
        Ok(offset)
    }

    /// Tries again when somebody else writes the same rows at the same time.
    async fn write(&self, ask: &ReceiveAsk, think: Think<'_>) -> Result<Changes, StoreError> {
        for _ in 1..TRIES {
            match self.shell.store.receive(ask, think).await {
                Err(StoreError::Conflict { .. }) => {}
                done => return done,
            }
        }
        self.shell.store.receive(ask, think).await
    }

    fn done(&self, changes: &Changes) {
        self.shell.telemetry.recorded(&changes.opened, &changes.records);
        self.shell.wake.notify_one();
    }

    async fn tell(&self, by: &str, opened: &[Remediation]) {
        let ids: Vec<RemediationId> = opened.iter().map(|it| it.id).collect();
        let details = json!({"by": by, "opened": ids.len(), "remediations": ids.iter().take(100).collect::<Vec<_>>()});
        let at = self.shell.time.now();
        let records = [Record::Event(EventRow { at, event: "self_heal", severity: Severity::Info, details })];
        match self.shell.store.record(&records).await {
            Ok(()) => self.shell.telemetry.recorded(&[], &records),
            // What was opened counts all the same.
            Err(error) => {
                tracing::warn!(actor = by, error = %chain(&error), "that {by} asked to heal is not on record");
            }
        }
        tracing::info!(actor = by, opened = ids.len(), "{by} asked to heal what fires: {} opened", ids.len());
    }
}
