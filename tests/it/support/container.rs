//! Containers that a test runs: unique names, gone when dropped.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, PortBinding, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions,
};

use super::docker::Daemon;
use super::{image, wait};

/// Runs until it is told to stop, and then stops at once (a shell as pid 1 would ignore SIGTERM without the trap).
const STAY: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// What to run; see the methods for the defaults.
#[derive(Clone, Debug)]
pub struct Run {
    name: String,
    image: String,
    command: Vec<String>,
    labels: HashMap<String, String>,
    health: Option<HealthConfig>,
    host: HostConfig,
    user: Option<String>,
    exposed: Vec<String>,
}

impl Run {
    /// A container named `stem` plus what makes it unique, without labels, that stays up and stops at once when asked to.
    pub fn named(stem: &str) -> Self {
        let command = ["sh", "-c", STAY].map(Into::into).into();
        Self {
            name: super::unique(stem),
            image: image::PLAIN.into(),
            command,
            labels: HashMap::new(),
            health: None,
            host: HostConfig::default(),
            user: None,
            exposed: Vec::new(),
        }
    }

    /// Exactly this name, which the caller made unique.
    pub fn exactly(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Restarted by Docker's own policy after a failure, at most `retries` times.
    pub fn on_failure(mut self, retries: i64) -> Self {
        let name = Some(RestartPolicyNameEnum::ON_FAILURE);
        self.host.restart_policy = Some(RestartPolicy { name, maximum_retry_count: Some(retries) });
        self
    }

    /// Killed by the kernel when it needs more.
    pub fn memory(mut self, bytes: i64) -> Self {
        self.host.memory = Some(bytes);
        self.host.memory_swap = Some(bytes);
        self
    }

    /// Answers on this port of this address of the machine.
    pub fn published(mut self, address: &str, port: u16) -> Self {
        const INSIDE: &str = "5432/tcp";
        let binding = PortBinding { host_ip: Some(address.into()), host_port: Some(port.to_string()) };
        self.host.port_bindings = Some(HashMap::from([(INSIDE.to_owned(), Some(vec![binding]))]));
        self.exposed = vec![INSIDE.into()];
        self
    }

    /// Whatever else Docker can be told of its host's side.
    pub fn on_host(mut self, change: impl FnOnce(&mut HostConfig)) -> Self {
        change(&mut self.host);
        self
    }

    /// Runs as this user.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Adds a label.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// The container's own consent to be acted upon.
    pub fn enabled(self) -> Self {
        self.label("fettle.enable", "true")
    }

    /// The labels that Compose gives to replica `number` of a service.
    pub fn compose(self, project: &str, service: &str, number: u32) -> Self {
        self.label("com.docker.compose.project", project)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", &number.to_string())
            .label("com.docker.compose.oneoff", "False")
    }

    /// Another image than [`image::PLAIN`].
    pub fn image(mut self, image: &str) -> Self {
        self.image = image.into();
        self
    }

    /// Another command, as a shell line.
    pub fn shell(mut self, line: &str) -> Self {
        self.command = ["sh", "-c", line].map(Into::into).into();
        self
    }

    /// A health check by a shell line, every second (Docker's least), unhealthy after the first failure.
    pub fn health(mut self, line: &str) -> Self {
        const SECOND: i64 = 1_000_000_000;
        let test = Some(vec!["CMD-SHELL".into(), line.into()]);
        self.health = Some(HealthConfig {
            test,
            interval: Some(SECOND),
            timeout: Some(5 * SECOND),
            retries: Some(1),
            ..HealthConfig::default()
        });
        self
    }

    /// Creates and starts it.
    pub async fn start(self, daemon: &Daemon) -> Container {
        let container = self.create(daemon).await;
        container
            .client
            .start_container(&container.id, None::<StartContainerOptions>)
            .await
            .expect("start the container");
        container
    }

    /// Creates it without starting it.
    pub async fn create(self, daemon: &Daemon) -> Container {
        let options = CreateContainerOptionsBuilder::default().name(&self.name).build();
        let body = ContainerCreateBody {
            image: Some(self.image),
            cmd: Some(self.command),
            labels: Some(self.labels),
            healthcheck: self.health,
            host_config: Some(self.host),
            user: self.user,
            exposed_ports: Some(self.exposed),
            ..ContainerCreateBody::default()
        };
        let created = daemon.client.create_container(Some(options), body).await.expect("create the container");
        Container { id: created.id, name: self.name, client: daemon.client.clone(), daemon: daemon.clone() }
    }
}

/// A container of this test, removed with the value.
#[derive(Debug)]
pub struct Container {
    /// The full id.
    pub id: String,
    /// The unique name, without Docker's leading slash.
    pub name: String,
    client: Docker,
    daemon: Daemon,
}

impl Container {
    /// As Docker sees it now.
    pub async fn inspect(&self) -> ContainerInspectResponse {
        self.client.inspect_container(&self.id, None::<InspectContainerOptions>).await.expect("inspect the container")
    }

    /// Runs a shell line in it as root and returns what it said.
    pub async fn sh(&self, line: &str) -> String {
        use bollard::exec::StartExecResults;
        use futures_util::TryStreamExt;
        let config = bollard::models::ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: Some("0".into()),
            cmd: Some(["sh", "-c", line].map(Into::into).into()),
            ..Default::default()
        };
        let exec = self.client.create_exec(&self.id, config).await.expect("create an exec").id;
        let StartExecResults::Attached { output, .. } = self.client.start_exec(&exec, None).await.expect("start it")
        else {
            panic!("not attached")
        };
        output.map_ok(|part| part.to_string()).try_collect().await.expect("read its output")
    }

    /// Everything it has said.
    pub async fn log(&self) -> String {
        use futures_util::TryStreamExt;
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
        let parts = self.client.logs(&self.id, Some(options)).map_ok(|part| part.to_string());
        parts.try_collect::<String>().await.expect("read the log")
    }

    /// When it was started last, in Docker's own words: another value means that it was restarted.
    pub async fn started_at(&self) -> String {
        self.inspect().await.state.and_then(|state| state.started_at).expect("a container has StartedAt")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let socket = self.daemon.socket().to_path_buf();
        let remove = async {
            // A client of its own: the test's belongs to the test's runtime.
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            super::docker::connect(&socket).remove_container(&self.id, Some(options)).await
        };
        // The test may have removed it itself.
        let _ = wait::block_on(remove);
    }
}
