//! Requests that end, start, change and remove.

use std::time::Duration;

use fettle_memory::physics::{Life, Policy, Program, Request, Spec, Term};

use super::Seen;
use super::starts::secs;
use super::world::{State, World};

fn deaf(name: &str) -> Spec {
    Spec::named(name).runs(Program::default().on_term(Term::Ignores))
}

fn stop(id: &str, grace: u64) -> Request {
    Request::Stop { id: id.to_owned(), grace: secs(grace) }
}

fn restart(id: &str, grace: u64) -> Request {
    Request::Restart { id: id.to_owned(), grace: secs(grace) }
}

/// Two seconds of watching: the first pause of a policy is 0.1 s.
async fn stays(world: &mut World, id: &str) -> Seen {
    world.watch(id, secs(2)).await.iter().map(State::show).collect()
}

pub(super) async fn stop_ends_policy(world: &mut World) -> Seen {
    let id = world.run(Spec::named("stopped").policy(Policy::Always)).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(stop(&id, 10)).await.to_string()];
    seen.extend(stays(world, &id).await);
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn kill_ends_policy(world: &mut World) -> Seen {
    let id = world.run(Spec::named("killed").policy(Policy::UnlessStopped)).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(Request::Kill { id: id.clone(), signal: 9 }).await.to_string()];
    world.until("it ended", &id, |it| it.status == "exited").await;
    seen.extend(stays(world, &id).await);
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn kill_term(world: &mut World) -> Seen {
    let id = world.run(Spec::named("asked").policy(Policy::Always)).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(Request::Kill { id: id.clone(), signal: 15 }).await.to_string()];
    world.until("it ended", &id, |it| it.status != "running" || it.run > 0).await;
    seen.extend(stays(world, &id).await);
    seen.extend(world.events(&id).await);
    seen
}

/// SIGHUP does nothing to the first process of a container that has no handler for it.
pub(super) async fn kill_reload(world: &mut World) -> Seen {
    let program = Program { lives: vec![Life::ends(secs(3), 3), Life::WELL], term: Term::AT_ONCE };
    let id = world.run(Spec::named("reloaded").policy(Policy::Always).runs(program)).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(Request::Kill { id: id.clone(), signal: 1 }).await.to_string()];
    world.until("it ended", &id, |it| it.status != "running" || it.run > 0).await;
    let after = world.watch(&id, secs(2)).await;
    seen.extend(after.last().map(State::show));
    seen
}

fn looping(name: &str) -> Spec {
    Spec::named(name).policy(Policy::Always).runs(Program::of(Life::ends(Duration::ZERO, 7)))
}

/// What is left of a crash loop's events: how often it went round depends on when it is looked at.
fn last(events: &[String], n: usize) -> Seen {
    events[events.len().saturating_sub(n)..].to_vec()
}

pub(super) async fn stop_while_restarting(world: &mut World) -> Seen {
    let id = world.run(looping("between")).await;
    // By the fifth pause there are 1.6 s to hit.
    world.until("a long pause", &id, |it| it.count >= 5 && it.status == "restarting").await;
    let mut seen = vec![world.ask(stop(&id, 10)).await.to_string()];
    let ended = world.until("it ended", &id, |it| it.status == "exited").await;
    seen.push(format!("{} {}", ended.status, ended.exit));
    seen.push(stays(world, &id).await.len().to_string());
    seen.extend(last(&world.events(&id).await, 2));
    seen
}

pub(super) async fn stop_ignored(world: &mut World) -> Seen {
    let id = world.run(deaf("deaf")).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(stop(&id, 1)).await.to_string()];
    seen.push(world.until("it ended", &id, |it| it.status == "exited").await.show());
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn stop_twice(world: &mut World) -> Seen {
    let id = world.run(Spec::named("twice")).await;
    world.look(&id).await;
    let mut seen = vec![world.ask(stop(&id, 10)).await.to_string(), world.ask(stop(&id, 10)).await.to_string()];
    seen.push(world.until("it ended", &id, |it| it.status == "exited").await.show());
    seen.push(world.ask(Request::Start { id: id.clone() }).await.to_string());
    seen.push(world.ask(Request::Start { id: id.clone() }).await.to_string());
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn restart_running(world: &mut World) -> Seen {
    let id = world.run(Spec::named("again")).await;
    let mut seen = vec![world.look(&id).await.expect("it is there").show()];
    seen.push(world.ask(restart(&id, 10)).await.to_string());
    seen.push(world.look(&id).await.expect("it is there").show());
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn restart_while_restarting(world: &mut World) -> Seen {
    let id = world.run(looping("reset-by-hand")).await;
    world.until("a long pause", &id, |it| it.count >= 5 && it.status == "restarting").await;
    let mut seen = vec![world.ask(restart(&id, 10)).await.to_string()];
    let after = world.until("it counts from the beginning", &id, |it| it.count < 4).await;
    world.until("it goes on", &id, |it| it.count >= 2 && it.run > after.run).await;
    let events = world.events(&id).await;
    let at = events.iter().position(|it| it == "stop").unwrap_or_default();
    seen.extend(events[at - 1..(at + 3).min(events.len())].iter().cloned());
    seen
}

pub(super) async fn restart_stopped(world: &mut World) -> Seen {
    let id = world.run(Spec::named("back")).await;
    world.look(&id).await;
    world.ask(stop(&id, 10)).await;
    let mut seen = vec![world.ask(restart(&id, 10)).await.to_string()];
    seen.push(world.look(&id).await.expect("it is there").show());
    seen.extend(last(&world.events(&id).await, 2));
    seen
}

pub(super) async fn two_restarts(world: &mut World) -> Seen {
    let id = world.run(deaf("both")).await;
    world.look(&id).await;
    let (first, second) = (world.send(restart(&id, 2)), world.send(restart(&id, 2)));
    let answers = [world.answer(first, secs(30)).await, world.answer(second, secs(30)).await];
    // On a busy machine, Docker 28 answers one of them with 500, without its `stop` and `restart`: the container ended between
    // its signal and its wait.
    let mut seen = vec![format!("one succeeds: {}", answers.contains(&Some(204)))];
    seen.push(format!("both are answered: {}", answers.iter().all(|it| matches!(it, Some(204 | 500)))));
    seen.push(world.look(&id).await.expect("it is there").show());
    let events = world.events(&id).await;
    let count = |what: &str| events.iter().filter(|it| *it == what).count();
    seen.push(format!("kill 15: {}, start: {}", count("kill 15"), count("start")));
    seen.push(format!("stop: {}, restart: {}", count("stop") > 0, count("restart") > 0));
    seen
}

pub(super) async fn recreate_same_name(world: &mut World) -> Seen {
    let old = world.run(Spec::named("name")).await;
    let mut seen = vec![world.ask(Request::Remove { id: old.clone(), force: true }).await.to_string()];
    let new = world.run(Spec::named("name")).await;
    seen.push(format!("another id: {}", old != new));
    seen.push(format!("the old one: {:?}", world.look(&old).await.map(|it| it.show())));
    seen.push(world.ask(restart(&old, 1)).await.to_string());
    seen.push(world.look(&new).await.expect("it is there").show());
    seen
}

pub(super) async fn remove_running(world: &mut World) -> Seen {
    let id = world.run(Spec::named("going")).await;
    let mut seen = vec![world.ask(Request::Remove { id: id.clone(), force: false }).await.to_string()];
    seen.push(world.ask(Request::Remove { id: id.clone(), force: true }).await.to_string());
    seen.push(format!("{:?}", world.look(&id).await.map(|it| it.show())));
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn remove_during_restart(world: &mut World) -> Seen {
    let id = world.run(deaf("leaving")).await;
    let sent = world.send(restart(&id, 5));
    world.until_event("it is being ended", &id, "kill 15").await;
    world.ask(Request::Remove { id: id.clone(), force: true }).await;
    let answer = world.answer(sent, secs(30)).await;
    vec![format!("an error: {}", answer.is_some_and(|status| matches!(status, 404 | 409 | 500)))]
}

pub(super) async fn update_limits(world: &mut World) -> Seen {
    let mut spec = Spec::named("limits");
    spec.memory_limit = Some(64 << 20);
    let id = world.run(spec).await;
    world.look(&id).await;
    let request = Request::Update { id: id.clone(), memory: Some(96 << 20), nano_cpus: None };
    let mut seen = vec![(world.ask(request).await / 100).to_string()];
    seen.push(world.look(&id).await.expect("it is there").show());
    seen.push(format!("{:?}", world.memory_limit(&id).await));
    seen.extend(world.events(&id).await);
    seen
}

pub(super) async fn start_fails(world: &mut World) -> Seen {
    let id = world.run(Spec::named("broken").policy(Policy::Always)).await;
    let before = world.look(&id).await.expect("it is there");
    world.break_starts(&id).await;
    let answer = world.ask(restart(&id, 10)).await;
    let mut seen = vec![format!("an error: {}", answer >= 400)];
    let after = world.until("it is down", &id, |it| it.status == "exited").await;
    seen.push(format!("the same run: {}, exit code 127: {}", after.run == before.run, after.exit == 127));
    seen.push(format!("it stays so: {}", stays(world, &id).await.len()));
    seen.extend(world.events(&id).await);
    seen
}
