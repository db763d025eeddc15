//! What is logged is counted, and once.

use serde_json::json;

use super::*;
use fettle_core::action::Action;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::effect::Effect;
use fettle_core::remediation::state::{Attempt, Opener, StateName, Verifying};
use fettle_core::rule::model::{Mode, Verify};
use fettle_core::sight::Pin;
use fettle_core::time::Timestamp;

fn id<T: From<uuid::Uuid>>(number: u128) -> T {
    uuid::Uuid::from_u128(number).into()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("in range")
}

fn remediation(state: State) -> Remediation {
    let labels = Labels::from_iter([("alertname", "Down")]);
    Remediation {
        id: id(1),
        rule: "web".into(),
        target: "container:local/web-1".parse().expect("a target"),
        alert: Opener { fingerprint: Fingerprint::of(&labels), labels },
        order: None,
        opened_at: at(0),
        rung: 0,
        attempts: 1,
        blind: 0,
        away: None,
        pin: None,
        tried: None,
        ended: None,
        key: None,
        told: false,
        announced_until: None,
        answered: None,
        last_action: Some(id(7)),
        left: None,
        state,
    }
}

fn closed(outcome: Outcome) -> Remediation {
    remediation(State::Closed { outcome, reason: "well for 30s".into(), at: at(60) })
}

fn row(result: Option<ActionResult>, reason: Option<&str>) -> Record {
    let remediation = closed(Outcome::Refused);
    Record::Action(Box::new(ActionRow {
        id: id(7),
        remediation_id: remediation.id,
        rule: remediation.rule,
        action: "restart",
        target: remediation.target.to_string(),
        key: None,
        host: "local".into(),
        mode: Mode::Act,
        result,
        reason: reason.map(str::to_owned),
        actor: "fettle".into(),
        fingerprint: remediation.alert.fingerprint,
        labels: remediation.alert.labels,
        planned_at: at(1),
        started_at: None,
        finished_at: None,
        attempt: 1,
        step: 1,
        detail: json!({}),
        error: None,
        spends: false,
    }))
}

fn done(result: ActionResult) -> Record {
    Record::Result(ResultRow {
        action_id: id(7),
        result,
        reason: None,
        started_at: Some(at(1)),
        finished_at: at(4),
        error: None,
        detail: json!({}),
        spends: true,
    })
}

fn judged(verdict: Verdict) -> Record {
    let row = VerdictRow { action_id: id(7), at: at(60), verdict, reason: "because".into() };
    Record::Verdict { rule: "web".into(), action: "restart", row }
}

fn step(state: StateName) -> Record {
    let row = TransitionRow { remediation_id: id(1), at: at(60), state, what: "x".into(), detail: json!({}) };
    Record::Transition(row)
}

/// The `fettle_*` lines that are not zero after these records.
fn counted(remediation: &Remediation, records: &[Record]) -> Vec<String> {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web"]);
    received(&metrics, std::slice::from_ref(remediation), records);
    let text = metrics.render();
    let counts = |line: &&str| line.contains("_total{") && !line.ends_with(" 0");
    text.lines().filter(counts).map(str::to_owned).collect()
}

#[test]
fn an_intent_counts_nothing_until_its_result_is_known() {
    let held = remediation(State::Held { until: at(1) });
    assert_eq!(counted(&held, &[row(None, None)]), [""; 0]);
}

#[test]
fn a_failed_action_that_is_judged_in_the_same_breath_is_counted_with_its_duration() {
    let metrics = Metrics::new();
    received(&metrics, &[closed(Outcome::Escalated)], &[done(ActionResult::Failed), judged(Verdict::NotFixed)]);
    let text = metrics.render();
    for line in [
        r#"fettle_actions_total{action="restart",result="failed",rule="web"} 1"#,
        r#"fettle_verdicts_total{action="restart",rule="web",verdict="not_fixed"} 1"#,
        r#"fettle_action_duration_seconds_sum{action="restart"} 3"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing");
    }
}

#[test]
fn a_result_is_counted_while_its_effect_is_being_judged() {
    let pin = Pin { id: "c".into(), started_at: Some(at(-9)), restart_count: 0, size: None };
    let attempt = Attempt {
        action_id: id(7),
        rung: 0,
        action: Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false },
        effect: Effect::Restart { grace: Duration::from_secs(10) },
        dependent: None,
        verify: Verify::default(),
        pin,
        intended_at: at(1),
    };
    let state = State::Verifying(Verifying {
        attempt: Box::new(attempt),
        also: Vec::new(),
        effect_at: at(4),
        first: None,
        well_since: None,
        until: at(9),
    });
    assert_eq!(
        counted(&remediation(state), &[done(ActionResult::Succeeded)]),
        [r#"fettle_actions_total{action="restart",result="succeeded",rule="web"} 1"#]
    );
}

#[test]
fn a_refusal_for_good_is_counted_as_action_refusal_and_outcome_once_each() {
    let remediation = closed(Outcome::Refused);
    let records = [row(Some(ActionResult::Refused), Some("not_allowed")), step(StateName::Closed)];
    assert_eq!(
        counted(&remediation, &records),
        [
            r#"fettle_actions_total{action="restart",result="refused",rule="web"} 1"#,
            r#"fettle_refusals_total{reason="not_allowed",rule="web"} 1"#,
            r#"fettle_remediations_total{outcome="refused",rule="web"} 1"#,
        ]
    );
}

#[test]
fn steps_of_an_open_remediation_are_not_counted_and_a_waiting_guard_is() {
    let held = remediation(State::Held { until: at(30) });
    let refused = Record::Refusal { rule: "web".into(), guard: Guard::Budget };
    assert_eq!(
        counted(&held, &[step(StateName::Held), refused]),
        [r#"fettle_refusals_total{reason="budget",rule="web"} 1"#]
    );
}

#[test]
fn a_waiting_guard_that_is_also_in_the_audit_is_one_refusal() {
    let blocked = remediation(State::Blocked { reason: Guard::Budget, until: at(30) });
    let refused = Record::Refusal { rule: "web".into(), guard: Guard::Budget };
    assert_eq!(
        counted(&blocked, &[refused, row(Some(ActionResult::Refused), Some("budget"))]),
        [
            r#"fettle_actions_total{action="restart",result="refused",rule="web"} 1"#,
            r#"fettle_refusals_total{reason="budget",rule="web"} 1"#,
        ]
    );
}

#[test]
fn of_remediations_received_together_those_closed_at_once_are_counted() {
    let metrics = Metrics::new();
    let held = remediation(State::Held { until: at(30) });
    received(&metrics, &[held, closed(Outcome::Refused)], &[row(Some(ActionResult::Refused), Some("no_target"))]);
    let text = metrics.render();
    assert!(text.contains(r#"fettle_remediations_total{outcome="refused",rule="web"} 1"#), "{text}");
}

#[test]
fn an_event_is_counted_by_its_name() {
    let event = EventRow { at: at(0), event: "gave_up", severity: Severity::Critical, details: json!({}) };
    let lines = counted(&remediation(State::Held { until: at(1) }), &[Record::Event(event)]);
    assert_eq!(lines, [r#"fettle_events_total{event="gave_up"} 1"#]);
}
