//! What happened, in words that both sides are told in: lines with their instants, by remediation.

use std::collections::BTreeMap;

use fettle_core::announcement::AnnouncementName;
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::remediation::loan::LoanState;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, Severity};
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::Timestamp;
use fettle_memory::store::Rows;
use fettle_predict::world::{Happening, What};
use serde_json::Value;

use crate::coverage::Coverage;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// An instant that it names: until when it is blocked, or may be answered.
    pub then: Option<Timestamp>,
}

/// One remediation with what belongs to it: its actions, verdicts and loan, and candidates of other rules that wait for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// The target as written.
    pub target: String,
    /// The rule that opened it.
    pub rule: String,
    /// What happened, in the order of time.
    pub lines: Vec<Line>,
}

/// Everything that happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// By target and rule, and of each in the order they were opened.
    pub stories: Vec<Story>,
    /// What belongs to no remediation: events, in the order of time.
    pub events: Vec<Line>,
    /// Targets that people were called for through Alertmanager, each once.
    pub given_up: Vec<String>,
    /// What people did in vain: when.
    pub in_vain: Vec<Timestamp>,
}

/// Stories while they are being put together.
#[derive(Default)]
struct Stories(BTreeMap<RemediationId, Story>);

impl Stories {
    fn add(&mut self, id: RemediationId, target: &str, rule: &str, line: Line) {
        let story = self.0.entry(id).or_default();
        // What waits for it may be told of it, under another rule's name; it is opened first.
        if story.lines.is_empty() {
            (story.target, story.rule) = (target.to_owned(), rule.to_owned());
        }
        story.lines.push(line);
    }

    fn done(self) -> Vec<Story> {
        let mut stories: Vec<Story> = self.0.into_values().collect();
        for story in &mut stories {
            story.lines.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
        }
        let first = |story: &Story| story.lines.first().map(|line| line.at);
        stories.sort_by(|a, b| (&a.target, &a.rule, first(a)).cmp(&(&b.target, &b.rule, first(b))));
        stories
    }
}

fn line(at: Timestamp, what: impl AsRef<str>) -> Line {
    Line { at, what: without_instants(what.as_ref()), then: None }
}

/// Why something failed, without the words of one client or another.
fn plain(reason: &str) -> &str {
    if reason.contains("docker") { "docker says so" } else { reason }
}

/// Words without the instants among them: those are a few milliseconds apart, and stand beside the line.
fn without_instants(what: &str) -> String {
    let is_instant = |word: &str| word.trim_end_matches([',', ';', ')']).parse::<Timestamp>().is_ok();
    what.split(' ').map(|word| if is_instant(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

fn event(at: Timestamp, event: &str, severity: Severity) -> Line {
    line(at, format!("event {event} ({severity})"))
}

fn refused(action: &str, guard: &str) -> String {
    format!("{action} is refused by {guard}")
}

fn blocked(guard: Guard) -> String {
    format!("blocked by {guard}")
}

fn awaiting(action: &str, why: &str) -> String {
    format!("a person is asked: {action} ({why})")
}

fn begins(action: &str, step: u32) -> String {
    format!("{action} begins (step {step})")
}

fn would(action: &str, step: u32) -> String {
    format!("{action} would be done (step {step})")
}

fn unanswered(action: &str) -> String {
    format!("nobody answers: {action}")
}

fn escalates(step: u32, message: &str) -> String {
    format!("people are told (step {step}): {}", plain(message))
}

fn ends(action: &str, result: ActionResult, reason: Option<&str>) -> String {
    format!("{action} ends {result} {}", reason.unwrap_or_default()).trim_end().to_owned()
}

fn judged(action: &str, verdict: Verdict, reason: &str) -> String {
    format!("the verdict on {action} is {verdict}: {}", plain(reason))
}

fn closes(outcome: Outcome, reason: &str) -> String {
    format!("closed {outcome}: {}", plain(reason))
}

fn message(row: &ActionRow) -> &str {
    row.detail.get("message").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a row was written as an intent: it says what was to be done to what.
fn was_intended(row: &ActionRow) -> bool {
    row.result.is_none() || (row.result != Some(ActionResult::Observed) && row.detail.get("effect").is_some())
}

/// What the service stored, up to and not including `end`.
pub fn by_service(rows: &Rows, end: Timestamp, coverage: &mut Coverage) -> Told {
    let mut stories = Stories::default();
    for row in rows.remediations() {
        let (it, target, rule) = (&row.doc.remediation, &*row.doc.target, &*row.doc.rule);
        let mut add = |line| stories.add(it.id, target, rule, line);
        let mut opened = false;
        for step in &row.doc.steps {
            let then = step.detail.get("until").and_then(Value::as_str).and_then(|it| it.parse().ok());
            if step.what == "opened" && !opened {
                opened = true;
                add(line(step.at, "opened"));
            } else if let Some(guard) = step.what.strip_prefix("blocked by ").and_then(Guard::from_word) {
                coverage.guard(guard);
                add(Line { then, ..line(step.at, blocked(guard)) });
            } else if step.what == "approval asked for" {
                coverage.guard(Guard::Approval);
                let word = |key: &str| step.detail.get(key).and_then(Value::as_str).unwrap_or_default();
                add(Line { then, ..line(step.at, awaiting(word("action"), word("why"))) });
            } else if step.what == "refused by expired" {
                coverage.guard(Guard::Expired);
            }
        }
        for id in &row.doc.actions {
            let Some(action) = rows.action(*id) else { continue };
            for what in of_row(&action.row, coverage) {
                stories.add(it.id, target, rule, what);
            }
            for verdict in &action.verdicts {
                coverage.verdict(verdict.verdict);
                let what = judged(action.row.action, verdict.verdict, &verdict.reason);
                stories.add(it.id, target, rule, line(verdict.at, what));
            }
        }
        if let (Some(outcome), Some(at)) = (it.outcome(), it.closed_at()) {
            coverage.outcome(outcome, it.reason().unwrap_or_default());
            // What names alone refuse is closed as it is opened, and its refusal says all.
            if opened {
                stories.add(it.id, target, rule, line(at, closes(outcome, it.reason().unwrap_or_default())));
            }
        }
    }
    for row in rows.loans() {
        let loan = &row.doc;
        if let LoanState::Closed { end, reason, at } = &loan.state {
            let what = format!("the loan ends {end}: {}", plain(reason));
            stories.add(loan.remediation, &loan.target.to_string(), &loan.rule, line(*at, what));
        }
    }
    let mut events: Vec<Line> = rows.events().map(|it| event(it.at, it.event, it.severity)).collect();
    events.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
    let mut told = Told { stories: stories.done(), events, ..Told::default() };
    told.cut(end);
    told
}

fn of_row(row: &ActionRow, coverage: &mut Coverage) -> Vec<Line> {
    let end = row.finished_at.unwrap_or(row.planned_at);
    let guard = row.reason.as_deref().and_then(Guard::from_word);
    coverage.action(row.action);
    if let Some(result) = row.result {
        coverage.result(result);
    }
    match row.result {
        _ if was_intended(row) => {
            let mut lines = vec![line(row.planned_at, begins(row.action, row.step))];
            lines.extend(row.result.map(|result| line(end, ends(row.action, result, row.reason.as_deref()))));
            lines
        }
        Some(ActionResult::Observed) => vec![line(end, would(row.action, row.step))],
        Some(ActionResult::Refused) => {
            if let Some(guard) = guard {
                coverage.guard(guard);
            }
            vec![line(end, refused(row.action, row.reason.as_deref().unwrap_or_default()))]
        }
        Some(ActionResult::Expired) => vec![line(end, unanswered(row.action))],
        Some(_) if row.action == "escalate" => vec![line(end, escalates(row.step, message(row)))],
        Some(result) => {
            vec![line(end, format!("nothing is sent: {}", ends(row.action, result, row.reason.as_deref())))]
        }
        None => Vec::new(),
    }
}

/// What `fettle test` says that happens, up to and not including `end`.
pub fn by_test(happened: &[Happening], end: Timestamp) -> Told {
    let mut stories = Stories::default();
    let mut actions: BTreeMap<ActionId, (RemediationId, &'static str)> = BTreeMap::new();
    let mut told = Told::default();
    for it in happened {
        let (at, mut id) = (it.at, it.remediation);
        let mut then = None;
        let mut acts = |action_id: ActionId, action: &'static str| {
            actions.insert(action_id, (it.remediation, action));
        };
        let what = match &it.what {
            What::Opened => "opened".to_owned(),
            What::Blocked { guard, until, .. } => {
                then = Some(*until);
                blocked(*guard)
            }
            What::Refused { action, guard, .. } => refused(action, guard),
            What::Awaiting { action, why, until, .. } => {
                then = Some(*until);
                awaiting(action, why)
            }
            What::Unanswered { action } => unanswered(action),
            What::Began { action_id, action, step } => {
                acts(*action_id, action);
                begins(action, *step)
            }
            What::Observed { action_id, action, step } => {
                acts(*action_id, action);
                would(action, *step)
            }
            What::Unsent { action_id, action, result, reason } => {
                acts(*action_id, action);
                format!("nothing is sent: {}", ends(action, *result, reason.as_deref()))
            }
            What::Ended { action_id, result, reason } => {
                let action = actions.get(action_id).map_or("?", |(_, action)| action);
                ends(action, *result, reason.as_deref())
            }
            What::Verdict { action_id, action, verdict, reason } => {
                // A later one is told of no remediation, and with the action that the rule names by then.
                let judges = actions.get(action_id).copied().unwrap_or((id, action));
                id = judges.0;
                judged(judges.1, *verdict, reason)
            }
            What::Escalated { step, message } => escalates(*step, message),
            What::Closed { outcome, reason } => closes(*outcome, reason),
            What::LoanEnded { end, reason } => format!("the loan ends {end}: {}", plain(reason)),
            What::Event { event: name, severity, .. } => {
                told.events.push(event(at, name, *severity));
                continue;
            }
            What::Announced { name: AnnouncementName::GaveUp, .. } => {
                if at < end {
                    told.given_up.push(it.target.clone());
                }
                continue;
            }
            What::Announced { .. } | What::Told { .. } => continue,
        };
        stories.add(id, &it.target, &it.rule, Line { then, ..line(at, what) });
    }
    told.events.sort_by(|a, b| (a.at, &a.what).cmp(&(b.at, &b.what)));
    told.given_up.sort();
    told.given_up.dedup();
    told.stories = stories.done();
    told.cut(end);
    told
}

impl Told {
    /// Forgets what happened from `end` on.
    fn cut(&mut self, end: Timestamp) {
        self.events.retain(|line| line.at < end);
        for story in &mut self.stories {
            story.lines.retain(|line| line.at < end);
        }
        self.stories.retain(|story| !story.lines.is_empty());
    }

    /// Every line, with the target it is about.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &Line)> {
        let stories = self.stories.iter().flat_map(|it| it.lines.iter().map(|line| (it.target.as_str(), line)));
        stories.chain(self.events.iter().map(|line| ("", line)))
    }
}
