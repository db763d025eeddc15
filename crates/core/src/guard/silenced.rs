//! `silenced`: a person silenced the alert in Alertmanager, which means hands off.
//!
//! Known only where Alertmanager can be asked. One attached alert that fires and is not silenced is reason enough to act.

use serde_json::json;

use super::facts::Known;
use super::ruling::{Basis, Ruling};
use crate::surroundings::Upstream;

pub(super) fn ask<'a>(known: &'a Known<'_>) -> Ruling<'a> {
    match &known.surroundings.upstream {
        Upstream::Answered { at, silenced: true } => {
            Ruling::refuses(None, "the alert is silenced in Alertmanager", json!({"seen_at": at}))
        }
        Upstream::Answered { at, silenced: false } => {
            Ruling::passes(move || Basis::new("no silence holds it", json!({"seen_at": at})))
        }
        _ => Ruling::Unknown,
    }
}
