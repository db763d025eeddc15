//! `prometheus/`: read and tested by promtool; every alert says what it means and what is done about it; names that exist.

use std::collections::{BTreeMap, BTreeSet};

use fettle::telemetry::metrics::Metrics;
use fettle_core::alert::labels::Labels;
use fettle_core::rule::compile::{SourceFile, compile};
use fettle_core::rule::set::RuleSet;
use fettle_core::select::select;
use fettle_core::target::Hosts;
use serde_json::Value;

use super::{files, items, read, root, run, text, yaml};

/// All alerting rules of the shipped files.
fn alerts() -> Vec<Value> {
    let mut alerts = Vec::new();
    for file in files("prometheus/rules") {
        let file = yaml(file.strip_prefix(root()).expect("inside").to_str().expect("UTF-8"));
        for group in items(&file["groups"]) {
            alerts.extend(items(&group["rules"]).iter().filter(|rule| rule["alert"].is_string()).cloned());
        }
    }
    assert!(alerts.len() > 25, "they are there: {}", alerts.len());
    alerts
}

/// The shipped rules of fettle.
fn shipped() -> RuleSet {
    let rules = files("rules").into_iter().filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.extension().is_some_and(|end| end == "yaml") && !name.contains(".test.")
    });
    let sources: Vec<SourceFile> = rules
        .map(|path| SourceFile {
            path: path.strip_prefix(root()).expect("inside").display().to_string(),
            text: std::fs::read_to_string(&path).expect("readable"),
        })
        .collect();
    // With the shipped settings: a rule about a disk needs one that says yes.
    let (config, _) = fettle::config::load(Some(&root().join("fettle.yaml")), &|_| None)
        .unwrap_or_else(|problems| panic!("{problems:#?}"));
    compile(&sources, &config.rule_context()).unwrap_or_else(|problems| panic!("{problems:#?}")).0
}

#[test]
fn promtool_is_content_with_the_rules_the_settings_and_the_tests() {
    let rules = files("prometheus/rules");
    let mut arguments = vec!["check", "rules"];
    arguments.extend(rules.iter().map(|path| path.to_str().expect("UTF-8")));
    let said = run("promtool", "prometheus", &arguments);
    assert!(!said.contains("FAILED") && !said.contains("lint error"), "{said}");
    // Only the syntax: the token's file is in the stack.
    run("promtool", "prometheus", &["check", "config", "--syntax-only", "prometheus/prometheus.yml"]);
    let tests = files("prometheus/tests");
    let mut arguments = vec!["test", "rules"];
    arguments.extend(tests.iter().map(|path| path.to_str().expect("UTF-8")));
    let said = run("promtool", "prometheus", &arguments);
    assert_eq!(said.matches("SUCCESS").count(), tests.len(), "{said}");
}

#[test]
fn every_alert_has_a_unit_test() {
    let tests: String =
        files("prometheus/tests").iter().map(|it| std::fs::read_to_string(it).expect("readable")).collect();
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let fires =
            tests.contains(&format!("{{alertname=\"{name}\"")) || tests.contains(&format!("alertname: {name}\n"));
        assert!(fires, "{name} fires in no test under prometheus/tests");
    }
}

#[test]
fn every_alert_says_what_it_is_what_it_means_and_where_to_read_on() {
    let runbooks = read("prometheus/RUNBOOKS.md");
    let sections: BTreeSet<String> =
        runbooks.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_lowercase).collect();
    for alert in alerts() {
        let (name, annotations) = (text(&alert["alert"]), &alert["annotations"]);
        for key in ["summary", "description"] {
            assert!(text(&annotations[key]).len() > 10, "{name} has no {key}");
        }
        assert!(["critical", "warning", "info", "none"].contains(&text(&alert["labels"]["severity"])), "{name}");
        let (base, section) = text(&annotations["runbook_url"]).split_once('#').expect("a section");
        assert_eq!((base, section), ("{{ $externalLabels.runbooks }}", name.to_lowercase().as_str()), "{name}");
        assert!(sections.contains(section), "{name} has no section in prometheus/RUNBOOKS.md");
    }
    for own in ["fettleworking", "fettlegaveup", "fettlepipelinesilent"] {
        assert!(sections.contains(own), "{own}, which fettle posts itself");
    }
}

#[test]
fn the_address_of_the_runbooks_stands_in_one_place_and_goes_out_in_links_only() {
    let config = yaml("prometheus/prometheus.yml");
    let address = text(&config["global"]["external_labels"]["runbooks"]);
    assert!(address.starts_with("https://") && !address.ends_with('/'), "{address}");
    let dropped = &config["alerting"]["alert_relabel_configs"][0];
    assert_eq!((text(&dropped["action"]), text(&dropped["regex"])), ("labeldrop", "runbooks"));
    for folder in ["prometheus/rules", "prometheus/tests", "alertmanager", "grafana/dashboards", "systemd", "compose"] {
        for file in files(folder) {
            let said = std::fs::read_to_string(&file).expect("readable");
            assert!(!said.contains(address), "{} names it, too", file.display());
        }
    }
}

#[test]
fn what_an_alert_says_heals_it_is_the_shipped_rule_that_selects_it() {
    let rules = shipped();
    let hosts = Hosts::new([("local", &[][..])]);
    let mut healing = BTreeMap::new();
    for alert in alerts() {
        let name = text(&alert["alert"]);
        // What the scrape adds, as prometheus.yml has it; for web-restart the values of its own example.
        let mut labels = vec![("alertname".to_owned(), name.to_owned())];
        let own = alert["labels"].as_object().expect("labels");
        labels.extend(own.iter().map(|(key, value)| (key.clone(), text(value).to_owned())));
        let (service, env) = if name == "ServiceDown" { ("web", "prod") } else { ("arcanum", "demo") };
        for (key, value) in [("service", service), ("env", env)] {
            if !own.contains_key(key) {
                labels.push((key.to_owned(), value.to_owned()));
            }
        }
        let labels: Labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let selected: Vec<_> = select(&rules, &hosts, &labels).iter().map(|it| it.rule.name.clone()).collect();
        let said: Vec<_> = alert["annotations"]["healed_by"].as_str().map(str::to_owned).into_iter().collect();
        assert_eq!(selected, said, "{name}: the rules that select it, and what its annotation says");
        healing.extend(said.into_iter().map(|rule| (rule, name.to_owned())));
    }
    let unused: Vec<_> =
        rules.iter().filter(|rule| !healing.contains_key(rule.name.as_str())).map(|it| &it.name).collect();
    assert!(unused.is_empty(), "shipped rules that no alert names: {unused:?}");
}

#[test]
fn shipped_rules_act_at_most_three_times_an_hour_on_one_target() {
    for rule in shipped().iter() {
        let least = rule.budget.iter().filter(|it| it.per >= std::time::Duration::from_hours(1)).map(|it| it.max).min();
        assert!(least.is_some_and(|max| max <= 3), "{}: {:?}", rule.name, rule.budget);
    }
}

#[test]
fn every_metric_of_fettle_that_is_asked_for_exists() {
    let metrics = Metrics::new();
    metrics.rules_loaded(&["a"]);
    metrics.hosts_loaded(&["local"], &["restart"], &["204"]);
    // A family without a series is not rendered; this one is made by the scrape.
    metrics.budgets([("a", "rule", 3)]);
    let known: BTreeSet<String> = metrics
        .render()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned))
        .collect();
    for file in files("prometheus/rules") {
        let file = yaml(file.strip_prefix(root()).expect("inside").to_str().expect("UTF-8"));
        for group in items(&file["groups"]) {
            for rule in items(&group["rules"]) {
                let expr = text(&rule["expr"]);
                for word in expr.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
                    if word.starts_with("fettle_") {
                        assert!(known.contains(word), "{word}, in the rule {rule}");
                    }
                }
            }
        }
    }
}
