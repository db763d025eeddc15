//! What a test expects.

use super::inputs::{at, target};
use super::model::{Expected, Want};
use super::raw::RawExpected;
use super::things::word;
use fettle_core::action::NAMES;
use fettle_core::announcement::AnnouncementName;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::yaml::{Node, items, text};

/// Reads what is expected, in the order of time.
pub(super) fn expected(node: &Node, report: &mut Report<'_>) -> Vec<Expected> {
    let mut expected = Vec::new();
    for node in items(node, report).unwrap_or_default() {
        expected.extend(one(node, report));
    }
    expected.sort_by_key(|it| it.at);
    expected
}

fn one(node: &Node, report: &mut Report<'_>) -> Option<Expected> {
    let raw = RawExpected::read(node, report)?;
    let line = report.source.line(node.at.start);
    let at = at(raw.at, node, report);
    let target = given(raw.target, |node| target(node, report));
    let rule = given(raw.rule, |node| text(node, report).map(str::to_owned));
    let said = [raw.action, raw.blocked, raw.refused, raw.awaiting, raw.outcome, raw.announced];
    if said.iter().flatten().count() != 1 {
        let message = "an expectation is one of action, blocked, refused, awaiting, outcome and announced";
        report.add_with_help(&codes::TEST_ENTRY, &node.at, message, "write an entry for each");
        return None;
    }
    for (key, said) in [("result", raw.result), ("verdict", raw.verdict)] {
        if let (Some(node), None) = (said, raw.action) {
            report.add(&codes::TEST_ENTRY, &node.at, format!("`{key}` is an action's, and none is expected here"));
        }
    }
    let want = want(&raw, report);
    Some(Expected { at: at?, line, want: want?, target: target.ok()?, rule: rule.ok()? })
}

/// What was given cannot be read; it is reported.
struct Unread;

/// What is not given is any.
fn given<T>(node: Option<&Node>, read: impl FnOnce(&Node) -> Option<T>) -> Result<Option<T>, Unread> {
    node.map(|node| read(node).ok_or(Unread)).transpose()
}

fn want(raw: &RawExpected<'_>, report: &mut Report<'_>) -> Option<Want> {
    let guards: Vec<(&str, Guard)> = Guard::ALL.iter().map(|it| (it.as_str(), *it)).collect();
    let mut actions: Vec<(&str, &str)> = NAMES.iter().map(|name| (*name, *name)).collect();
    actions.push(("restore", "restore"));
    if let Some(node) = raw.action {
        let results: Vec<_> = ActionResult::ALL.iter().map(|it| (it.as_str(), *it)).collect();
        let verdicts: Vec<_> = Verdict::ALL.iter().map(|it| (it.as_str(), *it)).collect();
        let action = word(node, &actions, "an action", report);
        let result = given(raw.result, |node| word(node, &results, "a result", report));
        let verdict = given(raw.verdict, |node| word(node, &verdicts, "a verdict", report));
        return Some(Want::Action { action: action?.to_owned(), result: result.ok()?, verdict: verdict.ok()? });
    }
    if let Some(node) = raw.blocked {
        return word(node, &guards, "a guard", report).map(Want::Blocked);
    }
    if let Some(node) = raw.refused {
        return word(node, &guards, "a guard", report).map(Want::Refused);
    }
    if let Some(node) = raw.awaiting {
        return word(node, &actions, "an action", report).map(|it| Want::Awaiting(it.to_owned()));
    }
    if let Some(node) = raw.outcome {
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|it| (it.as_str(), *it)).collect();
        return word(node, &outcomes, "an outcome", report).map(Want::Outcome);
    }
    let names: Vec<_> = AnnouncementName::ALL.iter().map(|it| (it.as_str(), *it)).collect();
    raw.announced.and_then(|node| word(node, &names, "an alert of fettle's own", report)).map(Want::Announced)
}
