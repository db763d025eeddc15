//! The name of a plan: what a person agrees to is exactly what is done, or nothing.
//!
//! The hash is made of the resolved target, the run of the container, the step and its parameters. A run that Docker's own
//! policy begins is the same plan: the pin of the proposal stays the one it was first made with.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::action::Action;
use crate::sight::Pin;

/// The hash of a plan: 32 hexadecimal digits.
#[must_use]
pub fn hash(target: &str, pin: &Pin, rung: usize, action: &Action) -> String {
    let plan = json!({"target": target, "id": pin.id, "started_at": pin.started_at, "size": pin.size, "step": rung,
        "action": action.name(), "parameters": action.parameters()});
    let digest = Sha256::digest(plan.to_string().as_bytes());
    digest.iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
