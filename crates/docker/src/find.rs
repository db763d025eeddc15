//! Finding a container by its exact names, and looking at one by its full id.
//!
//! Docker answers an inspect of `web` with the container of that name or, when there is none, with one whose *id* begins
//! so. Hence what comes back counts only if its name is the one asked for, and a name that looks like an id needs care:
//! - an id or a prefix of one: the container's name differs, so nothing was found;
//! - a prefix of several ids: the daemon fails (500 in Docker 20.10, 400 in newer ones). It tries names before prefixes, so
//!   nothing has that name, but that is not concluded from an error: the list, filtered by name, decides.
//!
//! What belongs to Compose is found by its labels (`compose.rs`), a Swarm service by its name (`service.rs`), a disk in the
//! configuration (`disk.rs`). Never is a list asked for without a filter: it is long, and one container in a state unknown
//! to the client library makes all of it unreadable.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};

use super::compose::{self, Listed};
use super::daemon::Daemon;
use super::host::{Host, Op};
use super::{dependents, disk, full_id, image, seen, service, stopped};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{Container, Found, ImageLabel, Pin, Sight, Status, Wanted};
use fettle_core::target::{Target, is_name};

/// Looks a target up. What cannot be a name is found nowhere, and nothing is sent for it.
pub(super) async fn find(
    host: &Host,
    daemon: &Daemon,
    target: &Target,
    wanted: Wanted,
) -> Result<Found, PlatformError> {
    let container = match target {
        Target::Container { name, .. } if is_name(name) => by_name(host, name).await?,
        Target::Compose { project, service, .. } if is_name(project) && is_name(service) => {
            if wanted.replicas {
                let found = compose::replicas(host, daemon, project, service).await?;
                return Ok(found.map_or(Found::Nothing, |it| Found::one(Sight::Replicas(it))));
            }
            match compose::by_labels(host, project, service).await? {
                Listed::None => None,
                Listed::Many(n) => return Ok(Found::Many(n)),
                Listed::One(id) => {
                    inspect(host, &id).await?.filter(|it| compose::is_service(seen::labels(it), project, service))
                }
            }
        }
        Target::Swarm { service, .. } if is_name(service) => return service::find(host, daemon, service).await,
        Target::Disk { name, .. } => {
            let found = disk::look(host, daemon, name).await;
            return Ok(found.map_or(Found::Nothing, |it| Found::one(Sight::Disk(it))));
        }
        _ => None,
    };
    let Some(container) = container else { return Ok(Found::Nothing) };
    let mut sight = sight(host, daemon, &container).await?;
    if wanted.dependents {
        sight.dependents = dependents::of(host, daemon, &sight).await?;
    }
    if wanted.siblings {
        sight.siblings_well = compose::siblings_well(host, daemon, &sight).await?;
    }
    Ok(Found::one(sight))
}

/// Looks again at what was found: a container and a service by full id, replicas by the names of their service.
pub(super) async fn look(
    host: &Host,
    daemon: &Daemon,
    target: &Target,
    pin: &Pin,
) -> Result<Option<Sight>, PlatformError> {
    match target {
        Target::Disk { name, .. } => Ok(disk::look(host, daemon, name).await.map(Sight::Disk)),
        Target::Swarm { .. } => Ok(service::look(host, daemon, &pin.id).await?.map(Sight::Service)),
        Target::Compose { project, service, .. } if pin.id.starts_with(&format!("{project}/{service}:")) => {
            Ok(compose::replicas(host, daemon, project, service).await?.map(Sight::Replicas))
        }
        _ => Ok(container(host, daemon, &pin.id).await?.map(Sight::from)),
    }
}

/// Looks at the container with this full id.
pub(super) async fn container(host: &Host, daemon: &Daemon, id: &str) -> Result<Option<Container>, PlatformError> {
    let id = full_id(id)?;
    match inspect(host, id).await?.filter(|it| it.id.as_deref() == Some(id)) {
        Some(container) => sight(host, daemon, &container).await.map(Some),
        None => Ok(None),
    }
}

async fn by_name(host: &Host, name: &str) -> Result<Option<ContainerInspectResponse>, PlatformError> {
    match inspect(host, name).await {
        Ok(found) => Ok(found.filter(|it| it.id.as_deref() != Some(name) && seen::name(it) == Some(name))),
        Err(error @ PlatformError::Answered { status: 400 | 500, .. }) if looks_like_id(name) => {
            // Hexadecimal digits only, so there is nothing to escape in the expression.
            let listed = list(host, "name", vec![format!("^/?{name}$")]).await?;
            let exact = format!("/{name}");
            let exists = listed.iter().flat_map(|it| it.names.iter().flatten()).any(|it| *it == exact);
            if exists { Err(error) } else { Ok(None) }
        }
        Err(error) => Err(error),
    }
}

/// Containers by one filter, whatever they do.
pub(super) async fn list(host: &Host, key: &str, values: Vec<String>) -> Result<Vec<ContainerSummary>, PlatformError> {
    let filters = HashMap::from([(key.to_owned(), values)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    host.see(Op::List, |client| async move { client.list_containers(Some(options)).await }).await
}

/// `what` is a legal name or a full id; `None` when there is no such container.
pub(super) async fn inspect(host: &Host, what: &str) -> Result<Option<ContainerInspectResponse>, PlatformError> {
    let options = None::<InspectContainerOptions>;
    match host.see(Op::Inspect, |client| async move { client.inspect_container(what, options).await }).await {
        Ok(container) => Ok(Some(container)),
        Err(PlatformError::Answered { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Completes what an inspect showed by what it does not show.
pub(super) async fn sight(
    host: &Host,
    daemon: &Daemon,
    container: &ContainerInspectResponse,
) -> Result<Container, PlatformError> {
    let mut sight = seen::sight(host, &daemon.id, container)?;
    // Without the label the container is not enabled, whatever its image says.
    if sight.labels.contains_key(image::ENABLE) {
        sight.image_label = image::label(host, container.image.as_deref()).await?;
    } else {
        sight.image_label = ImageLabel::Absent;
    }
    if sight.status == Status::Exited {
        sight.stopped_by_hand = stopped::by_hand(host, daemon, &sight.id, &seen::exit(container)).await?;
    }
    Ok(sight)
}

/// Whether Docker may read this name as an id or the beginning of one.
fn looks_like_id(name: &str) -> bool {
    name.len() <= 64 && name.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hexadecimal_digits_may_be_read_as_ids() {
        for name in ["e1", "cafe", "db", "ad", "0", &"a".repeat(64)] {
            assert!(looks_like_id(name), "{name}");
        }
        for name in ["web", "db-1", "cafe.", &"a".repeat(65)] {
            assert!(!looks_like_id(name), "{name}");
        }
    }
}
