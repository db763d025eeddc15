//! Did it help? A judgement from what was seen of the target and heard of the alerts since the effect.
//!
//! Always holds: `fixed` needs the target well for `healthy_for` without a break *and* every alert seen resolved; a target
//! that could not be seen is `unknown`, never `fixed`; silence is evidence of nothing. Before the deadline only `fixed` and
//! `superseded` are final: an unhealthy target may still come up, a firing alert may still resolve. A target that is well at
//! the deadline is never `not_fixed`: it gets `healthy_for` once to prove itself, so that nothing that works is restarted
//! because the deadline came first, or because nobody looked while fettle was down. A crash loop is no such target: one that
//! Docker's restart policy keeps starting is `not_fixed`, also where the deadline meets one of its short runs.

use std::time::Duration;

use crate::alert::episode::AlertState;
use crate::remediation::outcome::Verdict;
use crate::rule::model::Verify;
use crate::sight::{Pin, Sight};
use crate::time::{Timestamp, after, since};

/// How often a target is looked at that is not well yet, or whose health check must not fail between two looks. Docker's
/// own health checks are seldom more frequent.
const POLL: Duration = Duration::from_secs(2);

/// How often a target is looked at that is well while its alert has not resolved yet; a resolve wakes at once.
const WATCH: Duration = Duration::from_secs(15);

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// How to judge.
    pub verify: &'a Verify,
    /// What must be free of the target's disk, in percent.
    pub free_above: Option<u8>,
    /// What the metric said, where one is asked for.
    pub metric: Option<bool>,
    /// When the effect was over.
    pub effect_at: Timestamp,
    /// The run that the effect began; `None` when it was not seen yet.
    pub baseline: Option<&'a Pin>,
    /// The first run seen after the effect: restarts by Docker's policy are counted from it. `None` when none was seen yet.
    pub first: Option<&'a Pin>,
    /// Since when the target has been seen well without a break.
    pub well_since: Option<Timestamp>,
    /// The alerts attached to the remediation.
    pub alerts: &'a [AlertState],
    /// Now.
    pub now: Timestamp,
}

/// A look at the target.
#[derive(Debug, Clone, Copy)]
pub enum Look<'a> {
    /// It could not be seen.
    Blind,
    /// There is no such container any more.
    Gone,
    /// It was seen.
    Seen(&'a Sight),
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Too early to tell.
    Wait {
        /// Since when the target has been seen well without a break.
        well_since: Option<Timestamp>,
        /// When to look again.
        until: Timestamp,
    },
    /// Decided.
    Given {
        /// Did it help?
        verdict: Verdict,
        /// Why.
        reason: String,
    },
}

/// Judges one look.
#[must_use]
pub fn judge(evidence: &Evidence<'_>, look: Look<'_>) -> Judgement {
    let given = |verdict, reason: String| Judgement::Given { verdict, reason };
    let Evidence { verify, now, .. } = *evidence;
    if let Some(reason) = superseded(evidence, look) {
        return given(Verdict::Superseded, reason);
    }
    let well = matches!(look, Look::Seen(sight) if is_well(evidence, sight));
    let unbroken = matches!(look, Look::Seen(sight) if evidence.baseline.is_none_or(|pin| *pin == sight.pin()));
    let well_since = match evidence.well_since {
        Some(since) if well && unbroken => Some(since),
        _ => well.then_some(now),
    };
    let proven_at = well_since.map(|since| after(since, verify.healthy_for));
    let crash_loop = crash_loop(evidence, look);
    let proven = crash_loop.is_none() && proven_at.is_some_and(|at| at <= now);
    // A run without a health check shows a break by itself, a health check only to who looks.
    let checked = matches!(look, Look::Seen(sight) if sight.is_checked() || evidence.metric.is_some());
    let prove_until = |at: Timestamp| if checked { at.min(after(now, POLL)) } else { at };
    let firing = evidence.alerts.iter().any(|alert| alert.firing);
    if proven && !firing {
        return given(Verdict::Fixed, format!("well for {} s, alert resolved", verify.healthy_for.as_secs()));
    }
    let deadline = after(evidence.effect_at, verify.resolved_within);
    if now < deadline {
        let until = match proven_at {
            Some(at) if at > now => prove_until(at),
            Some(_) => after(now, WATCH),
            None => after(now, POLL),
        };
        return Judgement::Wait { well_since, until: until.min(deadline) };
    }
    match (look, proven_at) {
        (Look::Seen(_), _) if let Some(reason) = &crash_loop => {
            let verdict = if firing { Verdict::NotFixed } else { Verdict::Cleared };
            given(verdict, reason.clone())
        }
        (Look::Seen(_), Some(_)) if proven => heard_after(evidence),
        // Not for long enough yet. A break from here on is the end, so this lasts no longer than `healthy_for`.
        (Look::Seen(_), Some(at)) if evidence.well_since.is_none() || evidence.well_since == well_since => {
            Judgement::Wait { well_since, until: prove_until(at) }
        }
        (Look::Blind, _) => given(Verdict::Unknown, "the target could not be seen".to_owned()),
        (Look::Seen(sight), _) if !firing => {
            given(Verdict::Cleared, format!("alert resolved, target not proven well: {}", sight.describe()))
        }
        (Look::Seen(sight), _) => {
            let is = if well { "does not stay well:" } else { "is" };
            given(Verdict::NotFixed, format!("at the deadline the target {is} {}", sight.describe()))
        }
        (Look::Gone, _) => given(Verdict::Superseded, "the container is gone".to_owned()),
    }
}

/// Restarts by Docker's policy from which on a target can count as a crash loop: one crash is not a loop.
const LOOP_RESTARTS: u64 = 2;

/// Why the target counts as a crash loop: Docker's policy restarted it again and again, and the run seen now has not lasted
/// twice as long as those before it did on average. The age of that run is what is left of the time since the effect, so a
/// Docker host whose clock is wrong changes nothing.
fn crash_loop(evidence: &Evidence<'_>, look: Look<'_>) -> Option<String> {
    let (Look::Seen(sight), Some(first)) = (look, evidence.first) else { return None };
    let restarts = first.policy_restarts(&sight.pin());
    let passed = since(evidence.now, evidence.effect_at);
    let age = passed.saturating_sub(restarts.spent);
    let runs = u32::try_from(restarts.count).unwrap_or(u32::MAX);
    let is_young = age.saturating_mul(runs) < restarts.spent.saturating_mul(2);
    (restarts.count >= LOOP_RESTARTS && (is_young || !sight.is_well()))
        .then(|| format!("does not stay up: restarted by Docker {} times in {} s", restarts.count, passed.as_secs()))
}

fn is_well(evidence: &Evidence<'_>, sight: &Sight) -> bool {
    let enough = match (evidence.free_above, sight) {
        (Some(wanted), Sight::Disk(disk)) => disk.space.is_some_and(|space| space.free_percent() >= wanted),
        _ => true,
    };
    enough && evidence.metric != Some(false) && sight.is_well()
}

fn superseded(evidence: &Evidence<'_>, look: Look<'_>) -> Option<String> {
    match (look, evidence.baseline) {
        (Look::Gone, _) => Some("the container is gone".to_owned()),
        (Look::Seen(sight), Some(pin)) if pin.superseded_by(&sight.pin()) => {
            Some("a person, a deployment or a start of Docker restarted the container".to_owned())
        }
        _ => None,
    }
}

/// The target is proven well at the deadline and at least one alert is not known to be resolved.
fn heard_after(evidence: &Evidence<'_>) -> Judgement {
    let heard = evidence.alerts.iter().filter(|alert| alert.firing && alert.evidence_at > evidence.effect_at);
    match heard.map(|alert| alert.evidence_at).max() {
        Some(at) => Judgement::Given {
            verdict: Verdict::StillFiring,
            reason: format!("target well, alert heard firing at {at}, after the effect"),
        },
        None => Judgement::Given {
            verdict: Verdict::Unconfirmed,
            reason: format!(
                "target well, alert not seen resolved within {} s",
                evidence.verify.resolved_within.as_secs()
            ),
        },
    }
}

#[cfg(test)]
mod tests;
