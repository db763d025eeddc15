//! The README word by word: every command in it is run, with the shipped settings and rules, against a real Docker.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bollard::query_parameters::TagImageOptionsBuilder;

use crate::support::docker::Daemon;
use crate::support::{image, postgres, wait};

const SOON: Duration = Duration::from_secs(90);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes every file that the README shows with its name in the first line.
fn write_files(folder: &Path) {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = text.split("```yaml\n# rules/").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    std::fs::create_dir(folder.join("rules")).expect("a new folder");
    for (name, block) in blocks.filter_map(|block| block.split_once('\n')) {
        std::fs::write(folder.join("rules").join(name), block).expect("written");
    }
}

/// The lines of all blocks marked `sh`, in order.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn every_rules_file_in_the_readme_loads() {
    use fettle_core::rule::compile::{Context, SourceFile, compile};
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    let rules: Vec<_> = blocks.filter(|block| block.starts_with("version:")).collect();
    assert!(rules.len() >= 2, "the examples are there");
    for block in rules {
        let file = SourceFile { path: "README.md".into(), text: block.to_owned() };
        let context = Context { approvers: true, alertmanager: true, prometheus: true, ..Context::default() };
        compile(&[file], &context).unwrap_or_else(|problems| panic!("{block}\n{problems:#?}"));
    }
}

/// A person's terminal: the built binary in the PATH, speaking to this fettle and this Docker.
struct Terminal {
    port: u16,
    docker: String,
    folder: tempfile::TempDir,
}

impl Terminal {
    fn command(&self, line: &str) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_fettle")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.folder.path());
        command.env("PATH", format!("{}:{path}", bin.display()));
        // As in the project's own folder, but for the database.
        command.env("FETTLE_CONFIG", root().join("fettle.yaml"));
        command.env("DOCKER_HOST", &self.docker).env("FETTLE_URL", format!("http://127.0.0.1:{}", self.port));
        command
    }

    fn run(&self, line: &str) -> String {
        let output = self.command(line).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn serve(&self) -> Served {
        let line = format!("exec fettle serve --config {}/fettle.yaml", root().display());
        let mut command = self.command(&line);
        command.env("FETTLE_LISTEN", format!("127.0.0.1:{}", self.port));
        command.env("DATABASE_URL", format!("sqlite://{}/fettle.db", self.folder.path().display()));
        Served(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell"))
    }
}

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_of_the_readme_does_what_it_says() {
    let daemon = Daemon::shared().await;
    // No registry is reachable: the test image stands in for `busybox`.
    let options = TagImageOptionsBuilder::default().repo("busybox").tag("latest").build();
    daemon.client.tag_image(image::PLAIN, Some(options)).await.expect("tag the image");
    let terminal =
        Terminal { port: postgres::free_port(), docker: daemon.url(), folder: tempfile::tempdir().expect("a folder") };
    let _served = terminal.serve();
    write_files(terminal.folder.path());
    wait::until("fettle health is content", SOON, async || {
        let output = terminal.command("fettle health").output().expect("a shell");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    })
    .await;
    let remove = "docker rm -f arcanum shop-api-1 >/dev/null 2>&1; true";
    terminal.run(remove);
    for line in commands() {
        match line.as_str() {
            // It would serve here for ever, with what `serve` above was given; what it runs is looked at.
            "make run" => {
                let recipe = Command::new("make").args(["-n", "run"]).current_dir(root()).output().expect("make");
                assert!(String::from_utf8_lossy(&recipe.stdout).contains("serve --config fettle.yaml"));
            }
            "fettle show ID" => {
                let story = story(&terminal).await;
                assert!(story.contains("verdict fixed") || story.contains("fixed"), "{story}");
            }
            "fettle approve ID" => approved(&terminal).await,
            line if line.contains("--resolved") => {
                restarted(&terminal).await;
                terminal.run(line);
            }
            line => {
                let said = terminal.run(line);
                if line.starts_with("fettle token new") {
                    assert!(said.contains("sha256"), "{said}");
                }
            }
        }
    }
    terminal.run(remove);
}

async fn restarted(terminal: &Terminal) {
    wait::until("the restart is in the audit", SOON, async || {
        let rows = terminal.run("fettle actions --output json");
        if rows.contains("\"succeeded\"") { Ok(()) } else { Err(rows) }
    })
    .await;
}

/// A container that asks for a person is restarted once a person at a terminal has said yes to what is shown.
async fn approved(terminal: &Terminal) {
    let labels = "--label com.docker.compose.project=shop --label com.docker.compose.service=api-1 --label com.docker.compose.oneoff=False \
        --label com.docker.compose.container-number=1 --label fettle.enable=true --label fettle.approval=always";
    // Not the container of the story before: that one was just restarted and is left alone for a while.
    terminal.run(&format!("docker run -d --name shop-api-1 {labels} busybox sleep 1000000"));
    terminal.run("fettle send alertname=ServiceDown service=api-1 env=prod");
    let id = wait::until("somebody is asked", SOON, async || {
        let rows = terminal.run("fettle remediations --state awaiting_approval --output json");
        let rows: serde_json::Value = serde_json::from_str(&rows).map_err(|error| error.to_string())?;
        rows[0]["id"].as_str().map(str::to_owned).ok_or_else(|| terminal.run("fettle remediations"))
    })
    .await;
    let shown = terminal.run(&format!("echo y | script --quiet --return --command 'fettle approve {id}' /dev/null"));
    assert!(shown.contains("restart of compose:local/shop/api-1") && shown.contains("approved"), "{shown}");
    wait::until("it was done by the person's leave", SOON, async || {
        let rows = terminal.run(&format!("fettle actions --remediation {id} --output json"));
        if rows.contains("\"succeeded\"") && rows.contains("approved_by") { Ok(()) } else { Err(rows) }
    })
    .await;
}

/// The story of the only remediation, once it is closed.
async fn story(terminal: &Terminal) -> String {
    let id = wait::until("the remediation is closed", SOON, async || {
        let rows: serde_json::Value = serde_json::from_str(&terminal.run("fettle remediations --output json"))
            .map_err(|error| error.to_string())?;
        if rows[0]["state"] == "closed" { Ok(rows[0]["id"].clone()) } else { Err(rows.to_string()) }
    })
    .await;
    terminal.run(&format!("fettle show {}", id.as_str().expect("an id")))
}

#[test]
fn the_readme_has_commands_to_run() {
    assert!(commands().len() >= 9, "{:?}", commands());
}

/// The words in the first column of the table of guards, in order.
fn guards_of_the_readme() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let table = text.split("| guard | refuses when | then |\n").nth(1).expect("the table of guards");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    first.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn the_readme_lists_the_guards_in_the_order_in_which_they_are_asked() {
    let order: Vec<_> = fettle_core::guard::order().iter().map(ToString::to_string).collect();
    assert_eq!(guards_of_the_readme(), order);
}
