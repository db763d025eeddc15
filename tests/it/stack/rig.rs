//! The stack for [`round`](super::round): every part is started for one test, with the shipped files and addresses of its own.

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
use crate::support::pager::Pager;
use crate::support::postgres::free_port;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::process::Process;
use crate::support::{image, wait};

/// From the fault to the verdict: scrapes, group waits, the restart, half a minute of being well, and as much again.
pub(super) const LOOP: Duration = Duration::from_mins(4);

pub(super) const TARGET: &str = "container:local/arcanum";
const IMAGE: &str = "fettle-test-arcanum:1";
const MEMORY: i64 = 96 << 20;

/// All parts at work.
pub(super) struct Stack {
    pub(super) arcanum: Container,
    pub(super) port: u16,
    pub(super) fettle: Fettle,
    act: Filter,
    look: Filter,
    alertmanager: u16,
    pub(super) prometheus: u16,
    pager: Pager,
    pub(super) postgres: PrivatePostgres,
    pub(super) client: reqwest::Client,
    pub(super) watcher: Process,
    _alertmanager: Process,
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

    /// The shipped routes, with somebody to wake.
    fn alertmanager(&self, fettle: &str, token: &str, pager: u16) {
        let config = read("alertmanager/alertmanager.yml");
        let config =
            config.replace("http://fettle:9876/webhook", fettle).replace("/run/secrets/fettle_sender_token", token);
        let nobody = "  - name: page\n";
        assert!(config.contains(nobody), "the receiver that is to be filled in");
        let filled =
            format!("{nobody}    webhook_configs: [{{url: 'http://127.0.0.1:{pager}/', send_resolved: true}}]\n");
        let config = config.replace(nobody, &filled);
        std::fs::write(self.0.join("alertmanager.yml"), config).expect("write");
    }

    fn prometheus(&self, at: &[(&str, u16)], token: &str) {
        let mut config = yaml("prometheus/prometheus.yml");
        for often in ["scrape_interval", "evaluation_interval"] {
            config["global"][often] = json!("1s");
        }
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
    pub(super) async fn start() -> Self {
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
alertmanager: {{urls: [\"http://127.0.0.1:{alertmanager}\"]}}
prometheus: {{url: \"http://127.0.0.1:{prometheus}\"}}
heartbeat: {{alertname: Watchdog, max_silence: 5m}}
"
        );
        let setup = Setup::new(&act.url(), "version: 1\nrules: []\n").reading(&look.url()).database(&postgres.url());
        let setup = setup.disks("docker: {path: /var/lib/docker, allow: [prune]}");
        let setup = setup.config(&settings).token("the admin_token of this test").env("FETTLE_RULES", &files.rules());
        let fettle = setup.start().await;

        let pager = Pager::default();
        files.alertmanager(&fettle.url("/webhook"), &sender, pager.serve().await);
        let at = [
            ("arcanum", port),
            ("cadvisor", cadvisor(&daemon, &arcanum.id).await),
            ("fettle", fettle.port()),
            ("prometheus", prometheus),
            ("alertmanager", alertmanager),
        ];
        files.prometheus(&at, &metrics);
        let own = ["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address="];
        let alertmanager_process = begin(folder.path(), "prometheus-alertmanager", alertmanager, &own);
        let own = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"];
        let watcher = begin(folder.path(), "prometheus", prometheus, &own);
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let stack = Self {
            arcanum,
            port,
            fettle,
            act,
            look,
            alertmanager,
            prometheus,
            pager,
            postgres,
            client,
            watcher,
            _alertmanager: alertmanager_process,
            _folder: folder,
            _docker: docker,
        };
        stack.sees("up{job=\"arcanum\"} == 1").await;
        stack.sees("fettle_ready == 1").await;
        stack
    }

    /// Waits until Prometheus finds something.
    pub(super) async fn sees(&self, query: &str) {
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
    pub(super) async fn breaks(&self, how: &str) {
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

    /// Waits until Alertmanager knows the alert, and holds Prometheus still so that it goes on knowing it.
    pub(super) async fn holds(&self, alert: &str) {
        wait::until(alert, LOOP, async || self.alert(alert).await.pop().ok_or_else(|| self.fettle.log())).await;
        self.watcher.signal("-STOP");
    }

    /// While Prometheus is held still: waits until fettle has said that it is at work on the alert, which holds the page,
    /// and until it has looked twice at what Alertmanager lists.
    pub(super) async fn is_at_work(&self, alert: &str) {
        let before = self.answers().await;
        wait::until("the alert is held by fettle's own", LOOP, async || {
            let (own, original) = (self.alert("FettleWorking").await, self.alert(alert).await);
            let holds =
                own.iter().any(|own| original.iter().any(|it| it["status"]["inhibitedBy"][0] == own["fingerprint"]));
            let runbook = format!("#{}", alert.to_lowercase());
            for it in &original {
                let link = text(&it["annotations"]["runbook_url"]);
                assert!(link.starts_with("https://") && link.ends_with(&runbook), "{it:#}");
                assert!(it["labels"]["runbooks"].is_null(), "{it:#}");
            }
            if holds { Ok(()) } else { Err(format!("{own:#?}\n{original:#?}\n{}", self.fettle.log())) }
        })
        .await;
        // A look is a list and an age.
        wait::until("fettle has looked", LOOP, async || {
            let answers = self.answers().await;
            if answers >= before + 5 { Ok(()) } else { Err(format!("{answers} answers\n{}", self.fettle.log())) }
        })
        .await;
    }

    /// How many answers of Alertmanager's API fettle has had.
    async fn answers(&self) -> u64 {
        let line = "fettle_upstream_requests_total{code=\"200\",peer_kind=\"alertmanager\"} ";
        let metrics = self.fettle.metrics().await;
        metrics.lines().find_map(|it| it.strip_prefix(line)).and_then(|it| it.parse().ok()).unwrap_or_default()
    }

    /// Waits until whoever is to be woken was told of an alert that began after all that came before.
    pub(super) async fn pages_are_sent(&self) {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts", self.alertmanager);
        let body = json!([{"labels": {"alertname": "Control", "severity": "critical"}}]);
        let posted = self.client.post(url).json(&body).send().await.expect("an answer");
        assert!(posted.status().is_success(), "{posted:?}");
        wait::until("the page", LOOP, async || {
            if self.pager.told("Control").is_empty() { Err("nobody was woken".to_owned()) } else { Ok(()) }
        })
        .await;
    }

    /// Waits for the verdict on what was done about `alert`; the only row of the audit is this action's.
    pub(super) async fn heals(&self, alert: &str, action: &str, rule: &str) -> Value {
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
        wait::until("fettle says that it is done", LOOP, async || {
            let left = self.alert("FettleWorking").await;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        })
        .await;
        assert_eq!(self.pager.told(alert), Vec::<Value>::new(), "nobody was woken for it");
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
