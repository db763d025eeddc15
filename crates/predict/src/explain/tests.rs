//! Explanations on what is known without asking anybody.

use std::sync::Arc;

use super::{Explanation, Selects, Sources, Standing, explain_alerts};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::guard::survey::Says;
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::target::Hosts;
use fettle_core::testing::{at, settings};

const RULES: &str = r#"
version: 1
rules:
  - {name: other, match: ['alertname="Other"'], target: {container: other}, steps: [restart]}
  - {name: watch, match: ['alertname="Down"', 'env=~"prod|stage"'], target: {container: watched}, steps: [restart], continue: true, mode: observe}
  - {name: web, match: ['alertname="Down"'], hold: 30s, target: {container: $labels.service, allow: [web]}, steps: [{restart: {}, approval: {}}]}
  - {name: late, match: ['alertname="Down"'], target: {container: late}, steps: [restart]}
"#;

fn sources() -> Sources {
    let file = SourceFile { path: "rules.yaml".into(), text: RULES.into() };
    let hosts = Hosts::new([("local", &[][..])]);
    let context = Context { hosts: hosts.clone(), approvers: true, ..Context::default() };
    let (rules, _) = compile(&[file], &context).expect("good");
    Sources {
        rules: Arc::new(rules),
        hosts,
        settings: settings(),
        store: None,
        platform: None,
        upstream: None,
        now: at(0),
    }
}

fn alert(labels: &[(&str, &str)], firing: bool) -> Alert {
    let labels: Labels = labels.iter().copied().collect();
    let ends_at = (!firing).then(|| at(0));
    Alert { fingerprint: Fingerprint::of(&labels), labels, firing, starts_at: at(-10), ends_at }
}

async fn explained(labels: &[(&str, &str)]) -> Explanation {
    explain_alerts(&sources(), &[alert(labels, true)]).await
}

#[tokio::test]
async fn every_rule_says_yes_or_names_its_first_matcher_that_says_no() {
    let all = explained(&[("alertname", "Down"), ("service", "web"), ("env", "dev")]).await;
    let said: Vec<_> = all.alerts[0]
        .rules
        .iter()
        .map(|it| (it.rule.as_str(), it.says, it.matcher.as_deref(), it.saw.as_deref(), it.behind.as_deref()))
        .collect();
    assert_eq!(
        said,
        [
            ("other", Selects::No, Some(r#"alertname="Other""#), Some("Down"), None),
            ("watch", Selects::No, Some(r#"env=~"prod|stage""#), Some("dev"), None),
            ("web", Selects::Yes, None, None, None),
            ("late", Selects::Behind, None, None, Some("web")),
        ]
    );
}

#[tokio::test]
async fn a_rule_that_continues_lets_the_next_have_it_too() {
    let all = explained(&[("alertname", "Down"), ("service", "web"), ("env", "prod")]).await;
    let taken: Vec<&str> = all.alerts[0].efforts.iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(taken, ["watch", "web"]);
}

#[tokio::test]
async fn without_database_and_docker_what_they_know_is_said_to_be_unknown() {
    let all = explained(&[("alertname", "Down"), ("service", "web")]).await;
    assert_eq!((all.asked.database.as_str(), all.asked.docker.as_str()), ("not asked", "not asked"));
    let effort = &all.alerts[0].efforts[0];
    assert_eq!((effort.standing, effort.stopped_by), (Standing::New, Some(Guard::Approval)));
    let says = |guard: Guard| effort.guards.iter().find(|it| it.guard == guard).map(|it| it.says);
    let mut told: Vec<Guard> = effort.guards.iter().map(|it| it.guard).collect();
    told.sort_unstable();
    assert_eq!(told, Guard::ALL, "every guard, each once");
    for guard in [Guard::Expired, Guard::Resolved, Guard::Unless, Guard::OutsideWindow, Guard::NotAllowed] {
        assert_eq!(says(guard), Some(Says::Passes), "{guard}");
    }
    for guard in [Guard::Paused, Guard::NoTarget, Guard::NotEnabled, Guard::Cooldown, Guard::Budget, Guard::OnLoan] {
        assert_eq!(says(guard), Some(Says::NotAsked), "{guard}");
    }
    assert_eq!(says(Guard::Approval), Some(Says::Waits), "the rule asks for it");
    let plan = effort.plan.as_ref().expect("a plan");
    assert_eq!((plan.step, plan.steps, plan.action), (1, 1, "restart"));
    let next: Vec<&str> = effort.next.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(
        next,
        [
            "the hold ends; the guards are asked again, and if they then say the same:",
            "what comes of it is not known: Docker was not asked",
        ]
    );
    assert_eq!(effort.next[0].at, Some(at(30)));
}

#[tokio::test]
async fn what_names_alone_refuse_is_refused_without_a_look() {
    let all = explained(&[("alertname", "Down"), ("service", "database")]).await;
    let effort = &all.alerts[0].efforts[0];
    assert_eq!((effort.standing, effort.stopped_by), (Standing::Refused, Some(Guard::NotAllowed)));
    let all = explained(&[("alertname", "Down"), ("service", "../etc")]).await;
    let effort = &all.alerts[0].efforts[0];
    assert_eq!((effort.target.as_str(), effort.stopped_by), ("container:local/?", Some(Guard::NoTarget)));
}

#[tokio::test]
async fn fettles_own_alerts_and_resolved_ones_ask_no_rule() {
    let all = explained(&[("alertname", "Down"), ("service", "web"), ("fettle", "self")]).await;
    assert!(all.alerts[0].note.is_some() && all.alerts[0].efforts.is_empty());
    assert!(all.alerts[0].rules.iter().all(|it| it.says == Selects::NotAsked));
    let resolved = alert(&[("alertname", "Down"), ("service", "web")], false);
    let all = explain_alerts(&sources(), &[resolved]).await;
    assert!(all.alerts[0].note.is_some() && all.alerts[0].efforts.is_empty());
}

#[tokio::test]
async fn more_alerts_than_can_be_looked_at_are_counted() {
    let many: Vec<Alert> = (0..25).map(|n| alert(&[("alertname", "Down"), ("n", &n.to_string())], true)).collect();
    let all = explain_alerts(&sources(), &many).await;
    assert_eq!((all.alerts.len(), all.alerts_left_out), (20, 5));
}
