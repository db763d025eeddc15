//! Changing a Swarm service: how many tasks, or all tasks anew.
//!
//! Docker takes a change only with the version of the service that it was made from, so a change by anybody else is never
//! undone by ours: the specification that is sent is always the one that was just read, whole, with one thing in it changed.
//! Where the service is not as it was when it was decided nothing is sent; where only its version moved on, the change is
//! made from what is there now. Never during a rollout: it would be cut short.

use bollard::models::{Service, ServiceSpec};
use bollard::query_parameters::UpdateServiceOptionsBuilder;
use serde_json::{Value, json};

use super::host::{Host, Op};
use super::{seen, service, unsent};
use fettle_core::action::SERVICE_CHANGE_LIMIT;
use fettle_core::ports::platform::{Performed, PlatformError};

/// Sets how many tasks are asked for, if it still is `from`.
pub(super) async fn set_replicas(host: &Host, id: &str, decided: u64, from: u64, to: u64) -> Performed {
    let change = |spec: &mut ServiceSpec| {
        let replicated = spec.mode.as_mut().and_then(|mode| mode.replicated.as_mut());
        let (Some(replicated), Ok(to)) = (replicated, i64::try_from(to)) else { return false };
        replicated.replicas = Some(to);
        true
    };
    update(host, id, decided, Some(from), change).await
}

/// Makes the tasks anew, if as many are asked for as before.
pub(super) async fn force(host: &Host, id: &str, decided: u64, replicas: Option<u64>) -> Performed {
    let change = |spec: &mut ServiceSpec| {
        let Some(template) = spec.task_template.as_mut() else { return false };
        template.force_update = Some(template.force_update.unwrap_or(0).wrapping_add(1));
        true
    };
    update(host, id, decided, replicas, change).await
}

async fn update(
    host: &Host,
    id: &str,
    decided: u64,
    replicas: Option<u64>,
    change: impl Fn(&mut ServiceSpec) -> bool,
) -> Performed {
    let mut touched = json!({"service": {"id": id, "decided_at_version": decided}});
    let mut answer = attempt(host, id, replicas, &change, &mut touched).await;
    if answer.as_ref().is_err_and(is_out_of_sequence) {
        // Somebody was faster between the reading and the change. Once: who is slower twice is in a race.
        answer = attempt(host, id, replicas, &change, &mut touched).await;
    }
    Performed { touched, answer, short: None }
}

async fn attempt(
    host: &Host,
    id: &str,
    replicas: Option<u64>,
    change: &impl Fn(&mut ServiceSpec) -> bool,
    touched: &mut Value,
) -> Result<(), PlatformError> {
    let Some(now) = service::inspect(host, id).await.map_err(unsent)? else {
        return Err(PlatformError::Unfit("the service is gone".to_owned()));
    };
    refused(&now, replicas)?;
    let version = service::version(&now).ok_or_else(|| seen::senseless(host, "a service without a version"));
    let version = version.map_err(unsent)?;
    touched["service"]["version"] = json!(version);
    let Ok(version) = i32::try_from(version) else {
        return Err(PlatformError::Unfit(format!("the service's version {version} is too large to be sent")));
    };
    let Some(spec) = now.spec.and_then(|mut spec| change(&mut spec).then_some(spec)) else {
        return Err(PlatformError::Unfit("the service has nothing that could be changed so".to_owned()));
    };
    let options = UpdateServiceOptionsBuilder::default().version(version).build();
    let call = |client: bollard::Docker| async move { client.update_service(id, spec, options, None).await };
    let response = host.act(Op::UpdateService, SERVICE_CHANGE_LIMIT, call).await?;
    if let Some(warnings) = response.warnings.filter(|it| !it.is_empty()) {
        touched["service"]["warnings"] = json!(warnings);
    }
    Ok(())
}

fn refused(now: &Service, replicas: Option<u64>) -> Result<(), PlatformError> {
    if service::is_updating(now) {
        return Err(PlatformError::Unfit("a rollout of the service is running".to_owned()));
    }
    match (replicas, service::replicas(now)) {
        (Some(from), Some(now)) if from != now => {
            let why = format!("somebody else scaled the service: {now} replicas are asked for, not {from}");
            Err(PlatformError::Unfit(why))
        }
        (Some(_), None) => Err(PlatformError::Unfit("the service runs in global mode now".to_owned())),
        _ => Ok(()),
    }
}

/// Swarm's words for a version that is not the newest; the status is 500, as for much else.
fn is_out_of_sequence(error: &PlatformError) -> bool {
    matches!(error, PlatformError::Answered { message, .. } if message.contains("update out of sequence"))
}
