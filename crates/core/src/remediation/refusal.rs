//! The names of the guards, and one guard's "no" with its numbers.

use serde_json::Value;

use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Every guard, in the order they are asked. The words are used in the audit, in metrics and in explanations.
    Guard {
        /// A person paused fettle, the rule or the target.
        Paused = "paused",
        /// The alert was not heard of for too long.
        Expired = "expired",
        /// The alert is gone.
        Resolved = "resolved",
        /// A person silenced the alert in Alertmanager: hands off.
        Silenced = "silenced",
        /// An alert fires that says that the cause is elsewhere.
        Unless = "unless",
        /// The rule acts only at other times.
        OutsideWindow = "outside_window",
        /// Nothing has the target's name, or it has none.
        NoTarget = "no_target",
        /// The rule does not permit this name.
        NotAllowed = "not_allowed",
        /// The alert's `instance` names another machine than the target's.
        OtherHost = "other_host",
        /// More than one container answers to the name.
        AmbiguousTarget = "ambiguous_target",
        /// The container is a task of a Swarm service, which Swarm itself replaces.
        SwarmTask = "swarm_task",
        /// The container itself does not permit fettle, or not this action.
        NotEnabled = "not_enabled",
        /// fettle itself, its database, or what the configuration protects.
        Protected = "protected",
        /// A person stopped it, or it is in no state to be restarted.
        Stopped = "stopped",
        /// Replicas of it are lent, and the loan is open.
        OnLoan = "on_loan",
        /// The container's own label `fettle.hold` asks to be left alone.
        HeldByLabel = "held_by_label",
        /// The container has just been started and is given its time.
        Starting = "starting",
        /// The alert is about an earlier run of the container, or about another container.
        EarlierRun = "earlier_run",
        /// Too few of the service would stay well meanwhile.
        MinHealthy = "min_healthy",
        /// So much is wrong at once that fettle holds back.
        Storm = "storm",
        /// The rule's circuit breaker is open.
        Tripped = "tripped",
        /// It cannot be scaled, or not any further.
        NotScalable = "not_scalable",
        /// An earlier remediation acted on this target too recently.
        Cooldown = "cooldown",
        /// Another remediation is at work on this target, or too many are at work.
        InFlight = "in_flight",
        /// So many effects are allowed in this window, and they are used up.
        Budget = "budget",
        /// A person must agree and has not.
        Approval = "approval",
    }
}

impl Guard {
    /// Whether its refusal closes the remediation; a waiting guard is asked again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::NoTarget
                | Self::NotAllowed
                | Self::OtherHost
                | Self::AmbiguousTarget
                | Self::SwarmTask
                | Self::NotEnabled
                | Self::Protected
                | Self::Stopped
                | Self::OnLoan
                | Self::NotScalable
        )
    }
}

/// One guard's "no".
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which guard.
    pub guard: Guard,
    /// When it could say yes; `None` when no time is known.
    pub until: Option<Timestamp>,
    /// Why, for people: `3 of 3 restarts used in 1h`.
    pub why: String,
    /// The same in numbers.
    pub detail: Value,
}
