//! Restart policies, health, stops.

use super::{daemon, events, ms, plain, secs, state};
use crate::physics::{Answer, By, Generation, HealthCheck, Life, Part, Policy, Program, Request, Term, Top};
use fettle_core::sight::{Health, Status};

fn restart(id: &str, grace: u64) -> Request {
    Request::Restart { id: id.to_owned(), grace: secs(grace) }
}

fn stop(id: &str, grace: u64) -> Request {
    Request::Stop { id: id.to_owned(), grace: secs(grace) }
}

#[test]
fn a_crash_loop_raises_the_count_at_the_exit_and_changes_the_start_at_the_start() {
    let mut it = daemon();
    let id = it.run(plain("a").policy(Policy::Always).runs(Program::of(Life::ends(secs(2), 1))), ms(0));
    assert_eq!(state(&mut it, &id, 1_999), (Status::Running, 0, true));
    assert_eq!(state(&mut it, &id, 2_000), (Status::Restarting, 1, true));
    // The pause of 100 ms, then the start.
    assert_eq!(state(&mut it, &id, 2_399), (Status::Restarting, 1, true));
    assert_eq!(state(&mut it, &id, 2_400), (Status::Running, 1, false));
    assert_eq!(state(&mut it, &id, 4_400), (Status::Restarting, 2, false));
    // 200 ms now.
    assert_eq!(state(&mut it, &id, 4_899).0, Status::Restarting);
    assert_eq!(state(&mut it, &id, 4_900).0, Status::Running);
    assert_eq!(it.runs().len(), 3);
    assert_eq!((it.runs()[1].begun_by, it.runs()[1].ended.expect("it ended").by), (By::Policy, By::Itself));
}

#[test]
fn a_run_of_ten_seconds_resets_the_pause_and_a_minute_is_the_longest() {
    let mut it = daemon();
    let lives = vec![Life::ends(secs(0), 1), Life::ends(secs(0), 1), Life::ends(secs(10), 1)];
    let id = it.run(plain("a").policy(Policy::UnlessStopped).runs(Program { lives, term: Term::AT_ONCE }), ms(0));
    // Pauses of 100 and 200 ms, starts of 300 ms, a run of 10 s, and 100 ms again.
    assert_eq!(state(&mut it, &id, 400 + 500 + 10_000 + 100 + 299), (Status::Restarting, 3, false));
    assert_eq!(state(&mut it, &id, 400 + 500 + 10_000 + 100 + 300), (Status::Running, 3, false));

    let id = it.run(plain("b").policy(Policy::Always).runs(Program::of(Life::ends(secs(0), 1))), ms(60_000));
    it.advance(ms(60_000 + 3_600_000));
    // 0.1 s doubled ten times is above a minute: ten pauses take 102 s, then one each minute.
    let count = it.container(&id).expect("it is there").restart_count;
    assert!((66..=69).contains(&count), "{count}");
}

#[test]
fn on_failure_gives_up_and_leaves_a_clean_end_alone() {
    let mut it = daemon();
    let policy = Policy::OnFailure { max: Some(2) };
    let failing = it.run(plain("a").policy(policy).runs(Program::of(Life::ends(secs(1), 3))), ms(0));
    let clean = it.run(plain("b").policy(policy).runs(Program::of(Life::ends(secs(1), 0))), ms(0));
    assert_eq!(state(&mut it, &failing, 60_000), (Status::Exited, 2, false));
    assert_eq!(state(&mut it, &clean, 60_000), (Status::Exited, 0, true));
}

#[test]
fn a_stop_ends_the_policy_and_a_start_brings_it_back() {
    let mut it = daemon();
    let id = it.run(plain("a").policy(Policy::Always).runs(Program::of(Life::ends(secs(5), 1))), ms(0));
    it.ask(stop(&id, 10), By::Person, ms(1_000));
    assert_eq!(state(&mut it, &id, 60_000), (Status::Exited, 0, true));
    it.ask(Request::Start { id: id.clone() }, By::Person, ms(60_000));
    assert_eq!(state(&mut it, &id, 65_400), (Status::Restarting, 1, false));
}

#[test]
fn a_stop_between_two_starts_keeps_the_exit_code_of_the_crash() {
    let mut it = daemon();
    let id = it.run(plain("a").policy(Policy::Always).runs(Program::of(Life::ends(secs(1), 7))), ms(0));
    let asked = it.ask(stop(&id, 10), By::Person, ms(1_050));
    assert_eq!(state(&mut it, &id, 60_000), (Status::Exited, 1, true));
    assert_eq!(it.job(asked).received(), Some((ms(1_050), Answer::Done)));
    assert_eq!(it.container(&id).expect("it is there").exit_code, 7);
    assert_eq!(events(&it, &id), ["create", "start", "die 7", "stop"]);
}

#[test]
fn a_restart_reports_in_the_order_of_its_generation() {
    for (generation, order) in [(Generation::V20, ["die 143", "stop"]), (Generation::V28, ["stop", "die 143"])] {
        let mut it = daemon().generation(generation);
        let id = it.run(plain("a"), ms(0));
        let asked = it.ask(restart(&id, 10), By::Person, ms(1_000));
        it.advance(ms(2_000));
        let expected = ["create", "start", "kill 15", order[0], order[1], "start", "restart"];
        assert_eq!(events(&it, &id), expected, "{generation:?}");
        assert_eq!(it.job(asked).received(), Some((ms(1_300), Answer::Done)));
        assert_eq!(state(&mut it, &id, 2_000), (Status::Running, 0, false));
    }
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_at_the_end_of_its_grace() {
    let mut it = daemon();
    let id = it.run(plain("a").runs(Program::default().on_term(Term::Ignores)), ms(0));
    let asked = it.ask(stop(&id, 3), By::Person, ms(1_000));
    assert_eq!(state(&mut it, &id, 3_999).0, Status::Running);
    assert_eq!(state(&mut it, &id, 4_000).0, Status::Exited);
    assert_eq!(it.container(&id).expect("it is there").exit_code, 137);
    assert_eq!(it.job(asked).finished, Some((ms(4_000), Answer::Done)));
}

#[test]
fn two_restarts_at_once_are_one_new_run_and_two_answers() {
    let mut it = daemon();
    let id = it.run(plain("a").runs(Program::default().on_term(Term::Ignores)), ms(0));
    let first = it.ask(restart(&id, 2), By::Person, ms(0));
    let second = it.ask(restart(&id, 2), By::Person, ms(100));
    it.advance(ms(10_000));
    assert_eq!(it.runs().len(), 2);
    assert!(
        [first, second].iter().all(|asked| it.job(*asked).finished.is_some_and(|(_, answer)| answer == Answer::Done))
    );
    assert_eq!(events(&it, &id).iter().filter(|it| *it == "restart").count(), 2);
}

#[test]
fn health_is_starting_until_a_probe_passes_and_failures_in_the_start_period_do_not_count() {
    let mut it = daemon();
    let check = HealthCheck { start_period: secs(5), interval: secs(2), retries: 2 };
    let id = it.run(plain("a").check(check).runs(Program::of(Life::healthy_from(secs(11)))), ms(0));
    let mut health = |at| {
        it.advance(ms(at));
        it.container(&id).and_then(|it| it.health)
    };
    // Probes at 2, 4, 6, 8 s: those at 6 and 8 count.
    assert_eq!(health(7_999), Some(Health::Starting));
    assert_eq!(health(8_000), Some(Health::Unhealthy));
    assert_eq!(health(12_000), Some(Health::Healthy));
}

#[test]
fn a_restart_that_waits_in_a_stopped_containerd_is_carried_out_late_and_holds_the_lock() {
    let mut it = daemon();
    let id = it.run(plain("a"), ms(0));
    let other = it.run(plain("b"), ms(0));
    it.hang(&Part::Containerd, ms(1_000));
    let asked = it.ask(restart(&id, 10), By::Fettle(0), ms(2_000));
    it.advance(ms(60_000));
    assert!(it.answers() && it.answers_inspect(&other) && !it.answers_inspect(&id));
    assert_eq!((it.top(&other), it.job(asked).finished), (Top::None, None));
    assert!(it.job(asked).is_under_way());
    it.resume(&Part::Containerd, ms(70_000));
    it.advance(ms(71_000));
    assert_eq!(it.job(asked).executed_at, Some(ms(70_000)));
    assert_eq!(it.job(asked).finished, Some((ms(70_300), Answer::Done)));
    assert_eq!((it.top(&id), it.answers_inspect(&id)), (Top::Processes, true));
}

#[test]
fn a_shim_that_hangs_concerns_its_container_only() {
    let mut it = daemon();
    let (id, other) = (it.run(plain("a"), ms(0)), it.run(plain("b"), ms(0)));
    it.hang(&Part::Shim(id.clone()), ms(0));
    assert_eq!((it.top(&id), it.top(&other), it.answers_inspect(&id)), (Top::None, Top::Processes, true));
    let (waits, done) = (it.ask(stop(&id, 1), By::Person, ms(1)), it.ask(stop(&other, 1), By::Person, ms(1)));
    it.advance(ms(60_000));
    assert!(it.job(waits).finished.is_none() && it.job(done).finished.is_some());
    assert_eq!(it.top(&other), Top::Failed(409));
}

#[test]
fn an_end_while_dockerd_hangs_is_noticed_afterwards_and_has_its_own_time() {
    let mut it = daemon();
    let id = it.run(plain("a").policy(Policy::Always).runs(Program::of(Life::ends(secs(2), 1))), ms(0));
    it.hang(&Part::Dockerd, ms(1_000));
    assert_eq!(state(&mut it, &id, 9_000), (Status::Running, 0, true));
    it.resume(&Part::Dockerd, ms(9_000));
    assert_eq!(state(&mut it, &id, 9_000), (Status::Restarting, 1, true));
    assert_eq!(it.runs()[0].ended.expect("it ended").at, ms(2_000));
}

#[test]
fn a_daemon_that_restarts_brings_back_what_its_policies_say_and_forgets_events() {
    let mut it = daemon();
    let always = it.run(plain("always").policy(Policy::Always), ms(0));
    let stopped = it.run(plain("stopped").policy(Policy::Always), ms(0));
    let unless = it.run(plain("unless").policy(Policy::UnlessStopped), ms(0));
    let left = it.run(plain("left").policy(Policy::UnlessStopped), ms(0));
    let none = it.run(plain("none"), ms(0));
    let failed = it.run(plain("failed").policy(Policy::OnFailure { max: None }), ms(0));
    for id in [&stopped, &left] {
        it.ask(stop(id, 1), By::Person, ms(10));
    }
    let open = it.ask(Request::Restart { id: none.clone(), grace: secs(1) }, By::Fettle(0), ms(1_000));
    it.stop_daemon(false, ms(1_000));
    assert_eq!(it.job(open).finished.map(|(_, answer)| answer), Some(Answer::Broken));
    assert!(it.is_away() && !it.answers());
    it.start_daemon(ms(3_000));
    let mut running = |id: &str| state(&mut it, id, 4_000).0 == Status::Running;
    assert_eq!([&always, &stopped, &unless, &failed].map(|id| running(id)), [true; 4]);
    assert_eq!([&left, &none].map(|id| running(id)), [false; 2]);
    assert_eq!(events(&it, &always), ["start"]);
    assert_eq!(it.runs().last().map(|run| run.begun_by), Some(By::Daemon));
}

#[test]
fn with_live_restore_they_run_on() {
    let mut it = daemon();
    let id = it.run(plain("a").policy(Policy::Always).runs(Program::of(Life::ends(secs(2), 1))), ms(0));
    let on = it.run(plain("b"), ms(0));
    it.stop_daemon(true, ms(1_000));
    it.start_daemon(ms(3_000));
    assert_eq!(state(&mut it, &on, 3_000), (Status::Running, 0, true));
    assert_eq!(state(&mut it, &id, 3_000), (Status::Restarting, 1, true));
}

#[test]
fn a_stop_is_by_hand_until_256_other_events_are_there_or_events_are_denied() {
    use fettle_core::sight::{Found, Sight, Wanted};
    let target = "container:local/a".parse().expect("a target");
    let mut it = daemon();
    let id = it.run(plain("a").runs(Program::default().on_term(Term::Ignores)), ms(0));
    it.ask(stop(&id, 1), By::Person, ms(0));
    it.advance(ms(2_000));
    let by_hand = |it: &crate::physics::Daemon| match it.find(&target, Wanted::default()) {
        Ok(Found::One(sight)) => match *sight {
            Sight::Container(it) => it.stopped_by_hand,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!(by_hand(&it), Some(true));
    it.deny_events(true);
    assert_eq!(by_hand(&it), None);
    it.deny_events(false);
    it.forget_events(254);
    assert_eq!(by_hand(&it), Some(true));
    it.forget_events(1);
    assert_eq!(by_hand(&it), None);
}

#[test]
fn a_deployment_gives_each_container_a_new_id_under_its_name() {
    let mut it = daemon();
    let old = it.run(plain("shop-web-1").compose("shop", "web", 1), ms(0));
    it.deploy("shop", ms(1_000));
    it.advance(ms(2_000));
    let new = it.id_of("shop-web-1").expect("it is there").to_owned();
    assert_ne!(new, old);
    assert_eq!(it.container(&old), None);
    assert_eq!(state(&mut it, &new, 2_000), (Status::Running, 0, false));
    assert_eq!(it.runs().iter().map(|run| run.begun_by).collect::<Vec<_>>(), [By::Person, By::Deploy]);
    assert_eq!(it.runs()[0].ended.expect("it ended").by, By::Deploy);
}

#[test]
fn a_restart_of_what_is_removed_meanwhile_fails() {
    let mut it = daemon();
    let id = it.run(plain("a").runs(Program::default().on_term(Term::Ignores)), ms(0));
    let asked = it.ask(restart(&id, 10), By::Fettle(0), ms(0));
    it.ask(Request::Remove { id: id.clone(), force: true }, By::Person, ms(1_000));
    it.advance(ms(1_000));
    assert!(matches!(it.job(asked).finished, Some((_, Answer::Failed(500, _)))));
    assert_eq!(state(&mut it, &id, 1_050), (Status::Removing, 0, true), "shown until it is through");
    let again = it.ask(Request::Remove { id: id.clone(), force: true }, By::Person, ms(1_060));
    let start = it.ask(restart(&id, 10), By::Fettle(1), ms(1_070));
    it.advance(ms(1_070));
    assert!(matches!(it.job(again).finished, Some((_, Answer::Failed(409, _)))));
    assert!(matches!(it.job(start).finished, Some((_, Answer::Failed(500, _)))));
    it.advance(ms(1_200));
    assert_eq!((it.container(&id), it.runs().len()), (None, 1));
}
