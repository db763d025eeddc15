//! A remediation and its states, as they are stored between two decisions.
//!
//! ```text
//! held ─▶ blocked ─▶ awaiting_approval ─▶ running ─▶ verifying ─▶ closed
//!   │        │ ▲              │ ▲            │           │           ▲
//!   └────────┴─┴──────────────┴─┘            └───────────┴──▶ held (next rung)
//! ```
//! Always holds: an open remediation has a [`due`](Remediation::due) instant, so nothing can be forgotten. `decide` is
//! the only code that makes one state from another.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conclusion::{Came, Conclusion, Left};
use super::order::{self, Order};
use super::outcome::Outcome;
use super::refusal::Guard;
use crate::action::Action;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::effect::Effect;
use crate::id::{ActionId, AnswerId, RemediationId};
use crate::rule::model::{Mode, Rule, Verify};
use crate::rule::set::RuleSet;
use crate::sight::Pin;
use crate::target::Target;
use crate::time::{Timestamp, after, since};
use crate::words::words;

/// The whole effort for one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remediation {
    /// `UUIDv7`.
    pub id: RemediationId,
    /// The rule that opened it and drives it, by name.
    pub rule: String,
    /// What it is about.
    pub target: Target,
    /// The alert that opened it; of an order by hand, an alert without labels.
    pub alert: Opener,
    /// What a person ordered, where no alert opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Index into the rule's steps; equal to their number means the implied `escalate`.
    pub rung: usize,
    /// Actions begun so far.
    pub attempts: u32,
    /// Looks at the platform that failed in a row.
    pub blind: u32,
    /// The wait for Docker, while it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away: Option<Away>,
    /// What was last seen of the target; changed by somebody else means superseded.
    pub pin: Option<Pin>,
    /// The run of the container on which an effect was tried last.
    #[serde(default)]
    pub tried: Option<Pin>,
    /// The run of the container that an effect may have ended: one that stops or restarts it. A stop of this run is no person's
    /// decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Pin>,
    /// What exclusion, cooldown and budget are keyed by, once the target was seen.
    pub key: Option<String>,
    /// Whether people were already told that fettle goes no further by itself.
    pub told: bool,
    /// Until when fettle's own alert says that it is at work; `None` while no such alert stands.
    #[serde(default)]
    pub announced_until: Option<Timestamp>,
    /// The last answer of a person that was taken in.
    #[serde(default)]
    pub answered: Option<AnswerId>,
    /// The last action begun, for the verdict `regressed`.
    pub last_action: Option<ActionId>,
    /// What it came to, once it was closed without an effect and its alerts are to be decided again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
    /// Where it stands.
    pub state: State,
}

/// Docker does not answer: since when, and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// When it was first found so.
    pub since: Timestamp,
    /// Calls in a row that could not be sent although the looks before them were answered.
    #[serde(default)]
    pub unsent: u32,
    /// Whether it was reported to people.
    #[serde(default)]
    pub reported: bool,
}

/// What is kept of the alert that opened a remediation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opener {
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// All its labels.
    pub labels: Labels,
}

/// Where a remediation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Waiting for its time: the rule's hold, or the pause before the next rung.
    Held {
        /// When to decide.
        until: Timestamp,
    },
    /// A waiting guard refuses for now.
    Blocked {
        /// Which guard.
        reason: Guard,
        /// When to ask again.
        until: Timestamp,
    },
    /// A person must agree to exactly this.
    AwaitingApproval(Awaiting),
    /// The intent is stored; the effect is under way, or its outcome is unknown.
    Running(Running),
    /// The effect happened; is the target well, is the alert gone?
    Verifying(Verifying),
    /// Over.
    Closed {
        /// How.
        outcome: Outcome,
        /// Why, in a few words.
        reason: String,
        /// When.
        at: Timestamp,
    },
}

/// A proposal waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// What is proposed.
    pub proposal: Box<Proposal>,
    /// Until when an answer counts; also when to decide next.
    pub until: Timestamp,
    /// When to look again, after a person agreed and the target could not be seen.
    #[serde(default)]
    pub look_at: Option<Timestamp>,
}

/// An effect is under way, or its outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// What is being done.
    pub attempt: Box<Attempt>,
    /// What follows once that has succeeded: dependents, whose intents are stored as well.
    #[serde(default)]
    pub queue: Vec<Attempt>,
    /// The attempts of the same step that are done.
    #[serde(default)]
    pub done: Vec<Attempt>,
    /// Since when every look at the target took the whole path of the call and showed it as it was before; see
    /// [`CallPath`](crate::sight::CallPath).
    #[serde(default)]
    pub path_since: Option<Timestamp>,
    /// The call certainly never left, because Docker is away: it is made when Docker is back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsent: bool,
    /// Docker answered that the target is being removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// When to look whether it happened, should no answer come.
    pub until: Timestamp,
}

/// Docker answered that the target is being removed: it is looked at until it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When the request was sent.
    pub started_at: Timestamp,
    /// Docker's answer.
    pub error: String,
    /// Until when the removal may take; a target that is still there then is not being removed.
    pub until: Timestamp,
}

/// The effect of a step is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifying {
    /// What was done.
    pub attempt: Box<Attempt>,
    /// What was done to dependents: they share the verdict.
    #[serde(default)]
    pub also: Vec<Attempt>,
    /// When the effect was over.
    pub effect_at: Timestamp,
    /// The first run of the target seen after the effect; `None` until it was seen.
    #[serde(default)]
    pub first: Option<Pin>,
    /// Since when the target has been seen well without a break.
    pub well_since: Option<Timestamp>,
    /// When to look next.
    pub until: Timestamp,
}

words! {
    /// The states' names.
    StateName {
        /// Waiting for its time.
        Held = "held",
        /// A waiting guard refuses.
        Blocked = "blocked",
        /// A person must agree.
        AwaitingApproval = "awaiting_approval",
        /// The effect is under way.
        Running = "running",
        /// The effect is being judged.
        Verifying = "verifying",
        /// Over.
        Closed = "closed",
    }
}

/// One attempt at one step, from its intent on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The audit row's id.
    pub action_id: ActionId,
    /// Index into the rule's steps.
    pub rung: usize,
    /// What is done.
    pub action: Action,
    /// What exactly.
    #[serde(default = "Effect::of_old")]
    pub effect: Effect,
    /// Of a dependent: its target as written.
    #[serde(default)]
    pub dependent: Option<Target>,
    /// How it is judged; kept here so that a reload cannot change a judgement under way.
    pub verify: Verify,
    /// The run of the container that was decided about.
    pub pin: Pin,
    /// When the intent was stored.
    pub intended_at: Timestamp,
}

/// What a person is asked to agree to. The hash is what the answer must name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Of target, run, step and parameters: see [`plan`](super::plan).
    pub hash: String,
    /// Index into the rule's steps.
    pub rung: usize,
    /// What would be done.
    pub action: Action,
    /// The run it would be done to; Docker's own restarts do not change the proposal.
    pub pin: Pin,
    /// When it was first proposed.
    pub asked_at: Timestamp,
    /// Why a person is asked.
    pub why: String,
}

/// Everything that was decided about one attempt, before any limit was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The attempt it would become.
    pub attempt: Attempt,
    /// What exclusion, cooldown and budget are keyed by.
    pub key: String,
    /// Whether it may end the run that was decided about: it stops or restarts a container that was not over already.
    pub ends_run: bool,
    /// Act or observe.
    pub mode: Mode,
    /// The person who agreed, and to what.
    pub approved: Option<Approved>,
    /// Of a scaling step: when what it lends is returned.
    pub restore: Option<Duration>,
}

/// A person's yes, used up by the intent that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The answer's id.
    pub id: AnswerId,
    /// The token's name.
    pub by: String,
    /// What was agreed to.
    pub hash: String,
}

impl Remediation {
    /// One that nothing was done about yet: opened at `now` by `rule`, for what `alert` is about.
    #[must_use]
    pub fn new(id: RemediationId, rule: &str, target: Target, alert: Opener, now: Timestamp) -> Self {
        Self {
            id,
            rule: rule.to_owned(),
            target,
            alert,
            order: None,
            opened_at: now,
            rung: 0,
            attempts: 0,
            blind: 0,
            away: None,
            pin: None,
            tried: None,
            ended: None,
            key: None,
            told: false,
            announced_until: None,
            answered: None,
            last_action: None,
            left: None,
            state: State::Held { until: now },
        }
    }

    /// The rule it goes by: of those loaded, or that of its order; `None` when it was removed.
    #[must_use]
    pub fn rule_in(&self, rules: &RuleSet) -> Option<Arc<Rule>> {
        match &self.order {
            Some(order) => Some(Arc::new(order.rule(&self.target))),
            None => rules.get(&self.rule).cloned(),
        }
    }

    /// Whether a person ordered it and nothing was begun for so long that the order stands no more.
    #[must_use]
    pub fn order_lapsed(&self, now: Timestamp) -> bool {
        self.order.is_some() && self.attempts == 0 && since(now, self.opened_at) > order::STANDS
    }

    /// The state's name.
    #[must_use]
    pub fn state_name(&self) -> StateName {
        match self.state {
            State::Held { .. } => StateName::Held,
            State::Blocked { .. } => StateName::Blocked,
            State::AwaitingApproval(_) => StateName::AwaitingApproval,
            State::Running(_) => StateName::Running,
            State::Verifying(_) => StateName::Verifying,
            State::Closed { .. } => StateName::Closed,
        }
    }

    /// When it must be decided next; `None` only when closed.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            State::AwaitingApproval(Awaiting { until, look_at, .. }) => Some(look_at.unwrap_or(until)),
            State::Held { until }
            | State::Blocked { until, .. }
            | State::Running(Running { until, .. })
            | State::Verifying(Verifying { until, .. }) => Some(until),
            State::Closed { .. } => None,
        }
    }

    /// Whether the next notification of the same episode opens another remediation at once. What no person answered is asked
    /// again later ([`Left::again_at`]).
    #[must_use]
    pub fn leaves_episode_open(&self) -> bool {
        let unanswered = self.left.as_ref().is_some_and(|left| left.conclusion.came == Came::Unanswered);
        !unanswered && self.outcome().is_some_and(Outcome::leaves_episode_open)
    }

    /// Closes what had no effect: its alerts are decided again, when `came` is no longer what it comes to. An order by hand is
    /// over with its answer.
    pub(crate) fn leave(&mut self, came: Came, rule: Option<&Rule>, recheck: Duration, now: Timestamp) {
        if self.tried.is_none() && self.order.is_none() {
            let rule = rule.map(Rule::digest).unwrap_or_default().to_owned();
            let conclusion = Conclusion { came, rule, seen: self.pin.clone(), looked_at: now };
            self.left = Some(Left { conclusion, again_at: after(now, recheck) });
        }
    }

    /// The guard that blocks it, or why it was closed.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.state {
            State::Blocked { reason, .. } => Some(reason.as_str()),
            State::AwaitingApproval(asked) => Some(&asked.proposal.why),
            State::Closed { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The outcome, once closed.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            State::Closed { outcome, .. } => Some(outcome),
            _ => None,
        }
    }

    /// When it was closed.
    #[must_use]
    pub fn closed_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Closed { at, .. } => Some(at),
            _ => None,
        }
    }
}
