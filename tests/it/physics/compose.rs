//! The real Compose of the daemon's generation, for one service of one project.

use std::process::Command;

use super::daemon::Docker;

/// `docker-compose up` of a file with one service; the id of its container. `changed`: with a label that it did not have.
pub(super) async fn up(docker: &Docker, service: &str, changed: bool) -> String {
    let socket = docker.socket();
    let program = docker.compose();
    let folder = socket.parent().expect("a folder").to_owned();
    let label = if changed { "    labels: {changed: \"yes\"}\n" } else { "" };
    let command = "trap 'exit 143' TERM; while :; do sleep 3600 & wait $$!; done";
    let text = format!(
        "version: \"2.4\"\nservices:\n  {service}:\n    image: {}\n    network_mode: none\n    command: [\"sh\", \"-c\", \"{command}\"]\n{label}",
        crate::support::image::PLAIN
    );
    std::fs::write(folder.join("docker-compose.yml"), text).expect("write the file");
    let socket = format!("unix://{}", socket.display());
    let run = move || {
        let compose = |arguments: &[&str]| {
            let mut compose = Command::new(&program);
            compose.current_dir(&folder).env("DOCKER_HOST", &socket).args(["-p", "shop"]).args(arguments);
            let output = compose.output().expect("run docker-compose");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        compose(&["up", "-d"]);
        compose(&["ps", "-q"])
    };
    tokio::task::spawn_blocking(run).await.expect("docker-compose")
}
