//! The current run of a container, for the guards `starting` and `earlier_run`: whether others than fettle and Docker began it.
//!
//! A run that Docker's restart policy began (`RestartCount` above 0) belongs to a crash loop, and a run that this remediation
//! itself began is the subject of its next step: neither is held up. A dependent is restarted because of the container that it
//! depends on, and an order by hand is its own reason.

use super::facts::{Aim, Permits};
use crate::sight::{Container, Sight};
use crate::time::Timestamp;

/// The container, where its run matters to the step.
pub(super) fn judged<'a>(aim: &Aim<'_>, sight: &'a Sight) -> Option<&'a Container> {
    let is_judged = matches!(aim.permits, Permits::Rule(_)) && aim.known.remediation.order.is_none();
    // After an effect of this remediation every other start supersedes it.
    sight.container().filter(|_| is_judged && aim.tried.is_none())
}

/// The start of the current run, where others began it.
pub(super) fn begun_by_others(it: &Container) -> Option<Timestamp> {
    it.started_at.filter(|_| it.restart_count == 0)
}
