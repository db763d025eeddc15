//! A step with dependents is several effects at once: what each of them has room for by itself, all of them must have
//! together. Counted for the budgets that they share.

use serde_json::json;

use super::ledger::{Ledger, Scope, ScopeKind};
use super::{Request, refusal};
use crate::remediation::refusal::{Guard, Refusal};

/// Asked after each of them passed alone.
pub(super) fn check(request: &Request, ledgers: &[Ledger]) -> Option<Refusal> {
    let effects = u32::try_from(ledgers.len()).unwrap_or(u32::MAX);
    let ledger = ledgers.first().filter(|_| effects > 1)?;
    let shared = |scope: &Scope| matches!(scope.kind, ScopeKind::Rule | ScopeKind::Fleet);
    let (scope, used) = request
        .ask
        .scopes
        .iter()
        .zip(&ledger.used)
        .filter(|(scope, _)| shared(scope))
        .find(|(scope, used)| used.saturating_add(effects) > scope.budget.max)?;
    let why = format!("{effects} effects at once, {used} of {} are used: {}", scope.budget.max, scope.kind.as_str());
    let numbers = json!({"scope": scope.kind.as_str(), "used": used, "max": scope.budget.max, "effects": effects,
        "window_seconds": scope.budget.per.as_secs()});
    Some(refusal(Guard::Budget, None, why, numbers))
}
