//! Deliberate faults at the seam between engine and store: each must be found, or the simulator proves nothing.

use crate::known::is_known;
use crate::world;

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// No budget of more than one is ever found full.
    BudgetIgnored,
    /// A verdict that proves nothing ends nothing: the step is done again.
    VerdictIgnored,
    /// A claim that was lost stores all the same.
    LeaseNotFenced,
    /// The effect's row is not written before the call.
    IntentNotStored,
    /// The result of an effect is not written.
    ResultLost,
    /// A person's approval counts again, for whatever is proposed next. That it counted again for the same plan would be no
    /// fault: a plan names its step, and a step is tried once.
    ApprovalReused,
    /// No breaker is ever found open.
    BreakerIgnored,
    /// The storm is not remembered.
    StormNotLatched,
    /// What the configuration protects is not.
    ProtectedIgnored,
    /// Pauses are not read.
    PausesForgotten,
    /// A loan is not written down.
    LoanForgotten,
    /// No remediation excludes another.
    ExclusionForgotten,
    /// What became of an alert is not written down.
    CandidatesLost,
    /// `FettleWorking` is never withdrawn.
    WorkingNotWithdrawn,
    /// What a late call did is not written down.
    LateCallsUnreported,
}

impl Mutant {
    /// Every fault, with the checks that may find it.
    pub const ALL: &[(Self, &[&str])] = &[
        (Self::BudgetIgnored, &["budgets_hold", "budgets_hold_at_docker"]),
        (Self::VerdictIgnored, &["verdicts_are_followed", "unknown_is_never_repeated"]),
        (Self::LeaseNotFenced, &["claims_are_fenced"]),
        (Self::IntentNotStored, &["an_effect_has_its_intent"]),
        (
            Self::ResultLost,
            &["every_effect_is_settled", "one_effect_at_a_time", "unknown_is_never_repeated", "nothing_is_left_open"],
        ),
        (Self::ApprovalReused, &["approvals_are_used_once"]),
        (Self::BreakerIgnored, &["an_open_breaker_holds_back"]),
        (Self::StormNotLatched, &["a_storm_holds_back"]),
        (Self::ProtectedIgnored, &["only_what_is_allowed_is_touched"]),
        (Self::PausesForgotten, &["nothing_paused_is_touched"]),
        (Self::LoanForgotten, &["what_is_lent_is_on_record"]),
        (Self::ExclusionForgotten, &["one_effect_at_a_time"]),
        (Self::CandidatesLost, &["accepted_alerts_are_decided"]),
        (Self::WorkingNotWithdrawn, &["working_stands_while_working"]),
        (Self::LateCallsUnreported, &["a_late_call_is_reported"]),
    ];
}

/// A fault is found within so many schedules. Two remediations that only the exclusion keeps apart meet in one of some thousand.
const PATIENCE: u64 = 12_000;

/// What became of one fault: the check that found it, or why it was not found as it should be. A check that fails in the same
/// schedule without the fault has not found it.
pub fn caught(mutant: Mutant, by: &[&str]) -> Result<&'static str, String> {
    for seed in 0..PATIENCE {
        let failed = world::run(seed, Some(mutant), false).violations;
        if let Some(found) = failed.iter().find(|it| by.contains(&it.check)) {
            let without = world::run(seed, None, false).violations;
            if without.iter().all(|it| it.check != found.check) {
                return Ok(found.check);
            }
        }
        if let Some(other) = failed.iter().find(|it| !is_known(it.check, it.wild) && !by.contains(&it.check)) {
            return Err(format!("{mutant:?} was found by {}: {}", other.check, other.what));
        }
    }
    Err(format!("{mutant:?} was not found in {PATIENCE} schedules"))
}
