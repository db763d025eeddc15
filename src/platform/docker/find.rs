//! Finding a container by its exact names, and looking at one by its full id.
//!
//! Docker answers an inspect of `web` with the container of that name or, when there is none, with one whose *id* begins
//! so. Hence what comes back counts only if its name is the one asked for, and a name that looks like an id needs care:
//! - an id or a prefix of one: the container's name differs, so nothing was found;
//! - a prefix of several ids: the daemon fails (500 in Docker 20.10, 400 in newer ones). It tries names before prefixes, so
//!   nothing has that name, but that is not concluded from an error: the list, filtered by name, decides.
//!
//! A Compose service is found by its labels, one-off containers left out. Never is a list asked for without a filter:
//! it is long, and one container in a state unknown to the client library makes all of it unreadable.

use std::collections::HashMap;

use bollard::models::{ContainerInspectResponse, ContainerSummary};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};

use super::daemon::Daemon;
use super::host::{Host, Op};
use super::{image, is_full_id, seen, stopped};
use crate::core::sight::{Container, Found, ImageLabel, Sight, Status};
use crate::core::target::{Target, is_name};
use crate::platform::PlatformError;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONEOFF: &str = "com.docker.compose.oneoff";

/// Looks a target up. What cannot be a name is found nowhere, and nothing is sent for it.
pub(super) async fn find(host: &Host, daemon: &Daemon, target: &Target) -> Result<Found, PlatformError> {
    let container = match target {
        Target::Container { name, .. } if is_name(name) => by_name(host, name).await?,
        Target::Compose { project, service, .. } if is_name(project) && is_name(service) => {
            match by_labels(host, project, service).await? {
                Listed::None => None,
                Listed::Many(n) => return Ok(Found::Many(n)),
                Listed::One(id) => {
                    inspect(host, &id).await?.filter(|it| is_service(seen::labels(it), project, service))
                }
            }
        }
        _ => None,
    };
    match container {
        Some(container) => Ok(Found::one(sight(host, daemon, &container).await?)),
        None => Ok(Found::Nothing),
    }
}

/// Looks at the container with this full id.
pub(super) async fn look(host: &Host, daemon: &Daemon, id: &str) -> Result<Option<Sight>, PlatformError> {
    if !is_full_id(id) {
        return Err(PlatformError::NotAnId(id.chars().take(64).collect()));
    }
    match inspect(host, id).await?.filter(|it| it.id.as_deref() == Some(id)) {
        Some(container) => sight(host, daemon, &container).await.map(|it| Some(it.into())),
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

/// What the list says about a Compose service.
enum Listed {
    None,
    One(String),
    Many(usize),
}

async fn by_labels(host: &Host, project: &str, service: &str) -> Result<Listed, PlatformError> {
    let labels = vec![format!("{PROJECT}={project}"), format!("{SERVICE}={service}"), format!("{ONEOFF}=False")];
    let mut listed = list(host, "label", labels).await?;
    listed.retain(|it| it.labels.as_ref().is_some_and(|labels| is_service(labels, project, service)));
    match &mut listed[..] {
        [] => Ok(Listed::None),
        [one] => match one.id.take().filter(|id| is_full_id(id)) {
            Some(id) => Ok(Listed::One(id)),
            None => Err(seen::senseless(host, "a list without container ids")),
        },
        many => Ok(Listed::Many(many.len())),
    }
}

fn is_service(labels: &HashMap<String, String>, project: &str, service: &str) -> bool {
    let is = |key, value: &str| labels.get(key).is_some_and(|it| it == value);
    is(PROJECT, project) && is(SERVICE, service) && is(ONEOFF, "False")
}

async fn list(host: &Host, key: &str, values: Vec<String>) -> Result<Vec<ContainerSummary>, PlatformError> {
    let filters = HashMap::from([(key.to_owned(), values)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    host.see(Op::List, |client| async move { client.list_containers(Some(options)).await }).await
}

/// `what` is a legal name or a full id; `None` when there is no such container.
async fn inspect(host: &Host, what: &str) -> Result<Option<ContainerInspectResponse>, PlatformError> {
    let options = None::<InspectContainerOptions>;
    match host.see(Op::Inspect, |client| async move { client.inspect_container(what, options).await }).await {
        Ok(container) => Ok(Some(container)),
        Err(PlatformError::Answered { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Completes what an inspect showed by what it does not show.
async fn sight(host: &Host, daemon: &Daemon, container: &ContainerInspectResponse) -> Result<Container, PlatformError> {
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

    #[test]
    fn a_service_is_its_three_labels_exactly() {
        let labels = |project: &str, service: &str, oneoff: &str| {
            HashMap::from([(PROJECT, project), (SERVICE, service), (ONEOFF, oneoff)].map(|(k, v)| (k.into(), v.into())))
        };
        assert!(is_service(&labels("shop", "web", "False"), "shop", "web"));
        for other in [labels("shop", "web", "True"), labels("shop", "web2", "False"), labels("Shop", "web", "False")] {
            assert!(!is_service(&other, "shop", "web"));
        }
        assert!(!is_service(&HashMap::new(), "shop", "web"));
    }
}
