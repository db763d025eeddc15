//! An admitted effect, whose intent is stored, becomes a call to the platform, and the call becomes facts.
//!
//! Always holds: the lease is checked on a monotonic clock right before the call, so a process that was stopped in between
//! does not act on an old decision. Docker checks no fencing token: a process stopped between this check and the write of
//! the request can still act late. That window is a few microseconds of our own code; a late call is found by `StartedAt`.
//!
//! [`Time::monotonic`]: crate::clock::Time::monotonic

use std::time::Duration;

use crate::lease::INTENT_FRESH;
use crate::shell::Shell;
use fettle_core::decide::{Blind, Call, CallFailure};
use fettle_core::ports::platform::PlatformError;
use fettle_core::remediation::state::Attempt;
use fettle_core::target::Target;
use serde_json::{Value, json};

/// How long the evidence may take: it is worth less than a restart in time.
const EVIDENCE: Duration = Duration::from_secs(2);

/// Makes the call, keeping `log_lines` lines of evidence before. `intended_at` is the [`Time::monotonic`](crate::clock::Time::monotonic) of the intent. Not to be dropped half-way: the daemon would go on.
pub async fn execute(shell: &Shell, target: &Target, attempt: &Attempt, log_lines: u32, intended_at: Duration) -> Call {
    let mut detail = json!({});
    if log_lines > 0 {
        let evidence = shell.platform.evidence(target, &attempt.pin, log_lines);
        detail["evidence"] = match tokio::time::timeout(EVIDENCE, evidence).await {
            Ok(evidence) => evidence,
            Err(_) => json!({"error": format!("not to be had within {} s", EVIDENCE.as_secs())}),
        };
    }
    let started_at = shell.time.now();
    if shell.time.monotonic().saturating_sub(intended_at) > INTENT_FRESH {
        let error = "this process stood still between the intent and the call; nothing was sent".to_owned();
        let answer = Err(CallFailure { reason: "lease_lost", error, nothing_sent: true, is_answer: false });
        return Call { started_at, detail, answer, after: Ok(None), short: None };
    }
    let done = shell.platform.perform(target, &attempt.pin, &attempt.effect).await;
    if let (Value::Object(detail), Value::Object(touched)) = (&mut detail, done.touched) {
        detail.extend(touched);
    }
    let after = shell.platform.look(target, &attempt.pin).await;
    let after = after.map(|sight| sight.map(Box::new)).map_err(|error| Blind::from(&error));
    Call { started_at, detail, answer: done.answer.map_err(|error| failure(&error)), after, short: done.short }
}

fn failure(error: &PlatformError) -> CallFailure {
    CallFailure {
        reason: error.reason(),
        nothing_sent: error.nothing_sent(),
        is_answer: error.is_answer(),
        error: error.to_string(),
    }
}
