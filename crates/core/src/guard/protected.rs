//! `protected`: fettle itself, its database, and what the configuration protects.
//!
//! fettle's own container is known by id. Its database is known by the host of the database URL, when that is a
//! container's name, Compose service, alias or address; on loopback by the port that a container of this machine publishes. One
//! that can be told by neither (another machine's published port, a container in the host's network) must be named in the
//! configuration.

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::settings::Protected;
use crate::sight::{Found, Part, Sight};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let (name, why) = reason(sight, &seen.known.settings.protected)?;
    Some(refusal(Guard::Protected, None, format!("{name} {why}"), json!({"container": name, "why": why})))
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(_) = seen.found else { return None };
    Some(Basis::new("it is not protected", json!({})))
}

/// What of it is protected, and why.
#[must_use]
pub fn reason(sight: &Sight, protected: &Protected) -> Option<(String, &'static str)> {
    sight.parts().into_iter().find_map(|part| Some((part.name.to_owned(), of_part(&part, protected)?)))
}

fn of_part(sight: &Part<'_>, protected: &Protected) -> Option<&'static str> {
    let label = |name: &str| sight.labels.get(name);
    if protected.own_container.as_ref().is_some_and(|id| !id.is_empty() && sight.id.starts_with(id.as_str())) {
        return Some("is fettle itself");
    }
    if protected.containers.contains(sight.name) {
        return Some("is protected by the configuration");
    }
    if label("com.docker.compose.project").is_some_and(|project| protected.compose_projects.contains(project)) {
        return Some("belongs to a protected Compose project");
    }
    let service = label("com.docker.compose.service");
    let known_as = sight.addresses.iter().chain(service).map(String::as_str).chain([sight.name]);
    known_as.into_iter().any(|name| protected.database.contains(name)).then_some("is fettle's database")
}
