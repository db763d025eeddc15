//! Every `*.good.yaml` loads; every `*.bad.yaml` says exactly what its snapshot says; every rule code is met.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alert::labels::Labels;
use crate::diagnostic::render::human;
use crate::diagnostic::{Diagnostic, codes};
use crate::rule::compile::{Context, SourceFile, compile};
use crate::rule::set::RuleSet;
use crate::target::{Disks, Hosts};

fn corpus(ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/rules");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

/// What a file is read with, by the first word of its name: `hosts-` two hosts, `all-` also Alertmanager, Prometheus and
/// disks, `nobody-` nobody who could approve.
fn context(name: &str) -> Context {
    let mut context = Context::default();
    let two = || Hosts::new([("node-a", &["node-a:9100".to_owned()][..]), ("node-b", &[][..])]);
    match name.split('-').next() {
        Some("hosts") => context.hosts = two(),
        Some("all") => {
            let allow = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
            let disk = |name: &str, names: &[&str]| (name.to_owned(), allow(names));
            context.hosts = two();
            (context.alertmanager, context.prometheus) = (true, true);
            context.disks = Disks::from([
                ("node-a".into(), [disk("srv", &["clean_logs", "prune"]), disk("tmp", &["clean_logs"])].into()),
                ("node-b".into(), [disk("data", &["prune"])].into()),
            ]);
            let mount = |name: &str, path: &str| (name.to_owned(), path.to_owned());
            context.mounts = [
                ("node-a".into(), [mount("srv", "/srv"), mount("tmp", "/tmp")].into()),
                ("node-b".into(), [mount("data", "/data")].into()),
            ]
            .into();
        }
        Some("nobody") => context.approvers = false,
        _ => {}
    }
    context
}

fn read(path: &Path) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let context = context(&name);
    let text = std::fs::read_to_string(path).expect("UTF-8");
    compile(&[SourceFile { path: name, text }], &context)
}

#[test]
fn good_files_load_with_the_warnings_of_their_snapshot() {
    let mut shown = String::new();
    for path in corpus(".good.yaml") {
        let (set, warnings) = read(&path).unwrap_or_else(|found| panic!("{}", human(&found)));
        assert!(!set.is_empty(), "{}", path.display());
        shown += &human(&warnings);
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn bad_files_say_every_problem_with_its_place() {
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "../../../../../tests/corpus/rules" }, {
        for path in corpus(".bad.yaml") {
            let found = read(&path).expect_err("a bad file");
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            insta::assert_snapshot!(name, human(&found));
        }
    });
}

#[test]
fn every_code_that_rules_can_cause_is_in_the_corpus() {
    let mut met: BTreeSet<&str> = BTreeSet::new();
    for path in corpus(".bad.yaml").iter().chain(&corpus(".good.yaml")) {
        let found = read(path).map_or_else(|found| found, |(_, warnings)| warnings);
        met.extend(found.iter().map(|it| it.code));
    }
    // Met elsewhere: a file that cannot be read, windows beyond retention, an empty folder, recorded alerts, variables, hosts of a
    // service.
    let elsewhere = ["F001", "F029", "F031", "F106", "F107", "F108"];
    // From F050 on settings, F070 to F075 time intervals, then hosts, then rules again, from F110 on settings again.
    let of_rules = |id: &str| !("F050".."F070").contains(&id) && !("F076".."F080").contains(&id) && id < "F110";
    let missing: Vec<&str> = codes::ALL
        .iter()
        .map(|code| code.id)
        .filter(|id| of_rules(id) && !met.contains(id) && !elsewhere.contains(id))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_budget_window_must_not_outlast_the_audit() {
    let text = "version: 1\nrules:\n  - name: a\n    match: [a=b]\n    target: {container: a}\n    steps: [restart]\n    budget: [3 per 2d]\n";
    let file = SourceFile { path: "a.yaml".into(), text: text.into() };
    let context = Context { audit_kept: Duration::from_hours(24), ..Context::default() };
    let found = compile(&[file], &context).expect_err("too long");
    assert_eq!((found[0].code, found[0].line, found[0].column), ("F029", 7, 14));
}

#[test]
fn a_label_that_no_recorded_alert_carries_is_told_with_its_nearest() {
    let text = "version: 1\nrules:\n  - name: a\n    match: [alertname=Down]\n    target: {container: $labels.servce, allow: [a]}\n    steps: [restart]\n";
    let file = [SourceFile { path: "a.yaml".into(), text: text.into() }];
    let said = |history: &[&[(&str, &str)]]| {
        let history = history.iter().map(|labels| labels.iter().copied().collect::<Labels>()).collect();
        let context = Context { history: Some(history), ..Context::default() };
        let (_, warnings) = compile(&file, &context).expect("it loads");
        warnings.into_iter().map(|it| (it.code, it.line, it.message, it.help.unwrap_or_default())).collect::<Vec<_>>()
    };
    let down = [("alertname", "Down"), ("service", "web")];
    let [(code, line, message, help)] = &said(&[&down, &[("alertname", "Other"), ("servce", "x")]])[..] else {
        panic!("one")
    };
    assert_eq!((*code, *line, help.as_str()), ("F106", 5, "did you mean $labels.service?"));
    assert!(message.contains("that the rule selects carries the label `servce` (1 looked at)"), "{message}");
    assert_eq!(said(&[&down, &[("alertname", "Down"), ("servce", "x")]]), [], "one that carries it is enough");
    let [(_, _, message, _)] = &said(&[&[("alertname", "Other")]])[..] else { panic!("one") };
    assert!(message.contains("at all"), "{message}");
    assert_eq!(said(&[]), [], "nothing recorded says nothing");
}

#[test]
fn a_person_is_not_waited_for_beyond_freshness_even_when_nothing_is_said() {
    let text = "version: 1\nrules:\n  - name: a\n    match: [a=b]\n    target: {container: a}\n    steps: [{restart: , approval: {}}]\n";
    let file = [SourceFile { path: "a.yaml".into(), text: text.into() }];
    let context = Context { freshness: Duration::from_mins(5), ..Context::default() };
    let found = compile(&file, &context).expect_err("10m is beyond 5m");
    assert_eq!((found.len(), found[0].code, found[0].line, found[0].column), (1, "F092", 6, 35));
    let asked = Context { alertmanager: true, ..context };
    assert!(compile(&file, &asked).is_ok(), "Alertmanager knows whether it still fires");
}

#[test]
fn a_name_used_in_two_files_is_reported_with_both_places() {
    let text = "version: 1\nrules:\n  - {name: a, match: [a=b], target: {container: a}, steps: [restart]}\n";
    let file = |path: &str| SourceFile { path: path.into(), text: text.into() };
    let found = compile(&[file("b.yaml"), file("a.yaml")], &Context::default()).expect_err("twice");
    assert_eq!((found.len(), found[0].file.as_str(), found[0].line), (1, "b.yaml", 3));
    assert!(found[0].message.contains("a.yaml:3:12"), "{}", found[0].message);
}

#[test]
fn what_is_not_said_has_its_documented_default() {
    let (set, _) = read(&corpus("defaults.good.yaml")[0]).unwrap_or_else(|found| panic!("{}", human(&found)));
    insta::assert_debug_snapshot!(set.iter().collect::<Vec<_>>());
}
