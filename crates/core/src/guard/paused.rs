//! `paused`: a person asked fettle to hold still: altogether, for a rule, or for a target.

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::surroundings::{Pause, PauseScope};
use crate::target::Target;
use crate::time::Timestamp;

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    let (rule, target) = (&known.remediation.rule, &known.remediation.target);
    let pause = by(&known.surroundings.pauses, rule, target, known.now)?;
    Some(refusal(
        Guard::Paused,
        pause.until,
        format!("paused by {}: {}", pause.by, pause.reason),
        json!({"pause": pause.id, "scope": pause.scope, "by": pause.by, "reason": pause.reason, "until": pause.until}),
    ))
}

pub(super) fn basis(known: &Known<'_>) -> Basis {
    let standing = known.surroundings.pauses.len();
    let why = if standing == 0 { "nothing is paused" } else { "no pause is about this" };
    Basis::new(why, json!({"pauses": standing}))
}

/// The pause that holds this rule and target: of several the one that lasts longest.
#[must_use]
pub fn by<'a>(pauses: &'a [Pause], rule: &str, target: &Target, now: Timestamp) -> Option<&'a Pause> {
    let about = |pause: &&Pause| match &pause.scope {
        PauseScope::All => true,
        PauseScope::Rule(name) => name == rule,
        PauseScope::Target(it) => it == target,
    };
    let standing = pauses.iter().filter(|pause| pause.until.is_none_or(|until| until > now)).filter(about);
    standing.max_by_key(|pause| pause.until.unwrap_or(Timestamp::MAX))
}
