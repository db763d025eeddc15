//! What `explain` says, and what the service then does.
//!
//! Asked right before a notification what will come of its alerts, and at any time what will come of what is open. What
//! follows at once is compared in full; of what is to come later the instants are.

use std::collections::BTreeSet;
use std::time::Duration;

use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::{Alert, Webhook};
use fettle_core::id::{ActionId, RemediationId};
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::state::{State, Verifying};
use fettle_core::time::{Timestamp, after, before};
use fettle_memory::store::RemediationRow;
use fettle_predict::explain::{
    Effort, Explanation, Next, Sources, Standing, UNKNOWN_START, explain_alerts, explain_remediation,
};
use serde_json::Value;

use crate::compare::{Difference, Tool};
use crate::scenario::Asked;
use crate::service::Service;
use crate::upstream::body;

/// So much the service may be later than it was foretold: its worker looks for what is due in steps of 20 ms.
const LATE: Duration = Duration::from_millis(100);

/// Who asks, and what the service has to keep to.
#[derive(Default)]
pub struct Asker {
    pending: Option<Pending>,
    judgements: Vec<Judgement>,
    /// Where the two disagree.
    pub differences: Vec<Difference>,
}

/// An explanation of a notification that is to come.
struct Pending {
    by: &'static str,
    at: Timestamp,
    explanation: Explanation,
    known: BTreeSet<RemediationId>,
}

/// When an effect was foretold to be judged.
struct Judgement {
    asked_at: Timestamp,
    action: ActionId,
    earliest: Option<Timestamp>,
    deadline: Option<Timestamp>,
}

/// What comes first, in few words, and when it ends or is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct First {
    what: String,
    then: Option<Timestamp>,
}

impl First {
    fn new(what: impl Into<String>, then: Option<Timestamp>) -> Self {
        Self { what: what.into(), then }
    }

    fn agrees(&self, really: &Self) -> bool {
        let near = |(a, b): (Timestamp, Timestamp)| a <= after(b, LATE) && b <= after(a, LATE);
        self.what == really.what && self.then.zip(really.then).is_none_or(near)
    }
}

fn sources(service: &Service) -> Sources {
    let shell = &service.shell;
    Sources {
        rules: shell.rules.load_full(),
        hosts: shell.hosts.clone(),
        settings: shell.settings.clone(),
        store: Some(shell.store.clone()),
        platform: Some(shell.platform.clone()),
        upstream: shell.upstream.clone(),
        now: service.now(),
    }
}

fn read(body: &Value) -> Vec<Alert> {
    Webhook::parse(body.to_string().as_bytes()).map(|it| it.alerts).unwrap_or_default()
}

impl Asker {
    fn differ(&mut self, at: Timestamp, class: impl Into<String>, foretold: String, really: String) {
        self.differences.push(Difference { tool: Tool::Explain, class: class.into(), at, foretold, really });
    }

    /// What will come of these alerts, which are about to be posted?
    pub async fn ask_about(&mut self, service: &Service, alerts: &[Labels], how: Asked) {
        let now = service.now();
        // Whoever asks has heard of it: Alertmanager lists it by then.
        let fires = alerts.iter().any(|labels| service.alertmanager.fires(labels));
        let sent = service.alertmanager.sends(true, alerts, now);
        let body = match how {
            Asked::ByBody => sent,
            // A command line names no instants.
            Asked::ByLabels => body(true, alerts, &vec![UNKNOWN_START; alerts.len()], now),
        };
        let explanation = explain_alerts(&sources(service), &read(&body)).await;
        let known = service.memory.rows(|rows| rows.remediations().map(|row| row.doc.remediation.id).collect());
        // What begins now is the same with its labels alone.
        let by = if how == Asked::ByLabels && fires { "asked with labels of one that fires" } else { "asked" };
        self.pending = Some(Pending { by, at: now, explanation, known });
    }

    /// Looks what came of them.
    pub fn look(&mut self, service: &Service) {
        let Some(Pending { by, at, explanation, known }) = self.pending.take() else { return };
        let new: Vec<RemediationRow> = service.memory.rows(|rows| {
            let new = rows.remediations().filter(|row| !known.contains(&row.doc.remediation.id));
            new.map(|row| row.doc.clone()).collect()
        });
        let efforts: Vec<&Effort> = explanation.alerts.iter().flat_map(|alert| &alert.efforts).collect();
        // What one alert opens, or opens again when what it waits for is closed at once, others of the same notification see.
        let may_open: BTreeSet<(&str, &str)> = efforts
            .iter()
            .filter(|it| matches!(it.standing, Standing::New | Standing::Waiting | Standing::Refused))
            .map(|it| (it.rule.as_str(), it.target.as_str()))
            .collect();
        for effort in &efforts {
            let mine = |it: &&RemediationRow| *it.rule == *effort.rule && *it.target == *effort.target;
            let mine = new.iter().find(mine);
            let standing = effort.standing;
            match (standing, mine) {
                (Standing::New | Standing::Refused, None) => {
                    let foretold =
                        format!("{standing:?}: a remediation of {} is opened by {}", effort.target, effort.rule);
                    self.differ(
                        at,
                        format!("{by}, {standing:?} and nothing is opened"),
                        foretold,
                        "none is".to_owned(),
                    );
                }
                (Standing::Attached | Standing::Spent, Some(row))
                    if row.remediation.opened_at == at && !may_open.contains(&(&*row.rule, &*row.target)) =>
                {
                    let foretold = format!("{standing:?}: nothing is opened on {} by {}", effort.target, effort.rule);
                    self.differ(at, format!("{by}, {standing:?} and one is opened"), foretold, "one is".to_owned());
                }
                (Standing::Refused, Some(row)) => {
                    let foretold = effort.stopped_by.map(|guard| First::new(format!("refused by {guard}"), None));
                    let reason = row.remediation.reason().unwrap_or_default();
                    self.compare(at, by, foretold, &First::new(format!("refused by {reason}"), None));
                }
                // Several at once take places and budgets from each other, which nobody foretells.
                (Standing::New, Some(row)) if efforts.len() == 1 => {
                    self.compare(at, by, foretold(effort), &really(row));
                }
                _ => {}
            }
        }
    }

    fn compare(&mut self, at: Timestamp, by: &str, foretold: Option<First>, really: &First) {
        let Some(foretold) = foretold else { return };
        if !foretold.agrees(really) {
            let same = foretold.what == really.what;
            // Without the action and the reason of a question to a person, but for a storm: those are the rule's.
            let what = match really.what.split_once(": ") {
                Some((asked, rest)) if rest.ends_with("(there is a storm)") => format!("{asked} in a storm"),
                Some((first, _)) => first.to_owned(),
                None => really.what.clone(),
            };
            let class = format!("{by}, {}: {what}", if same { "when" } else { "first" });
            self.differ(at, class, format!("{foretold:?}"), format!("{really:?}"));
        }
    }

    /// What will come of everything that is open?
    pub async fn ask_about_open(&mut self, service: &Service) {
        let now = service.now();
        let open: Vec<(State, RemediationId)> = service.memory.rows(|rows| {
            let free = rows.open().filter(|row| row.lease.is_none() && row.due.is_some_and(|due| due > now));
            free.map(|row| (row.doc.remediation.state.clone(), row.doc.remediation.id)).collect()
        });
        let sources = sources(service);
        for (state, id) in open {
            let Ok(Some(told)) = explain_remediation(&sources, id).await else {
                self.differ(now, "an open one is not explained", "nothing".to_owned(), format!("{state:?}"));
                continue;
            };
            self.check_open(now, &state, &told.effort.next);
        }
    }

    /// What waits is decided next when it is due, and what is judged is judged in time.
    fn check_open(&mut self, now: Timestamp, state: &State, next: &[Next]) {
        let first = next.iter().find_map(|it| it.at);
        let said = || next.iter().map(|it| format!("{:?} {}", it.at, it.what)).collect::<Vec<_>>().join("; ");
        let is = |at: Option<Timestamp>, due: Timestamp| First::new("", at).agrees(&First::new("", Some(due)));
        match state {
            State::Held { until } if !is(first, *until) => {
                self.differ(now, "open, when: held", said(), format!("held until {until}"));
            }
            State::Blocked { reason, until } if !is(first, *until) => {
                self.differ(now, "open, when: blocked", said(), format!("blocked by {reason} until {until}"));
            }
            State::AwaitingApproval(asked) => {
                let (due, last) = (asked.look_at.unwrap_or(asked.until), next.iter().filter_map(|it| it.at).max());
                let asks_again = next.iter().any(|it| it.what.starts_with("a person is asked"));
                if asks_again || !is(first, due) || !is(last, due) {
                    self.differ(now, "open, when: awaiting approval", said(), format!("an answer counts until {due}"));
                }
            }
            State::Verifying(Verifying { attempt, .. }) => {
                let (earliest, deadline) = (next.first().and_then(|it| it.at), next.get(1).and_then(|it| it.at));
                self.judgements.push(Judgement { asked_at: now, action: attempt.action_id, earliest, deadline });
            }
            _ => {}
        }
    }

    /// Looks when what was being judged was judged.
    pub fn finish(mut self, service: &Service) -> Vec<Difference> {
        for it in std::mem::take(&mut self.judgements) {
            let verdict =
                service.memory.rows(|rows| rows.action(it.action).and_then(|it| it.verdicts.first().cloned()));
            let Some(verdict) = verdict else { continue };
            if let Some(earliest) =
                it.earliest.filter(|at| verdict.verdict == Verdict::Fixed && verdict.at < before(*at, LATE))
            {
                let foretold = format!("fixed at {earliest} at the earliest");
                self.differ(it.asked_at, "open, when: fixed earlier", foretold, format!("fixed at {}", verdict.at));
            }
            if let Some(deadline) = it.deadline.filter(|at| verdict.at > after(*at, LATE)) {
                let foretold = format!("judged at {deadline} at the latest");
                let really = format!("{} at {}", verdict.verdict, verdict.at);
                self.differ(it.asked_at, "open, when: judged later", foretold, really);
            }
        }
        self.differences
    }
}

/// What comes first, as it was foretold; `None`: it is not known.
fn foretold(effort: &Effort) -> Option<First> {
    let next = effort.next.first()?;
    let at = next.at?;
    let words = &*next.what;
    if words.starts_with("the hold ends") {
        return Some(First::new("held", Some(at)));
    }
    if words.starts_with("the target cannot be seen") {
        return Some(First::new("not seen", Some(at)));
    }
    if let Some(guard) = words.strip_prefix("blocked by ") {
        let guard = guard.split(' ').next().unwrap_or_default();
        return Some(First::new(format!("blocked by {guard}"), Some(at)));
    }
    if let Some(asked) = words.strip_prefix("a person is asked: ") {
        return Some(First::new(format!("a person is asked: {asked}"), effort.next.get(1).and_then(|it| it.at)));
    }
    if let Some(closed) = words.strip_prefix("closed ") {
        let (outcome, reason) = closed.split_once(": ").unwrap_or((closed, ""));
        if outcome == Outcome::Refused.as_str() {
            return Some(First::new(format!("refused by {reason}"), None));
        }
        return Some(First::new(format!("closed {outcome}"), None));
    }
    if words.starts_with("people are told") {
        return Some(First::new("closed escalated", None));
    }
    let action = words.split(',').next().unwrap_or_default();
    Some(First::new(format!("{action} begins"), None))
}

/// What came first.
fn really(row: &RemediationRow) -> First {
    let until = |detail: &Value| detail["until"].as_str().and_then(|at| at.parse().ok());
    let noted = ["opened", "target noted", "alert attached", "somebody else acted", "refused by expired"];
    let Some(step) = row.steps.iter().find(|step| !noted.contains(&step.what.as_str())) else {
        return First::new("held", row.remediation.due());
    };
    if step.what == "target could not be seen" {
        return First::new("not seen", None);
    }
    if step.what == "approval asked for" {
        let word = |key: &str| step.detail[key].as_str().unwrap_or_default();
        let asked = format!("a person is asked: {} ({})", word("action"), word("why"));
        return First::new(asked, until(&step.detail));
    }
    if let Some(action) = step.what.strip_suffix(" intended") {
        return First::new(format!("{action} begins"), None);
    }
    if step.what.starts_with("would ") {
        return First::new("closed observed", None);
    }
    if step.what == "escalated" {
        return First::new("closed escalated", None);
    }
    First::new(step.what.clone(), until(&step.detail))
}
