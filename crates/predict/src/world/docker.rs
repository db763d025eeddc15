//! The platform as a world sees it. What it answers is for whoever asks for the prediction to say: containers that a test
//! declares, or verdicts that a replay assumes.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use fettle_core::decide::{Blind, CallFailure};
use fettle_core::remediation::state::Attempt;
use fettle_core::sight::{Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// A call on its way.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The remediation, or the loan that is being returned.
    pub about: Uuid,
    /// The rule.
    pub rule: &'a str,
    /// What is touched: the remediation's target, or a dependent.
    pub target: &'a Target,
    /// What is done to it.
    pub attempt: &'a Attempt,
}

/// The answer of a call.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What came back.
    pub answer: Result<(), CallFailure>,
    /// What it touched, for the audit.
    pub touched: Value,
}

impl Answered {
    /// It was done.
    #[must_use]
    pub fn done() -> Self {
        Self { answer: Ok(()), touched: Value::Null }
    }
}

/// A platform on a virtual clock.
pub trait Docker {
    /// Looks a target up by its names.
    fn find(&mut self, target: &Target, wanted: Wanted, now: Timestamp) -> Result<Found, Blind>;

    /// Looks again at what was found before; `None`: there is no such thing any more.
    fn look(&mut self, target: &Target, pin: &Pin, now: Timestamp) -> Result<Option<Box<Sight>>, Blind>;

    /// A call is sent. How long it takes until it is answered, or given up.
    fn send(&mut self, sent: Sent<'_>, now: Timestamp) -> Duration;

    /// That time is over: does it, if it does, and answers.
    fn answer(&mut self, sent: Sent<'_>, now: Timestamp) -> Answered;

    /// Whether a metric's query holds.
    fn metric(&mut self, query: &str, now: Timestamp) -> Result<bool, Blind>;

    /// Whether nothing changes here but by calls: then nobody looks in vain while an effect is judged.
    fn is_steady(&self) -> bool {
        false
    }
}
