//! Replicas of a Compose service: seen, stopped from the highest number down, started from the lowest up.

use std::process::Command;

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use fettle_core::action::SCALE_GRACE;
use fettle_core::effect::{Effect, Replica};
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Found, Replicas, Sight, Status, Wanted};
use fettle_core::target::Target;
use fettle_docker::Docker;
use serde_json::json;

use super::{Calling, pin, real, sight};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::server::find_program;
use crate::support::{image, missing, unique};

const ALL: Wanted = Wanted { replicas: true, dependents: false, siblings: false };

fn service(project: &str) -> Target {
    Target::Compose { host: "local".into(), project: project.into(), service: "web".into() }
}

async fn replicas(docker: &Docker, project: &str) -> Replicas {
    match sight(docker, &service(project), ALL).await {
        Sight::Replicas(it) => it,
        other => panic!("{other:?}"),
    }
}

async fn three(daemon: &Daemon, project: &str) -> Vec<Container> {
    let mut them = Vec::new();
    // Made out of order: what counts is the number, and ten comes after two.
    for number in [10, 1, 2] {
        them.push(Run::named("web").enabled().compose(project, "web", number).start(daemon).await);
    }
    them
}

fn replica(container: &Container) -> Replica {
    Replica { id: container.id.clone(), name: container.name.clone(), started_at: None }
}

fn numbers(group: &Replicas, status: Status) -> Vec<u32> {
    group.members.iter().filter(|it| it.status == status).filter_map(|it| it.number).collect()
}

#[tokio::test]
async fn all_replicas_are_seen_by_number_and_a_one_off_is_none() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let _three = three(&daemon, &project).await;
    let once = Run::named("once").compose(&project, "web", 3).label("com.docker.compose.oneoff", "True");
    let _once = once.start(&daemon).await;
    let _other = Run::named("other").compose(&project, "db", 1).start(&daemon).await;
    let stopped = Run::named("web").enabled().compose(&project, "web", 4).create(&daemon).await;

    let group = replicas(&docker, &project).await;
    assert_eq!(group.members.iter().map(|it| it.number).collect::<Vec<_>>(), [Some(1), Some(2), Some(4), Some(10)]);
    assert_eq!(numbers(&group, Status::Created), [4]);
    assert!(group.members.iter().all(|it| it.labels.contains_key("fettle.enable")), "each carries its own labels");
    drop(stopped);

    let pin = Sight::Replicas(group).pin();
    let again = docker.look(&service(&project), &pin).await.unwrap();
    let Some(Sight::Replicas(again)) = again else { panic!("{again:?}") };
    assert_eq!(again.members.len(), 3, "looked at again as all of them");
    assert_eq!(docker.find(&service("nobody"), ALL).await.unwrap(), Found::Nothing);
    assert_eq!(docker.find(&service(&project), Wanted::default()).await.unwrap(), Found::Many(3));
}

#[tokio::test]
async fn replicas_are_stopped_and_started_in_the_order_that_was_given() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let three = three(&daemon, &project).await;
    let [ten, one, two] = &three[..] else { panic!() };
    let pin = pin("whatever");
    let stop = Effect::StopReplicas { replicas: vec![replica(ten), replica(two)], grace: SCALE_GRACE, from: 3 };
    let done = docker.perform(&service(&project), &pin, &stop).await;
    done.answer.expect("stopped");
    assert_eq!(done.touched, json!({"stopped": [replica(ten), replica(two)]}));
    let group = replicas(&docker, &project).await;
    assert_eq!((numbers(&group, Status::Running), numbers(&group, Status::Exited)), (vec![1], vec![2, 10]));
    assert_eq!(group.stopped().iter().map(|it| it.number).collect::<Vec<_>>(), [Some(2), Some(10)]);
    assert!(ten.inspect().await.state.unwrap().finished_at < two.inspect().await.state.unwrap().finished_at);

    // Again: what is so already is left so.
    docker.perform(&service(&project), &pin, &stop).await.answer.expect("still stopped");
    let start = Effect::StartReplicas { replicas: vec![replica(two), replica(ten)], from: 1 };
    let done = docker.perform(&service(&project), &pin, &start).await;
    done.answer.expect("started");
    assert_eq!(done.touched["started"].as_array().map(Vec::len), Some(2));
    assert_eq!(numbers(&replicas(&docker, &project).await, Status::Running), [1, 2, 10]);
    assert!(one.started_at().await < two.started_at().await, "the first was never touched");
    assert!(two.started_at().await < ten.started_at().await);
}

#[tokio::test]
async fn at_the_first_failure_the_rest_is_left_alone_and_what_was_done_is_said() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let three = three(&daemon, &project).await;
    let [ten, one, two] = &three[..] else { panic!() };
    let options = RemoveContainerOptionsBuilder::default().force(true).build();
    daemon.client.remove_container(&two.id, Some(options)).await.unwrap();
    let all = vec![replica(ten), replica(two), replica(one)];
    let stop = Effect::StopReplicas { replicas: all, grace: SCALE_GRACE, from: 3 };
    let done = docker.does("whatever", stop).await;
    let error = done.answer.expect_err("one is gone");
    assert!(matches!(error, PlatformError::Answered { status: 404, .. }), "{error:?}");
    assert_eq!(done.touched, json!({"stopped": [replica(ten)]}));
    assert_eq!(one.inspect().await.state.unwrap().running, Some(true));

    let names = vec![replica(one), Replica { id: one.name.clone(), name: one.name.clone(), started_at: None }];
    let done = docker.does("whatever", Effect::StartReplicas { replicas: names, from: 1 }).await;
    let error = done.answer.expect_err("a name is none");
    assert!(matches!(error, PlatformError::NotAnId(_)) && error.nothing_sent(), "{error:?}");
    assert_eq!(done.touched, json!({"started": []}));
}

#[tokio::test]
async fn a_container_is_stopped_with_its_grace() {
    let (daemon, docker) = real().await;
    let deaf = Run::named("deaf").shell("while :; do sleep 3600; done").start(&daemon).await;
    let start = std::time::Instant::now();
    let stop = Effect::Stop { grace: std::time::Duration::from_secs(1) };
    docker.does(&deaf.id, stop.clone()).await.answer.expect("stopped");
    assert!(start.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(super::exited(&docker, &deaf).await.exit_code, 137);
    assert!(matches!(docker.does(&deaf.name, stop).await.answer, Err(PlatformError::NotAnId(_))));
}

/// Compose itself, ended with what it made when dropped.
struct Compose {
    folder: tempfile::TempDir,
    program: std::path::PathBuf,
    project: String,
    host: String,
}

impl Compose {
    fn run(&self, arguments: &[&str]) {
        let output = Command::new(&self.program)
            .args(["-p", &self.project, "--no-ansi"])
            .args(arguments)
            .env("DOCKER_HOST", &self.host)
            .current_dir(self.folder.path())
            .output()
            .expect("run docker-compose");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.run(&["down", "-t", "1"]);
        }
    }
}

#[tokio::test]
async fn what_compose_itself_made_is_scaled_down_and_up_again() {
    let (daemon, docker) = real().await;
    let program = find_program("docker-compose", &[]).unwrap_or_else(|| missing("docker-compose", "docker-compose"));
    let folder = tempfile::tempdir().expect("a folder");
    let stay = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $$!; done";
    let file = format!(
        "services:\n  web:\n    image: {}\n    network_mode: none\n    command: [sh, -c, \"{stay}\"]\n    labels: {{fettle.enable: 'true'}}\n",
        image::PLAIN
    );
    std::fs::write(folder.path().join("docker-compose.yml"), file).expect("write");
    let compose = Compose { folder, program, project: unique("shop"), host: daemon.url() };
    compose.run(&["up", "-d", "--scale", "web=3"]);

    let group = replicas(&docker, &compose.project).await;
    assert_eq!(numbers(&group, Status::Running), [1, 2, 3]);
    let last = group
        .running()
        .pop()
        .map(|it| Replica { id: it.id.clone(), name: it.name.clone(), started_at: None })
        .expect("three");
    let stop = Effect::StopReplicas { replicas: vec![last.clone()], grace: SCALE_GRACE, from: 3 };
    docker.does("whatever", stop).await.answer.expect("stopped");
    let group = replicas(&docker, &compose.project).await;
    assert_eq!((numbers(&group, Status::Running), numbers(&group, Status::Exited)), (vec![1, 2], vec![3]));
    docker.does("whatever", Effect::StartReplicas { replicas: vec![last], from: 2 }).await.answer.expect("started");
    assert_eq!(numbers(&replicas(&docker, &compose.project).await, Status::Running), [1, 2, 3]);
}
