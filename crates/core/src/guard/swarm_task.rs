//! `swarm_task`: the container is a task of a Swarm service.
//!
//! Swarm replaces a task whose container ends. A restart of that container races with the new task: one container too many
//! remains. The whole service is the target to write: `{swarm: {service: NAME}}`.

use std::collections::BTreeMap;

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::sight::Sight;

/// The service's name.
const SERVICE: &str = "com.docker.swarm.service.name";
/// The labels that Swarm sets on the container of a task.
const TASK: [&str; 4] =
    [SERVICE, "com.docker.swarm.service.id", "com.docker.swarm.task.id", "com.docker.swarm.task.name"];
/// Characters of a label that are kept: any image may carry it.
const CHARS: usize = 256;

pub(super) fn ask<'a>(_aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    // A Swarm service is no task of one, whatever its labels are.
    let parts = if matches!(sight, Sight::Service(_)) { Vec::new() } else { sight.parts() };
    let Some(task) = parts.into_iter().find(|part| is_task(part.labels)) else {
        return Ruling::passes(|| Basis::new("no task of a Swarm service", json!({})));
    };
    let label = |name: &str| {
        task.labels
            .get(name)
            .map(|value| value.escape_debug().take(CHARS).collect::<String>())
            .filter(|it| !it.is_empty())
    };
    let service = label(SERVICE);
    let (of, target) = match &service {
        Some(name) => (format!("the Swarm service {name}"), format!("swarm: {{service: {name}}}")),
        None => ("a Swarm service".to_owned(), "swarm: {service: NAME}".to_owned()),
    };
    let why = format!("{} is a task of {of}, and Swarm replaces it; write target: {{{target}}}", task.name);
    Ruling::refuses(None, why, json!({"service": service, "task": label("com.docker.swarm.task.id")}))
}

fn is_task(labels: &BTreeMap<String, String>) -> bool {
    TASK.iter().any(|name| labels.contains_key(*name))
}
