//! Containers of Compose, by the labels that it gives them. One-off containers (`compose run`) are left out.

use std::collections::HashMap;

use bollard::models::ContainerSummary;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::daemon::Daemon;
use super::host::Host;
use super::{find, full_id, is_full_id, seen};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{Container, Replicas};

pub(super) const PROJECT: &str = "com.docker.compose.project";
pub(super) const SERVICE: &str = "com.docker.compose.service";
pub(super) const ONEOFF: &str = "com.docker.compose.oneoff";

/// Most replicas of one service that are looked at.
const REPLICAS_MAX: usize = 64;

/// Looks under way at the same time: a daemon answers eight about as fast as one.
const LOOKS: usize = 8;

/// What the list says about a Compose service.
pub(super) enum Listed {
    None,
    One(String),
    Many(usize),
}

/// The container of a service that has one.
pub(super) async fn by_labels(host: &Host, project: &str, service: &str) -> Result<Listed, PlatformError> {
    match &mut listed(host, project, service).await?[..] {
        [] => Ok(Listed::None),
        [one] => match one.id.take().filter(|id| is_full_id(id)) {
            Some(id) => Ok(Listed::One(id)),
            None => Err(seen::senseless(host, "a list without container ids")),
        },
        many => Ok(Listed::Many(many.len())),
    }
}

/// Whether these are labels of a container of this service that Compose keeps running.
pub(super) fn is_service(labels: &HashMap<String, String>, project: &str, service: &str) -> bool {
    let is = |key, value: &str| labels.get(key).is_some_and(|it| it == value);
    is(PROJECT, project) && is(SERVICE, service) && is(ONEOFF, "False")
}

async fn listed(host: &Host, project: &str, service: &str) -> Result<Vec<ContainerSummary>, PlatformError> {
    let labels = vec![format!("{PROJECT}={project}"), format!("{SERVICE}={service}"), format!("{ONEOFF}=False")];
    let mut listed = find::list(host, "label", labels).await?;
    listed.retain(|it| it.labels.as_ref().is_some_and(|labels| is_service(labels, project, service)));
    Ok(listed)
}

/// All containers of a service, by Compose's number; `None` when there are none.
pub(super) async fn replicas(
    host: &Host,
    daemon: &Daemon,
    project: &str,
    service: &str,
) -> Result<Option<Replicas>, PlatformError> {
    let listed = listed(host, project, service).await?;
    if listed.len() > REPLICAS_MAX {
        let n = listed.len();
        return Err(PlatformError::Unfit(format!(
            "{project}/{service} has {n} containers; {REPLICAS_MAX} is the most"
        )));
    }
    let ids: Vec<String> = listed.into_iter().filter_map(|it| it.id).collect();
    let mut members = looks(host, daemon, ids).await?;
    members.retain(|it| it.labels.get(SERVICE).is_some_and(|label| label == service));
    members.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
    let (project, service) = (project.to_owned(), service.to_owned());
    Ok((!members.is_empty()).then(|| Replicas { daemon: daemon.id.clone(), project, service, members }))
}

/// How many other containers of its service are well.
pub(super) async fn siblings_well(host: &Host, daemon: &Daemon, container: &Container) -> Result<u32, PlatformError> {
    let Some((project, service)) = container.compose_service() else { return Ok(0) };
    let group = replicas(host, daemon, project, service).await?;
    Ok(group.map_or(0, |it| it.well_beside(&container.id)))
}

/// Looks at each of these containers, in this order; those that have gone meanwhile are left out.
pub(super) async fn looks(host: &Host, daemon: &Daemon, ids: Vec<String>) -> Result<Vec<Container>, PlatformError> {
    let look = |id: String| async move { find::container(host, daemon, full_id(&id)?).await };
    let seen: Vec<Option<Container>> = stream::iter(ids).map(look).buffered(LOOKS).try_collect().await?;
    Ok(seen.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
