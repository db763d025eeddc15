//! `budget`: at most N effects in any window of length W.
//!
//! Counted from rows, over the closed window that ends now: with N intents in `[now - W, now]` there is no room. So every
//! closed window of length W, wherever it lies, holds at most N. The next is free just after the N-th newest has left.

use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::{Scope, ScopeKind};
use super::{Basis, Counted, refusal};
use crate::duration::show;
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::{Timestamp, after};

/// The finest step of a stored instant.
const STEP: Duration = Duration::from_micros(1);

pub(super) fn check(counted: &Counted<'_>) -> Option<Refusal> {
    let scopes = &counted.ask.scopes;
    // All that are full, so that `until` is when the last of them has room.
    let full = scopes
        .iter()
        .zip(&counted.ledger.full_since)
        .filter_map(|(scope, since)| Some((scope, after((*since)?, scope.budget.per + STEP))));
    let (scope, until) = full.max_by_key(|(_, until)| *until)?;
    let (max, per) = (scope.budget.max, scope.budget.per.as_secs());
    Some(refusal(
        Guard::Budget,
        Some(until),
        format!("{max} of {max} in {per} s are used, {}", over(scope.kind)),
        json!({"scope": scope.kind.as_str(), "used": max, "max": max, "window_seconds": per, "until": until}),
    ))
}

/// Every budget that must hold, with what is used of it.
pub(super) fn basis(counted: &Counted<'_>) -> Basis {
    let used = counted.ask.scopes.iter().zip(&counted.ledger.used);
    let why = |(scope, used): (&Scope, &u32)| {
        let Scope { kind, budget } = scope;
        format!("{used}/{} in {} ({})", budget.max, show(budget.per), over(*kind))
    };
    let numbers = |((scope, used), since): ((&Scope, &u32), &Option<Timestamp>)| {
        let until = since.map(|since| after(since, scope.budget.per + STEP));
        json!({"scope": scope.kind.as_str(), "used": used, "max": scope.budget.max,
            "window_seconds": scope.budget.per.as_secs(), "until": until})
    };
    let all: Vec<String> = used.clone().map(why).collect();
    let numbers: Vec<Value> = used.zip(&counted.ledger.full_since).map(numbers).collect();
    Basis::new(all.join(", "), json!({"scopes": numbers}))
}

fn over(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::RuleTarget => "this rule on this target",
        ScopeKind::Rule => "this rule on all targets",
        ScopeKind::Target => "all rules on this target",
        ScopeKind::Fleet => "everything",
    }
}
