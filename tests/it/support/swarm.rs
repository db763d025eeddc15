//! A one-node swarm on a Docker daemon of the test's own, and services on it.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode, ServiceSpecModeReplicated, ServiceSpecUpdateConfig,
    SwarmInitRequest, TaskSpec, TaskSpecContainerSpec,
};

use super::docker::PrivateDocker;
use super::image;

/// The daemon is its own manager.
pub async fn start() -> PrivateDocker {
    let own = PrivateDocker::with_network().await;
    let init = SwarmInitRequest {
        advertise_addr: Some("127.0.0.1".into()),
        listen_addr: Some("127.0.0.1:2377".into()),
        ..SwarmInitRequest::default()
    };
    own.daemon.client.init_swarm(init).await.expect("a swarm");
    own
}

/// A service whose tasks run until they are stopped; `enabled`: it carries fettle's own label.
pub async fn create(client: &Docker, name: &str, mode: ServiceSpecMode, enabled: bool) {
    let labels = enabled.then(|| HashMap::from([("fettle.enable".into(), "true".into())]));
    let command = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"];
    let spec = ServiceSpec {
        name: Some(name.into()),
        labels,
        mode: Some(mode),
        update_config: Some(ServiceSpecUpdateConfig {
            parallelism: Some(1),
            delay: Some(1_000_000_000),
            ..ServiceSpecUpdateConfig::default()
        }),
        task_template: Some(TaskSpec {
            container_spec: Some(TaskSpecContainerSpec {
                image: Some(image::PLAIN.into()),
                command: Some(command.map(Into::into).into()),
                labels: Some(HashMap::from([("of".into(), "the container".into())])),
                ..TaskSpecContainerSpec::default()
            }),
            networks: Some(vec![NetworkAttachmentConfig { target: Some("host".into()), ..Default::default() }]),
            ..TaskSpec::default()
        }),
        ..ServiceSpec::default()
    };
    client.create_service(spec, None).await.expect("create the service");
}

/// So many tasks.
pub fn replicated(replicas: i64) -> ServiceSpecMode {
    let replicated = Some(ServiceSpecModeReplicated { replicas: Some(replicas) });
    ServiceSpecMode { replicated, ..ServiceSpecMode::default() }
}

/// One task on every node.
#[expect(clippy::zero_sized_map_values, reason = "the client library's type for an empty object")]
pub fn global() -> ServiceSpecMode {
    ServiceSpecMode { global: Some(HashMap::default()), ..ServiceSpecMode::default() }
}
