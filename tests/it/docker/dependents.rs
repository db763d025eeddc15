//! Who depends on a container: by its network namespace, and by what Compose wrote down.

use bollard::query_parameters::{KillContainerOptions, StopContainerOptionsBuilder};
use fettle_core::sight::{ImageLabel, Sight, Wanted};
use fettle_docker::Docker;

use super::{exited, named, real, sight};
use crate::support::container::{Container, Run};
use crate::support::{image, unique};

async fn dependents(docker: &Docker, container: &Container) -> Vec<fettle_core::sight::Container> {
    let wanted = Wanted { dependents: true, ..Wanted::default() };
    match sight(docker, &named(&container.name), wanted).await {
        Sight::Container(it) => it.dependents,
        other => panic!("{other:?}"),
    }
}

fn sharing(stem: &str, container: &Container) -> Run {
    let mode = format!("container:{}", container.id);
    Run::named(stem).on_host(|host| host.network_mode = Some(mode))
}

async fn names(docker: &Docker, container: &Container) -> Vec<String> {
    dependents(docker, container).await.into_iter().map(|it| it.name).collect()
}

#[tokio::test]
async fn who_shares_the_network_namespace_depends_and_is_seen_in_full() {
    let (daemon, docker) = real().await;
    let main = Run::named("main").start(&daemon).await;
    let _bystander = Run::named("bystander").start(&daemon).await;
    assert_eq!(names(&docker, &main).await, Vec::<String>::new());
    let sidecar = sharing("sidecar", &main).enabled().image(image::LABELLED).start(&daemon).await;
    let found = dependents(&docker, &main).await;
    let [it] = &found[..] else { panic!("{found:?}") };
    assert_eq!((it.id.as_str(), it.image_label), (sidecar.id.as_str(), ImageLabel::Present));
    assert!(it.dependents.is_empty());
    assert_eq!(names(&docker, &sidecar).await, Vec::<String>::new(), "it goes one way");
    let plain = docker_find(&docker, &main).await;
    assert!(plain.dependents.is_empty(), "they are not looked for unless they are wanted");
}

async fn docker_find(docker: &Docker, container: &Container) -> fettle_core::sight::Container {
    super::found(docker, &named(&container.name)).await
}

fn service(project: &str, service: &str, needs: &str) -> Run {
    Run::named(service).compose(project, service, 1).label("com.docker.compose.depends_on", needs)
}

#[tokio::test]
async fn services_come_after_what_they_depend_on_and_after_those_that_share_the_network() {
    let (daemon, docker) = real().await;
    let (project, other) = (unique("shop"), unique("other"));
    let db = service(&project, "db", "").start(&daemon).await;
    let web = service(&project, "web", "api:service_started:false").start(&daemon).await;
    let api = service(&project, "api", "db:service_healthy:true,cache:service_started:false").start(&daemon).await;
    let cache = service(&project, "cache", "db:service_started:false").start(&daemon).await;
    let _mail = service(&project, "mail", "dbx:service_started:false").start(&daemon).await;
    let _elsewhere = service(&other, "web", "db:service_started:false").start(&daemon).await;
    let sidecar = sharing("sidecar", &db).start(&daemon).await;
    let expected = [&sidecar, &cache, &api, &web].map(|it| it.name.clone());
    assert_eq!(names(&docker, &db).await, expected);
    assert_eq!(names(&docker, &web).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_has_ended_or_was_stopped_depends_on_nothing_and_what_crashed_does() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let needs = "db:service_started:false";
    let db = service(&project, "db", "").start(&daemon).await;
    let done = service(&project, "migrate", needs).shell("exit 0").start(&daemon).await;
    let crashed = service(&project, "crashed", needs).shell("exit 3").start(&daemon).await;
    let stopped = service(&project, "stopped", needs).shell("while :; do sleep 3600; done").start(&daemon).await;
    let killed = service(&project, "killed", needs).start(&daemon).await;
    let _made = service(&project, "made", needs).create(&daemon).await;
    let t = StopContainerOptionsBuilder::default().t(0).build();
    daemon.client.stop_container(&stopped.id, Some(t)).await.unwrap();
    daemon.client.kill_container(&killed.id, None::<KillContainerOptions>).await.unwrap();
    for container in [&done, &crashed, &stopped, &killed] {
        exited(&docker, container).await;
    }
    assert_eq!(names(&docker, &db).await, std::slice::from_ref(&crashed.name));
}

#[tokio::test]
async fn nine_are_enough_to_refuse() {
    let (daemon, docker) = real().await;
    let main = Run::named("main").start(&daemon).await;
    let mut sidecars = Vec::new();
    for _ in 0..11 {
        sidecars.push(sharing("sidecar", &main).start(&daemon).await);
    }
    assert_eq!(names(&docker, &main).await.len(), 9);
    drop(sidecars);
}
