//! Parts that stand still, and a daemon that ends and starts.

use std::time::Duration;

use fettle_memory::physics::{HealthCheck, Life, Part, Policy, Program, Request, Spec, Term};

use super::Seen;
use super::starts::secs;
use super::world::{Question, World};

fn restart(id: &str) -> Request {
    Request::Restart { id: id.to_owned(), grace: secs(1) }
}

/// What is answered of two running containers and one that has exited.
async fn answers(world: &mut World, seen: &mut Seen, when: &str, a: &str, b: &str, exited: &str) {
    for (what, question) in [
        ("ping", Question::Ping),
        ("list", Question::List),
        ("inspect a", Question::Inspect(a)),
        ("inspect b", Question::Inspect(b)),
        ("top a", Question::Top(a)),
        ("top b", Question::Top(b)),
        ("top exited", Question::Top(exited)),
    ] {
        seen.push(format!("{when}: {what}: {:?}", world.question(question).await));
    }
}

async fn three(world: &mut World) -> (String, String, String) {
    let a = world.run(Spec::named("a")).await;
    let b = world.run(Spec::named("b")).await;
    let exited = world.run(Spec::named("c").runs(Program::of(Life::ends(Duration::ZERO, 1)))).await;
    world.until("it exited", &exited, |it| it.status == "exited").await;
    world.look(&a).await;
    (a, b, exited)
}

/// Something hangs; a restart is sent, not answered, and carried out afterwards.
async fn hang(world: &mut World, part: impl Fn(&str) -> Part) -> Seen {
    let (a, b, exited) = three(world).await;
    let (part, mut seen) = (part(&a), Vec::new());
    answers(world, &mut seen, "well", &a, &b, &exited).await;
    world.hang(&part).await;
    answers(world, &mut seen, "hanging", &a, &b, &exited).await;
    let sent = world.send(restart(&a));
    world.settle().await;
    answers(world, &mut seen, "with a restart", &a, &b, &exited).await;
    world.resume(&part);
    seen.push(format!("{:?}", world.answer(sent, secs(30)).await));
    seen.push(world.look(&a).await.expect("it is there").show());
    seen.extend(world.events(&a).await);
    answers(world, &mut seen, "afterwards", &a, &b, &exited).await;
    seen
}

pub(super) async fn dockerd(world: &mut World) -> Seen {
    hang(world, |_| Part::Dockerd).await
}

pub(super) async fn containerd(world: &mut World) -> Seen {
    hang(world, |_| Part::Containerd).await
}

pub(super) async fn shim(world: &mut World) -> Seen {
    hang(world, |id| Part::Shim(id.to_owned())).await
}

pub(super) async fn exit(world: &mut World) -> Seen {
    let lives = vec![Life::ends(secs(3), 6), Life::WELL];
    let program = Program { lives, term: Term::AT_ONCE };
    let id = world.run(Spec::named("ending").policy(Policy::Always).runs(program)).await;
    world.look(&id).await;
    world.hang(&Part::Containerd).await;
    let mut seen: Seen = world.watch(&id, secs(6)).await.iter().map(super::world::State::show).collect();
    world.resume(&Part::Containerd);
    let after = world.history("the next run", &id, secs(30), |it| it.status == "running" && it.run > 0).await;
    // How long it is shown running after the resume is a matter of milliseconds.
    seen.extend(after.iter().filter(|it| it.status != "running" || it.run > 0).map(super::world::State::show));
    seen
}

pub(super) async fn events_forgotten(world: &mut World) -> Seen {
    let id = world.run(Spec::named("remembered").runs(Program::default().on_term(Term::Ignores))).await;
    world.ask(Request::Stop { id: id.clone(), grace: secs(1) }).await;
    let before = world.events(&id).await;
    // Each probe is three events: of these, thirty a second.
    for _ in 0..10 {
        world.run(Spec::named("noise").check(HealthCheck::every(secs(1), 1))).await;
    }
    world.until_no_event("the stop is forgotten", &id).await;
    before
}

fn show(it: Option<super::world::State>) -> String {
    it.map_or("gone".to_owned(), |it| {
        let exit = if it.status == "exited" { it.exit.to_string() } else { String::new() };
        format!("{} count {} run {} {exit}", it.status, it.count, it.run)
    })
}

pub(super) async fn daemon_restart(world: &mut World) -> Seen {
    let mut ids = Vec::new();
    for (policy, stopped) in [
        (Policy::No, false),
        (Policy::Always, false),
        (Policy::Always, true),
        (Policy::UnlessStopped, false),
        (Policy::UnlessStopped, true),
        (Policy::OnFailure { max: None }, false),
    ] {
        let id = world.run(Spec::named("restored").policy(policy)).await;
        if stopped {
            world.ask(Request::Stop { id: id.clone(), grace: secs(10) }).await;
        }
        world.look(&id).await;
        ids.push((policy, stopped, id));
    }
    let looping = Spec::named("looping").policy(Policy::Always).runs(Program::of(Life::ends(secs(1), 1)));
    let looping = world.run(looping).await;
    world.until("it loops", &looping, |it| it.count >= 2).await;
    world.stop_daemon().await;
    world.start_daemon().await;
    let mut seen = Vec::new();
    for (policy, stopped, id) in ids {
        let returns = matches!(
            (policy, stopped),
            (Policy::Always | Policy::OnFailure { .. }, _) | (Policy::UnlessStopped, false)
        );
        if returns {
            world.until("it is back", &id, |it| it.status == "running").await;
        }
        seen.push(format!("{policy:?} {stopped}: {}", show(world.look(&id).await)));
        seen.push(world.events(&id).await.join(" "));
    }
    let looped = world.until("it counts from the beginning", &looping, |it| it.count < 2).await;
    seen.push(format!("looping: {}", looped.count < 2));
    seen
}

pub(super) async fn live_restore(world: &mut World) -> Seen {
    let on = world.run(Spec::named("on").policy(Policy::Always)).await;
    let ends = Spec::named("ends").policy(Policy::Always).runs(Program::of(Life::ends(secs(2), 1)));
    let ends = world.run(ends).await;
    world.look(&on).await;
    world.look(&ends).await;
    world.stop_daemon().await;
    world.start_daemon().await;
    let mut seen = vec![show(world.look(&on).await)];
    seen.push(world.events(&on).await.join(" "));
    let again = world.until("it runs again", &ends, |it| it.status == "running" && it.run > 0).await;
    seen.push(format!("again: {}", again.status));
    seen
}
