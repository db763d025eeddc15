//! The image's final stages, built word by word on a base of this machine's libraries (no registry is reachable), with the
//! binaries of this build in place of the builder's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HealthStatusEnum, HostConfig};
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
};
use futures_util::TryStreamExt;

use super::{read, root};
use crate::support::docker::Daemon;
use crate::support::{image, unique, wait};

const SOON: Duration = Duration::from_mins(1);

/// The base of fettle's image: libraries alone, as distroless has them.
const BASE: &str = "fettle-test-base:1";
const BUILT: &str = "fettle-test-image:1";

pub fn fettle() -> PathBuf {
    env!("CARGO_BIN_EXE_fettle").into()
}

/// The sample service of this build.
pub fn arcanum() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_fettle")).with_file_name("examples").join("arcanum");
    assert!(path.is_file(), "{} is not built; type: cargo build --examples", path.display());
    path
}

/// The Dockerfile with the builder's stage replaced by one that has its results.
fn final_stages() -> String {
    let dockerfile = read("Dockerfile");
    let from = dockerfile.find("FROM ${RUST} AS builder").expect("the builder's stage");
    let to = dockerfile.find("FROM ${ARCANUM_BASE} AS arcanum").expect("the stage after it");
    format!("{}FROM {BASE} AS builder\nCOPY out /out\n\n{}", &dockerfile[..from], &dockerfile[to..])
}

/// Builds `target` from this build's binaries.
async fn build(daemon: &Daemon, target: &str, tag: &str) {
    image::import(&daemon.client, BASE, None, image::base(&[], &[fettle(), arcanum()])).await;
    let context = tempfile::tempdir().expect("a folder");
    let out = context.path().join("out");
    std::fs::create_dir_all(out.join("data")).expect("a folder");
    for (name, binary) in [("fettle", fettle()), ("arcanum", arcanum())] {
        // Without what only a debugger reads it is a tenth of the size.
        let stripped =
            Command::new("strip").args(["-o".as_ref(), out.join(name).as_os_str(), binary.as_os_str()]).status();
        assert!(stripped.is_ok_and(|it| it.success()), "strip comes with gcc");
    }
    std::fs::write(context.path().join("Dockerfile"), final_stages()).expect("write");
    for file in ["LICENSE", "fettle.yaml", "rules"] {
        let copied = Command::new("cp").arg("-r").arg(root().join(file)).arg(context.path()).status();
        assert!(copied.is_ok_and(|it| it.success()), "{file}");
    }
    let arguments = format!(r#"{{"BASE":"{BASE}","ARCANUM_BASE":"{BASE}"}}"#);
    let arguments: std::collections::HashMap<String, String> = serde_json::from_str(&arguments).expect("a map");
    let options =
        BuildImageOptionsBuilder::default().dockerfile("Dockerfile").t(tag).target(target).buildargs(&arguments);
    let tar = bollard::body_full(image::tar(context.path()).into());
    let said: Vec<_> =
        daemon.client.build_image(options.build(), None, Some(tar)).try_collect().await.expect("build the image");
    let failed = said.iter().find_map(|line| line.error_detail.clone());
    assert!(failed.is_none(), "{failed:?}");
}

#[tokio::test]
async fn the_image_serves_as_nobody_without_a_shell_on_a_root_it_cannot_write_and_its_health_check_is_green() {
    let daemon = Daemon::shared().await;
    build(&daemon, "fettle", BUILT).await;
    let inspected = daemon.client.inspect_image(BUILT).await.expect("the image");
    let config = inspected.config.expect("a configuration");
    assert_eq!(config.user.as_deref(), Some("65532:65532"));
    assert_eq!(
        config.healthcheck.and_then(|it| it.test),
        Some(vec!["CMD".into(), "/usr/local/bin/fettle".into(), "health".into()])
    );
    let labels = config.labels.unwrap_or_default();
    assert_eq!(labels.get("org.opencontainers.image.title").map(String::as_str), Some("fettle"));
    assert!(!labels.contains_key("fettle.enable"), "an image must not allow what its container should say");

    let name = unique("image");
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    let body = ContainerCreateBody {
        image: Some(BUILT.into()),
        host_config: Some(HostConfig {
            network_mode: Some("none".into()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".into()]),
            security_opt: Some(vec!["no-new-privileges".into()]),
            memory: Some(256 << 20),
            tmpfs: Some([("/var/lib/fettle".to_owned(), "uid=65532,gid=65532".to_owned())].into()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = daemon.client.create_container(Some(options), body).await.expect("create").id;
    daemon.client.start_container(&id, None::<StartContainerOptions>).await.expect("start");
    let health = wait::until("its health check is green", SOON, async || {
        let seen = daemon.client.inspect_container(&id, None).await.map_err(|error| error.to_string())?;
        let health = seen.state.and_then(|state| state.health).unwrap_or_default();
        if health.status == Some(HealthStatusEnum::HEALTHY) { Ok(health) } else { Err(format!("{health:?}")) }
    })
    .await;
    assert_eq!(health.failing_streak, Some(0));
    // SIGTERM is an orderly end also for process 1.
    let stop = bollard::query_parameters::StopContainerOptionsBuilder::default().t(30).build();
    daemon.client.stop_container(&id, Some(stop)).await.expect("stop");
    let state = daemon.client.inspect_container(&id, None).await.expect("inspect").state.unwrap_or_default();
    assert_eq!(state.exit_code, Some(0), "{state:?}");
    let force = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    daemon.client.remove_container(&id, Some(force)).await.expect("remove");
}

#[test]
fn the_builder_makes_the_dependencies_a_layer_of_their_own() {
    let dockerfile = read("Dockerfile");
    let manifest = dockerfile.find("COPY Cargo.toml Cargo.lock").expect("the manifest first");
    let sources = dockerfile.find("COPY crates crates").expect("the sources");
    let builds: Vec<usize> = dockerfile.match_indices("cargo build --release --locked").map(|(at, _)| at).collect();
    assert_eq!(builds.len(), 2, "{builds:?}");
    assert!(manifest < builds[0] && builds[0] < sources && sources < builds[1]);
    for stage in dockerfile.split("\nFROM ").skip(2) {
        assert!(!stage.contains("\nRUN "), "no shell is needed: {stage}");
        assert!(stage.contains("\nUSER 65532:65532") && stage.contains("HEALTHCHECK"), "{stage}");
    }
}

/// What a source file takes into the binary by its path, tests left out.
fn included(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).expect("readable");
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let ways = ["include_str!(\"", "include_bytes!(\"", "migrate!(\""];
    let found = ways.iter().flat_map(|way| production.split(way).skip(1).map(move |rest| (*way, rest)));
    let path = |(way, rest): (&str, &str)| {
        let path = rest.split('"').next().unwrap_or_default().to_owned();
        // Migrations count from the crate, the others from the file.
        if way.starts_with("migrate") {
            root().join("crates/store").join(path)
        } else {
            file.with_file_name("").join(path)
        }
    };
    found.map(path).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let nested = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|it| it.extension().is_some_and(|end| end == "rs")).collect()
}

/// Whether a file is a module that only tests have, as its parent says, or one below such a module.
fn is_test(file: &Path) -> bool {
    let (folder, inside) = (file.parent().expect("a folder"), file.strip_prefix(root()).expect("inside"));
    let line = format!("#[cfg(test)]\nmod {};", file.file_stem().expect("a name").to_string_lossy());
    let says = |parent: PathBuf| std::fs::read_to_string(parent).is_ok_and(|text| text.contains(&line));
    says(folder.join("mod.rs")) || says(folder.with_extension("rs")) || inside.iter().any(|it| it == "tests")
}

#[test]
fn what_the_image_is_built_of_is_let_into_its_context_and_copied() {
    let (dockerfile, ignored) = (read("Dockerfile"), read(".dockerignore"));
    let lines =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    let copied: Vec<PathBuf> = lines
        .flat_map(|line| {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            words.pop();
            words.into_iter().map(|word| root().join(word)).collect::<Vec<_>>()
        })
        .collect();
    for path in &copied {
        let inside = path.strip_prefix(root()).expect("inside");
        assert!(path.exists(), "{} is copied and does not exist", inside.display());
        let let_in = |above: &Path| ignored.lines().any(|line| line == format!("!{}", above.display()));
        assert!(inside.ancestors().any(let_in), "{} is kept out of the context", inside.display());
    }
    let mut seen = 0;
    let all = sources(&root().join("src")).into_iter().chain(sources(&root().join("crates")));
    for file in all.filter(|it| !is_test(it)) {
        for path in included(&file) {
            let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(copied.iter().any(|it| path.starts_with(it)), "{} takes in {}", file.display(), path.display());
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}
