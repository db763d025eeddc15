//! Everything that is stored, and the way to look at it past the ports.

use std::collections::BTreeMap;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, LoanId, NotificationId, RemediationId};
use fettle_core::remediation::loan::Loan;
use fettle_core::surroundings::Storm;
use fettle_core::time::Timestamp;
use uuid::{Builder, Uuid};

use super::actions::Actions;
use super::alerts::Alerts;
use super::breakers::Breakers;
use super::events::Events;
use super::filed::Names;
use super::inbox::Inbox;
use super::loans::Lent;
use super::outbox::Said;
use super::people::Pauses;
use super::process::Processes;
use super::remediations::Remediations;
use super::runs::Watches;
use super::{Action, Alert, Announced, Circuit, Event, Paused, Received, RemediationRow, Row, Stand};

/// The rows of a [`Memory`](super::Memory). In every list they are in the order of their ids, names or fingerprints.
#[derive(Debug, Default)]
pub struct Rows {
    pub(super) names: Names,
    pub(super) inbox: Inbox,
    pub(super) alerts: Alerts,
    pub(super) remediations: Remediations,
    pub(super) actions: Actions,
    pub(super) loans: Lent,
    pub(super) outbox: Said,
    pub(super) events: Events,
    pub(super) pauses: Pauses,
    pub(super) breakers: Breakers,
    pub(super) storm: Option<Storm>,
    pub(super) processes: Processes,
    pub(super) watches: Watches,
    /// What upkeep noted, by name.
    pub(super) notes: BTreeMap<&'static str, String>,
    /// What rises with every row that is only appended.
    seq: u64,
    /// The latest instant that was ever stored.
    latest: Option<Timestamp>,
}

impl Rows {
    /// The number of a row that is only appended.
    pub(super) fn number(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A new id, ordered by its own time and then by when it was made.
    pub(super) fn id_at<T: From<Uuid>>(&mut self, at: Timestamp) -> T {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        let number = u128::from(self.number()).to_be_bytes();
        let mut low = [0; 10];
        low.copy_from_slice(&number[6..]);
        // The version takes four bits of the first byte and the variant two of the third: neither reaches the number.
        Builder::from_unix_timestamp_millis(millis, &low).into_uuid().into()
    }

    /// Something of these instants is stored.
    pub(super) fn saw(&mut self, at: Option<Timestamp>) {
        self.latest = self.latest.max(at);
    }

    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// Notifications.
    pub fn notifications(&self) -> impl DoubleEndedIterator<Item = &Received> {
        self.inbox.rows.values()
    }

    /// One notification.
    #[must_use]
    pub fn notification(&self, id: NotificationId) -> Option<&Received> {
        self.inbox.rows.get(&id)
    }

    /// Alerts with their candidates.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter()
    }

    /// One alert.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        self.alerts.get(fingerprint)
    }

    /// What became of an alert for a rule.
    #[must_use]
    pub fn candidate(&self, fingerprint: Fingerprint, rule: &str) -> Option<&Stand> {
        self.alerts.get(fingerprint)?.candidates.iter().find(|it| *it.rule == *rule)
    }

    /// Alerts that fire and wait for a target which is free by now.
    #[must_use]
    pub fn waiting(&self) -> Vec<&Alert> {
        self.free_again()
    }

    /// Remediations, open and closed.
    pub fn remediations(&self) -> impl DoubleEndedIterator<Item = &Row<RemediationRow>> {
        self.remediations.rows().iter().map(|(_, row)| row)
    }

    /// One remediation.
    #[must_use]
    pub fn remediation(&self, id: RemediationId) -> Option<&Row<RemediationRow>> {
        self.remediations.get(id)
    }

    /// Open remediations: those that nobody holds by when they are due, then those that are held.
    pub fn open(&self) -> impl Iterator<Item = &Row<RemediationRow>> {
        self.remediations.rows().open().map(|(_, row)| row)
    }

    /// When the earliest remediation or loan that nobody holds is due, or the earliest alert is decided again; at once known,
    /// however many there are.
    #[must_use]
    pub fn first_free(&self) -> Option<Timestamp> {
        let (remediations, loans) = (self.remediations.rows().first_free(), self.loans.rows().first_free());
        remediations.into_iter().chain(loans).chain(self.alerts.next_again()).min()
    }

    /// Whether somebody is at work on a remediation or a loan.
    #[must_use]
    pub fn has_held(&self) -> bool {
        self.remediations.rows().has_held() || self.loans.rows().has_held()
    }

    /// Whether no remediation and no loan is open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.remediations.rows().is_over() && self.loans.rows().is_over()
    }

    /// The open remediation of a target as written.
    #[must_use]
    pub fn open_on(&self, target: &str) -> Option<&Row<RemediationRow>> {
        self.remediations.get(self.remediations.open_on(target)?)
    }

    /// Audit rows.
    pub fn actions(&self) -> impl DoubleEndedIterator<Item = &Action> {
        self.actions.iter()
    }

    /// One audit row.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<&Action> {
        self.actions.get(id)
    }

    /// The newest effect on a target, as written, that is intended and has no result.
    #[must_use]
    pub fn under_way(&self, target: &str) -> Option<&Action> {
        self.actions.iter().rev().find(|it| it.row.result.is_none() && it.row.target == target)
    }

    /// Loans, open and over.
    pub fn loans(&self) -> impl DoubleEndedIterator<Item = &Row<Loan>> {
        self.loans.rows().iter().map(|(_, row)| row)
    }

    /// One loan.
    #[must_use]
    pub fn loan(&self, id: LoanId) -> Option<&Row<Loan>> {
        self.loans.get(id)
    }

    /// Announcements, those that have ended too.
    pub fn announcements(&self) -> impl Iterator<Item = &Announced> {
        self.outbox.iter()
    }

    /// The announcement of this name that is up for a remediation.
    #[must_use]
    pub fn announced(&self, name: AnnouncementName, remediation: RemediationId) -> Option<&Announced> {
        self.outbox.standing(name, remediation)
    }

    /// Events and samples.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    /// Pauses, those that are over too.
    pub fn pauses(&self) -> impl Iterator<Item = &Paused> {
        self.pauses.iter()
    }

    /// Breakers of rules that were ever opened or reset.
    pub fn breakers(&self) -> impl Iterator<Item = (&str, &Circuit)> {
        self.breakers.iter().map(|(rule, circuit)| (&**rule, circuit))
    }

    /// The storm as it was last found.
    #[must_use]
    pub fn storm(&self) -> Option<Storm> {
        self.storm
    }
}
