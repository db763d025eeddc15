//! The rails around a rule: its breaker, the storm, other alerts, windows, the metric, what Alertmanager is told.

use super::driver::{Story, story};
use crate::announcement::AnnouncementName;
use crate::decide::Blind;
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::record::{BreakerRow, Record};
use crate::remediation::refusal::Guard;
use crate::remediation::state::StateName;
use crate::rule::model::{Mode, Unless, Verify};
use crate::settings::{StormLimit, TripLimit};
use crate::surroundings::{Answer, AnswerKind, Breaker, Storm, Upstream};
use crate::testing::{at, firing, id, restart, rule, secs};
use crate::time::Timestamp;

fn tripping(then: Mode) -> Story {
    let mut story = story(rule("r"));
    story.settings.trip = Some(TripLimit { unproven: 2, within: secs(1000), then });
    story
}

impl Story {
    fn breaker_rows(&self) -> Vec<BreakerRow> {
        self.records
            .iter()
            .filter_map(|it| if let Record::Breaker(row) = it { Some(row.clone()) } else { None })
            .collect()
    }

    fn announced(&self) -> Vec<(AnnouncementName, Timestamp, bool)> {
        let row = |it: &Record| match it {
            Record::Announce(it) => Some((it.name, it.at, it.until > it.at)),
            _ => None,
        };
        self.records.iter().filter_map(row).collect()
    }
}

#[test]
fn the_breaker_opens_with_the_verdict_that_is_one_too_many() {
    for (before, opens) in [(vec![], false), (vec![at(-300)], true), (vec![at(-1001)], false)] {
        let mut story = tripping(Mode::Propose);
        story.surroundings.breaker.unproven = before.clone();
        story.docker.cures = false;
        story.run_to(601);
        assert_eq!(story.verdicts(), [Verdict::NotFixed]);
        let opened: Vec<_> = story.breaker_rows().iter().map(|row| row.opened_at).collect();
        assert_eq!(opened, if opens { vec![Some(at(601))] } else { vec![] }, "{before:?}");
    }
}

#[test]
fn an_open_breaker_lowers_the_mode_and_half_open_tries_one_act() {
    let mut open = tripping(Mode::Propose);
    open.surroundings.breaker.opened_at = Some(at(-10));
    open.wake();
    assert_eq!((open.state(), open.docker.effects), (StateName::AwaitingApproval, 0));
    let mut refusing = tripping(Mode::Observe);
    refusing.surroundings.breaker.opened_at = Some(at(-10));
    refusing.wake();
    assert_eq!((refusing.blocked_by(), refusing.due()), (Some(Guard::Tripped), Some(at(990))));
    assert_eq!((refusing.events(), refusing.docker.effects), (vec!["gave_up"], 0));
    let mut half = tripping(Mode::Propose);
    half.surroundings.breaker = Breaker { opened_at: Some(at(-1000)), probe: None, unproven: Vec::new() };
    half.wake();
    assert_eq!(half.docker.effects, 1);
    let row = half.breaker_rows().remove(0);
    assert_eq!((row.opened_at, row.probe), (Some(at(-1000)), half.remediation.last_action));
    let mut taken = tripping(Mode::Propose);
    taken.surroundings.breaker = Breaker { opened_at: Some(at(-1000)), probe: Some(id(77)), unproven: Vec::new() };
    taken.wake();
    assert_eq!((taken.state(), taken.docker.effects), (StateName::AwaitingApproval, 0), "one probe at a time");
}

#[test]
fn a_probe_that_fixes_closes_the_breaker_and_one_that_does_not_opens_it_anew() {
    for cures in [true, false] {
        let mut story = tripping(Mode::Propose);
        story.surroundings.breaker.opened_at = Some(at(-1000));
        story.wake();
        story.surroundings.breaker.probe = story.remediation.last_action;
        story.docker.change(|it| if cures { it } else { it.exited(1) });
        if cures {
            story.alerts = vec![firing("A").resolved_at(10)];
        }
        story.run_to(601);
        let last = story.breaker_rows().pop().expect("a verdict on the probe");
        assert_eq!(last.opened_at.is_none(), cures, "{:?}", story.verdicts());
    }
}

#[test]
fn a_storm_lowers_the_mode_until_it_was_quiet_for_long_enough() {
    let limit = StormLimit { targets: 5, within: secs(120), then: Mode::Propose, quiet_for: secs(600) };
    for (last_at, then, state) in [
        (at(-599), Mode::Propose, StateName::AwaitingApproval),
        (at(-600), Mode::Propose, StateName::Verifying),
        (at(-1), Mode::Observe, StateName::Blocked),
    ] {
        let mut story = story(rule("r"));
        story.settings.storm = Some(StormLimit { then, ..limit });
        story.surroundings.storm = Some(Storm { since: at(-900), last_at, targets: 9 });
        story.wake();
        assert_eq!(story.state(), state, "{last_at} {then:?}");
    }
}

#[test]
fn a_probe_that_says_nothing_of_the_rule_makes_room_for_the_next() {
    let mut story = tripping(Mode::Observe);
    story.surroundings.breaker.opened_at = Some(at(-1000));
    story.wake();
    story.surroundings.breaker.probe = story.remediation.last_action;
    story.docker.change(|it| it.restarted_at(20));
    story.run_to(700);
    assert_eq!(story.verdicts(), [Verdict::Superseded]);
    let last = story.breaker_rows().pop().expect("the probe is over");
    assert_eq!((last.opened_at, last.probe), (Some(at(-1000)), None));
}

#[test]
fn a_person_who_cancels_counts_neither_for_nor_against_the_rule() {
    let cancelled = |story: &mut Story| {
        let by = || "anna".to_owned();
        let answer = Answer { id: id(900), kind: AnswerKind::Cancel, plan: None, by: by(), at: story.now };
        story.surroundings.answer = Some(answer);
        story.wake();
        assert_eq!((story.verdicts(), story.outcome()), (vec![Verdict::Superseded], Some(Outcome::Cancelled)));
        assert!(!Verdict::Superseded.proves_nothing(), "the store counts by the verdict");
    };
    let mut story = tripping(Mode::Propose);
    story.surroundings.breaker.unproven = vec![at(-5)];
    story.wake();
    cancelled(&mut story);
    assert_eq!((story.breaker_rows(), story.events()), (vec![], vec![]), "one strike, of two");
    let mut probe = tripping(Mode::Propose);
    probe.surroundings.breaker.opened_at = Some(at(-1000));
    probe.wake();
    probe.surroundings.breaker.probe = probe.remediation.last_action;
    cancelled(&mut probe);
    let last = probe.breaker_rows().pop().expect("the probe is over");
    assert_eq!((last.opened_at, last.probe), (Some(at(-1000)), None), "the next act is tried");
}

#[test]
fn unless_holds_while_the_other_alert_has_fresh_evidence_and_the_same_labels() {
    let rule = || {
        let matchers = crate::matcher::parse("alertname=\"HostDown\"").expect("a matcher");
        let mut rule = rule("r");
        rule.unless = vec![Unless { matchers, equal: vec!["instance".into()] }];
        rule
    };
    let on = |instance: &str| {
        let mut alert = firing("HostDown");
        alert.labels.set("instance", instance);
        alert
    };
    // The opening alert has no instance: equal to one that lacks it, unequal to any other.
    for (related, blocked) in [
        (vec![firing("HostDown")], true),
        (vec![on("node-b")], false),
        (vec![firing("Other")], false),
        (vec![firing("HostDown").resolved_at(0)], false),
    ] {
        let mut story = story(rule());
        story.surroundings.related = related.clone();
        story.wake();
        assert_eq!(story.blocked_by() == Some(Guard::Unless), blocked, "{related:?}");
    }
}

#[test]
fn silence_means_hands_off_and_no_answer_of_alertmanager_blocks_what_is_stale() {
    let mut silenced = story(rule("r"));
    silenced.surroundings.upstream = Upstream::Answered { at: at(0), silenced: true };
    silenced.wake();
    assert_eq!((silenced.blocked_by(), silenced.due()), (Some(Guard::Silenced), Some(at(15))));
    let mut blind = story(rule("r"));
    blind.now = at(700);
    blind.surroundings.upstream = Upstream::Silent { error: "no peer answers".into() };
    blind.wake();
    assert_eq!((blind.blocked_by(), blind.docker.effects), (Some(Guard::Expired), 0));
    blind.surroundings.upstream = Upstream::Answered { at: at(715), silenced: false };
    blind.alerts = vec![firing("A").heard_at(715)];
    blind.run_to(716);
    assert_eq!(blind.docker.effects, 1, "it answers again");
}

#[test]
fn a_metric_must_hold_besides_and_one_that_cannot_be_asked_is_blindness_never_fixed() {
    let verify = Verify { query: Some("up == 1".into()), ..Verify::default() };
    let blind = Blind { reason: "upstream_unreachable", error: "x".into() };
    for (metric, verdict) in [(Ok(true), Verdict::Fixed), (Ok(false), Verdict::Cleared), (Err(blind), Verdict::Unknown)]
    {
        let mut step = restart();
        step.verify = verify.clone();
        let mut story = story(rule("r").climbing([step]));
        story.metric = metric.clone();
        story.wake();
        story.alerts = vec![firing("A").resolved_at(10)];
        story.run_to(700);
        assert_eq!(story.verdicts(), [verdict], "{metric:?}");
    }
}

#[test]
fn fettles_own_alert_stands_while_it_works_and_ends_with_the_remediation() {
    let mut fixed = story(rule("r"));
    fixed.settings.alertmanager = true;
    fixed.wake();
    assert_eq!(fixed.announced(), [(AnnouncementName::Working, at(0), true)]);
    fixed.alerts = vec![firing("A").resolved_at(10)];
    fixed.run_to(100);
    assert_eq!(fixed.outcome(), Some(Outcome::Fixed));
    let last = fixed.announced().pop().expect("taken back");
    assert_eq!((last.0, last.2), (AnnouncementName::Working, false));
    let mut given_up = story(rule("r"));
    given_up.settings.alertmanager = true;
    given_up.docker.cures = false;
    given_up.run_to(700);
    let names: Vec<_> = given_up.announced().into_iter().map(|(name, _, stands)| (name, stands)).collect();
    let ends = [(AnnouncementName::GaveUp, true), (AnnouncementName::Working, false)];
    assert_eq!(names[names.len() - 2..], ends, "{names:?}");
    let mut observing = story(rule("r").observing());
    observing.settings.alertmanager = true;
    observing.run_to(700);
    assert_eq!(observing.announced(), []);
}

#[test]
fn nothing_says_that_fettle_works_while_a_person_is_asked() {
    let mut story = story(rule("r")).in_mode(Mode::Propose);
    story.settings.alertmanager = true;
    story.wake();
    assert_eq!((story.state(), story.announced().len()), (StateName::AwaitingApproval, 0));
}
