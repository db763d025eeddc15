//! One open remediation per target: who drives it, who joins, who waits, who is refused.

use super::shelf::{fires, resolves, shelf};
use crate::alert::episode::Word;
use crate::alert::labels::Labels;
use crate::receive::Standing;
use crate::remediation::outcome::{ActionResult, Outcome};
use crate::remediation::record::Record;
use crate::remediation::state::StateName;
use crate::target::Hosts;
use crate::testing::{at, rule};

#[test]
fn a_second_alert_of_the_same_rule_joins_and_is_told_once() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0), fires("B", 0)]).hears(20, &[fires("B", 0)]);
    assert_eq!((shelf.opened.len(), shelf.stands("B", "r")), (1, Some((Standing::Attached, 1))));
    assert_eq!(shelf.told(), ["held opened", "held alert attached"]);
    shelf.hears(30, &[resolves("B", 0, 25)]);
    assert_eq!(shelf.woken, [shelf.remediations[0].id]);
}

#[test]
fn an_alert_that_joins_is_told_in_the_state_the_remediation_is_in() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[fires("A", 0)]);
    shelf.world.open.values_mut().for_each(|open| open.state = StateName::Verifying);
    shelf.hears(20, &[fires("B", 0)]);
    assert_eq!(shelf.told(), ["held opened", "verifying alert attached"]);
}

#[test]
fn another_rule_waits_with_one_refusal_on_record_and_is_opened_when_asked_again() {
    let mut shelf = shelf([rule("first"), rule("second")]);
    shelf.hears(10, &[fires("A", 0)]).hears(20, &[fires("A", 0)]);
    assert_eq!((shelf.refused(), shelf.opened.len()), (vec!["second in_flight".to_owned()], 1));
    assert_eq!(shelf.stands("A", "second"), Some((Standing::Waiting, 1)));
    let Some(Record::Action(row)) = shelf.records.iter().find(|it| matches!(it, Record::Action(_))) else {
        panic!("a refusal is an audit row")
    };
    assert_eq!((row.result, row.finished_at, row.spends), (Some(ActionResult::Refused), Some(at(10)), false));
    assert_eq!(row.detail["why"], "rule first is at work on it");
    shelf.ask_again(30);
    assert_eq!(shelf.opened.len(), 1, "it is still at work");
    shelf.closes(40, "first", Outcome::Escalated).ask_again(41);
    assert_eq!((shelf.by_rule()["second"], shelf.stands("A", "second")), (1, Some((Standing::Attached, 1))));
    assert_eq!(shelf.refused().len(), 1);
}

#[test]
fn who_waits_for_a_target_whose_alert_resolved_is_not_opened() {
    let mut shelf = shelf([rule("first"), rule("second")]);
    shelf
        .hears(10, &[fires("A", 0)])
        .hears(30, &[resolves("A", 0, 25)])
        .closes(40, "first", Outcome::Fixed)
        .ask_again(41);
    assert_eq!(shelf.opened.len(), 1);
    shelf.hears(60, &[fires("A", 50)]);
    assert_eq!((shelf.opened.len(), shelf.refused().len()), (2, 2), "a new episode, a new refusal");
}

#[test]
fn who_waits_follows_whoever_is_at_work_now() {
    let mut shelf = shelf([rule("first"), rule("second")]);
    shelf.hears(10, &[fires("A", 0)]).closes(20, "first", Outcome::Expired).hears(30, &[fires("A", 0)]);
    assert_eq!(shelf.by_rule()["first"], 2, "the first rule came first again");
    let candidate = shelf.candidate("A", "second");
    assert_eq!((candidate.standing, candidate.remediation), (Standing::Waiting, Some(shelf.remediations[1].id)));
    assert_eq!(shelf.refused().len(), 1, "still once per episode");
}

#[test]
fn what_expired_is_not_opened_again_for_the_sake_of_who_waits() {
    let mut shelf = shelf([rule("first"), rule("second")]);
    shelf.hears(10, &[fires("A", 0)]).closes(5000, "first", Outcome::Expired).ask_again(5000);
    assert_eq!(shelf.opened.len(), 2);
    assert_eq!((shelf.by_rule()["first"], shelf.by_rule()["second"]), (1, 1), "it is the turn of who waited");
    shelf.closes(5000, "second", Outcome::Expired).ask_again(5000);
    assert_eq!(shelf.opened.len(), 2, "nobody waits, and nothing was heard since");
    shelf.hears(5010, &[fires("A", 0)]);
    assert_eq!(shelf.by_rule()["first"], 2, "it is heard again");
}

#[test]
fn who_waits_for_a_rule_that_was_removed_is_not_asked_for_ever() {
    let mut shelf = shelf([rule("first"), rule("second")]);
    shelf.hears(10, &[fires("A", 0)]).closes(20, "first", Outcome::Escalated);
    let second = shelf.rules.pop();
    shelf.ask_again(21);
    assert_eq!(shelf.stands("A", "second").map(|it| it.0), Some(Standing::Free));
    shelf.rules.extend(second);
    shelf.hears(30, &[fires("A", 0)]);
    assert_eq!(shelf.by_rule()["second"], 1, "it came back");
}

#[test]
fn rules_that_continue_with_other_targets_open_both() {
    let mut other = rule("other");
    other.target.find = crate::rule::model::Find::Container(crate::rule::model::Word::Literal("db".into()));
    let mut shelf = shelf([rule("r"), other]);
    shelf.hears(10, &[fires("A", 0)]);
    let targets: Vec<_> = shelf.opened.iter().map(|it| it.1.as_str()).collect();
    assert_eq!((targets, shelf.refused().len()), (vec!["container:local/web", "container:local/db"], 0));
}

fn hostile(value: &str) -> (Labels, Word) {
    (Labels::from_iter([("alertname", "H"), ("service", value)]), Word::Firing { starts_at: at(0) })
}

#[test]
fn a_value_that_names_nothing_is_refused_for_good_once_per_episode_and_rule() {
    let mut shelf = shelf([rule("r").allowing(&["*"]), rule("s").allowing(&["*"])]);
    let body = [hostile(&format!("../volumes/prune#\u{202e}{}", "x".repeat(100_000)))];
    shelf.hears(10, &body).hears(20, &body);
    assert_eq!(shelf.refused(), ["r no_target", "s no_target"]);
    for remediation in &shelf.remediations {
        assert_eq!(
            (remediation.outcome(), remediation.target.to_string()),
            (Some(Outcome::Refused), "container:local/?".into())
        );
    }
    for record in &shelf.records {
        let Record::Action(row) = record else { continue };
        let why = row.detail["why"].as_str().expect("why");
        assert!(why.len() < 320 && why.contains("../volumes/prune#\\u{202e}"), "{why}");
    }
    assert!(shelf.world.open.is_empty());
}

#[test]
fn a_name_the_rule_does_not_permit_is_refused_before_anything_is_looked_up() {
    let mut shelf = shelf([rule("r").allowing(&["api-*"])]);
    shelf.hears(10, &[hostile("db")]).hears(20, &[hostile("db")]);
    assert_eq!(shelf.refused(), ["r not_allowed"]);
    assert!(shelf.world.open.is_empty(), "nothing is open, so nothing will be looked up");
    shelf.hears(30, &[hostile("api-1")]);
    assert_eq!((shelf.refused().len(), shelf.world.open.len()), (1, 1));
}

#[test]
fn an_alert_about_another_machine_is_refused_before_it_opens_or_joins_anything() {
    let mut shelf = shelf([rule("r")]);
    let instances = ["node-a:9100".to_owned()];
    shelf.settings.hosts = Hosts::new([("local", &instances[..])]);
    let about = |name: &str, instance: &str| {
        let labels = Labels::from_iter([("alertname", name), ("service", "web"), ("instance", instance)]);
        (labels, Word::Firing { starts_at: at(0) })
    };
    shelf.hears(10, &[about("A", "node-b:9100")]);
    assert_eq!((shelf.refused(), shelf.world.open.len()), (vec!["r other_host".to_owned()], 0));
    shelf.hears(20, &[about("B", "node-a:9100"), about("C", "node-b:9100"), about("B", "node-a:9100")]);
    assert_eq!((shelf.refused(), shelf.world.open.len()), (vec!["r other_host".to_owned(); 2], 1));
    assert_eq!(shelf.told(), ["held opened"], "the alert of the other machine joins nothing");
}

#[test]
fn an_absent_label_names_nothing_and_does_not_stop_its_neighbours() {
    let mut shelf = shelf([rule("r").allowing(&["*"])]);
    let unnamed = (Labels::from_iter([("alertname", "H")]), Word::Firing { starts_at: at(0) });
    shelf.hears(10, &[unnamed, fires("A", 0)]);
    assert_eq!((shelf.refused(), shelf.world.open.len()), (vec!["r no_target".to_owned()], 1));
}

#[test]
fn an_alert_without_a_name_is_an_alert() {
    let mut shelf = shelf([rule("r")]);
    shelf.hears(10, &[(Labels::from_iter([("x", "y")]), Word::Firing { starts_at: at(0) })]);
    assert_eq!(shelf.opened.len(), 1);
}
