//! Every name and label of the contract, and series that exist before anything happened.

use super::*;

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' '])).collect()
}

/// Every name of the contract with its labels, `le` left out.
const NAMES_AND_LABELS: [(&str, &[&str]); 27] = [
    ("fettle_build_info", &["version"]),
    ("fettle_notifications_total", &["code", "sender"]),
    ("fettle_alerts_total", &["status"]),
    ("fettle_truncated_alerts_total", &[]),
    ("fettle_intake_duration_seconds_count", &[]),
    ("fettle_intake_queue", &[]),
    ("fettle_remediations_open", &["state"]),
    ("fettle_remediations_total", &["outcome", "rule"]),
    ("fettle_actions_total", &["action", "result", "rule"]),
    ("fettle_action_duration_seconds_count", &["action"]),
    ("fettle_refusals_total", &["reason", "rule"]),
    ("fettle_alerts_not_opened_total", &["reason", "rule"]),
    ("fettle_verdicts_total", &["action", "rule", "verdict"]),
    ("fettle_reaction_seconds_count", &[]),
    ("fettle_docker_requests_total", &["code", "host", "op"]),
    ("fettle_docker_request_duration_seconds_count", &["host", "op"]),
    ("fettle_store_up", &[]),
    ("fettle_ready", &[]),
    ("fettle_clock_offset_seconds", &[]),
    ("fettle_config_last_reload_successful", &[]),
    ("fettle_config_last_reload_success_timestamp_seconds", &[]),
    ("fettle_events_total", &["event"]),
    ("fettle_paused", &[]),
    ("fettle_storm", &[]),
    ("fettle_breaker_state", &["rule"]),
    ("fettle_announcements_total", &["name", "result"]),
    ("fettle_upstream_requests_total", &["code", "peer_kind"]),
];

#[test]
fn every_name_of_the_contract_is_there_from_the_start_with_its_labels() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web"]);
    metrics.hosts_loaded(&["local"], &["restart"], &["204"]);
    let text = metrics.render();
    for (name, labels) in NAMES_AND_LABELS {
        let lines = lines(&text, name);
        assert!(!lines.is_empty(), "{name} is missing");
        for line in lines {
            let inside =
                line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
            let found: Vec<&str> =
                inside.split(',').filter_map(|pair| pair.split_once('=').map(|(name, _)| name)).collect();
            assert_eq!(found, labels, "{line}");
        }
    }
    assert!(text.contains("process_resident_memory_bytes"), "process metrics are missing");
}

#[test]
fn every_metric_has_a_help_text_that_is_a_sentence() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web"]);
    let text = metrics.render();
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP fettle_"));
    for help in helps {
        assert!(help.ends_with('.') && help.split(' ').count() > 1, "{help}");
    }
}

#[test]
fn a_rules_series_begin_at_zero_and_go_when_it_is_no_longer_loaded() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web", "db"]);
    metrics.closed("web", Outcome::Fixed);
    metrics.action("db", "restart", ActionResult::Failed, Some(Duration::from_secs(2)));
    metrics.refusal("db", Guard::Budget);
    metrics.verdict("db", "restart", Verdict::NotFixed);
    let text = metrics.render();
    for line in [
        r#"fettle_remediations_total{outcome="fixed",rule="web"} 1"#,
        r#"fettle_remediations_total{outcome="escalated",rule="web"} 0"#,
        r#"fettle_actions_total{action="restart",result="failed",rule="db"} 1"#,
        r#"fettle_refusals_total{reason="budget",rule="db"} 1"#,
        r#"fettle_refusals_total{reason="cooldown",rule="db"} 0"#,
        r#"fettle_verdicts_total{action="restart",rule="db",verdict="not_fixed"} 1"#,
        r#"fettle_action_duration_seconds_sum{action="restart"} 2"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing");
    }
    metrics.rules_loaded(&["db"]);
    let text = metrics.render();
    assert!(!text.contains(r#"rule="web""#), "the removed rule is still there");
    assert!(text.contains(r#"fettle_refusals_total{reason="budget",rule="db"} 1"#), "the count of a rule that stayed");
    metrics.rules_loaded(&[]);
    let text = metrics.render();
    let orders = |line: &&str| line.contains(r#"rule="by-hand""#);
    assert!(
        text.lines().filter(|line| line.contains("rule=")).all(|line| orders(&line)),
        "orders by hand always have one"
    );
}

#[test]
fn a_removed_rule_that_still_ends_something_is_counted_until_the_next_load() {
    let metrics = Metrics::new();
    metrics.closed("gone", Outcome::Escalated);
    assert!(metrics.render().contains(r#"fettle_remediations_total{outcome="escalated",rule="gone"} 1"#));
    metrics.rules_loaded(&["web"]);
    assert!(!metrics.render().contains("gone"));
}

#[test]
fn ten_thousand_rules_show_only_what_counted() {
    let metrics = Metrics::new();
    let names: Vec<String> = (0..10_000).map(|n| format!("rule-{n}")).collect();
    metrics.rules_loaded(&names.iter().map(String::as_str).collect::<Vec<_>>());
    metrics.refusal("rule-77", Guard::Cooldown);
    let text = metrics.render();
    assert_eq!(text.lines().filter(|line| line.contains("rule=")).count(), 1);
}

#[test]
fn every_sender_and_code_is_there_from_the_start() {
    let metrics = Metrics::new();
    metrics.senders_loaded(&["alertmanager"]);
    metrics.notification("alertmanager", 202);
    let text = metrics.render();
    assert!(text.contains(r#"fettle_notifications_total{code="202",sender="alertmanager"} 1"#));
    assert!(text.contains(r#"fettle_notifications_total{code="503",sender="alertmanager"} 0"#));
    assert!(text.contains(r#"fettle_notifications_total{code="401",sender="unknown"} 0"#));
}

#[test]
fn gauges_are_replaced_as_a_whole() {
    let metrics = Metrics::new();
    metrics.open(&[("running".into(), 3)]);
    metrics.budgets([("web", "rule_target", 2)]);
    assert!(metrics.render().contains(r#"fettle_remediations_open{state="running"} 3"#));
    metrics.open(&[]);
    metrics.budgets([("db", "rule_target", 1)]);
    let text = metrics.render();
    assert!(text.contains(r#"fettle_remediations_open{state="running"} 0"#));
    assert!(
        !text.contains(r#"rule="web""#) && text.contains(r#"fettle_budget_remaining{rule="db",scope="rule_target"} 1"#)
    );
}

#[test]
fn every_word_of_a_closed_set_is_there_from_the_start() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web"]);
    let text = metrics.render();
    let mut wanted: Vec<String> =
        Guard::ALL.iter().map(|it| format!(r#"fettle_refusals_total{{reason="{it}",rule="web"}} 0"#)).collect();
    for action in ACTIONS {
        wanted.push(format!(r#"fettle_actions_total{{action="{action}",result="succeeded",rule="web"}} 0"#));
        wanted.push(format!(r#"fettle_verdicts_total{{action="{action}",rule="web",verdict="fixed"}} 0"#));
    }
    for name in AnnouncementName::ALL {
        wanted.push(format!(r#"fettle_announcements_total{{name="{}",result="failed"}} 0"#, name.as_str()));
    }
    wanted.push(r#"fettle_remediations_open{state="awaiting_approval"} 0"#.to_owned());
    wanted.push(r#"fettle_upstream_requests_total{code="upstream_timeout",peer_kind="prometheus"} 0"#.to_owned());
    wanted.push(r#"fettle_breaker_state{rule="web"} 0"#.to_owned());
    for line in wanted {
        assert!(text.lines().any(|it| it == line), "{line} is missing");
    }
    assert!(ACTIONS.contains(&"restore") && ACTIONS.contains(&"restart"));
}

#[test]
fn a_breaker_is_shown_for_rules_that_are_loaded_and_closed_unless_it_is_said_otherwise() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["web", "db"]);
    metrics.breakers([("web", BreakerState::Open), ("gone", BreakerState::Open)]);
    let text = metrics.render();
    assert_eq!(
        lines(&text, "fettle_breaker_state"),
        [
            r#"fettle_breaker_state{rule="by-hand"} 0"#,
            r#"fettle_breaker_state{rule="db"} 0"#,
            r#"fettle_breaker_state{rule="web"} 2"#
        ]
    );
    assert!(text.contains("# TYPE fettle_breaker_state gauge"));
    metrics.breakers([("db", BreakerState::HalfOpen)]);
    assert_eq!(
        lines(&metrics.render(), "fettle_breaker_state")[1..],
        [r#"fettle_breaker_state{rule="db"} 1"#, r#"fettle_breaker_state{rule="web"} 0"#]
    );
}

#[test]
fn deliveries_and_requests_upstream_are_counted_by_what_became_of_them() {
    let metrics = Metrics::new();
    metrics.announced(AnnouncementName::GaveUp, true);
    metrics.announced(AnnouncementName::GaveUp, false);
    metrics.upstream("alertmanager", "200");
    metrics.upstream("prometheus", "418");
    metrics.paused(2);
    metrics.storm(true);
    let text = metrics.render();
    for line in [
        r#"fettle_announcements_total{name="FettleGaveUp",result="delivered"} 1"#,
        r#"fettle_announcements_total{name="FettleGaveUp",result="failed"} 1"#,
        r#"fettle_upstream_requests_total{code="200",peer_kind="alertmanager"} 1"#,
        r#"fettle_upstream_requests_total{code="418",peer_kind="prometheus"} 1"#,
        "fettle_paused 2",
        "fettle_storm 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is missing");
    }
}

#[test]
fn a_hostile_rule_name_cannot_break_the_format() {
    let metrics = Metrics::new();
    metrics.closed("a\"\n} 1\\", Outcome::Fixed);
    let text = metrics.render();
    assert!(text.contains(r#"rule="a\"\n} 1\\"} 1"#), "{text}");
}

#[test]
fn a_failed_reload_keeps_the_time_of_the_last_good_one() {
    let metrics = Metrics::new();
    metrics.reloaded(true, Timestamp::from_second(1_700_000_000).expect("in range"));
    metrics.reloaded(false, Timestamp::from_second(1_700_000_100).expect("in range"));
    let text = metrics.render();
    assert!(text.contains("fettle_config_last_reload_successful 0"));
    assert!(text.contains("fettle_config_last_reload_success_timestamp_seconds 1700000000"));
}
