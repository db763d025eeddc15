//! The names of everything on a host that a target can name. Looks only, and never at one thing by itself.
//!
//! Containers are asked for by their states: as a filter that keeps out those that the client library cannot read, which
//! would make the whole list unreadable. A daemon that is no manager of a swarm says so when it is asked for services, and
//! then there are none. Disks are those of the configuration.

use std::collections::BTreeSet;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListServicesOptionsBuilder;

use super::host::{Host, Op};
use super::{compose, find};
use fettle_core::ports::platform::PlatformError;
use fettle_core::target::{Target, is_name};

/// Every state that a container can have.
const STATES: [&str; 7] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

/// Targets of one host at most: more than one host runs, and few enough to look at each.
const MOST: usize = 4096;

/// The targets of this host in order, each once.
pub(super) async fn of(host: &Host) -> Result<Vec<Target>, PlatformError> {
    // Who answers is known before what is there, so that two names of one daemon are found out.
    host.daemon().await?;
    let listed = find::list(host, "status", STATES.map(str::to_owned).into()).await?;
    let mut targets: BTreeSet<Target> = listed.iter().flat_map(|it| container(host, it)).collect();
    targets.extend(services(host).await?);
    let disks = host.disks.keys().map(|name| Target::Disk { host: host.name.clone(), name: name.clone() });
    targets.extend(disks);
    if targets.len() > MOST {
        return Err(PlatformError::Unfit(format!("{} things are there; {MOST} is the most", targets.len())));
    }
    Ok(targets.into_iter().collect())
}

/// The container by its name, and the Compose service that it is of.
fn container(host: &Host, it: &ContainerSummary) -> Vec<Target> {
    // Links have names with more than one slash; the container's own has one.
    let names = it.names.iter().flatten().filter_map(|name| name.strip_prefix('/')).filter(|name| is_name(name));
    let own = names.map(|name| Target::Container { host: host.name.clone(), name: name.to_owned() });
    let label = |key: &str| it.labels.as_ref().and_then(|labels| labels.get(key)).map(String::as_str);
    let service = match (label(compose::PROJECT), label(compose::SERVICE), label(compose::ONEOFF)) {
        (Some(project), Some(service), Some("False")) if is_name(project) && is_name(service) => {
            let (project, service) = (project.to_owned(), service.to_owned());
            Some(Target::Compose { host: host.name.clone(), project, service })
        }
        _ => None,
    };
    own.chain(service).collect()
}

/// Swarm's services. Who is no manager answers 503, older daemons 406.
async fn services(host: &Host) -> Result<Vec<Target>, PlatformError> {
    let options = ListServicesOptionsBuilder::default().build();
    let listed = host.see(Op::Services, |client| async move { client.list_services(Some(options)).await }).await;
    let listed = match listed {
        // A socket proxy that does not let it through says 403: then no rule of Swarm can look there either.
        Err(PlatformError::Answered { status: 403 | 406 | 503, .. }) => return Ok(Vec::new()),
        listed => listed?,
    };
    let names = listed.into_iter().filter_map(|it| it.spec?.name).filter(|name| is_name(name));
    Ok(names.map(|service| Target::Swarm { host: host.name.clone(), service }).collect())
}
