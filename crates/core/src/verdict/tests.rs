//! The verdict table row by row, and whole verifications as a property.

use proptest::prelude::*;

use super::*;
use crate::sight::{Container, Health, Status};
use crate::testing::{at, container, firing, secs};
use crate::time::since;

/// The effect was at 0; settled at 5, healthy for 30, resolved within 600.
struct Case {
    verify: Verify,
    baseline: Option<Pin>,
    well_since: Option<Timestamp>,
    alerts: Vec<AlertState>,
}

fn case() -> Case {
    Case { verify: Verify::default(), baseline: Some(started().pin()), well_since: None, alerts: vec![firing("A")] }
}

/// The run that the effect began.
fn ran() -> Container {
    container().restarted_at(0)
}

fn started() -> Sight {
    ran().into()
}

fn unwell() -> Sight {
    ran().exited(1).into()
}

impl Case {
    fn well_since(self, second: i64) -> Self {
        Self { well_since: Some(at(second)), ..self }
    }

    fn resolved(self) -> Self {
        Self { alerts: vec![firing("A").resolved_at(20)], ..self }
    }

    fn heard_firing_at(self, second: i64) -> Self {
        Self { alerts: vec![firing("A").heard_at(second)], ..self }
    }

    fn judge(&self, now: i64, look: Look<'_>) -> Judgement {
        let Self { verify, baseline, well_since, alerts } = self;
        let (baseline, well_since) = (baseline.as_ref(), *well_since);
        let first = started().pin();
        let evidence = Evidence {
            verify,
            free_above: None,
            metric: None,
            effect_at: at(0),
            baseline,
            first: Some(&first),
            well_since,
            alerts,
            now: at(now),
        };
        judge(&evidence, look)
    }

    fn verdict(&self, now: i64, look: Look<'_>) -> Option<Verdict> {
        match self.judge(now, look) {
            Judgement::Given { verdict, .. } => Some(verdict),
            Judgement::Wait { .. } => None,
        }
    }
}

fn wait(well_since: Option<i64>, until: i64) -> Judgement {
    Judgement::Wait { well_since: well_since.map(at), until: at(until) }
}

#[test]
fn fixed_is_well_for_long_enough_and_every_alert_resolved() {
    let (sight, case) = (started(), case().resolved().well_since(5));
    assert_eq!(case.judge(34, Look::Seen(&sight)), wait(Some(5), 35));
    assert_eq!(case.verdict(35, Look::Seen(&sight)), Some(Verdict::Fixed));
    let alerts = vec![firing("A").resolved_at(20), firing("B")];
    assert_eq!(Case { alerts, ..case }.verdict(35, Look::Seen(&sight)), None, "one alert is still firing");
}

#[test]
fn unconfirmed_is_well_while_nothing_was_heard_of_the_alert_since() {
    let (sight, case) = (started(), case().well_since(5));
    assert_eq!(case.judge(590, Look::Seen(&sight)), wait(Some(5), 600));
    assert_eq!(case.verdict(600, Look::Seen(&sight)), Some(Verdict::Unconfirmed));
}

#[test]
fn still_firing_is_well_and_heard_firing_after_the_effect_and_only_then() {
    let sight = started();
    let verdict = |heard| case().well_since(5).heard_firing_at(heard).verdict(600, Look::Seen(&sight));
    assert_eq!(verdict(1), Some(Verdict::StillFiring));
    assert_eq!(verdict(0), Some(Verdict::Unconfirmed), "heard at the instant of the effect is not after it");
    assert_eq!(verdict(-30), Some(Verdict::Unconfirmed));
    let one_firing_before_one_resolved_after = vec![firing("A"), firing("B").heard_at(9).resolved_at(10)];
    let case = Case { alerts: one_firing_before_one_resolved_after, ..case().well_since(5) };
    assert_eq!(case.verdict(600, Look::Seen(&sight)), Some(Verdict::Unconfirmed));
}

#[test]
fn not_fixed_is_unwell_at_the_deadline_and_before_it_there_is_hope() {
    for sight in [
        unwell(),
        started().being(Status::Restarting),
        started().being(Status::Paused),
        started().checked(Health::Unhealthy),
        started().checked(Health::Starting),
    ] {
        assert_eq!(case().judge(10, Look::Seen(&sight)), wait(None, 12), "{sight:?}");
        assert_eq!(case().judge(599, Look::Seen(&sight)), wait(None, 600), "{sight:?}");
        assert_eq!(case().verdict(600, Look::Seen(&sight)), Some(Verdict::NotFixed), "{sight:?}");
    }
}

#[test]
fn cleared_is_resolved_and_not_proven_well() {
    assert_eq!(case().resolved().verdict(600, Look::Seen(&unwell())), Some(Verdict::Cleared));
}

#[test]
fn a_blind_look_is_never_fixed_and_at_the_deadline_it_is_unknown() {
    let well = || case().resolved().well_since(5);
    assert_eq!(well().judge(400, Look::Blind), wait(None, 402), "what nobody saw is not unbroken");
    assert_eq!(well().verdict(600, Look::Blind), Some(Verdict::Unknown));
    assert_eq!(case().verdict(9999, Look::Blind), Some(Verdict::Unknown));
}

#[test]
fn superseded_is_another_start_or_another_container_at_any_time() {
    for now in [5, 300, 600, 9999] {
        let case = case().resolved().well_since(-100);
        assert_eq!(case.verdict(now, Look::Gone), Some(Verdict::Superseded));
        assert_eq!(case.verdict(now, Look::Seen(&started().restarted_at(3))), Some(Verdict::Superseded));
        assert_eq!(case.verdict(now, Look::Seen(&started().remade("b"))), Some(Verdict::Superseded));
    }
}

#[test]
fn a_restart_by_policy_breaks_the_stretch_and_supersedes_nothing() {
    let crashed = started().crashed_at(20);
    assert_eq!(case().resolved().well_since(5).judge(36, Look::Seen(&crashed)), wait(Some(36), 66));
}

/// A container that crashes `every` seconds after each start, `n` times, and then runs.
fn crashed(n: i64, every: i64) -> Sight {
    (1..=n).fold(started(), |sight, i| sight.crashed_at(i * every))
}

#[test]
fn a_crash_loop_is_not_fixed_also_when_the_deadline_meets_one_of_its_runs() {
    for every in [1, 2, 5, 9, 15, 31, 45, 60] {
        let sight = crashed(600 / every, every);
        let case = Case { baseline: Some(sight.pin()), ..case().well_since(600 / every * every).heard_firing_at(590) };
        let Judgement::Given { verdict, reason } = case.judge(601, Look::Seen(&sight)) else { panic!("{every} s") };
        let text = format!("does not stay up: restarted by Docker {} times in 601 s", 600 / every);
        assert_eq!((verdict, reason), (Verdict::NotFixed, text));
        let between = sight.clone().awaiting_policy();
        assert_eq!(case.verdict(601, Look::Seen(&between)), Some(Verdict::NotFixed), "{every} s");
        assert_eq!(
            Case { alerts: vec![firing("A").resolved_at(580)], ..case }.verdict(601, Look::Seen(&sight)),
            Some(Verdict::Cleared),
            "an alert that went away for one run fixes nothing"
        );
    }
}

#[test]
fn a_crash_loop_whose_alert_goes_away_in_between_is_not_fixed_before_the_deadline() {
    let sight = crashed(3, 40);
    let case = Case { baseline: Some(sight.pin()), ..case().resolved().well_since(120) };
    assert!(matches!(case.judge(155, Look::Seen(&sight)), Judgement::Wait { .. }), "35 s of another 40 s");
    assert_eq!(case.verdict(201, Look::Seen(&sight)), Some(Verdict::Fixed), "twice as long as the runs before");
}

#[test]
fn a_target_that_crashed_twice_and_then_stayed_up_is_no_crash_loop() {
    let sight = crashed(2, 10);
    let case = Case { baseline: Some(sight.pin()), ..case().well_since(20) };
    assert_eq!(case.verdict(600, Look::Seen(&sight)), Some(Verdict::Unconfirmed));
    let once = crashed(1, 580);
    let case = Case { baseline: Some(once.pin()), ..case.well_since(580) };
    assert_eq!(case.verdict(610, Look::Seen(&once)), Some(Verdict::Unconfirmed), "one crash is not a loop");
}

#[test]
fn unhealthy_once_begins_the_stretch_anew() {
    let case = case().resolved().well_since(5);
    assert_eq!(case.judge(20, Look::Seen(&started().checked(Health::Unhealthy))), wait(None, 22));
}

#[test]
fn a_health_check_is_watched_all_the_time_it_must_stay_healthy() {
    let healthy = started().checked(Health::Healthy);
    assert_eq!(case().judge(5, Look::Seen(&healthy)), wait(Some(5), 7), "it may fail and pass between two looks");
    assert_eq!(case().well_since(5).judge(34, Look::Seen(&healthy)), wait(Some(5), 35));
    assert_eq!(case().judge(5, Look::Seen(&started())), wait(Some(5), 35), "a run shows its breaks by itself");
}

#[test]
fn what_is_well_is_not_called_not_fixed_because_the_deadline_came_first() {
    let sight = started();
    assert_eq!(case().well_since(590).judge(600, Look::Seen(&sight)), wait(Some(590), 620));
    assert_eq!(case().judge(600, Look::Seen(&sight)), wait(Some(600), 630), "it came up in the last moment");
    assert_eq!(case().judge(4000, Look::Seen(&sight)), wait(Some(4000), 4030), "nobody looked, fettle was down");
}

#[test]
fn a_break_after_the_deadline_is_the_end() {
    let extended = || case().well_since(590);
    assert_eq!(extended().verdict(610, Look::Seen(&unwell())), Some(Verdict::NotFixed));
    assert_eq!(extended().verdict(610, Look::Blind), Some(Verdict::Unknown));
    let Judgement::Given { verdict, reason } = extended().judge(610, Look::Seen(&started().crashed_at(605))) else {
        panic!("a crash is a break");
    };
    assert_eq!((verdict, &*reason), (Verdict::NotFixed, "at the deadline the target does not stay well: running"));
    assert_eq!(extended().verdict(620, Look::Seen(&started())), Some(Verdict::Unconfirmed));
    assert_eq!(extended().resolved().verdict(620, Look::Seen(&started())), Some(Verdict::Fixed));
}

#[test]
fn a_run_that_was_not_seen_before_is_taken_as_the_one_the_effect_began() {
    let case = Case { baseline: None, ..case().resolved() };
    assert_eq!(case.judge(5, Look::Seen(&started())), wait(Some(5), 35));
}

#[test]
fn a_proven_target_waits_for_its_alert_with_few_looks() {
    assert_eq!(case().well_since(5).judge(100, Look::Seen(&started())), wait(Some(5), 115));
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    Well,
    Unhealthy,
    Exited,
    Blind,
    Gone,
    Crashed,
    ByPerson,
}

fn any_look() -> impl Strategy<Value = Seen> {
    use Seen::{Blind, ByPerson, Crashed, Exited, Gone, Unhealthy, Well};
    prop_oneof![
        20 => Just(Well), 3 => Just(Unhealthy), 3 => Just(Exited), 3 => Just(Blind), 2 => Just(Crashed),
        1 => Just(Gone), 1 => Just(ByPerson)
    ]
}

proptest! {
    /// Follows a whole verification through any sequence of looks, words and late wakes.
    #[test]
    fn a_verification_ends_in_time_and_calls_fixed_only_what_was_seen_well_without_a_break(
        settle in 0u64..20, healthy_for in 0u64..90, resolved_within in 0u64..300, checked: bool,
        looks in proptest::collection::vec((any_look(), 0i64..40, 0u8..12), 1..400),
    ) {
        let verify = Verify {
            settle: secs(settle), healthy_for: secs(healthy_for), resolved_within: secs(resolved_within),
            query: None,
        };
        let mut sight: Sight = Container { health: checked.then_some(Health::Healthy), ..ran() }.into();
        let mut case = Case { verify: verify.clone(), baseline: Some(sight.pin()), well_since: None, alerts: vec![firing("A")] };
        // Later than the run began: a restart by hand at that very instant would look like the effect's own.
        let mut now = i64::try_from(settle).expect("small") + 1;
        let mut really_well_since = None;
        let (mut late, mut crashes) = (0, 0);
        for (seen, pause, word) in looks {
            match word {
                0 => case.alerts = vec![firing("A").heard_at(now)],
                1 => case.alerts = vec![firing("A").resolved_at(now)],
                _ => {}
            }
            match seen {
                Seen::Crashed => {
                    crashes += 1;
                    sight = sight.crashed_at(now);
                }
                Seen::ByPerson => sight = sight.restarted_at(now),
                _ => {}
            }
            let shown = match seen {
                Seen::Unhealthy => sight.clone().checked(Health::Unhealthy),
                Seen::Exited => sight.clone().exited(1),
                _ => sight.clone(),
            };
            let look = match seen {
                Seen::Blind => Look::Blind,
                Seen::Gone => Look::Gone,
                _ => Look::Seen(&shown),
            };
            let well = matches!(seen, Seen::Well);
            really_well_since = match really_well_since {
                Some(since) if well => Some(since),
                _ => (well || matches!(seen, Seen::Crashed)).then_some(now),
            };
            let deadline = after(at(0), verify.resolved_within);
            match case.judge(now, look) {
                Judgement::Wait { well_since, until } => {
                    prop_assert!(until > at(now), "never a busy loop");
                    let latest = after(deadline.max(at(now)), verify.healthy_for);
                    prop_assert!(until <= latest, "bounded");
                    if at(now) >= deadline {
                        late += 1;
                        prop_assert!(late <= 1 + healthy_for, "the extension ends");
                    }
                    case.well_since = well_since;
                    if let Look::Seen(sight) = look {
                        case.baseline = Some(sight.pin());
                    }
                    // Due, or woken before.
                    let due = i64::try_from(since(until, at(now)).as_secs()).expect("small");
                    now += if word == 2 { due.min(pause.max(1)) } else { due };
                }
                Judgement::Given { verdict, .. } => {
                    let firing = case.alerts[0].firing;
                    let proven = really_well_since
                        .is_some_and(|since| after(at(since), verify.healthy_for) <= at(now));
                    match verdict {
                        Verdict::Fixed => prop_assert!(well_or_new(seen) && proven && !firing),
                        Verdict::Unconfirmed | Verdict::StillFiring => {
                            prop_assert!(well_or_new(seen) && proven && firing && at(now) >= deadline);
                            let after_effect = case.alerts[0].evidence_at > at(0);
                            prop_assert_eq!(verdict == Verdict::StillFiring, after_effect);
                        }
                        Verdict::NotFixed => {
                            let looping = crashes >= 2;
                            prop_assert!(firing && at(now) >= deadline && (looping || (!proven && !well)));
                        }
                        Verdict::Cleared => prop_assert!(!firing && at(now) >= deadline && (crashes >= 2 || !proven)),
                        Verdict::Unknown => prop_assert!(matches!(seen, Seen::Blind) && at(now) >= deadline),
                        Verdict::Superseded => prop_assert!(matches!(seen, Seen::Gone | Seen::ByPerson)),
                        Verdict::Regressed => prop_assert!(false, "never given here"),
                    }
                    break;
                }
            }
        }
    }
}

fn well_or_new(seen: Seen) -> bool {
    matches!(seen, Seen::Well | Seen::Crashed)
}
