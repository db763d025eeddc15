//! Swarm, and a deployment by Compose.

use fettle_memory::physics::{Request, ServiceChange};

use super::Seen;
use super::starts::secs;
use super::world::World;

const NAME: &str = "api";

pub(super) async fn task_killed(world: &mut World) -> Seen {
    world.create_service(NAME, 1).await;
    let old = world.service(NAME).await.running[0].clone();
    let killed = world.ask(Request::Kill { id: old.clone(), signal: 9 }).await;
    let after = world.until_service("another task runs", NAME, |it| it.running.iter().any(|id| *id != old)).await;
    let left = world.look(&old).await.map(|it| format!("{} {}", it.status, it.exit));
    vec![killed.to_string(), format!("tasks: {}", after.running.len()), format!("the old one: {left:?}")]
}

pub(super) async fn task_restarted(world: &mut World) -> Seen {
    world.create_service(NAME, 1).await;
    let old = world.service(NAME).await.running[0].clone();
    let mut seen = vec![world.ask(Request::Restart { id: old.clone(), grace: secs(5) }).await.to_string()];
    world.until_service("another task runs", NAME, |it| it.running.iter().any(|id| *id != old)).await;
    world.until_swarm_had_its_time(&old).await;
    seen.push(format!("tasks: {}", world.service(NAME).await.running.len()));
    seen.push(format!("the old one: {:?}", world.look(&old).await.map(|it| it.status)));
    seen
}

pub(super) async fn scale(world: &mut World) -> Seen {
    world.create_service(NAME, 2).await;
    let before = world.service(NAME).await;
    let mut seen = vec![world.update_service(&before, ServiceChange::Replicas(4)).await.to_string()];
    seen.push(format!("stale: {}", world.update_service(&before, ServiceChange::Replicas(1)).await));
    let more = world.until_service("four run", NAME, |it| it.running.len() == 4).await;
    seen.push(format!("the first ones run on: {}", before.running.iter().all(|id| more.running.contains(id))));
    seen.push(format!("newer: {}, updating: {}", more.version > before.version, more.updating));
    seen.push(world.update_service(&more, ServiceChange::Replicas(1)).await.to_string());
    let fewer = world.until_service("one runs", NAME, |it| it.running.len() == 1).await;
    seen.push(format!("one of them is left: {}", more.running.contains(&fewer.running[0])));
    seen
}

pub(super) async fn force(world: &mut World) -> Seen {
    world.create_service(NAME, 2).await;
    let before = world.service(NAME).await;
    let mut seen = vec![world.update_service(&before, ServiceChange::Force).await.to_string()];
    world.until_service("it is updating", NAME, |it| it.updating).await;
    let after = world.until_service("it is through", NAME, |it| !it.updating && it.running.len() == 2).await;
    seen.push(format!("all are new: {}", after.running.iter().all(|id| !before.running.contains(id))));
    seen.push(format!("more than one version later: {}", after.version > before.version + 1));
    seen
}

pub(super) async fn compose_deploy(world: &mut World) -> Seen {
    let old = world.compose_up("web", false).await;
    world.look(&old).await;
    let new = world.compose_up("web", true).await;
    let mut seen = vec![format!("another id: {}", old != new)];
    seen.push(format!("the old one: {:?}", world.look(&old).await.map(|it| it.show())));
    seen.push(world.until("it runs", &new, |it| it.status == "running").await.show());
    for id in [&old, &new] {
        // Compose renames on the way: its own affair.
        let events = world.events(id).await;
        seen.push(events.into_iter().filter(|it| it != "rename").collect::<Vec<_>>().join(" "));
    }
    seen
}
