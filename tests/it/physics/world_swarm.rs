//! Swarm services, of the model and of a real daemon.

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::sight::{Found, Sight, Wanted};
use fettle_memory::physics::{By, Request, ServiceChange, ServiceSpec, Spec};
use serde_json::{Value, json};

use super::http;
use super::world::{SOON, World};
use crate::support::image;

/// A service as an observer sees it.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) updating: bool,
    /// Ids of the containers of tasks that are to run and do.
    pub(super) running: Vec<String>,
    spec: Value,
}

impl World {
    /// A swarm of one node with a service.
    pub(super) async fn create_service(&mut self, name: &str, replicas: u64) {
        match self {
            Self::Model { daemon, now, .. } => {
                let (labels, task) = (BTreeMap::new(), Spec::named(""));
                let spec = ServiceSpec { name: name.to_owned(), labels, replicas: Some(replicas), task };
                daemon.create_service(spec, *now);
            }
            Self::Real { docker, .. } => {
                let socket = docker.socket();
                let body = json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"});
                let made = http::ask(&socket, "POST", "/swarm/init", Some(&body)).await.expect("a swarm");
                assert_eq!(made.status, 200, "{}", made.body);
                let command = ["sh", "-c", "trap 'exit 143' TERM; while :; do sleep 3600 & wait $!; done"];
                let body = json!({
                    "Name": name,
                    "Mode": {"Replicated": {"Replicas": replicas}},
                    "TaskTemplate": {
                        "ContainerSpec": {"Image": image::PLAIN, "Command": command},
                        "Networks": [{"Target": "host"}],
                    },
                    // The least that Swarm takes as a limit on how long a new task is watched.
                    "UpdateConfig": {"Parallelism": 1, "Monitor": 1_000_000},
                });
                let made = http::ask(&socket, "POST", "/services/create", Some(&body)).await.expect("a service");
                assert_eq!(made.status, 201, "{}", made.body);
            }
        }
        let all = usize::try_from(replicas).expect("few");
        self.until_service("all tasks run", name, |it| it.running.len() == all).await;
    }

    /// The service as it is now.
    pub(super) async fn service(&mut self, name: &str) -> Service {
        match self {
            Self::Model { daemon, now, .. } => {
                daemon.advance(*now);
                let target = format!("swarm:local/{name}").parse().expect("a target");
                let Ok(Found::One(sight)) = daemon.find(&target, Wanted::default()) else { panic!("no {name}") };
                let Sight::Service(seen) = *sight else { panic!("no service") };
                let runs = |id: &&&str| daemon.container(id).is_some_and(|it| it.status.as_str() == "running");
                let running = daemon.tasks(name).iter().filter(runs).map(ToString::to_string).collect();
                Service { id: seen.id, version: seen.version, updating: seen.updating, running, spec: Value::Null }
            }
            Self::Real { docker, .. } => {
                let socket = docker.socket();
                let it = http::ask(&socket, "GET", &format!("/services/{name}"), None).await.expect("a service");
                let it = it.json();
                let filters = "%7B%22desired-state%22%3A%5B%22running%22%5D%7D";
                let tasks = http::ask(&socket, "GET", &format!("/tasks?filters={filters}"), None).await;
                let tasks = tasks.expect("tasks").json();
                let runs = |task: &&Value| task["Status"]["State"] == "running";
                let id = |task: &Value| task["Status"]["ContainerStatus"]["ContainerID"].as_str().map(str::to_owned);
                Service {
                    id: it["ID"].as_str().expect("an id").to_owned(),
                    version: it["Version"]["Index"].as_u64().expect("a version"),
                    updating: it["UpdateStatus"]["State"] == "updating",
                    running: tasks.as_array().into_iter().flatten().filter(runs).filter_map(id).collect(),
                    spec: it["Spec"].clone(),
                }
            }
        }
    }

    /// Looks until `is` holds.
    pub(super) async fn until_service(&mut self, what: &str, name: &str, is: impl Fn(&Service) -> bool) -> Service {
        self.until_some(what, SOON * 2, async |world: &mut Self| {
            let it = world.service(name).await;
            if is(&it) { Ok(it) } else { Err(format!("{it:?}")) }
        })
        .await
    }

    /// Changes a service as it was seen; the status.
    pub(super) async fn update_service(&mut self, seen: &Service, change: ServiceChange) -> u16 {
        match self {
            Self::Model { daemon, now, .. } => {
                let request = Request::UpdateService { id: seen.id.clone(), version: seen.version, change };
                let ticket = daemon.ask(request, By::Person, *now);
                let answer = daemon.job(ticket).received().expect("an answer").1;
                answer.status().map(|status| if status == 204 { 200 } else { status }).expect("a status")
            }
            Self::Real { docker, .. } => {
                let mut spec = seen.spec.clone();
                match change {
                    ServiceChange::Replicas(n) => spec["Mode"]["Replicated"]["Replicas"] = json!(n),
                    ServiceChange::Force => {
                        let forced = spec["TaskTemplate"]["ForceUpdate"].as_u64().unwrap_or(0);
                        spec["TaskTemplate"]["ForceUpdate"] = json!(forced + 1);
                    }
                }
                let path = format!("/services/{}/update?version={}", seen.id, seen.version);
                http::ask(&docker.socket(), "POST", &path, Some(&spec)).await.expect("an update").status
            }
        }
    }

    /// Time for Swarm to do what it would do: it restarts a task after 5 s.
    pub(super) async fn until_swarm_had_its_time(&mut self, id: &str) {
        self.watch(id, Duration::from_secs(9)).await;
    }
}
