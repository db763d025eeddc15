//! Whether an alert whose remediation closed without an effect is decided again: a fresh remediation is decided up to the point
//! where it would write or do something, and its answer is compared with the [`Conclusion`] of the last one.
//!
//! Always holds: the decision itself is [`decide`]; nothing of it is stored. What cannot be known now (Docker away, a pause, a
//! silence, evidence that is too old) is no answer, and changes nothing.

use std::time::Duration;

use super::{Ask, Event, Facts, decide};
use crate::guard;
use crate::remediation::conclusion::{Came, Conclusion};
use crate::remediation::outcome::Outcome;
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Remediation, State};
use crate::rule::model::{Mode, Rule};
use crate::sight::{Pin, Wanted};
use crate::time::{Timestamp, since};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Reconsider<'a> {
    /// A remediation as it would be opened now.
    pub fresh: &'a Remediation,
    /// What the last one came to.
    pub conclusion: &'a Conclusion,
    /// When the last one was closed.
    pub closed_at: Timestamp,
}

/// The next step to the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reconsidering {
    /// The target must be looked up first.
    Find(Wanted),
    /// The answer.
    Done(Reconsidered),
}

/// Whether the alert is decided again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reconsidered {
    /// No: the answer is still this one.
    Same(Conclusion),
    /// Yes: another remediation is opened.
    Differs,
    /// It cannot be known now, and is asked again later.
    Unknown,
}

/// What a fresh remediation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// A final guard refuses.
    Refused(Guard),
    /// It records what it would do.
    Observed,
    /// It acts, asks a person, notifies people, or waits for a guard that judges the target.
    GoesOn,
}

impl Reconsider<'_> {
    /// Takes the next step. Begins with [`Event::Due`].
    #[must_use]
    pub fn step(&self, facts: &Facts<'_>, event: Event) -> Reconsidering {
        let decision = decide(self.fresh.clone(), facts, event);
        let seen = decision.remediation.pin.clone();
        let comes = match (decision.ask, &decision.remediation.state) {
            (Ask::Find(wanted), _) => return Reconsidering::Find(wanted),
            (Ask::Admit(request), _) if request.ask.mode == Mode::Observe => Some(Comes::Observed),
            (Ask::Admit(_) | Ask::Peek(_), _) | (_, State::Closed { outcome: Outcome::Escalated, .. }) => {
                Some(Comes::GoesOn)
            }
            (_, State::Closed { outcome: Outcome::Refused, reason, .. }) => {
                Guard::from_word(reason).map(Comes::Refused)
            }
            (_, State::Closed { outcome: Outcome::Observed, .. }) => Some(Comes::Observed),
            (_, State::Blocked { reason, .. }) if guard::judges_target(*reason) => Some(Comes::GoesOn),
            _ => None,
        };
        Reconsidering::Done(comes.map_or(Reconsidered::Unknown, |comes| self.compare(comes, seen, facts)))
    }

    fn compare(&self, comes: Comes, seen: Option<Pin>, facts: &Facts<'_>) -> Reconsidered {
        let digest = facts.rule.map(Rule::digest).unwrap_or_default();
        let changed = *digest != *self.conclusion.rule || acted(self.conclusion.seen.as_ref(), seen.as_ref());
        let same = match (self.conclusion.came, comes) {
            _ if changed => false,
            (Came::Declined, _) | (Came::Observed, Comes::Observed) => true,
            (Came::Refused { guard }, Comes::Refused(now)) => guard == now,
            (Came::Unanswered, _) => self.age(facts.now) < facts.settings.recheck,
            _ => false,
        };
        if same {
            let seen = seen.or_else(|| self.conclusion.seen.clone());
            Reconsidered::Same(Conclusion { seen, looked_at: facts.now, ..self.conclusion.clone() })
        } else {
            Reconsidered::Differs
        }
    }

    fn age(&self, now: Timestamp) -> Duration {
        since(now, self.closed_at)
    }
}

/// Whether something other than Docker's restart policy acted on the target between two looks. A first look shows no change.
fn acted(before: Option<&Pin>, now: Option<&Pin>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.superseded_by(now),
        (before, now) => before.is_some() && now.is_none(),
    }
}
