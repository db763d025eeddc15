//! How runs end by themselves, restart policies, and health.

use std::time::Duration;

use fettle_memory::physics::{End, HealthCheck, Life, Policy, Program, Request, Spec, Term};

use super::Seen;
use super::world::{State, World};

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn show(states: &[State]) -> Seen {
    states.iter().map(State::show).collect()
}

fn crashing(name: &str, after: Duration, code: i64) -> Spec {
    Spec::named(name).runs(Program::of(Life::ends(after, code)))
}

pub(super) async fn crash_loop(world: &mut World) -> Seen {
    let id = world.run(crashing("loop", secs(1), 3).policy(Policy::Always)).await;
    show(&world.history("the third run", &id, secs(30), |it| it.status == "running" && it.run == 2).await)
}

/// Lengths of time in Docker's own words: from the end of a run to the start of the next. A start takes up to half a second on
/// a busy machine, so the pauses are told apart by their doubling: 0.1, 0.2, 0.4, 0.8, 1.6 s.
pub(super) async fn back_off(world: &mut World) -> Seen {
    let id = world.run(crashing("pauses", Duration::ZERO, 1).policy(Policy::Always)).await;
    let mut seen = Vec::new();
    for count in 1..=6 {
        world.until("the pause begins", &id, |it| it.count >= count && it.status == "restarting").await;
        let (_, waited) = world.timed("the next run has ended", &id, |it| it.count > count).await;
        seen.push(waited);
    }
    // The sixth pause is 3.2 s, the fifth 1.6 s: it is twice as long, by up to a start's time.
    let within = |pause: Duration, least: u64, most: u64| {
        (Duration::from_millis(least)..Duration::from_millis(most)).contains(&pause)
    };
    vec![
        format!("fourth pause 0.8 s: {}", within(seen[3], 750, 1_590)),
        format!("fifth pause 1.6 s: {}", within(seen[4], 1_550, 2_900)),
        format!("sixth pause 3.2 s: {}", within(seen[5], 3_100, 5_500)),
    ]
}

pub(super) async fn back_off_reset(world: &mut World) -> Seen {
    let short = Life::ends(Duration::ZERO, 1);
    let lives = vec![short, short, short, short, Life::ends(Duration::from_millis(10_500), 1), Life::WELL];
    let program = Program { lives, term: Term::AT_ONCE };
    let id = world.run(Spec::named("reset").runs(program).policy(Policy::Always)).await;
    world.until("the long run", &id, |it| it.count == 4 && it.status == "running").await;
    world.until("its end", &id, |it| it.count == 5).await;
    let (state, waited) = world.timed("the next run", &id, |it| it.status == "running").await;
    // Without the reset the pause would be 1.6 s.
    vec![state.show(), format!("0.1 s: {}", waited < Duration::from_millis(1_500))]
}

pub(super) async fn on_failure_gives_up(world: &mut World) -> Seen {
    let policy = Policy::OnFailure { max: Some(2) };
    let id = world.run(crashing("giving-up", secs(1), 4).policy(policy)).await;
    show(&world.history("it gave up", &id, secs(30), |it| it.status == "exited").await)
}

pub(super) async fn on_failure_zero(world: &mut World) -> Seen {
    let id = world.run(crashing("clean", secs(1), 0).policy(Policy::OnFailure { max: None })).await;
    let mut seen = world.history("it ended", &id, secs(30), |it| it.status == "exited").await;
    // The first pause would be 0.1 s.
    seen.extend(world.watch(&id, secs(2)).await);
    seen.dedup();
    show(&seen)
}

pub(super) async fn no_policy(world: &mut World) -> Seen {
    let id = world.run(crashing("alone", secs(1), 9)).await;
    let mut seen = world.history("it ended", &id, secs(30), |it| it.status == "exited").await;
    seen.extend(world.watch(&id, secs(2)).await);
    seen.dedup();
    let mut shown = show(&seen);
    shown.extend(world.events(&id).await);
    shown
}

pub(super) async fn out_of_memory(world: &mut World) -> Seen {
    let end = End { after: secs(1), code: 137, oom: true };
    let mut spec = Spec::named("greedy").runs(Program::of(Life { ends: Some(end), ..Life::WELL }));
    spec.memory_limit = Some(8 << 20);
    let id = world.run(spec).await;
    // Docker learns of the kill and of its reason on two ways: the flag may come later than the exit.
    show(&[world.until("it was killed", &id, |it| it.status == "exited" && it.oom).await])
}

fn health(states: &[State]) -> Seen {
    let mut health: Seen =
        states.iter().map(|it| format!("{} {}", it.status, it.health.as_deref().unwrap_or("none"))).collect();
    health.dedup();
    health
}

pub(super) async fn health_passes(world: &mut World) -> Seen {
    let spec = Spec::named("healthy").check(HealthCheck::every(secs(1), 3));
    let id = world.run(spec.runs(Program::of(Life::healthy_from(Duration::ZERO)))).await;
    let states = world.history("it is healthy", &id, secs(30), |it| it.health.as_deref() == Some("healthy")).await;
    let mut seen = health(&states);
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn health_at_start(world: &mut World) -> Seen {
    let spec = Spec::named("fresh").check(HealthCheck::every(secs(2), 3));
    let id = world.run(spec.runs(Program::of(Life::healthy_from(Duration::ZERO)))).await;
    world.until("it is healthy", &id, |it| it.health.as_deref() == Some("healthy")).await;
    world.ask(Request::Restart { id: id.clone(), grace: secs(10) }).await;
    let states = world.history("it is healthy again", &id, secs(30), |it| it.health.as_deref() == Some("healthy"));
    health(&states.await)
}

pub(super) async fn health_fails(world: &mut World) -> Seen {
    let life = Life { unhealthy_from: Some(secs(3)), ..Life::WELL };
    let spec = Spec::named("unhealthy").check(HealthCheck::every(secs(1), 2)).runs(Program::of(life));
    let id = world.run(spec).await;
    let states = world.history("it is unhealthy", &id, secs(30), |it| it.health.as_deref() == Some("unhealthy")).await;
    let mut seen = health(&states);
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn health_start_period(world: &mut World) -> Seen {
    let check = HealthCheck { start_period: secs(6), interval: secs(1), retries: 1 };
    let id = world.run(Spec::named("slow").check(check).runs(Program::of(Life::UNHEALTHY))).await;
    // Four probes fail, and one failure would be enough.
    let mut seen = health(&world.watch(&id, secs(4)).await);
    let states = world.history("it is unhealthy", &id, secs(30), |it| it.health.as_deref() == Some("unhealthy")).await;
    seen.extend(health(&states));
    seen
}

pub(super) async fn health_at_exit(world: &mut World) -> Seen {
    let spec = Spec::named("ended").check(HealthCheck::every(secs(1), 3)).runs(Program::of(Life::ends(secs(4), 1)));
    let id = world.run(spec).await;
    let states =
        world.history("it ended", &id, secs(30), |it| it.status == "exited" && it.health.as_deref() != Some("healthy"));
    let states = states.await;
    health(&[states.last().cloned().expect("the last look")])
}
