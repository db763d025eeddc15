//! `GET /api/v1/rules`: the rules in force, as they were understood, each with what `fettle check` warns of.

use actix_web::{HttpResponse, web};
use arc_swap::ArcSwap;
use serde_json::{Value, json};

use super::super::auth::Viewer;
use fettle_core::diagnostic::Diagnostic;
use fettle_core::diagnostic::render::Record;
use fettle_core::duration::show;
use fettle_core::matcher::Matcher;
use fettle_core::rule::model::{Approval, Budget, Find, Rule, Step, Unless, Word};
use fettle_core::rule::set::RuleSet;

/// All rules, in the order they are asked.
pub(in crate::http) async fn rules(_: Viewer, rules: web::Data<ArcSwap<RuleSet>>) -> HttpResponse {
    HttpResponse::Ok().json(all(&rules.load()))
}

fn all(rules: &RuleSet) -> Vec<Value> {
    rules.iter().map(|rule| view(rule, rules.warnings(&rule.name))).collect()
}

fn view(rule: &Rule, warnings: &[Diagnostic]) -> Value {
    json!({
        "name": rule.name,
        "owner": rule.owner,
        "source": rule.source,
        "mode": rule.mode.as_str(),
        "match": matchers(&rule.matchers),
        "unless": rule.unless.iter().map(unless).collect::<Vec<_>>(),
        "target": target(rule),
        "hold": show(rule.hold),
        "during": rule.during,
        "evidence": {"log_lines": rule.evidence.log_lines},
        "announce": rule.announce,
        "steps": rule.steps.iter().map(step).collect::<Vec<_>>(),
        "budget": budgets(&rule.budget),
        "rule_budget": budgets(&rule.rule_budget),
        "cooldown": show(rule.cooldown),
        "regress_window": show(rule.regress_window),
        "continue": rule.proceed,
        "warnings": warnings.iter().map(Record::from).collect::<Vec<_>>(),
    })
}

fn target(rule: &Rule) -> Value {
    let spec = &rule.target;
    let mut target = match &spec.find {
        Find::Container(name) => json!({"container": word(name)}),
        Find::Swarm(name) => json!({"swarm": {"service": word(name)}}),
        Find::Disk(name) => json!({"disk": word(name)}),
        Find::Compose { project, service } => json!({"compose": {"project": word(project), "service": word(service)}}),
    };
    target["host"] = spec.host.as_ref().map_or(Value::Null, |host| json!(word(host)));
    target["allow"] = spec.allow.iter().map(|pattern| json!(pattern.0)).collect();
    target["min_healthy"] = json!(spec.min_healthy);
    target["min_age"] = json!(spec.min_age.map(show));
    target
}

fn word(word: &Word) -> String {
    match word {
        Word::Literal(text) => text.clone(),
        Word::Label(name) => format!("$labels.{name}"),
    }
}

fn step(step: &Step) -> Value {
    json!({
        "action": step.action.name(),
        "parameters": step.action.parameters(),
        "after": show(step.after),
        "verify": {
            "settle": show(step.verify.settle),
            "healthy_for": show(step.verify.healthy_for),
            "resolved_within": show(step.verify.resolved_within),
            "query": step.verify.query,
        },
        "approval": step.approval.as_ref().map(approval),
        "restore": restore(step),
    })
}

fn approval(approval: &Approval) -> Value {
    json!({"when": matchers(&approval.when), "within": show(approval.within)})
}

/// As it is written in rules; nothing where nothing is scaled.
fn restore(step: &Step) -> Value {
    match step.restore {
        Some(after) => json!({"after": show(after)}),
        None if step.action.scales() => json!("never"),
        None => Value::Null,
    }
}

fn unless(unless: &Unless) -> Value {
    json!({"match": matchers(&unless.matchers), "equal": unless.equal})
}

fn matchers(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

fn budgets(budgets: &[Budget]) -> Vec<String> {
    budgets.iter().map(|budget| format!("{} per {}", budget.max, show(budget.per))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::rule::compile::{Context, SourceFile, compile};

    #[test]
    fn a_rule_is_shown_with_every_key_it_was_understood_by() {
        let text = r#"
version: 1
rules:
  - name: web
    match: ['alertname="ServiceDown"', 'env=~"prod|stage"']
    unless: [{match: ['alertname="HostDown"'], equal: [instance]}]
    during: [{weekdays: ["monday:friday"], times: [{start_time: "08:00", end_time: "20:00"}], location: Europe/Paris}]
    target: {compose: {project: shop, service: $labels.service}, allow: [web, "api-*"], min_healthy: 1}
    evidence: {log_lines: 200}
    announce: [instance]
    steps:
      - restart: {grace: 20s, dependents: {allow: [web-sidecar]}, start_stopped: true}
        verify: {query: up}
        approval: {when: ['env="prod"'], within: 5m}
      - scale_down: {by: 2}
      - scale_up: {ceiling: 4}
        restore: never
      - escalate: {message: "still down"}
  - {name: swarm, match: [a=b], target: {swarm: {service: web}}, steps: [restart]}
"#;
        let file = SourceFile { path: "rules/web.yaml".into(), text: text.into() };
        let context = Context { prometheus: true, ..Context::default() };
        let (set, _) = compile(&[file], &context).expect("good");
        insta::assert_snapshot!(serde_json::to_string_pretty(&all(&set)).expect("JSON"));
    }

    #[test]
    fn a_rule_is_shown_with_what_check_warns_of_and_with_nothing_of_its_neighbours() {
        let text = "
version: 1
defaults: {verify: {resolved_within: 3m}}
rules:
  - {name: any, match: [a=b], target: {container: $labels.c, allow: ['*']}, steps: [restart]}
  - {name: late, match: [a=b, c=d], target: {container: web}, steps: [restart], cooldown: 10s}
";
        let file = SourceFile { path: "rules/web.yaml".into(), text: text.into() };
        let (set, warnings) = compile(&[file], &Context::default()).expect("good");
        let codes = |rule: &Value| {
            let warnings = rule["warnings"].as_array().expect("a list").iter();
            warnings.map(|it| it["code"].as_str().expect("a code").to_owned()).collect::<Vec<_>>()
        };
        // What `defaults` say is said by each rule that stands on them.
        let shown = all(&set);
        assert_eq!(codes(&shown[0]), ["F100", "F022"]);
        assert_eq!(codes(&shown[1]), ["F100", "F101", "F096"]);
        assert_eq!(warnings.len(), 4, "told once: {warnings:#?}");
        let first = &shown[1]["warnings"][1];
        assert_eq!(
            (&first["severity"], &first["file"], &first["line"]),
            (&json!("warning"), &json!("rules/web.yaml"), &json!(6))
        );
    }
}
