//! `silenced`: a person silenced the alert in Alertmanager, which means hands off.
//!
//! Known only where Alertmanager can be asked. One attached alert that fires and is not silenced is reason enough to act.

use serde_json::json;

use super::{Basis, Known, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::surroundings::Upstream;

pub(super) fn check(known: &Known<'_>) -> Option<Refusal> {
    let Upstream::Answered { at, silenced: true } = &known.surroundings.upstream else { return None };
    Some(refusal(Guard::Silenced, None, "the alert is silenced in Alertmanager".to_owned(), json!({"seen_at": at})))
}

pub(super) fn basis(known: &Known<'_>) -> Option<Basis> {
    let Upstream::Answered { at, .. } = &known.surroundings.upstream else { return None };
    Some(Basis::new("no silence holds it", json!({"seen_at": at})))
}
