//! What holds for any rules and any alert.

use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;

use super::compile::{Context, SourceFile, compile};
use super::model::Rule;
use super::set::RuleSet;
use crate::alert::labels::Labels;
use crate::diagnostic::render::human;

fn set(text: &str) -> RuleSet {
    let file = SourceFile { path: "rules.yaml".into(), text: text.into() };
    compile(&[file], &Context::default()).map_or_else(|found| panic!("{text}\n{}", human(&found)), |(set, _)| set)
}

/// A few names and values, so that rules and alerts meet often.
fn matcher() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["alertname", "env", "job", "zone"]);
    let op = prop::sample::select(vec!["=", "!=", "=~", "!~"]);
    let value = prop::sample::select(vec!["", "a", "b", "c", "a|b", "b|c|b", "a|", "[ab]", "a.*", ".+", "a c"]);
    (name, op, value).prop_map(|(name, op, value)| format!("{name}{op}\"{value}\""))
}

fn rules() -> impl Strategy<Value = String> {
    prop::collection::vec((prop::collection::vec(matcher(), 0..3), any::<bool>()), 0..30).prop_map(|rules| {
        let mut text = "version: 1\nrules:\n".to_owned();
        if rules.is_empty() {
            return "version: 1\nrules: []\n".to_owned();
        }
        for (at, (matchers, proceed)) in rules.iter().enumerate() {
            // The last one makes the rule legal whatever the others say.
            let list =
                matchers.iter().map(|m| format!("'{m}'")).chain(["'must=y'".into()]).collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "- {{name: r{at}, match: [{list}], target: {{container: a}}, steps: [restart], continue: {proceed}}}"
            );
        }
        text
    })
}

fn labels() -> impl Strategy<Value = Labels> {
    let name = prop::sample::select(vec!["alertname", "env", "job", "zone", "other", "more"]);
    let value = prop::sample::select(vec!["", "a", "b", "c", "ab", "a c"]);
    prop::collection::vec((name, value), 0..6).prop_map(|mut pairs| {
        pairs.push(("must", "y"));
        pairs.into_iter().collect()
    })
}

/// Asks every rule in order.
fn scan<'s>(set: &'s RuleSet, labels: &Labels) -> Vec<&'s Arc<Rule>> {
    let mut selected = Vec::new();
    for rule in set.iter().filter(|rule| rule.matchers.iter().all(|matcher| matcher.matches(labels))) {
        selected.push(rule);
        if !rule.proceed {
            break;
        }
    }
    selected
}

fn names<'s>(rules: impl IntoIterator<Item = &'s Arc<Rule>>) -> Vec<&'s str> {
    rules.into_iter().map(|rule| rule.name.as_str()).collect()
}

proptest! {
    #[test]
    fn select_agrees_with_asking_every_rule(text in rules(), alerts in prop::collection::vec(labels(), 20)) {
        let set = set(&text);
        for labels in &alerts {
            prop_assert_eq!(names(set.select(labels)), names(scan(&set, labels)), "{:?}\n{}", labels, text);
        }
    }

    #[test]
    fn no_text_makes_compile_panic(text in "([a-z\"'{}\\[\\]:,&*|>!#%@$~ -]|\n  |\n- |: |match|steps|rules|version: 1|\\PC){0,60}") {
        let _ = compile(&[SourceFile { path: "x".into(), text }], &Context::default());
    }

    #[test]
    fn no_damage_to_a_good_file_makes_compile_panic(
        at in any::<prop::sample::Index>(), cut in 0..20_usize, put in "[\\[\\]{}:,'\"$é \n\t&*0-9-]{0,4}",
    ) {
        let good = include_str!("../../../../tests/corpus/rules/defaults.good.yaml");
        let chars: Vec<char> = good.chars().collect();
        let from = at.index(chars.len());
        let text: String = chars[..from].iter().copied().chain(put.chars()).chain(chars[from..].iter().copied().skip(cut)).collect();
        if let Err(found) = compile(&[SourceFile { path: "x".into(), text }], &Context::default()) {
            prop_assert!(!found.is_empty() && !human(&found).is_empty());
        }
    }
}

#[test]
fn the_first_match_wins_and_continue_asks_on() {
    let rule = |name: &str, matcher: &str, proceed: bool| {
        format!(
            "- {{name: {name}, match: ['{matcher}'], target: {{container: a}}, steps: [restart], continue: {proceed}}}\n"
        )
    };
    let text = ["version: 1\nrules:\n".to_owned()]
        .into_iter()
        .chain([
            rule("regex", r#"alertname=~"D.*""#, true),
            rule("other", "alertname=Other", false),
            rule("words", r#"alertname=~"Down|Up""#, true),
            rule("env", "env=prod", false),
            rule("never", "alertname=Down", false),
        ])
        .collect::<String>();
    let set = set(&text);
    let alert = Labels::from_iter([("alertname", "Down"), ("env", "prod")]);
    assert_eq!(names(set.select(&alert)), ["regex", "words", "env"]);
    let own = Labels::from_iter([("alertname", "Down"), ("env", "prod"), ("fettle", "self")]);
    assert_eq!(names(set.select(&own)), [""; 0], "an alert that fettle posted");
    assert_eq!((set.len(), set.get("words").map(|rule| rule.source.as_str())), (5, Some("rules.yaml:5")));
    assert!(set.get("none").is_none());
}

#[test]
fn files_come_in_byte_order_of_path_and_the_digest_tells_any_change() {
    let rule = |name: &str| {
        format!("version: 1\nrules:\n- {{name: {name}, match: [a=b], target: {{container: a}}, steps: [restart]}}\n")
    };
    let file = |path: &str, name: &str| SourceFile { path: path.into(), text: rule(name) };
    let load = |files: &[SourceFile]| compile(files, &Context::default()).expect("good").0;
    let set = load(&[file("b.yaml", "b"), file("a/z.yaml", "az"), file("a.yaml", "a"), file("B.yaml", "B")]);
    assert_eq!(names(set.iter()), ["B", "a", "az", "b"]);
    let one = load(&[file("a.yaml", "a"), file("b.yaml", "b")]);
    assert_eq!(one.digest(), load(&[file("b.yaml", "b"), file("a.yaml", "a")]).digest());
    assert_ne!(one.digest(), load(&[file("a.yaml", "a"), file("c.yaml", "b")]).digest());
    assert_ne!(one.digest(), load(&[file("a.yaml", "a"), file("b.yaml", "c")]).digest());
}
