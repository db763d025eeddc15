//! `alertmanager/alertmanager.yml`: read by amtool, and every kind of alert goes where it should.

use super::{read, run, yaml};

const CONFIG: &str = "alertmanager/alertmanager.yml";

fn receivers(labels: &[&str]) -> Vec<String> {
    let mut arguments = vec!["config", "routes", "test", "--config.file", CONFIG];
    arguments.extend(labels);
    let said = run("amtool", "prometheus-alertmanager", &arguments);
    let last = said.lines().rfind(|line| !line.starts_with("Warning")).unwrap_or_default();
    last.split(',').map(|name| name.trim().to_owned()).collect()
}

#[test]
fn amtool_is_content_also_with_the_examples_that_are_off() {
    let said = run("amtool", "prometheus-alertmanager", &["check-config", CONFIG]);
    assert!(said.contains("SUCCESS"), "{said}");
    let config = yaml(CONFIG);
    let routes = config["route"].to_string();
    for off in ["mail", "slack", "discord", "webhook"] {
        let all = config["receivers"].to_string();
        assert!(all.contains(&format!("\"name\":\"{off}\"")), "the example {off} is there");
        assert!(!routes.contains(&format!("\"receiver\":\"{off}\"")), "{off} is in no route until it is filled in");
    }
}

#[test]
fn alerts_go_to_fettle_and_to_the_page_and_fettles_own_never_back_to_fettle() {
    for (labels, expected) in [
        (&["alertname=ArcanumNeedsRestart", "service=arcanum", "severity=critical"][..], &["fettle", "page"][..]),
        (&["alertname=HighDiskUsage", "disk=docker", "severity=warning"], &["fettle", "page"]),
        (&["alertname=FettleDown", "severity=critical"], &["fettle", "page"]),
        (&["alertname=FettlePaused", "severity=info"], &["fettle", "nobody"]),
        (&["alertname=Watchdog", "severity=none"], &["fettle"]),
        (&["alertname=FettleWorking", "fettle=self", "service=arcanum"], &["nobody"]),
        (&["alertname=FettleGaveUp", "fettle=self", "severity=critical"], &["page"]),
        (&["alertname=FettlePipelineSilent", "fettle=self", "severity=critical"], &["page"]),
    ] {
        assert_eq!(receivers(labels), expected, "{labels:?}");
    }
}

#[test]
fn fettle_hears_ends_soon_with_its_token_from_a_file_and_the_heartbeat_every_minute() {
    let config = yaml(CONFIG);
    let fettle = config["receivers"].as_array().expect("a list").iter().find(|it| it["name"] == "fettle");
    let hook = &fettle.expect("the receiver")["webhook_configs"][0];
    assert_eq!(hook["send_resolved"], true);
    assert_eq!(hook["http_config"]["authorization"]["credentials_file"], "/run/secrets/fettle_sender_token");
    let routes = config["route"]["routes"].as_array().expect("a list");
    assert_eq!((routes[0]["group_wait"].as_str(), routes[0]["continue"].as_bool()), (Some("2s"), Some(true)));
    let heartbeat = routes.iter().find(|it| it["matchers"][0] == "alertname=\"Watchdog\"").expect("a route");
    assert_eq!((heartbeat["group_interval"].as_str(), heartbeat["repeat_interval"].as_str()), (Some("1m"), Some("1m")));
}

#[test]
fn the_rule_that_holds_pages_is_the_last_one_and_never_holds_fettles_own_alerts() {
    let config = yaml(CONFIG);
    let last = config["inhibit_rules"].as_array().and_then(|all| all.last()).cloned().expect("inhibit rules");
    assert!(last["source_matchers"].to_string().contains("FettleWorking"), "{last}");
    assert!(last["target_matchers"].to_string().contains("fettle!="), "{last}");
    assert!(read(CONFIG).contains("Keep this one last"));
}
