//! What Alertmanager is told about a remediation: that fettle is at work, so that the page may wait, or that it gave up.
//!
//! Always holds: `FettleWorking` stands only while an effect is under way or judged, or the next rung is near; it ends with the
//! remediation, and when a step waits for a person or a guard. Nothing is told while fettle only observes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::CALL_MARGIN;
use crate::alert::labels::Labels;
use crate::announcement::{Announcement, AnnouncementName};
use crate::remediation::record::Record;
use crate::remediation::state::{Remediation, Running, State, Verifying};
use crate::rule::model::{Mode, Rule};
use crate::settings::Settings;
use crate::time::{Timestamp, after};

/// How long an alert that calls people stands at most; whoever delivers it takes it back when the original is resolved.
const GAVE_UP_FOR: Duration = Duration::from_hours(24);

/// Brings what stands in line with the state that was decided.
pub(super) fn follow(
    remediation: &mut Remediation,
    records: &mut Vec<Record>,
    rule: Option<&Rule>,
    settings: &Settings,
    now: Timestamp,
) {
    // Manual orders are not announced: the person who gave one is watching it.
    if !settings.alertmanager || remediation.order.is_some() {
        return;
    }
    let mode = rule.map_or(settings.mode, |rule| rule.mode.min(settings.mode));
    let until = if mode == Mode::Observe { None } else { deadline(remediation) };
    match (until, remediation.announced_until) {
        (Some(until), Some(stands)) if until <= stands => {}
        (Some(until), _) => {
            remediation.announced_until = Some(until);
            records.push(working(remediation, rule, now, until));
        }
        (None, Some(_)) => {
            remediation.announced_until = None;
            records.push(working(remediation, rule, now, now));
        }
        (None, None) => {}
    }
}

/// Until when fettle is at work on it, as far as can be told; `None`: it is not.
fn deadline(remediation: &Remediation) -> Option<Timestamp> {
    match &remediation.state {
        State::Running(Running { attempt, queue, .. }) => {
            let calls = std::iter::once(&**attempt).chain(queue).map(|it| it.action.conclusive_after());
            let verify = attempt.verify.resolved_within;
            Some(after(attempt.intended_at, calls.sum::<Duration>() + verify + CALL_MARGIN))
        }
        State::Verifying(Verifying { attempt, effect_at, until, .. }) => {
            let verify = &attempt.verify;
            // At the deadline a target that is well gets once more the time to prove it.
            let judged = after(*effect_at, verify.resolved_within + verify.healthy_for + CALL_MARGIN);
            // While Docker is away the deadline may be over: it moves when the target is seen again.
            Some(judged.max(after(*until, CALL_MARGIN)))
        }
        // Between two rungs.
        State::Held { until } if remediation.attempts > 0 => Some(after(*until, CALL_MARGIN)),
        _ => None,
    }
}

fn working(remediation: &Remediation, rule: Option<&Rule>, at: Timestamp, until: Timestamp) -> Record {
    let summary = format!("fettle is at work on {} (rule {})", remediation.target, remediation.rule);
    let annotations = BTreeMap::from([("summary".to_owned(), summary)]);
    announce(AnnouncementName::Working, remediation, rule, annotations, at, until)
}

/// People are called: fettle goes no further.
pub(super) fn gave_up(
    remediation: &Remediation,
    rule: Option<&Rule>,
    reason: &str,
    why: &str,
    at: Timestamp,
) -> Record {
    let annotations = BTreeMap::from([
        (
            "summary".to_owned(),
            format!("fettle gave up on {} (rule {}): {reason}", remediation.target, remediation.rule),
        ),
        ("description".to_owned(), why.to_owned()),
        ("remediation_id".to_owned(), remediation.id.to_string()),
    ]);
    let mut record = announce(AnnouncementName::GaveUp, remediation, rule, annotations, at, after(at, GAVE_UP_FOR));
    if let Record::Announce(it) = &mut record {
        it.labels.set("reason", reason);
        // Whoever is called must see how much it matters.
        if let Some(severity) = remediation.alert.labels.find("severity") {
            it.labels.set("severity", severity);
        }
    }
    record
}

/// What was reported by `reason` is over: the alert that called people ends.
pub(super) fn take_back(remediation: &Remediation, rule: Option<&Rule>, reason: &str, at: Timestamp) -> Record {
    let mut record = gave_up(remediation, rule, reason, "it is over", at);
    if let Record::Announce(it) = &mut record {
        it.until = at;
    }
    record
}

fn announce(
    name: AnnouncementName,
    remediation: &Remediation,
    rule: Option<&Rule>,
    annotations: BTreeMap<String, String>,
    at: Timestamp,
    until: Timestamp,
) -> Record {
    let original = &remediation.alert.labels;
    let listed = rule.and_then(|rule| rule.announce.as_ref());
    let kept = |label: &str| match listed {
        Some(listed) => listed.iter().any(|it| it == label),
        None => !matches!(label, "alertname" | "severity"),
    };
    let mut labels: Labels = original.iter().filter(|(label, _)| kept(label)).collect();
    labels.set("alertname", name.as_str());
    labels.set("fettle", "self");
    labels.set("fettle_rule", &remediation.rule);
    labels.set("fettle_target", &remediation.target.to_string());
    labels.set("fettle_alert", original.get("alertname"));
    Record::Announce(Box::new(Announcement { name, remediation: remediation.id, labels, annotations, at, until }))
}
