//! `unless`: an alert fires that says that the cause is elsewhere, so touching this target would not help.
//!
//! It counts while there is fresh evidence of it, and where the labels under `equal` have the same values as in the alert that
//! opened the remediation; a label that both lack is equal, as in Alertmanager's inhibition rules.

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::alert::episode::AlertState;
use crate::matcher::all_match;
use crate::remediation::refusal::{Guard, Refusal};
use crate::rule::model::Unless;
use crate::time::since;

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    let own = &known.remediation.alert.labels;
    let attached = |alert: &AlertState| known.alerts.iter().any(|it| it.fingerprint == alert.fingerprint);
    let fresh = |alert: &&AlertState| {
        alert.firing && since(known.now, alert.evidence_at) <= known.settings.freshness && !attached(alert)
    };
    let meant = |unless: &Unless, alert: &AlertState| {
        all_match(&unless.matchers, &alert.labels)
            && unless.equal.iter().all(|label| own.get(label) == alert.labels.get(label))
    };
    let rules = &known.rule?.unless;
    let alert =
        known.surroundings.related.iter().filter(fresh).find(|alert| rules.iter().any(|it| meant(it, alert)))?;
    Some(refusal(
        Guard::Unless,
        None,
        format!("{} fires: the cause is elsewhere", alert.labels.get("alertname")),
        json!({"alert": alert.labels, "evidence_at": alert.evidence_at}),
    ))
}

pub(super) fn basis(known: &Known<'_>) -> Option<Basis> {
    Some(Basis::new("no such alert fires", json!({"unless": known.rule?.unless.len()})))
}
