//! What is found, what is not, and what a look shows.

use bollard::query_parameters::{CommitContainerOptionsBuilder, RemoveImageOptionsBuilder};
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Found, Health, ImageLabel, Status, Wanted};
use fettle_core::target::{Kind, Target};

use super::{Calling, found, local, look, named, real, seen};
use crate::support::container::{Container, Run};
use crate::support::docker::Daemon;
use crate::support::{image, unique};

async fn finds_nothing(docker: &impl Platform, name: &str) {
    let found = docker.find(&named(name), Wanted::default()).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found, Found::Nothing, "{name}");
}

/// A name of hexadecimal digits that nothing else has: 12 digits, like the short id that Docker shows.
fn hex_name() -> String {
    let digits: String = unique("").chars().filter(char::is_ascii_digit).collect();
    format!("db{:010x}", digits.parse::<u128>().unwrap() % 0xff_ffff_ffff)
}

#[tokio::test]
async fn a_container_is_found_by_its_exact_name_and_seen_as_it_is() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").enabled().label("team", "shop").start(&daemon).await;
    let sight = found(&docker, &named(&container.name)).await;
    assert_eq!((&sight.id, &sight.name), (&container.id, &container.name));
    assert_eq!((sight.status, sight.health, sight.exit_code, sight.oom_killed), (Status::Running, None, 0, false));
    assert_eq!((sight.restart_count, sight.stopped_by_hand), (0, None));
    assert_eq!(sight.labels.get("team").map(String::as_str), Some("shop"));
    assert_eq!(sight.image_label, ImageLabel::Absent);
    assert!(sight.is_well() && sight.started_at.is_some());
    assert!(sight.addresses.contains(&container.id[..12].to_owned()), "the default host name: {:?}", sight.addresses);
    let info = daemon.client.info().await.unwrap();
    assert_eq!(Some(sight.daemon), info.id);
}

#[tokio::test]
async fn the_beginning_of_an_id_finds_nothing() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").create(&daemon).await;
    for digits in [1, 2, 4, 12, 63, 64] {
        finds_nothing(&docker, &container.id[..digits]).await;
    }
    finds_nothing(&docker, &container.name[..container.name.len() - 1]).await;
    finds_nothing(&docker, &container.name.to_uppercase()).await;
}

#[tokio::test]
async fn the_beginning_of_several_ids_finds_nothing() {
    let (daemon, docker) = real().await;
    // Seventeen ids cannot all begin with different digits.
    let mut made: Vec<Container> = Vec::new();
    let shared = loop {
        let new = Run::named("many").create(&daemon).await;
        let digit = new.id[..1].to_owned();
        let twice = made.iter().any(|other| other.id.starts_with(&digit));
        made.push(new);
        if twice {
            break digit;
        }
    };
    finds_nothing(&docker, &shared).await;
}

#[tokio::test]
async fn a_name_that_looks_like_an_id_is_found_as_a_name() {
    let (daemon, docker) = real().await;
    let name = hex_name();
    finds_nothing(&docker, &name).await;
    let container = Run::named("").exactly(&name).create(&daemon).await;
    assert_eq!(found(&docker, &named(&name)).await.id, container.id);

    // One is named like the beginning of the other's id: the name is what counts.
    let other = Run::named("").exactly(&container.id[..12]).create(&daemon).await;
    assert_eq!(found(&docker, &named(&container.id[..12])).await.id, other.id);
    // And one is named like the whole id of another: nothing sane has such a name.
    let _third = Run::named("").exactly(&other.id).create(&daemon).await;
    finds_nothing(&docker, &other.id).await;
}

#[tokio::test]
async fn what_cannot_be_a_name_is_found_nowhere_and_never_sent() {
    let daemon = Daemon::shared().await;
    let (docker, calls) = local(&daemon.url());
    docker.daemons().await;
    calls.take();
    for name in ["../volumes/prune#", "", "/web", "web?x=1", "web%2f", "-web", "wéb"] {
        finds_nothing(&docker, name).await;
    }
    let project = Target::Compose { host: "local".into(), project: "shop,x".into(), service: "web".into() };
    assert_eq!(docker.find(&project, Wanted::default()).await.unwrap(), Found::Nothing);
    let unresolvable = Target::Unresolvable { kind: Kind::Container, host: "local".into() };
    assert_eq!(docker.find(&unresolvable, Wanted::default()).await.unwrap(), Found::Nothing);
    assert_eq!(calls.take(), [""; 0]);
}

#[tokio::test]
async fn a_compose_service_is_found_when_it_is_one_container_and_counted_when_it_is_more() {
    let (daemon, docker) = real().await;
    let project = unique("shop");
    let service =
        |service: &str| Target::Compose { host: "local".into(), project: project.clone(), service: service.into() };

    assert_eq!(docker.find(&service("web"), Wanted::default()).await.unwrap(), Found::Nothing);
    let first = Run::named("web").compose(&project, "web", 1).start(&daemon).await;
    let _neighbour = Run::named("web2").compose(&project, "web2", 1).create(&daemon).await;
    let oneoff = Run::named("run").compose(&project, "web", 1).label("com.docker.compose.oneoff", "True");
    let _oneoff = oneoff.create(&daemon).await;
    let _other = Run::named("other").compose(&format!("{project}-other"), "web", 1).create(&daemon).await;
    assert_eq!(found(&docker, &service("web")).await.id, first.id);

    // Stopped replicas count: nothing says which one is meant.
    let _second = Run::named("web").compose(&project, "web", 2).create(&daemon).await;
    assert_eq!(docker.find(&service("web"), Wanted::default()).await.unwrap(), Found::Many(2));
    assert_eq!(docker.find(&service("WEB"), Wanted::default()).await.unwrap(), Found::Nothing);
}

#[tokio::test]
async fn the_permission_of_an_image_is_told_from_that_of_a_container() {
    let (daemon, docker) = real().await;
    let own = Run::named("own").enabled().create(&daemon).await;
    assert_eq!(found(&docker, &named(&own.name)).await.image_label, ImageLabel::Absent);

    let inherited = Run::named("inherited").image(image::LABELLED).create(&daemon).await;
    let sight = found(&docker, &named(&inherited.name)).await;
    assert_eq!(sight.labels.get("fettle.enable").map(String::as_str), Some("true"), "Docker merges labels");
    assert_eq!(sight.image_label, ImageLabel::Present);

    let both = Run::named("both").image(image::LABELLED).enabled().create(&daemon).await;
    assert_eq!(found(&docker, &named(&both.name)).await.image_label, ImageLabel::Present);
}

#[tokio::test]
async fn an_image_that_is_gone_proves_nothing() {
    let (daemon, docker) = real().await;
    let (model, tag) = (Run::named("model").create(&daemon).await, unique("gone"));
    let commit = CommitContainerOptionsBuilder::default().container(&model.id).repo(&tag).build();
    daemon.client.commit_container(commit, bollard::models::ContainerConfig::default()).await.unwrap();
    let enabled = Run::named("enabled").image(&tag).enabled().create(&daemon).await;
    let plain = Run::named("plain").image(&tag).create(&daemon).await;
    let force = RemoveImageOptionsBuilder::default().force(true).build();
    daemon.client.remove_image(&tag, Some(force), None).await.unwrap();

    assert_eq!(found(&docker, &named(&enabled.name)).await.image_label, ImageLabel::Unreadable);
    // Not enabled anyway, so the image is not looked at.
    assert_eq!(found(&docker, &named(&plain.name)).await.image_label, ImageLabel::Absent);
}

#[tokio::test]
async fn finding_restarting_and_looking_cost_four_requests_and_three_when_the_image_is_known() {
    let daemon = Daemon::shared().await;
    let (docker, calls) = local(&daemon.url());
    docker.daemons().await;
    assert_eq!(calls.take(), ["local info 200"]);
    let container = Run::named("web").enabled().start(&daemon).await;
    let with_image = ["local inspect 200", "local inspect_image 200", "local restart 204", "local inspect 200"];
    let without = ["local inspect 200", "local restart 204", "local inspect 200"];
    for expected in [&with_image[..], &without] {
        let sight = found(&docker, &named(&container.name)).await;
        docker.restart("local", &sight.id, std::time::Duration::from_secs(1)).await.unwrap();
        assert!(look(&docker, "local", &sight.id).await.unwrap().is_some());
        assert_eq!(calls.take(), expected);
    }
}

#[tokio::test]
async fn health_is_what_the_check_says() {
    let (daemon, docker) = real().await;
    let well = Run::named("well").health("true").start(&daemon).await;
    let sick = Run::named("sick").health("false").start(&daemon).await;
    assert!(found(&docker, &named(&well.name)).await.health.is_some(), "starting, at least");
    let well = seen(&docker, &well, Status::Running, |it| it.health == Some(Health::Healthy)).await;
    let sick = seen(&docker, &sick, Status::Running, |it| it.health == Some(Health::Unhealthy)).await;
    assert!(well.is_well() && !sick.is_well());
}

#[tokio::test]
async fn a_created_container_was_never_started() {
    let (daemon, docker) = real().await;
    let container = Run::named("new").create(&daemon).await;
    let sight = found(&docker, &named(&container.name)).await;
    assert_eq!((sight.status, sight.started_at, sight.stopped_by_hand), (Status::Created, None, None));
}

#[tokio::test]
async fn a_look_is_by_full_id_only_and_a_gone_container_is_none() {
    let (daemon, docker) = real().await;
    let container = Run::named("web").create(&daemon).await;
    assert_eq!(look(&docker, "local", &container.id).await.unwrap().unwrap().name, container.name);
    for wrong in [&container.id[..12], &container.name, "", "../info", &container.id.to_uppercase()] {
        let error = look(&docker, "local", wrong).await.expect_err(wrong);
        assert!(matches!(error, PlatformError::NotAnId(_)) && error.nothing_sent(), "{error}");
    }
    let id = container.id.clone();
    drop(container);
    assert_eq!(look(&docker, "local", &id).await.unwrap(), None);
    let error = look(&docker, "elsewhere", &id).await.expect_err("no such host");
    assert_eq!(error.reason(), "unknown_host");
}
