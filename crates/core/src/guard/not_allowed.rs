//! `not_allowed`: the first permission, the rule's. A literal name permits itself; any other needs `allow`.

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let name = seen.target.name().unwrap_or_default();
    (!seen.permits.permits(name)).then(|| {
        let allow = seen.permits.listed();
        refusal(
            Guard::NotAllowed,
            None,
            format!("{name} is not in the rule's allow list"),
            json!({"name": name, "allow": allow}),
        )
    })
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let name = seen.target.name()?;
    Some(Basis::new(format!("the rule permits {name}"), json!({"name": name, "allow": seen.permits.listed()})))
}
