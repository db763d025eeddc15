//! Docker's API as it is on the wire: what is sent for a container and for a request, and what comes back.

use std::collections::HashMap;
use std::time::Duration;

use fettle_core::sight::{Container, Health, Status};
use fettle_memory::physics::{Policy, Request, Spec};
use serde_json::{Value, json};

use super::daemon::Docker;
use super::world::State;
use super::{http, shell};
use crate::support::image;

/// Creates a container; its full id.
pub(super) async fn create(docker: &Docker, name: &str, spec: &Spec) -> String {
    let (policy, max) = match spec.policy {
        Policy::No => ("no", 0),
        Policy::Always => ("always", 0),
        Policy::UnlessStopped => ("unless-stopped", 0),
        Policy::OnFailure { max } => ("on-failure", max.unwrap_or(0)),
    };
    let nanos = |it: Duration| u64::try_from(it.as_nanos()).expect("a short time");
    let check = spec.check.map(|it| {
        json!({"Test": ["CMD-SHELL", shell::CHECK], "Interval": nanos(it.interval), "Timeout": nanos(Duration::from_secs(5)),
               "StartPeriod": nanos(it.start_period), "Retries": it.retries})
    });
    let memory = spec.memory_limit.unwrap_or(0);
    let body = json!({
        "Image": image::PLAIN,
        "Cmd": ["sh", "-c", shell::line(&spec.program)],
        "Labels": spec.labels,
        "Healthcheck": check,
        "HostConfig": {"RestartPolicy": {"Name": policy, "MaximumRetryCount": max}, "Memory": memory, "MemorySwap": memory},
    });
    let made = http::ask(&docker.socket(), "POST", &format!("/containers/create?name={name}"), Some(&body)).await;
    let made = made.expect("a create");
    assert_eq!(made.status, 201, "{}", made.body);
    made.json()["Id"].as_str().expect("an id").to_owned()
}

/// Method, path and body of a request.
pub(super) fn wire(request: &Request) -> (&'static str, String, Option<Value>) {
    let post = |path: String| ("POST", path, None);
    match request {
        Request::Start { id } => post(format!("/containers/{id}/start")),
        Request::Stop { id, grace } => post(format!("/containers/{id}/stop?t={}", grace.as_secs())),
        Request::Restart { id, grace } => post(format!("/containers/{id}/restart?t={}", grace.as_secs())),
        Request::Kill { id, signal } => post(format!("/containers/{id}/kill?signal={signal}")),
        Request::Remove { id, force } => ("DELETE", format!("/containers/{id}?force={}", u8::from(*force)), None),
        Request::Update { id, memory, nano_cpus } => {
            let body = json!({"Memory": memory, "MemorySwap": memory.map(|it| it * 2), "NanoCpus": nano_cpus});
            ("POST", format!("/containers/{id}/update"), Some(body))
        }
        other => panic!("not sent to a real daemon: {other:?}"),
    }
}

fn ordinal(runs: &mut HashMap<String, Vec<String>>, id: &str, started: String) -> usize {
    let runs = runs.entry(id.to_owned()).or_default();
    runs.iter().position(|it| *it == started).unwrap_or_else(|| {
        runs.push(started);
        runs.len() - 1
    })
}

/// What the model shows.
pub(super) fn of_model(seen: &Container, runs: &mut HashMap<String, Vec<String>>) -> State {
    let health = seen.health.map(|it| match it {
        Health::Starting => "starting".to_owned(),
        Health::Healthy => "healthy".to_owned(),
        Health::Unhealthy => "unhealthy".to_owned(),
    });
    State {
        status: Status::as_str(seen.status).to_owned(),
        count: seen.restart_count,
        run: ordinal(runs, &seen.id, format!("{:?}", seen.started_at)),
        exit: seen.exit_code,
        oom: seen.oom_killed,
        health,
    }
}

/// What an inspect shows.
pub(super) fn of_real(it: &Value, id: &str, runs: &mut HashMap<String, Vec<String>>) -> State {
    let state = &it["State"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    State {
        status: text(&state["Status"]),
        count: it["RestartCount"].as_u64().unwrap_or(0),
        run: ordinal(runs, id, text(&state["StartedAt"])),
        exit: state["ExitCode"].as_i64().unwrap_or(0),
        oom: state["OOMKilled"].as_bool().unwrap_or(false),
        health: state["Health"]["Status"].as_str().map(str::to_owned),
    }
}

/// An event, with its signal or its exit code.
pub(super) fn describe(event: &Value) -> String {
    let action = event["Action"].as_str().unwrap_or_default();
    let attribute = |name: &str| event["Actor"]["Attributes"][name].as_str().unwrap_or_default().to_owned();
    match action {
        "kill" => format!("kill {}", attribute("signal")),
        "die" => format!("die {}", attribute("exitCode")),
        other => other.to_owned(),
    }
}
