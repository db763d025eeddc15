//! How things ended, at three levels: the result of an action (did it happen?), the verdict on it (did it help?)
//! and the outcome of the remediation as a whole.

use crate::words::words;

words! {
    /// Did the action happen?
    ActionResult {
        /// The platform did it.
        Succeeded = "succeeded",
        /// It did not happen.
        Failed = "failed",
        /// Nobody can tell.
        Unknown = "unknown",
        /// A guard said no.
        Refused = "refused",
        /// It would have been done.
        Observed = "observed",
        /// It was not done in time.
        Expired = "expired",
    }
}

words! {
    /// Did the action help?
    Verdict {
        /// Target well for long enough, alert seen resolved or gone.
        Fixed = "fixed",
        /// Target well, the alert's state not known in time.
        Unconfirmed = "unconfirmed",
        /// Target well, but the alert was heard firing after the effect.
        StillFiring = "still_firing",
        /// Target seen unwell at the deadline, or the action failed.
        NotFixed = "not_fixed",
        /// Alert gone, target not proven well: a stopped container's alert clears by itself.
        Cleared = "cleared",
        /// The target could not be seen.
        Unknown = "unknown",
        /// A person or a deployment acted, or a person cancelled the effort before it was judged.
        Superseded = "superseded",
        /// A `fixed` that came back; appended later, never overwritten.
        Regressed = "regressed",
    }
}

words! {
    /// How a remediation ended.
    Outcome {
        /// The last verdict was `fixed`.
        Fixed = "fixed",
        /// The last verdict was `unconfirmed`.
        Unconfirmed = "unconfirmed",
        /// The alert went away, the target was not proven well.
        Cleared = "cleared",
        /// Recorded what would have been done.
        Observed = "observed",
        /// The alert went away before anything was done.
        Cancelled = "cancelled",
        /// A person said no.
        Rejected = "rejected",
        /// A guard refused for good.
        Refused = "refused",
        /// The alert was not heard of for too long.
        Expired = "expired",
        /// Somebody else acted.
        Superseded = "superseded",
        /// Nothing helped; people have been told.
        Escalated = "escalated",
    }
}

impl Verdict {
    /// Whether it does not prove that the action helped: what a rule's breaker counts. A target that somebody else changed, or
    /// whose alert cleared by itself, says nothing of the rule.
    #[must_use]
    pub fn proves_nothing(self) -> bool {
        !matches!(self, Self::Fixed | Self::Superseded | Self::Cleared)
    }
}

impl Outcome {
    /// Whether a later notification of the same episode may open a new remediation.
    #[must_use]
    pub fn leaves_episode_open(self) -> bool {
        matches!(self, Self::Expired | Self::Superseded)
    }
}
