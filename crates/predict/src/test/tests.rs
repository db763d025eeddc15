//! Tests of tests: what passes, what fails, and how that reads.

use super::show::{Ran, Results, human, json, junit};
use super::*;
use fettle_core::rule::compile::SourceFile;

/// The rules beside the corpus.
const RULES: &str = "rule_files: [rules/down.yaml]\n";

fn file(text: &str) -> TestFile {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/corpus/tests/here.test.yaml").to_owned();
    let loaded = load(&SourceFile { path, text: format!("{RULES}{text}") });
    loaded.unwrap_or_else(|found| panic!("{}", fettle_core::diagnostic::render::human(&found)))
}

fn results(text: &str) -> Results {
    let file = file(text);
    let mut results = Results::default();
    for rules in file.rule_sets() {
        results.coverage.add(rules);
    }
    for case in &file.cases {
        let outcome = run(&file, case);
        results.coverage.reach(&outcome.happened);
        let (name, line) = (case.name.clone(), case.line);
        results.ran.push(Ran { file: "here.test.yaml".into(), line, name, difference: outcome.difference });
    }
    // The same wherever the sources lie.
    results.coverage.reach(&[]);
    results
}

fn passes(text: &str) {
    let results = results(text);
    assert!(!results.ran.is_empty() && results.failed() == 0, "{}", human(&results));
}

/// Everything that can be said of a container, a service, a disk, a person and Docker, once.
#[test]
fn what_people_and_docker_do_is_seen_by_what_fettle_does() {
    passes(include_str!("../../../../tests/corpus/tests/everything.part.yaml"));
}

#[test]
fn what_is_not_expected_fails_and_is_shown_between_what_is() {
    let results = results(
        "tests:
  - name: a wrong guess
    docker: {containers: [{name: web}, {name: db}], restart: {db: fails}}
    timeline:
      - {at: 0m, firing: {alertname: Down, service: web}}
      - {at: 1m, resolved: {alertname: Down, service: web}}
      - {at: 2m, firing: {alertname: Down, service: db}}
      - {at: 3m, approve: \"container:local/db\"}
    expect:
      - {at: 0m, action: restart, target: \"container:local/web\"}
      - {at: 2m, action: restart, target: \"container:local/db\", result: succeeded}
      - {at: 4m, blocked: budget}
  - name: a right one
    docker: {containers: [{name: web}]}
    timeline: [{at: 0m, firing: {alertname: Down, service: web}}]
    expect: [{at: 0m, action: restart, verdict: unconfirmed}]
",
    );
    assert_eq!(results.failed(), 1);
    // Where the rules lie differs from machine to machine.
    let here = |text: String| text.replace(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), "");
    insta::assert_snapshot!("human", here(human(&results)));
    insta::assert_snapshot!("json", here(json(&results)));
    insta::assert_snapshot!("junit", here(junit(&results)));
}

#[test]
fn a_test_that_expects_nothing_fails_when_anything_is_done() {
    let one = |expect: &str| {
        let results = results(&format!(
            "tests:\n  - name: one\n    docker: {{containers: [{{name: web}}]}}\n    timeline: [{{at: 0m, firing: {{alertname: Down, service: web}}}}]\n{expect}"
        ));
        results.failed()
    };
    assert_eq!(one(""), 1);
    assert_eq!(one("    expect: [{at: 0m, action: restart}]\n"), 0);
    assert_eq!(one("    expect: [{at: 1s, action: restart}]\n"), 1, "at another time");
    assert_eq!(one("    expect: [{at: 0m, action: restart, rule: other}]\n"), 1, "another rule's");
    assert_eq!(one("    expect: [{at: 0m, action: restart, verdict: fixed}]\n"), 1, "another verdict");
}

#[test]
fn the_same_test_ends_the_same_whenever_it_is_run() {
    let file = file(include_str!("../../../../tests/corpus/tests/everything.part.yaml"));
    for case in &file.cases {
        assert_eq!(run(&file, case).happened, run(&file, case).happened, "{}", case.name);
    }
}

#[test]
fn the_test_in_the_readme_passes() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("README.md");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let tests: Vec<_> = blocks.filter(|block| block.starts_with("rule_files:")).collect();
    assert_eq!(tests.len(), 1, "the example is there");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules/README.test.yaml").to_owned();
    let file = load(&SourceFile { path, text: tests[0].to_owned() });
    let file = file.unwrap_or_else(|found| panic!("{}", fettle_core::diagnostic::render::human(&found)));
    for case in &file.cases {
        let difference = run(&file, case).difference;
        assert!(difference.is_none(), "{difference:#?}");
    }
}

#[test]
fn shipped_tests_pass_and_reach_every_rule() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rules");
    let files = fettle_engine::rule_files::read_tests(&[folder.into()]).expect("readable");
    assert!(files.len() >= 2);
    let mut results = Results::default();
    for file in &files {
        let file = load(file).unwrap_or_else(|found| panic!("{}", fettle_core::diagnostic::render::human(&found)));
        for rules in file.rule_sets() {
            results.coverage.add(rules);
        }
        for case in &file.cases {
            let outcome = run(&file, case);
            results.coverage.reach(&outcome.happened);
            let (file, name) = (file.path.clone(), case.name.clone());
            results.ran.push(Ran { file, line: case.line, name, difference: outcome.difference });
        }
    }
    assert_eq!(results.failed(), 0, "{}", human(&results));
    assert_eq!(results.coverage.not_reached(), []);
}
