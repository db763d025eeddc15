//! Retention: what is old goes, oldest first, in bounded steps.
//!
//! A remediation goes with its whole story or not at all. Notifications that are still to be taken in stay, however old.

use std::time::Duration;

use fettle_core::id::RemediationId;
use fettle_core::ports::common::loan_end;
use fettle_core::time::{Timestamp, before};

use super::{Alert, RemediationRow, Rows};

/// Rows of each kind per call; a remediation counts as one and has a handful of rows beside it.
const STEP: usize = 500;

/// The last of the audit that retention never reaches, whoever asks.
const KEPT: Duration = Duration::from_hours(24);

impl Rows {
    /// Deletes what is older; how many rows went. Zero when nothing is left to do.
    pub(super) fn prune(&mut self, notifications: Timestamp, audit: Timestamp) -> u64 {
        let received = self.inbox.forget(notifications, STEP);
        // Counted back from the newest row that cannot be deleted, not from a clock. Without any row nothing may go.
        let newest = self.actions.newest().max(self.events.newest());
        let bound = newest.map_or(Timestamp::MIN, |newest| before(newest, KEPT));
        let gone = received + self.prune_audit(audit.min(bound), STEP);
        let silent = self.alerts.forget(audit, STEP);
        self.forget_alerts(&silent);
        let gone = gone + silent.len() as u64;
        self.names.sweep();
        gone
    }

    pub(super) fn forget(&mut self, before: Timestamp, ended: Timestamp) -> u64 {
        let received = self.inbox.forget(before, usize::MAX);
        let audit = self.prune_audit(before, usize::MAX);
        let gone = received + audit + self.alerts.forget_ended(ended);
        self.names.sweep();
        gone
    }

    /// They are gone; what speaks of them does no more.
    fn forget_alerts(&mut self, gone: &[Alert]) {
        for alert in gone {
            for id in alert.candidates.iter().filter_map(|it| it.remediation) {
                if let Some(of) = self.remediations.beside(id) {
                    of.alerts.remove(&alert.state.fingerprint);
                }
            }
        }
    }

    fn prune_audit(&mut self, permitted: Timestamp, step: usize) -> u64 {
        let finished = self.remediations.closed_before(permitted);
        let finished: Vec<RemediationId> = finished.filter(|id| self.is_long_back(*id, permitted)).take(step).collect();
        let mut gone = 0;
        for id in finished {
            gone += self.forget_remediation(id);
        }
        gone += self.events.forget(permitted, step);
        gone += self.pauses.forget(permitted, step);
        gone + self.outbox.forget(permitted, step)
    }

    /// Whether what it lent was brought back before `before`: until long after, it belongs to the story.
    fn is_long_back(&self, id: RemediationId, before: Timestamp) -> bool {
        let loans = self.remediations.get(id).map(|row| &row.doc.loans);
        let mut loans = loans.into_iter().flatten().filter_map(|loan| self.loans.get(*loan));
        loans.all(|loan| loan_end(&loan.doc).is_some_and(|(at, _)| at < before))
    }

    fn forget_remediation(&mut self, id: RemediationId) -> u64 {
        let Some(row) = self.remediations.remove(id) else { return 0 };
        let RemediationRow { steps, answers, actions, loans, alerts, .. } = row;
        let mut gone = 1 + (steps.len() + answers.len() + loans.len()) as u64;
        gone += actions.into_iter().map(|action| self.actions.remove(action)).sum::<u64>();
        for loan in loans {
            self.loans.remove(loan);
        }
        for alert in alerts {
            self.alerts.part(alert, id);
        }
        gone + self.outbox.forget_about(id)
    }
}
