//! What happened against what is expected.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use fettle_core::id::{ActionId, RemediationId};
use serde::Serialize;

use super::model::{Case, Expected, Want};
use crate::world::{Happening, What};
use fettle_core::announcement::AnnouncementName;
use fettle_core::duration::show;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::since;

/// One line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, from the beginning.
    pub at: String,
    /// `same`, `missing` (expected, did not happen), `unexpected`, or `wrong` (the test cannot be run as written).
    pub kind: &'static str,
    /// Where it is expected; 0 where it is not.
    pub line: usize,
    /// What.
    pub text: String,
    #[serde(skip)]
    order: Duration,
}

/// What is not as expected, in the order of time, between what is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// All lines.
    pub lines: Vec<Line>,
}

impl Difference {
    /// Whether everything is as expected.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.lines.iter().all(|line| line.kind == "same")
    }
}

/// Something that happened, as expectations speak of it.
#[derive(Debug)]
struct Seen {
    at: Duration,
    remediation: RemediationId,
    rule: String,
    target: String,
    what: Kind,
    why: String,
    action_id: Option<ActionId>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Action { action: String, result: Option<ActionResult>, verdict: Option<Verdict> },
    Blocked(Guard),
    Refused(String),
    Awaiting(String),
    Outcome(Outcome),
    Announced(AnnouncementName),
}

impl Kind {
    /// Whether it fails a test that does not expect it.
    fn must_be_expected(&self) -> bool {
        !matches!(self, Self::Outcome(_) | Self::Announced(_))
    }

    /// How near it comes to what is wanted: 0 not at all, 1 the same but for how it ended, 2 as wanted.
    fn fits(&self, want: &Want) -> u8 {
        let as_wanted = match (self, want) {
            (Self::Blocked(is), Want::Blocked(wanted)) => is == wanted,
            (Self::Refused(is), Want::Refused(wanted)) => is == wanted.as_str(),
            (Self::Awaiting(is), Want::Awaiting(wanted)) => is == wanted,
            (Self::Outcome(is), Want::Outcome(wanted)) => is == wanted,
            (Self::Announced(is), Want::Announced(wanted)) => is == wanted,
            (
                Self::Action { action, result, verdict },
                Want::Action { action: wanted, result: wanted_result, verdict: wanted_verdict },
            ) => {
                if action != wanted {
                    return 0;
                }
                let same = wanted_result.is_none_or(|it| *result == Some(it))
                    && wanted_verdict.is_none_or(|it| *verdict == Some(it));
                return if same { 2 } else { 1 };
            }
            _ => false,
        };
        if as_wanted { 2 } else { 0 }
    }
}

/// Compares. `complaints`: what of the timeline could not be done.
pub(super) fn compare(case: &Case, happened: &[Happening], complaints: Vec<(Duration, usize, String)>) -> Difference {
    let seen = seen(case, happened);
    let mut met: HashSet<usize> = HashSet::new();
    let mut lines = Vec::new();
    let mut left = Vec::new();
    for expected in &case.expected {
        match find(&seen, &met, expected, 2) {
            Some(at) => {
                met.insert(at);
                lines.push(line(&seen[at], "same", expected.line));
            }
            None => left.push(expected),
        }
    }
    for expected in left {
        lines.push(Line {
            at: show(expected.at),
            kind: "missing",
            line: expected.line,
            text: wanted(expected),
            order: expected.at,
        });
        // What came instead is said even where it need not have been expected.
        if let Some(at) = find(&seen, &met, expected, 1) {
            met.insert(at);
            lines.push(line(&seen[at], "unexpected", 0));
        }
    }
    for (at, it) in seen.iter().enumerate() {
        if it.what.must_be_expected() && !met.contains(&at) {
            lines.push(line(it, "unexpected", 0));
        }
    }
    for (at, number, text) in complaints {
        lines.push(Line { at: show(at), kind: "wrong", line: number, text, order: at });
    }
    lines.sort_by_key(|line| line.order);
    Difference { lines }
}

/// The first that is not met yet and comes so near to it.
fn find(seen: &[Seen], met: &HashSet<usize>, expected: &Expected, near: u8) -> Option<usize> {
    seen.iter().enumerate().position(|(at, it)| {
        !met.contains(&at)
            && it.at == expected.at
            && expected.target.as_ref().is_none_or(|target| *target == it.target)
            && expected.rule.as_ref().is_none_or(|rule| *rule == it.rule)
            && it.what.fits(&expected.want) >= near
    })
}

fn seen(case: &Case, happened: &[Happening]) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut working: HashSet<RemediationId> = HashSet::new();
    for it in happened {
        let (what, why, action_id) = match &it.what {
            What::Began { action_id, action, .. } => (acted(action, None), String::new(), Some(*action_id)),
            What::Observed { action_id, action, .. } => {
                (acted(action, Some(ActionResult::Observed)), String::new(), Some(*action_id))
            }
            What::Escalated { message, .. } => {
                (acted("escalate", Some(ActionResult::Succeeded)), message.clone(), None)
            }
            What::Unanswered { action } => {
                (acted(action, Some(ActionResult::Expired)), "nobody answered".to_owned(), None)
            }
            What::Unsent { action_id, action, result, reason } => {
                (acted(action, Some(*result)), reason.clone().unwrap_or_default(), Some(*action_id))
            }
            What::Ended { action_id, result: now, reason } => {
                let meant = |it: &&mut Seen| it.action_id == Some(*action_id);
                if let Some(Seen { what: Kind::Action { result, .. }, why, .. }) = seen.iter_mut().rev().find(meant) {
                    *result = Some(*now);
                    why.clone_from(&reason.clone().unwrap_or_default());
                }
                continue;
            }
            What::Verdict { action_id, verdict: now, reason, .. } => {
                let meant = |it: &&mut Seen| it.action_id == Some(*action_id);
                if let Some(Seen { what: Kind::Action { verdict, .. }, why, .. }) = seen.iter_mut().rev().find(meant) {
                    // A later one is appended, never written over the first.
                    if verdict.is_none() {
                        *verdict = Some(*now);
                        why.clone_from(reason);
                    }
                }
                continue;
            }
            What::Blocked { guard, numbers, .. } => {
                let at = since(it.at, case.start);
                // Its refusal in the audit is the same no.
                let same = |seen: &Seen| {
                    seen.at == at && seen.remediation == it.remediation && seen.what == Kind::Refused(guard.to_string())
                };
                seen.retain(|it| !same(it));
                (Kind::Blocked(*guard), text(numbers, "why"), None)
            }
            What::Refused { guard, detail, .. } => (Kind::Refused(guard.clone()), text(detail, "why"), None),
            What::Awaiting { action, why, .. } => (Kind::Awaiting((*action).to_owned()), why.clone(), None),
            What::Closed { outcome, reason } => (Kind::Outcome(*outcome), reason.clone(), None),
            What::Announced { name, until } => {
                let is_working = *name == AnnouncementName::Working;
                let stands =
                    if until.is_some() { working.insert(it.remediation) } else { working.remove(&it.remediation) };
                // What is renewed stands already.
                if until.is_none() || (is_working && !stands) {
                    continue;
                }
                (Kind::Announced(*name), String::new(), None)
            }
            What::Opened | What::LoanEnded { .. } | What::Told { .. } | What::Event { .. } => continue,
        };
        let (rule, target) = (it.rule.clone(), it.target.clone());
        let at = since(it.at, case.start);
        seen.push(Seen { at, remediation: it.remediation, rule, target, what, why, action_id });
    }
    seen
}

fn acted(action: &str, result: Option<ActionResult>) -> Kind {
    Kind::Action { action: action.to_owned(), result, verdict: None }
}

fn text(detail: &serde_json::Value, key: &str) -> String {
    detail.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn line(seen: &Seen, kind: &'static str, number: usize) -> Line {
    let what = match &seen.what {
        Kind::Action { action, result, verdict } => ended(action, *result, *verdict),
        Kind::Blocked(guard) => format!("blocked: {guard}"),
        Kind::Refused(guard) => format!("refused: {guard}"),
        Kind::Awaiting(action) => format!("awaiting: {action}"),
        Kind::Outcome(outcome) => format!("outcome: {outcome}"),
        Kind::Announced(name) => format!("announced: {name}"),
    };
    let mut text = if seen.target.is_empty() { what } else { format!("{what}, target: {}", seen.target) };
    if kind == "unexpected" && !seen.why.is_empty() {
        let _ = write!(text, " ({})", seen.why);
    }
    Line { at: show(seen.at), kind, line: number, text, order: seen.at }
}

fn ended(action: &str, result: Option<ActionResult>, verdict: Option<Verdict>) -> String {
    let mut text = format!("action: {action}");
    if let Some(result) = result {
        let _ = write!(text, ", result: {result}");
    }
    if let Some(verdict) = verdict {
        let _ = write!(text, ", verdict: {verdict}");
    }
    text
}

fn wanted(expected: &Expected) -> String {
    let mut text = match &expected.want {
        Want::Action { action, result, verdict } => ended(action, *result, *verdict),
        Want::Blocked(guard) => format!("blocked: {guard}"),
        Want::Refused(guard) => format!("refused: {guard}"),
        Want::Awaiting(action) => format!("awaiting: {action}"),
        Want::Outcome(outcome) => format!("outcome: {outcome}"),
        Want::Announced(name) => format!("announced: {name}"),
    };
    if let Some(target) = &expected.target {
        let _ = write!(text, ", target: {target}");
    }
    if let Some(rule) = &expected.rule {
        let _ = write!(text, ", rule: {rule}");
    }
    text
}
