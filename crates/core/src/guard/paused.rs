//! `paused`: a person asked fettle to hold still: altogether, for a rule, or for a target.

use serde_json::json;

use super::facts::Known;
use super::ruling::{Basis, Ruling};
use crate::surroundings::{Pause, PauseScope};
use crate::target::Target;
use crate::time::Timestamp;

pub(super) fn ask<'a>(known: &'a Known<'_>) -> Ruling<'a> {
    let pauses = &known.surroundings.pauses;
    if let Some(pause) = by(pauses, &known.remediation.rule, &known.remediation.target, known.now) {
        let numbers = json!({"pause": pause.id, "scope": pause.scope, "by": pause.by, "reason": pause.reason,
            "until": pause.until});
        return Ruling::refuses(pause.until, format!("paused by {}: {}", pause.by, pause.reason), numbers);
    }
    Ruling::passes(|| {
        let why = if pauses.is_empty() { "nothing is paused" } else { "no pause is about this" };
        Basis::new(why, json!({"pauses": pauses.len()}))
    })
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
