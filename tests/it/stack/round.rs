//! The loop with its real parts and the shipped files: Prometheus with the shipped rules, Alertmanager with the shipped
//! routes, fettle with the shipped rules behind the shipped lists of what Docker may be asked, PostgreSQL, Docker, and the
//! sample service, which crashes, leaks and fills its disk.
//!
//! Changed in the files: addresses, the paths of secrets, how often Prometheus looks, how long an alert must last, and the
//! cooldowns. fettle is not told where Alertmanager's API is: an end that only the API tells is not believed of one that was
//! started less than 5 minutes ago, and what fettle posts has tests of its own. Of the scraped only cAdvisor is played by the test: it serves Docker's own figures under cAdvisor's names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::query_parameters::StatsOptionsBuilder;
use futures_util::TryStreamExt;
use regex::Regex;
use serde_json::{Value, json};

use super::docker_proxy::allowed;
use super::image::arcanum;
use super::{files, items, read, text, yaml};
use crate::support::container::{Container, Run};
use crate::support::docker::{Daemon, PrivateDocker, connect};
use crate::support::exporter::Exporter;
use crate::support::fettle::{Fettle, Setup};
use crate::support::filter::Filter;
use crate::support::postgres::free_port;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::process::Process;
use crate::support::{image, wait};

/// From the fault to the verdict: scrapes, group waits, the restart, half a minute of being well, and as much again.
const LOOP: Duration = Duration::from_mins(4);

const TARGET: &str = "container:local/arcanum";
const IMAGE: &str = "fettle-test-arcanum:1";
const MEMORY: i64 = 96 << 20;

struct Stack {
    arcanum: Container,
    port: u16,
    fettle: Fettle,
    act: Filter,
    look: Filter,
    alertmanager: u16,
    prometheus: u16,
    postgres: PrivatePostgres,
    client: reqwest::Client,
    _processes: [Process; 2],
    _folder: tempfile::TempDir,
    // Last, so that the container is removed before its daemon ends.
    _docker: PrivateDocker,
}

/// The folder with secrets, and the files of the stack as this run needs them.
struct Files(PathBuf);

impl Files {
    fn secret(&self, name: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, format!("the {name} of this test")).expect("write");
        path.display().to_string()
    }

    /// The shipped rules of fettle, without cooldowns: the three faults hit one and the same container.
    fn rules(&self) -> String {
        let folder = self.0.join("healing");
        std::fs::create_dir(&folder).expect("a folder");
        let cooldown = Regex::new(r"cooldown: \d+\w").expect("an expression");
        for file in files("rules") {
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            if !name.ends_with(".test.yaml") {
                let text = std::fs::read_to_string(&file).expect("readable");
                std::fs::write(folder.join(name), cooldown.replace_all(&text, "cooldown: 0s").as_ref()).expect("write");
            }
        }
        folder.display().to_string()
    }

    fn alertmanager(&self, fettle: &str, token: &str) {
        let config = read("alertmanager/alertmanager.yml");
        let config =
            config.replace("http://fettle:9876/webhook", fettle).replace("/run/secrets/fettle_sender_token", token);
        std::fs::write(self.0.join("alertmanager.yml"), config).expect("write");
    }

    fn prometheus(&self, at: &[(&str, u16)], token: &str) {
        let mut config = yaml("prometheus/prometheus.yml");
        config["global"] = json!({"scrape_interval": "1s", "evaluation_interval": "1s"});
        let jobs: Vec<Value> = items(&config["scrape_configs"]).to_vec();
        let here = |job: &Value| at.iter().find(|(name, _)| *name == text(&job["job_name"])).map(|(_, port)| *port);
        let jobs = jobs.into_iter().filter_map(|mut job| {
            job["static_configs"][0]["targets"] = json!([format!("127.0.0.1:{}", here(&job)?)]);
            if job["authorization"].is_object() {
                job["authorization"]["credentials_file"] = json!(token);
            }
            Some(job)
        });
        config["scrape_configs"] = jobs.collect();
        let alertmanager = at.iter().find(|(name, _)| *name == "alertmanager").expect("a port").1;
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] =
            json!([format!("127.0.0.1:{alertmanager}")]);
        // JSON is YAML.
        std::fs::write(self.0.join("prometheus.yml"), config.to_string()).expect("write");
        let last = Regex::new(r"(?m)^( +for:) \w+$").expect("an expression");
        std::fs::create_dir(self.0.join("rules")).expect("a folder");
        for file in files("prometheus/rules") {
            let text = std::fs::read_to_string(&file).expect("readable");
            let name = file.file_name().expect("a name");
            std::fs::write(self.0.join("rules").join(name), last.replace_all(&text, "$1 1s").as_ref()).expect("write");
        }
    }
}

impl Stack {
    async fn start() -> Self {
        let (docker, postgres) = (PrivateDocker::start(&[]).await, PrivatePostgres::start().await);
        let daemon = docker.daemon.clone();
        image::import(&daemon.client, IMAGE, None, image::base(&image::programs(), &[arcanum()])).await;
        let folder = tempfile::tempdir().expect("a folder");
        let files = Files(folder.path().to_path_buf());
        let [port, alertmanager, prometheus] = [(); 3].map(|()| free_port());
        let arcanum = sample(&daemon, port).await;
        let look = Filter::start(daemon.socket(), allowed("docker-look")).await;
        let act = Filter::start(daemon.socket(), allowed("docker-act")).await;
        let [sender, metrics, admin] = ["sender_token", "metrics_token", "admin_token"].map(|name| files.secret(name));
        let settings = format!(
            "auth:
  tokens:
    - {{name: alertmanager, role: sender, token_file: {sender}}}
    - {{name: prometheus, role: viewer, token_file: {metrics}}}
    - {{name: admin, role: admin, token_file: {admin}}}
prometheus: {{url: \"http://127.0.0.1:{prometheus}\"}}
heartbeat: {{alertname: Watchdog, max_silence: 5m}}
"
        );
        let setup = Setup::new(&act.url(), "version: 1\nrules: []\n").reading(&look.url()).database(&postgres.url());
        let setup = setup.disks("docker: {path: /var/lib/docker, allow: [prune]}");
        let setup = setup.config(&settings).token("the admin_token of this test").env("FETTLE_RULES", &files.rules());
        let fettle = setup.start().await;

        files.alertmanager(&fettle.url("/webhook"), &sender);
        let at = [
            ("arcanum", port),
            ("cadvisor", cadvisor(&daemon, &arcanum.id).await),
            ("fettle", fettle.port()),
            ("prometheus", prometheus),
            ("alertmanager", alertmanager),
        ];
        files.prometheus(&at, &metrics);
        let processes = [
            begin(
                folder.path(),
                "prometheus-alertmanager",
                alertmanager,
                &["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address="],
            ),
            begin(
                folder.path(),
                "prometheus",
                prometheus,
                &["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"],
            ),
        ];
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let stack = Self {
            arcanum,
            port,
            fettle,
            act,
            look,
            alertmanager,
            prometheus,
            postgres,
            client,
            _processes: processes,
            _folder: folder,
            _docker: docker,
        };
        stack.sees("up{job=\"arcanum\"} == 1").await;
        stack.sees("fettle_ready == 1").await;
        stack
    }

    /// Waits until Prometheus finds something.
    async fn sees(&self, query: &str) {
        let url = format!("http://127.0.0.1:{}/api/v1/query", self.prometheus);
        wait::until(query, LOOP, async || {
            let asked =
                self.client.get(&url).query(&[("query", query)]).send().await.map_err(|error| error.to_string())?;
            let answer: Value = asked.json().await.map_err(|error| error.to_string())?;
            if items(&answer["data"]["result"]).is_empty() { Err(answer.to_string()) } else { Ok(()) }
        })
        .await;
    }

    /// Tells the sample service what to do to itself.
    async fn breaks(&self, how: &str) {
        // A crash answers nothing.
        let _ = self.client.post(format!("http://127.0.0.1:{}/{how}", self.port)).send().await;
    }

    /// The alert, while Alertmanager knows it.
    async fn alert(&self, name: &str) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.alertmanager);
        let filter = format!("alertname=\"{name}\"");
        let asked = self.client.get(url).query(&[("filter", filter.as_str())]).send().await.expect("an answer");
        asked.json().await.expect("alerts")
    }

    /// Waits for the verdict on what was done about `alert`; the only row of the audit is this action's.
    async fn heals(&self, alert: &str, action: &str, rule: &str) -> Value {
        let story = self.fettle.closed(TARGET, LOOP).await;
        assert_eq!(
            (text(&story["outcome"]), text(&story["rule"])),
            ("fixed", rule),
            "{story:#}\n{}",
            self.fettle.log()
        );
        let rows = self.fettle.actions(TARGET).await;
        assert_eq!(rows.len(), 1, "{rows:#?}\n{}", self.fettle.log());
        let row = &rows[0];
        assert_eq!(
            (text(&row["action"]), text(&row["result"]), text(&row["verdict"])),
            (action, "succeeded", "fixed"),
            "{row:#}"
        );
        assert_eq!(text(&row["alertname"]), alert, "{row:#}");
        wait::until("the alert is over", LOOP, async || {
            let left = self.alert(alert).await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        })
        .await;
        assert_eq!(
            (self.look.refused(), self.act.refused()),
            (vec![], vec![]),
            "the lists of the socket proxies are complete"
        );
        assert!(!self.act.passed().is_empty(), "what was done went through the proxy that acts");
        rows[0].clone()
    }
}

/// Starts a server of the stack on its port.
fn begin(folder: &Path, program: &str, port: u16, arguments: &[&str]) -> Process {
    let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    all.push(format!("--web.listen-address=127.0.0.1:{port}"));
    Process::start(folder, program, program, &all)
}

/// The sample service, on the test's own network, with a disk of its own.
async fn sample(daemon: &Daemon, port: u16) -> Container {
    let binary = format!("{}:/usr/local/bin/arcanum:ro", arcanum().display());
    let line = format!("export ARCANUM_LISTEN=127.0.0.1:{port}; exec /usr/local/bin/arcanum");
    let check = format!("ARCANUM_LISTEN=127.0.0.1:{port} /usr/local/bin/arcanum health");
    let run = Run::named("arcanum").exactly("arcanum").image(IMAGE).enabled().memory(MEMORY).user("65532:65532");
    let run = run.shell(&line).health(&check).on_host(|host| {
        host.network_mode = Some("host".into());
        host.binds = Some(vec![binary]);
        host.tmpfs = Some([("/var/log/arcanum".to_owned(), "size=16m,uid=65532,gid=65532".to_owned())].into());
    });
    run.start(daemon).await
}

/// Docker's own figures under cAdvisor's names.
async fn cadvisor(daemon: &Daemon, id: &str) -> u16 {
    let (exporter, socket, id) = (Exporter::default(), daemon.socket().to_path_buf(), id.to_owned());
    let said = exporter.clone();
    tokio::spawn(async move {
        let client = connect(&socket);
        loop {
            let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
            let stats = client.stats(&id, Some(options)).try_next().await.ok().flatten();
            let memory = stats.and_then(|it| it.memory_stats);
            let text = memory.and_then(|it| Some((it.usage?, it.limit?, it.stats))).map(|(usage, limit, stats)| {
                let stat = |name: &str| stats.as_ref().and_then(|it| it.get(name).copied()).unwrap_or_default();
                let cache = stat("total_inactive_file").max(stat("inactive_file"));
                let labels = "{name=\"arcanum\",id=\"/docker/arcanum\"}";
                let used = usage.saturating_sub(cache);
                format!("container_memory_working_set_bytes{labels} {used}\ncontainer_spec_memory_limit_bytes{labels} {limit}\n")
            });
            said.say(text.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    exporter.serve().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_is_healed_once_though_fettle_is_killed_and_its_database_goes_away_in_the_middle() {
    let mut stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    stack.breaks("crash").await;
    wait::until("fettle is at it", LOOP, async || {
        let open = stack.fettle.remediations(TARGET).await;
        if open.is_empty() { Err(stack.fettle.log()) } else { Ok(()) }
    })
    .await;
    stack.fettle.kill();
    stack.postgres.kill();
    stack.fettle.launch();
    stack.postgres.restart().await;
    stack.fettle.ready().await;
    stack.heals("ArcanumNeedsRestart", "restart", "arcanum-needs-restart").await;
    assert_ne!(stack.arcanum.started_at().await, before);
    stack.sees("up{job=\"arcanum\"} == 1").await;
    assert_eq!(stack.fettle.remediations(TARGET).await.len(), 1);
    // The way from Prometheus to fettle was seen to be open.
    wait::until("the heartbeat is heard", LOOP, async || {
        let alerts = stack.fettle.get("/api/v1/alerts?limit=1000").await;
        let heard = items(&alerts).iter().any(|it| it["labels"]["alertname"] == "Watchdog");
        if heard { Ok(()) } else { Err(format!("{alerts:#}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_is_ended_by_a_restart_before_the_kernel_kills() {
    let stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    let used = "container_memory_working_set_bytes / container_spec_memory_limit_bytes";
    // In small bites, so that the limit is approached and not run into.
    let url = format!("http://127.0.0.1:{}/api/v1/query", stack.prometheus);
    wait::until("it has leaked", LOOP, async || {
        let asked = stack.client.get(&url).query(&[("query", used)]).send().await.map_err(|error| error.to_string())?;
        let answer: Value = asked.json().await.map_err(|error| error.to_string())?;
        let share =
            answer["data"]["result"][0]["value"][1].as_str().and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
        if share > 0.955 || stack.arcanum.started_at().await != before {
            return Ok(());
        }
        stack.breaks(if share < 0.8 { "leak?mib=4" } else { "leak?mib=1" }).await;
        // Prometheus looks once a second: wait for what the last bite did.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        Err(format!("{share}"))
    })
    .await;
    let row = stack.heals("ContainerMemoryExhaustion", "restart", "container-memory-exhaustion").await;
    assert_ne!(stack.arcanum.started_at().await, before);
    let state = stack.arcanum.inspect().await.state.unwrap_or_default();
    assert_ne!(state.oom_killed, Some(true), "{state:?}");
    assert!(row["detail"].to_string().contains("memory"), "the evidence has its figures: {row:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_its_logs_fill_is_emptied_and_every_file_is_on_record() {
    let stack = Stack::start().await;
    let before = stack.arcanum.started_at().await;
    stack.breaks("fill?percent=95").await;
    stack.sees("service:volume_used:ratio > 0.85").await;
    let row = stack.heals("HighDiskUsage", "clean_logs", "service-disk-logs").await;
    let file = &row["detail"]["cleaned"]["files"][0];
    assert_eq!((text(&file["root"]), text(&file["path"])), ("/var/log/arcanum", "arcanum.log"), "{row:#}");
    stack.sees("service:volume_used:ratio < 0.5").await;
    assert_eq!(stack.arcanum.started_at().await, before, "nothing was restarted for it");
}
