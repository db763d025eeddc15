//! `not_allowed`: the first permission, the rule's. A literal name permits itself; any other needs `allow`.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};

pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let name = aim.target.name();
    let written = name.unwrap_or_default();
    if !aim.permits.permits(written) {
        let numbers = json!({"name": written, "allow": aim.permits.patterns()});
        return Ruling::refuses(None, format!("{written} is not in the rule's allow list"), numbers);
    }
    let Some(name) = name else { return Ruling::Unknown };
    Ruling::passes(move || {
        Basis::new(format!("the rule permits {name}"), json!({"name": name, "allow": aim.permits.patterns()}))
    })
}
