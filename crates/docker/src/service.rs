//! Swarm services: finding one by its exact name, and looking at one by its id.
//!
//! Docker's filter by name takes every service whose name begins so; what counts is equality, compared here. Tasks count as
//! running only if they are of the newest version of the service: while an update is rolled out the old ones prove nothing.

use std::collections::HashMap;

use bollard::models::{Service as Inspected, ServiceUpdateStatusStateEnum, Task, TaskState};
use bollard::query_parameters::{InspectServiceOptions, ListServicesOptionsBuilder, ListTasksOptionsBuilder};

use super::daemon::Daemon;
use super::host::{Host, Op};
use super::seen;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::{Found, Service, Sight};

/// Looks for the service of exactly this name, which is a legal one.
pub(super) async fn find(host: &Host, daemon: &Daemon, name: &str) -> Result<Found, PlatformError> {
    let filters = HashMap::from([("name", vec![name])]);
    let options = ListServicesOptionsBuilder::default().filters(&filters).build();
    let mut listed = host.see(Op::Services, |client| async move { client.list_services(Some(options)).await }).await?;
    listed.retain(|it| it.spec.as_ref().and_then(|spec| spec.name.as_deref()) == Some(name));
    match &listed[..] {
        [] => Ok(Found::Nothing),
        [one] => Ok(Found::one(Sight::Service(sight(host, daemon, one).await?))),
        many => Ok(Found::Many(many.len())),
    }
}

/// Looks at the service with this id.
pub(super) async fn look(host: &Host, daemon: &Daemon, id: &str) -> Result<Option<Service>, PlatformError> {
    match inspect(host, id).await? {
        Some(service) => sight(host, daemon, &service).await.map(Some),
        None => Ok(None),
    }
}

/// The service with this id, as Docker describes it.
pub(super) async fn inspect(host: &Host, id: &str) -> Result<Option<Inspected>, PlatformError> {
    if !is_service_id(id) {
        return Err(PlatformError::NotAnId(id.chars().take(64).collect()));
    }
    let options = None::<InspectServiceOptions>;
    match host.see(Op::Services, |client| async move { client.inspect_service(id, options).await }).await {
        Ok(service) => Ok(Some(service).filter(|it| it.id.as_deref() == Some(id))),
        Err(PlatformError::Answered { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Swarm's ids: 25 digits to the base 36.
fn is_service_id(id: &str) -> bool {
    id.len() == 25 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

async fn sight(host: &Host, daemon: &Daemon, it: &Inspected) -> Result<Service, PlatformError> {
    let (Some(id), Some(version), Some(spec)) = (it.id.clone().filter(|id| is_service_id(id)), version(it), &it.spec)
    else {
        return Err(seen::senseless(host, "a service without an id or a version"));
    };
    let filters = HashMap::from([("service", vec![id.as_str()]), ("desired-state", vec!["running"])]);
    let options = ListTasksOptionsBuilder::default().filters(&filters).build();
    let tasks = host.see(Op::Tasks, |client| async move { client.list_tasks(Some(options)).await }).await?;
    let current = spec.task_template.as_ref().and_then(|it| it.force_update).unwrap_or(0);
    let runs = |task: &&Task| {
        let status = task.status.as_ref().and_then(|status| status.state);
        let of_version = task.spec.as_ref().and_then(|it| it.force_update).unwrap_or(0);
        status == Some(TaskState::RUNNING) && of_version == current
    };
    let running = tasks.iter().filter(runs).count();
    Ok(Service {
        daemon: daemon.id.clone(),
        id,
        name: spec.name.clone().unwrap_or_default(),
        labels: spec.labels.clone().unwrap_or_default().into_iter().collect(),
        version,
        replicas: replicas(it),
        running: u64::try_from(running).unwrap_or(u64::MAX),
        updating: is_updating(it),
    })
}

/// Docker's version of the service.
pub(super) fn version(it: &Inspected) -> Option<u64> {
    it.version.as_ref().and_then(|version| version.index)
}

/// How many tasks are asked for; `None` in global mode.
pub(super) fn replicas(it: &Inspected) -> Option<u64> {
    let mode = it.spec.as_ref().and_then(|spec| spec.mode.as_ref());
    let replicas = mode.and_then(|mode| mode.replicated.as_ref()).and_then(|it| it.replicas);
    replicas.and_then(|n| u64::try_from(n).ok())
}

/// Whether an update is being rolled out, or paused on the way.
pub(super) fn is_updating(it: &Inspected) -> bool {
    use ServiceUpdateStatusStateEnum as State;
    let state = it.update_status.as_ref().and_then(|status| status.state);
    matches!(state, Some(State::UPDATING | State::PAUSED | State::ROLLBACK_STARTED | State::ROLLBACK_PAUSED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceUpdateStatusStateEnum as State;

    #[test]
    fn only_ids_of_services_are_sent() {
        assert!(is_service_id("0a1b2c3d4e5f6g7h8i9j0k1l2"));
        for text in ["", "web", "../volumes/prune#", "0A1b2c3d4e5f6g7h8i9j0k1l2", &"a".repeat(64)] {
            assert!(!is_service_id(text), "{text}");
        }
    }

    #[test]
    fn a_paused_update_counts_as_one_and_a_completed_one_does_not() {
        let with = |state| Inspected {
            update_status: Some(bollard::models::ServiceUpdateStatus { state: Some(state), ..Default::default() }),
            ..Default::default()
        };
        assert!(is_updating(&with(State::PAUSED)) && is_updating(&with(State::UPDATING)));
        assert!(!is_updating(&with(State::COMPLETED)) && !is_updating(&Inspected::default()));
    }
}
