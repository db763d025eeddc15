//! Which containers depend on one, in the order in which they are to be restarted after it.
//!
//! First those that share its network namespace: they have lost their network when it is made anew. Then the services of its
//! Compose project that name it in `depends_on`, and those that name them, each after what it depends on; of a circle each
//! service once. Which these are says Compose's own label, which Compose 1 does not write.
//!
//! What does not run does not depend on anything: a job that ended and what a person stopped are left out, one that crashed
//! is not. No more than [`ENOUGH`] are looked at, one more than any step may restart: whoever finds so many refuses.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::ContainerSummary;

use super::daemon::Daemon;
use super::host::Host;
use super::{compose, find, is_full_id};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{Container, Status};

const DEPENDS_ON: &str = "com.docker.compose.depends_on";

/// As many as are looked at.
const ENOUGH: usize = 9;

/// States in which a container can depend on another. As a filter they also keep states out that the client library cannot
/// read.
const STATES: [&str; 4] = ["running", "paused", "restarting", "exited"];

/// The dependents of `of`.
pub(super) async fn of(host: &Host, daemon: &Daemon, of: &Container) -> Result<Vec<Container>, PlatformError> {
    let listed = find::list(host, "status", STATES.map(str::to_owned).into()).await?;
    let mut ids: Vec<String> =
        listed.iter().filter(|it| shares_network(it, of)).filter_map(|it| it.id.clone()).collect();
    for id in by_depends_on(&listed, of) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.retain(|id| *id != of.id);
    let mut found = Vec::new();
    // One by one: those that do not count are not known before they are looked at.
    for id in ids {
        if found.len() >= ENOUGH {
            break;
        }
        found.extend(find::container(host, daemon, &id).await?.filter(counts));
    }
    Ok(found)
}

fn counts(it: &Container) -> bool {
    match it.status {
        Status::Exited => it.stopped_by_hand == Some(false),
        _ => true,
    }
}

/// Docker writes the full id there, also when a name was given; older ones what was given.
fn shares_network(it: &ContainerSummary, of: &Container) -> bool {
    let mode = it.host_config.as_ref().and_then(|config| config.network_mode.as_deref());
    let Some(other) = mode.and_then(|mode| mode.strip_prefix("container:")) else { return false };
    other == of.id || other == of.name || (other.len() >= 12 && of.id.starts_with(other))
}

/// Ids of the containers whose services depend on that of `of`, each after what it depends on.
fn by_depends_on(listed: &[ContainerSummary], of: &Container) -> Vec<String> {
    let (Some(project), Some(service)) = (of.labels.get(compose::PROJECT), of.labels.get(compose::SERVICE)) else {
        return Vec::new();
    };
    let mut services: BTreeMap<&str, Service<'_>> = BTreeMap::new();
    for it in listed {
        let Some(labels) = &it.labels else { continue };
        let label = |key: &str| labels.get(key).map(String::as_str);
        let (Some(name), Some(id)) = (label(compose::SERVICE), it.id.as_deref().filter(|id| is_full_id(id))) else {
            continue;
        };
        if label(compose::PROJECT) != Some(project) || label(compose::ONEOFF) != Some("False") {
            continue;
        }
        let of_service = services.entry(name).or_default();
        let number = label("com.docker.compose.container-number").and_then(|text| text.parse::<u32>().ok());
        of_service.members.insert((number, id));
        of_service.depends_on.extend(label(DEPENDS_ON).into_iter().flat_map(names));
    }
    let ordered = ordered(&services, service);
    let members = ordered.into_iter().filter_map(|name| services.get(name)).flat_map(|it| &it.members);
    members.map(|(_, id)| (*id).to_owned()).collect()
}

#[derive(Debug, Default)]
struct Service<'l> {
    depends_on: BTreeSet<&'l str>,
    members: BTreeSet<(Option<u32>, &'l str)>,
}

/// `db:service_started:false,cache:service_healthy:true`.
fn names(label: &str) -> impl Iterator<Item = &str> {
    label.split(',').filter_map(|it| it.split(':').next()).map(str::trim).filter(|name| !name.is_empty())
}

/// Those that depend on `on`, over others too, each after those of them that it depends on itself.
fn ordered<'l>(services: &BTreeMap<&'l str, Service<'l>>, on: &str) -> Vec<&'l str> {
    let mut affected: BTreeSet<&str> = BTreeSet::new();
    loop {
        let more: Vec<&str> = services
            .iter()
            .filter(|(name, it)| {
                **name != on
                    && !affected.contains(*name)
                    && it.depends_on.iter().any(|d| *d == on || affected.contains(d))
            })
            .map(|(name, _)| *name)
            .collect();
        if more.is_empty() {
            break;
        }
        affected.extend(more);
    }
    let mut ordered: Vec<&str> = Vec::new();
    while !affected.is_empty() {
        let free = |name: &&&str| services.get(**name).is_none_or(|it| it.depends_on.is_disjoint(&affected));
        // In a circle none is free: the first by name goes.
        let Some(next) = affected.iter().find(free).or_else(|| affected.first()).copied() else { break };
        affected.remove(next);
        ordered.extend(services.get_key_value(next).map(|(name, _)| *name));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(edges: &[(&'static str, &[&'static str])], on: &str) -> Vec<&'static str> {
        let service =
            |needs: &[&'static str]| Service { depends_on: needs.iter().copied().collect(), ..Service::default() };
        let services = edges.iter().map(|(name, needs)| (*name, service(needs))).collect();
        ordered(&services, on)
    }

    #[test]
    fn a_service_comes_after_those_it_depends_on() {
        let edges: &[(&str, &[&str])] =
            &[("api", &["db", "cache"]), ("cache", &["db"]), ("web", &["api"]), ("db", &[]), ("mail", &[])];
        assert_eq!(order(edges, "db"), ["cache", "api", "web"]);
        assert_eq!(order(edges, "web"), Vec::<&str>::new());
    }

    #[test]
    fn of_a_circle_each_comes_once() {
        let edges: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["a", "db"]), ("c", &["c", "db"]), ("db", &["a"])];
        assert_eq!(order(edges, "db"), ["a", "b", "c"]);
    }

    #[test]
    fn the_label_names_services_before_their_conditions() {
        let found: Vec<&str> = names("db:service_started:false, cache:service_healthy:true,plain,,").collect();
        assert_eq!(found, ["db", "cache", "plain"]);
        assert_eq!(names("").count(), 0);
    }
}
