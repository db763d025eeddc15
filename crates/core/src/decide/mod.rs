//! The state machine that all the rest serves: a remediation, the facts and an event give the next state, what to write
//! down, and at most one question to the world.
//!
//! Always holds: pure, so live service, rule tests, replay and simulation drive the same code. An effect is asked for only
//! as [`Ask::Admit`], which the shell answers by admitting it under the ledger's lock and storing its intent first
//! ([`begin`]), or as [`Ask::Perform`], whose intent was stored with an earlier one. An effect whose outcome is unknown is
//! looked at, never asked for again.
//!
//! One folder member per stage: `waiting` decides whether it is time, `planning` what exactly is done and who must agree,
//! `approving` what a person answered, `refusing` what a guard's no means, `running` what became of the effect, `verifying`
//! `proving` what a look proves about a call without an answer, `verifying`
//! whether it helped, `ending` what follows, `telling` what Alertmanager is told, `returning` how a loan is brought back,
//! `away` what a Docker that does not answer means for each of them,
//! `reconsidering` whether an alert whose remediation had no effect is decided again,
//! `removing` what it means that the target is being removed, `late` what is said of a call that came when others had given it up. `surveying` decides nothing: it asks everything at
//! once, for people who want to know.

mod approving;
mod away;
mod ending;
mod late;
mod planning;
mod proving;
mod reconsidering;
mod refusing;
mod removing;
mod returning;
mod running;
mod surveying;
mod telling;
mod verifying;
mod waiting;

use serde_json::{Value, json};
use uuid::Uuid;

pub use approving::Consent;
pub use late::{Whose, late};
pub use planning::begin;
pub use reconsidering::{Reconsider, Reconsidered, Reconsidering};
pub use returning::{LoanDecision, LoanFacts, begin_return, return_loan};
pub use running::{Call, CallFailure};
pub use surveying::{Ceiling, Survey, survey};
pub use waiting::wanted_by;

pub use crate::sight::Blind;

use crate::alert::episode::AlertState;
use crate::effect::Effect;
use crate::guard::{Known, Request};
use crate::id::ActionId;
use crate::remediation::record::{ActionRow, Record, TransitionRow};
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Awaiting, Remediation, State};
use crate::rule::model::{Mode, Rule};
use crate::settings::Settings;
use crate::sight::{CallPath, Found, Pin, Sight, Wanted};
use crate::surroundings::Surroundings;
use crate::target::Target;
use crate::time::Timestamp;

/// Dependents of one step at most: more are not restarted one after the other at night.
pub const DEPENDENTS_MAX: usize = 8;

/// Ids that one decision may need: an action, its dependents, and an escalation after it.
pub const IDS: usize = DEPENDENTS_MAX + 2;

/// What the shell knows when it asks for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The remediation's rule as loaded now; `None` when it was removed.
    pub rule: Option<&'a Rule>,
    /// The service's limits.
    pub settings: &'a Settings,
    /// The alerts attached to the remediation, overlaid with what Alertmanager said where it was asked.
    pub alerts: &'a [AlertState],
    /// What is the case around it.
    pub surroundings: &'a Surroundings,
    /// Now.
    pub now: Timestamp,
    /// Ids that nothing carries yet, for the rows this decision may begin.
    pub new_ids: [Uuid; IDS],
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It is due, or was woken.
    Due,
    /// The answer to [`Ask::Find`].
    Found(Result<Found, Blind>),
    /// The answer to [`Ask::Look`].
    Looked(Looked),
    /// The answer to [`Ask::Peek`]: the request that could be admitted now, or why not.
    Peeked(Result<Box<Request>, Refusal>),
    /// The answer to [`Ask::Admit`], when it was no.
    Refused(Refusal),
    /// The call of an admitted effect is over.
    Returned(Call),
}

/// What a second look showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// The target; `None`: there is no such thing any more.
    pub target: Result<Option<Box<Sight>>, Blind>,
    /// The answer of the metric, when one was asked for.
    pub metric: Option<Result<bool, Blind>>,
    /// Whether the path of a call worked right before the look, where that was asked for.
    pub path: CallPath,
}

impl From<Result<Option<Box<Sight>>, Blind>> for Looked {
    fn from(target: Result<Option<Box<Sight>>, Blind>) -> Self {
        Self { target, metric: None, path: CallPath::NotShown }
    }
}

/// What the decision needs from the world before it can go on.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Nothing: store it.
    Nothing,
    /// Look the target up by its names.
    Find(Wanted),
    /// Look again at what was found before.
    Look {
        /// Where it is.
        target: Target,
        /// What it is.
        pin: Pin,
        /// A metric to ask for as well.
        query: Option<String>,
        /// The effect whose [path](CallPath) is to be tried before the look.
        path_of: Option<Box<Effect>>,
    },
    /// Whether this effect could be admitted now; nothing is stored.
    Peek(Box<Request>),
    /// Admit this effect and store its intent.
    Admit(Box<Request>),
    /// Store it, keep the claim, and make the call of the attempt that is running: its intent is stored already.
    Perform,
}

/// One decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The next state.
    pub remediation: Remediation,
    /// What to write down, in order.
    pub records: Vec<Record>,
    /// What to ask before it can be stored.
    pub ask: Ask,
}

/// Decides.
#[must_use]
pub fn decide(remediation: Remediation, facts: &Facts<'_>, event: Event) -> Decision {
    let turn = Turn { remediation, records: Vec::new(), facts: *facts, ids_used: 0 };
    // The one place that tells the states apart: each stage is handed its own.
    let mut decision = match turn.remediation.state.clone() {
        State::Held { .. } => waiting::decide(turn, &Wait::Time, event),
        State::Blocked { reason, .. } => waiting::decide(turn, &Wait::Guard(reason), event),
        State::AwaitingApproval(asked) => waiting::decide(turn, &Wait::Person(asked), event),
        State::Running(running) => running::decide(turn, running, event),
        State::Verifying(verifying) => verifying::decide(turn, verifying, &event),
        State::Closed { .. } => turn.done(),
    };
    if matches!(decision.ask, Ask::Nothing | Ask::Perform) {
        away::end(&mut decision.remediation, &mut decision.records, facts.rule, facts.settings, facts.now);
        telling::follow(&mut decision.remediation, &mut decision.records, facts.rule, facts.settings, facts.now);
    }
    decision
}

/// A decision in the making.
struct Turn<'a> {
    remediation: Remediation,
    records: Vec<Record>,
    facts: Facts<'a>,
    ids_used: usize,
}

impl Turn<'_> {
    /// The decision is made.
    fn done(self) -> Decision {
        self.ask(Ask::Nothing)
    }

    /// The decision needs an answer first.
    fn ask(self, ask: Ask) -> Decision {
        Decision { remediation: self.remediation, records: self.records, ask }
    }

    /// Adds a line to the story, in the state as it is now.
    fn tell(&mut self, what: impl Into<String>, detail: Value) {
        let row = transition(&self.remediation, self.facts.now, what, detail);
        self.records.push(row);
    }

    /// An id nothing carries yet.
    fn new_id<T: From<Uuid>>(&mut self) -> T {
        let id = self.facts.new_ids.get(self.ids_used).copied();
        self.ids_used += 1;
        id.expect("one decision begins at most an action, its dependents and an escalation").into()
    }

    /// The ceiling of rule and service, of the service alone when the rule was removed; storm and breaker left out.
    fn base_mode(&self) -> Mode {
        let service = self.facts.settings.mode;
        self.facts.rule.map_or(service, |rule| rule.mode.min(service))
    }

    /// How far fettle may go now.
    fn mode(&self) -> Mode {
        let known = self.known();
        let lowered = [crate::guard::storm_ceiling(&known), crate::guard::trip_ceiling(&known)];
        lowered.into_iter().flatten().fold(self.base_mode(), Mode::min)
    }

    /// What the guards that need no look are asked with.
    fn known(&self) -> Known<'_> {
        Known {
            remediation: &self.remediation,
            rule: self.facts.rule,
            alerts: self.facts.alerts,
            surroundings: self.facts.surroundings,
            settings: self.facts.settings,
            base_mode: self.base_mode(),
            now: self.facts.now,
        }
    }
}

/// What a remediation waits for.
#[derive(Debug, Clone)]
enum Wait {
    /// The end of the rule's hold, or of the pause before a step.
    Time,
    /// This guard's consent.
    Guard(Guard),
    /// A person's answer.
    Person(Awaiting),
}

impl Wait {
    /// What a person is asked, if that is what it waits for.
    fn asked(&self) -> Option<&Awaiting> {
        match self {
            Self::Person(asked) => Some(asked),
            Self::Time | Self::Guard(_) => None,
        }
    }

    /// Whether a person can end the wait before its time: then the guards are asked at every wake-up.
    fn may_end_early(&self) -> bool {
        matches!(self, Self::Guard(Guard::Paused | Guard::Tripped))
    }
}

fn transition(remediation: &Remediation, at: Timestamp, what: impl Into<String>, detail: Value) -> Record {
    Record::Transition(TransitionRow {
        remediation_id: remediation.id,
        at,
        state: remediation.state_name(),
        what: what.into(),
        detail,
    })
}

/// An audit row with what every row of this remediation has in common: a refusal at `now` until told otherwise.
pub(crate) fn audit_row(
    remediation: &Remediation,
    id: ActionId,
    action: &'static str,
    mode: Mode,
    now: Timestamp,
) -> ActionRow {
    ActionRow {
        id,
        remediation_id: remediation.id,
        rule: remediation.rule.clone(),
        action,
        target: remediation.target.to_string(),
        key: remediation.key.clone(),
        host: remediation.target.host().to_owned(),
        mode,
        result: None,
        reason: None,
        actor: remediation.order.as_ref().map_or_else(|| "fettle".to_owned(), |order| order.by.clone()),
        fingerprint: remediation.alert.fingerprint,
        labels: remediation.alert.labels.clone(),
        planned_at: now,
        started_at: None,
        finished_at: None,
        attempt: 0,
        step: u32::try_from(remediation.rung + 1).unwrap_or(u32::MAX),
        detail: json!({}),
        error: None,
        spends: false,
    }
}

#[cfg(test)]
mod tests;
