//! A call that was made after others had given its effect up: what it did is written beside the row that says otherwise.
//!
//! Docker checks no fencing token, so a process that stood still between its last look at the clock and the write of the
//! request acts late (design §1). Whoever took over has seen an unchanged target and closed the row as failed. The late one
//! comes to know of it when its own result finds the claim lost. Not done: should it die right after its call, nobody tells;
//! then the next look at the target sees a run that is not ours, and supersedes what is planned.

use std::time::Duration;

use tokio::time::Instant;

use crate::drive::{PAUSE, PAUSE_MAX};
use crate::shell::Shell;
use fettle_core::decide::{Call, Whose, late};
use fettle_core::ports::chain;
use fettle_core::remediation::state::Attempt;

/// How long the store is asked to take it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The result of this call could not be stored under its claim.
pub(super) async fn told_late(shell: &Shell, whose: &Whose<'_>, attempt: &Attempt, call: &Call) {
    let Some(records) = late(whose, attempt, call, shell.time.now()) else { return };
    let (until, mut pause) = (Instant::now() + PATIENCE, PAUSE);
    loop {
        match shell.store.late(attempt.action_id, &records).await {
            Ok(true) => return shell.telemetry.late(&records),
            // Its row says that it was done, or is open still: then a look is going to say so.
            Ok(false) => return,
            Err(error) if error.is_transient() && Instant::now() < until => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(error) => {
                tracing::error!(action.id = %attempt.action_id, error = %chain(&error),
                    "a late call could not be recorded: its audit row says that it was not executed");
                return;
            }
        }
    }
}
