//! The world on its own: containers of the model that do what they are told, and what fettle makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::settings::{StormLimit, TripLimit};
use fettle_core::surroundings::{AnswerKind, PauseScope};
use fettle_core::testing::{at, secs, settings};
use fettle_core::time::after;
use fettle_memory::physics::{Chance, Client, Daemon, Fate, Host, Reply, Request, Spec, Timing};

/// What becomes of calls: each takes two seconds.
#[derive(Debug, Default)]
struct Luck {
    fails: AtomicBool,
    hangs: AtomicBool,
}

struct Drawn(Arc<Luck>);

impl Chance for Drawn {
    fn fate(&mut self, _: &Request) -> Fate {
        let takes = Fate { wait: secs(2), ..Fate::ORDINARY };
        match &*self.0 {
            luck if luck.hangs.load(Ordering::Relaxed) => Fate::LOST,
            luck if luck.fails.load(Ordering::Relaxed) => Fate { executed: false, reply: Reply::Status(500), ..takes },
            _ => takes,
        }
    }
}

/// Plays in a world with this rule: its deeds and what it asks for are in `play`.
fn live<T: Send>(rule: &str, play: impl AsyncFnOnce(World, Rig) -> T + Send) -> T {
    live_with(rule, settings(), true, play)
}

/// The containers behind a world.
struct Rig {
    luck: Arc<Luck>,
    host: Arc<Host>,
    memory: Arc<Memory>,
}

impl Rig {
    fn calls(&self) -> usize {
        self.host.calls().len()
    }
}

fn live_with<T: Send>(
    rule: &str,
    settings: Settings,
    forgets: bool,
    play: impl AsyncFnOnce(World, Rig) -> T + Send,
) -> T {
    let text = format!(
        "version: 1\nrules:\n  - name: r\n    match: ['alertname=\"Down\"']\n    target: {{container: $labels.service, allow: [\"*\"], min_age: 0s}}\n{rule}"
    );
    let context = Context { alertmanager: settings.alertmanager, ..Context::default() };
    let file = SourceFile { path: "r.yaml".into(), text };
    let (rules, _) = compile(&[file], &context).expect("the rule compiles");
    virtually(at(0), async move |clock| {
        let luck = Arc::new(Luck::default());
        let mut daemon = Daemon::new("d", at(0)).timing(Timing::NONE).chance(Drawn(luck.clone()));
        for name in ["web", "a", "b", "c", "d", "s0", "s1", "s2"] {
            daemon.run(Spec::named(name).enabled(), at(0));
        }
        daemon.run(Spec::named("off"), at(0));
        let host = Host::new(daemon, clock);
        let memory = memory(clock);
        let platform = Arc::new(Client::new(1, [("local".to_owned(), host.clone())]));
        let rules = Arc::new(rules);
        let setting = Setting {
            rules,
            settings,
            hosts: context.hosts,
            clock,
            memory: memory.clone(),
            platform,
            query: None,
            forgets,
            steady: false,
        };
        play(World::begin(setting), Rig { luck, host, memory }).await
    })
}

fn alert(name: &str, service: &str, firing: bool, starts: i64, ends: i64) -> Alert {
    let labels = Labels::from_iter([("alertname", name), ("service", service)]);
    let ends_at = (!firing).then(|| at(ends));
    Alert { fingerprint: Fingerprint::of(&labels), labels, firing, starts_at: at(starts), ends_at }
}

async fn fires(world: &mut World, second: i64, service: &str) {
    world.deliver(at(second), vec![alert("Down", service, true, second, 0)]).await;
}

async fn resolves(world: &mut World, second: i64, service: &str) {
    world.deliver(at(second), vec![alert("Down", service, false, second - 1, second)]).await;
}

/// What happened until `second`, in words: when, on what, what.
async fn told(world: &World, second: i64) -> Vec<String> {
    let said = |what: &What| match what {
        What::Opened => "opened".to_owned(),
        What::Blocked { guard, .. } => format!("blocked {guard}"),
        What::Refused { guard, .. } => format!("refused {guard}"),
        What::Awaiting { action, .. } => format!("awaiting {action}"),
        What::Unanswered { action } => format!("unanswered {action}"),
        What::Began { action, step, .. } => format!("{action} {step}"),
        What::Ended { result, .. } => result.to_string(),
        What::Unsent { action, result, .. } => format!("{action} {result}"),
        What::Observed { action, .. } => format!("would {action}"),
        What::Verdict { verdict, .. } => verdict.to_string(),
        What::Escalated { message, .. } => format!("escalated {message}"),
        What::Closed { outcome, .. } => format!("closed {outcome}"),
        What::Announced { name, until } => {
            format!("{}{name}", if until.is_some() { "" } else { "not " })
        }
        What::LoanEnded { end, .. } => format!("loan {end}"),
        What::Told { what } => format!("told {what}"),
        What::Event { event, .. } => format!("event {event}"),
    };
    let line = |it: Happening| {
        let name = it.target.rsplit('/').next().unwrap_or_default();
        format!("{} {name} {}", it.at.as_second() - at(0).as_second(), said(&it.what))
    };
    world.advance(at(second)).await.into_iter().map(line).collect()
}

const RESTART: &str = "    steps: [restart]\n";

#[test]
fn an_alert_that_resolves_after_the_restart_is_fixed_when_the_target_was_well_for_long_enough() {
    live(RESTART, async |mut world, rig| {
        fires(&mut world, 10, "web").await;
        resolves(&mut world, 20, "web").await;
        let expected = ["10 web opened", "10 web restart 1", "12 web succeeded", "47 web fixed", "47 web closed fixed"];
        // Settled, and first seen well, at 17.
        assert_eq!(told(&world, 1000).await, expected);
        assert_eq!((rig.calls(), world.is_over(), world.next_due()), (1, true, None));
    });
}

#[test]
fn a_resolve_before_the_hold_is_over_cancels_and_nothing_is_sent() {
    live("    hold: 1m\n    steps: [restart]\n", async |mut world, rig| {
        fires(&mut world, 0, "web").await;
        // At the very instant at which the hold ends: what is heard is known to whoever is due.
        resolves(&mut world, 60, "web").await;
        assert_eq!(told(&world, 1000).await, ["0 web opened", "60 web closed cancelled"]);
        assert_eq!(rig.calls(), 0);
    });
}

#[test]
fn the_fourth_effect_within_the_window_waits_until_the_first_has_left_it() {
    live("    steps: [restart]\n    cooldown: 0s\n    budget: [3 per 1h]\n", async |mut world, _rig| {
        for start in [0, 600, 1200] {
            fires(&mut world, start, "web").await;
            resolves(&mut world, start + 60, "web").await;
            let told = told(&world, start + 599).await;
            assert_eq!(told.last().map(String::as_str), Some(&*format!("{} web closed fixed", start + 60)), "{told:?}");
        }
        fires(&mut world, 1800, "web").await;
        let told = told(&world, 2399).await;
        assert!(told.contains(&"1800 web refused budget".to_owned()), "{told:?}");
        assert!(told.contains(&"1800 web blocked budget".to_owned()), "{told:?}");
        // Heard firing again, so it is not stale when there is room.
        fires(&mut world, 3500, "web").await;
        let told = self::told(&world, 3700).await;
        // The regression resumed at the bottom rung, whose third restart it is.
        assert_eq!(told.first().map(String::as_str), Some("3600 web restart 1"), "{told:?}");
    });
}

#[test]
fn an_effect_that_fails_goes_one_rung_up_and_then_to_people() {
    live("    steps:\n      - restart\n      - escalate: {message: wake up}\n", async |mut world, rig| {
        rig.luck.fails.store(true, Ordering::Relaxed);
        fires(&mut world, 0, "web").await;
        let expected = [
            "0 web opened",
            "0 web restart 1",
            "2 web failed",
            "2 web not_fixed",
            "2 web escalated wake up",
            "2 web event escalated",
            "2 web closed escalated",
        ];
        assert_eq!(told(&world, 1000).await, expected);
    });
}

#[test]
fn a_call_without_an_answer_is_looked_at_until_that_is_conclusive() {
    live(RESTART, async |mut world, rig| {
        rig.luck.hangs.store(true, Ordering::Relaxed);
        fires(&mut world, 0, "web").await;
        let told = told(&world, 1000).await;
        assert_eq!(told[1..4], ["0 web restart 1", "42 web failed", "42 web not_fixed"], "{told:?}");
        assert_eq!(rig.calls(), 1, "what is not known is never tried again");
    });
}

#[test]
fn another_rules_alert_waits_for_the_target_and_has_its_turn_when_it_is_free() {
    let second = "  - name: s\n    match: ['alertname=\"Slow\"']\n    target: {container: $labels.service, allow: [\"*\"]}\n    steps: [restart]\n";
    live(&format!("    steps: [restart]\n{second}"), async |mut world, _rig| {
        fires(&mut world, 0, "web").await;
        world.deliver(at(5), vec![alert("Slow", "web", true, 5, 0)]).await;
        resolves(&mut world, 60, "web").await;
        let told = told(&world, 400).await;
        let expected = ["60 web closed fixed", "60 web opened", "60 web blocked cooldown", "302 web restart 1"];
        assert!(told.contains(&"5 web refused in_flight".to_owned()), "{told:?}");
        let from = told.iter().position(|it| it == expected[0]).expect("it was fixed");
        assert_eq!(told[from..from + 4], expected, "{told:?}");
    });
}

#[test]
fn a_person_is_asked_answers_and_the_act_counts_like_any_other() {
    let mut settings = settings();
    settings.mode = fettle_core::rule::model::Mode::Propose;
    live_with(
        "    steps: [restart]\n    cooldown: 0s\n    budget: [1 per 1h]\n",
        settings,
        true,
        async |mut world, _rig| {
            fires(&mut world, 0, "web").await;
            assert_eq!(told(&world, 10).await, ["0 web opened", "0 web awaiting restart"]);
            let deed = |kind| Deed::Answer { kind, target: "container:local/web".to_owned() };
            assert_eq!(world.person(at(20), "ann", deed(AnswerKind::Approve)).await, Ok(()));
            assert_eq!(world.person(at(20), "bob", deed(AnswerKind::Approve)).await, Err(NotTaken::Used));
            resolves(&mut world, 60, "web").await;
            let told_first = told(&world, 500).await;
            assert_eq!(told_first[0], "20 web restart 1", "{told_first:?}");
            assert_eq!(world.person(at(500), "ann", deed(AnswerKind::Reject)).await, Err(NotTaken::NothingOpen));
            fires(&mut world, 600, "web").await;
            let told = told(&world, 700).await;
            assert!(told.contains(&"600 web blocked budget".to_owned()), "{told:?}");
        },
    );
}

#[test]
fn a_pause_holds_and_its_end_wakes_at_once() {
    live(RESTART, async |mut world, _rig| {
        let pause = Deed::Pause { scope: PauseScope::All, reason: "deploy".into(), until: None };
        assert_eq!(world.person(at(0), "ann", pause).await, Ok(()));
        fires(&mut world, 1, "web").await;
        assert_eq!(told(&world, 90).await, ["1 web opened", "1 web blocked paused"]);
        let resume = Deed::Resume { scope: PauseScope::All };
        assert_eq!(world.person(at(92), "ann", resume.clone()).await, Ok(()));
        assert_eq!(world.person(at(92), "ann", resume).await, Err(NotTaken::NotPaused));
        assert_eq!(told(&world, 93).await, ["92 web restart 1"]);
    });
}

#[test]
fn a_storm_lowers_the_mode_and_refused_targets_do_not_make_one() {
    let storm = StormLimit { targets: 2, within: secs(60), ..StormLimit::default() };
    live_with(RESTART, Settings { storm: Some(storm), ..settings() }, true, async |mut world, _rig| {
        fires(&mut world, 0, "off").await;
        assert_eq!(told(&world, 1).await, ["0 off opened", "0 off refused not_enabled", "0 off closed refused"]);
        fires(&mut world, 2, "a").await;
        assert_eq!(told(&world, 2).await[1], "2 a restart 1");
        fires(&mut world, 10, "b").await;
        let expected = ["4 a succeeded", "10 b opened", "10  event storm_began", "10 b awaiting restart"];
        assert_eq!(told(&world, 10).await, expected);
    });
}

#[test]
fn a_breaker_opens_tries_one_act_and_a_person_may_close_it() {
    let trip = TripLimit { unproven: 2, within: secs(1800), ..TripLimit::default() };
    live_with(
        "    steps: [restart]\n    cooldown: 0s\n",
        Settings { trip: Some(trip), ..settings() },
        true,
        async |mut world, rig| {
            rig.luck.fails.store(true, Ordering::Relaxed);
            for (start, name) in [(0, "a"), (10, "b"), (20, "c")] {
                fires(&mut world, start, name).await;
            }
            let told_first = told(&world, 30).await;
            assert!(told_first.contains(&"12 b event breaker_opened".to_owned()), "{told_first:?}");
            assert_eq!(told_first.last().map(String::as_str), Some("20 c awaiting restart"));
            let reset = Deed::ResetBreaker { rule: "r".into() };
            assert_eq!(world.person(at(40), "ann", reset.clone()).await, Ok(()));
            assert_eq!(world.person(at(40), "ann", reset).await, Err(NotTaken::NotOpen));
            rig.luck.fails.store(false, Ordering::Relaxed);
            fires(&mut world, 50, "d").await;
            assert_eq!(told(&world, 51).await, ["50 d opened", "50 d restart 1"]);
        },
    );
}

#[test]
fn what_nothing_can_count_any_more_is_forgotten_and_decides_the_same() {
    let limited = "    steps: [restart]\n    cooldown: 0s\n    regress_window: 0s\n    budget: [1 per 10m]\n";
    let run = |forgets: bool| {
        live_with(limited, settings(), forgets, async |mut world, rig| {
            let mut all = Vec::new();
            for round in 0..300 {
                let start = round * 400;
                fires(&mut world, start, &format!("s{}", round % 3)).await;
                resolves(&mut world, start + 60, &format!("s{}", round % 3)).await;
                all.extend(told(&world, start + 399).await);
            }
            (all, rig.memory.rows(|rows| rows.actions().count()))
        })
    };
    let ((some, kept), (all, everything)) = (run(true), run(false));
    assert_eq!(some, all);
    assert!(kept < 50 && everything >= 150, "{kept} of {everything}");
}

#[test]
fn results_verdicts_and_outcomes_are_told_as_they_are() {
    live(RESTART, async |mut world, _rig| {
        fires(&mut world, 0, "web").await;
        resolves(&mut world, 60, "web").await;
        let happened = world.advance(after(at(0), secs(1000))).await;
        let has = |wanted: &dyn Fn(&What) -> bool| happened.iter().any(|it| wanted(&it.what));
        assert!(has(&|it| matches!(it, What::Ended { result: ActionResult::Succeeded, reason: None, .. })));
        assert!(has(&|it| matches!(it, What::Verdict { verdict: Verdict::Fixed, action: "restart", .. })));
        assert!(has(&|it| matches!(it, What::Closed { outcome: Outcome::Fixed, .. })));
        assert!(!has(&|it| matches!(it, What::Blocked { guard: Guard::Budget, .. })));
        assert!(happened.iter().all(|it| it.rule == "r" && it.target == "container:local/web"));
    });
}
