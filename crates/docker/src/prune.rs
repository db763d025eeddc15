//! Giving back what Docker keeps and nobody uses. Never a volume.
//!
//! Images and the build cache are pruned by Docker, always with an age. Stopped containers are not: Docker's own prune takes
//! the age from when a container was *made*, so that one which a person stopped a minute ago would go. Here the age counts
//! from the end of its last run, and what belongs to Compose or Swarm, carries `fettle.hold` or is protected stays. That
//! includes the replicas that fettle itself has stopped.
//!
//! The age of an image counts from when it was built, not from when it came to this host: Docker knows no other.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{
    InspectContainerOptionsBuilder, ListContainersOptionsBuilder, PruneBuildOptionsBuilder, PruneImagesOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::daemon::Daemon;
use super::host::{Host, LOOK, Op};
use super::{is_full_id, seen, unsent};
use fettle_core::action::{CALL_MARGIN, CLEAN_LIMIT, Prune};
use fettle_core::ports::platform::{Performed, PlatformError};
use fettle_core::time::since;

/// Most containers removed by one attempt.
const CONTAINERS_MAX: usize = 64;

/// Most ids listed in the audit; how many there were is said besides.
const LISTED_MAX: usize = 200;

/// Labels of containers that are not removed: others have made them, or a person wants them kept.
const KEPT: [&str; 3] = ["com.docker.compose.project", "com.docker.swarm.task.id", "fettle.hold"];

/// Removes containers first, so that their images are not used any more, then images, then the build cache.
pub(super) async fn prune(host: &Host, prune: &Prune) -> Performed {
    let deadline = Instant::now() + CLEAN_LIMIT + CALL_MARGIN;
    let mut touched = json!({});
    let answer = all(host, prune, deadline, &mut touched).await;
    Performed { touched: json!({"pruned": touched}), answer, short: None }
}

async fn all(host: &Host, prune: &Prune, deadline: Instant, touched: &mut Value) -> Result<(), PlatformError> {
    if !(prune.images || prune.unused_images || prune.build_cache || prune.stopped_containers) {
        return Err(PlatformError::Unfit("nothing is named that should be pruned".to_owned()));
    }
    if prune.stopped_containers {
        containers(host, prune.older_than, deadline, touched).await?;
    }
    if prune.images || prune.unused_images {
        images(host, prune, deadline, touched).await?;
    }
    if prune.build_cache {
        build_cache(host, prune.older_than, deadline, touched).await?;
    }
    Ok(())
}

async fn images(host: &Host, prune: &Prune, deadline: Instant, touched: &mut Value) -> Result<(), PlatformError> {
    let dangling = if prune.unused_images { "false" } else { "true" };
    let filters = HashMap::from([("dangling", vec![dangling.to_owned()]), ("until", vec![age(prune.older_than)])]);
    let options = PruneImagesOptionsBuilder::default().filters(&filters).build();
    let call = |client: bollard::Docker| async move { client.prune_images(Some(options)).await };
    let done = host.act(Op::PruneImages, left(deadline)?, call).await?;
    let gone = done.images_deleted.unwrap_or_default();
    let ids: Vec<String> = gone.iter().filter_map(|it| it.deleted.clone()).collect();
    let untagged: Vec<&String> = gone.iter().filter_map(|it| it.untagged.as_ref()).take(LISTED_MAX).collect();
    touched["images"] = listed(&ids, done.space_reclaimed);
    touched["images"]["untagged"] = json!(untagged);
    Ok(())
}

async fn build_cache(
    host: &Host,
    older: Duration,
    deadline: Instant,
    touched: &mut Value,
) -> Result<(), PlatformError> {
    let filters = HashMap::from([("until", vec![age(older)])]);
    let options = PruneBuildOptionsBuilder::default().filters(&filters).build();
    let call = |client: bollard::Docker| async move { client.prune_build(Some(options)).await };
    let done = host.act(Op::PruneBuild, left(deadline)?, call).await?;
    touched["build_cache"] = listed(&done.caches_deleted.unwrap_or_default(), done.space_reclaimed);
    Ok(())
}

async fn containers(host: &Host, older: Duration, deadline: Instant, touched: &mut Value) -> Result<(), PlatformError> {
    let daemon = host.daemon().await.map_err(unsent)?;
    let filters = HashMap::from([("status", vec!["exited"])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let asked = host.see(Op::List, |client| async move { client.list_containers(Some(options)).await });
    let exited = asked.await.map_err(unsent)?;
    let mut gone: Vec<String> = Vec::new();
    let mut bytes = 0;
    for id in exited.iter().filter(|it| may_go(host, it)).filter_map(|it| it.id.clone()) {
        if gone.len() >= CONTAINERS_MAX {
            touched["containers_left"] = json!("no more at once");
            break;
        }
        let Some(seen) = inspect(host, &id).await? else { continue };
        if !is_old(&seen, &daemon, older) {
            continue;
        }
        // Without force: one that was started meanwhile is refused by the daemon, and stays.
        let options = RemoveContainerOptionsBuilder::default().v(false).force(false).build();
        let which = &id;
        let call = |client: bollard::Docker| async move { client.remove_container(which, Some(options)).await };
        match host.act(Op::Remove, left(deadline)?, call).await {
            Ok(()) => {
                bytes += seen.size_rw.unwrap_or(0);
                gone.push(id);
                touched["containers"] = listed(&gone, Some(bytes));
            }
            Err(PlatformError::Answered { status: 404 | 409, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    touched["containers"] = listed(&gone, Some(bytes));
    Ok(())
}

/// Whether nothing in the list says that it is to stay.
fn may_go(host: &Host, it: &ContainerSummary) -> bool {
    let kept = it.labels.as_ref().is_some_and(|labels| KEPT.iter().any(|label| labels.contains_key(*label)));
    let protected = it.names.iter().flatten().any(|name| host.keep.contains(name.trim_start_matches('/')));
    it.id.as_deref().is_some_and(is_full_id) && !kept && !protected
}

/// Whether its last run ended so long ago. One that does not say when stays.
fn is_old(it: &ContainerInspectResponse, daemon: &Daemon, older: Duration) -> bool {
    let ended = it.state.as_ref().is_some_and(|state| state.running == Some(false));
    ended && seen::exit(it).finished.is_some_and(|finished| since(daemon.now(), finished) >= older)
}

async fn inspect(host: &Host, id: &str) -> Result<Option<ContainerInspectResponse>, PlatformError> {
    let options = InspectContainerOptionsBuilder::default().size(true).build();
    match host.see(Op::Inspect, |client| async move { client.inspect_container(id, Some(options)).await }).await {
        Ok(seen) => Ok(Some(seen).filter(|it| it.id.as_deref() == Some(id))),
        Err(PlatformError::Answered { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn listed(ids: &[String], space_reclaimed: Option<i64>) -> Value {
    let some: Vec<&String> = ids.iter().take(LISTED_MAX).collect();
    json!({"count": ids.len(), "ids": some, "space_reclaimed": space_reclaimed.unwrap_or(0)})
}

/// As Go writes lengths of time: the form that every engine reads.
fn age(older_than: Duration) -> String {
    format!("{}s", older_than.as_secs())
}

/// What is left of the time; an error when nothing can be begun any more that would end in it.
fn left(deadline: Instant) -> Result<Duration, PlatformError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left < LOOK { Err(PlatformError::Incomplete("no time for the rest".to_owned())) } else { Ok(left) }
}
