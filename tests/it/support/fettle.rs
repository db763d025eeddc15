//! A fettle of its own: the real binary with its own folder, port, database and rules, ended with the test.
//!
//! It can be killed and started again on the same database, and is spoken to as a sender and as a person would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{contract, postgres, wait};

/// How to start it.
pub struct Setup {
    database: String,
    docker: String,
    rules: String,
    extra: String,
    wrap: Vec<String>,
    token: String,
    disks: String,
    read: String,
    env: Vec<(String, String)>,
}

impl Setup {
    /// On SQLite, with these rules and the given Docker daemon, in mode `act`, with limits that are not in the way.
    pub fn new(docker: &str, rules: &str) -> Self {
        Self {
            database: String::new(),
            docker: docker.to_owned(),
            rules: rules.to_owned(),
            extra: "limits: {budget: [1000 per 1h], target_budget: [1000 per 1h]}\nstorm: off\ntrip: off\n".to_owned(),
            wrap: Vec::new(),
            token: String::new(),
            disks: String::new(),
            read: String::new(),
            env: Vec::new(),
        }
    }

    /// With these disks of its one host, as they are written in the configuration.
    pub fn disks(mut self, disks: &str) -> Self {
        disks.clone_into(&mut self.disks);
        self
    }

    /// Looking through another endpoint than acting.
    pub fn reading(mut self, endpoint: &str) -> Self {
        self.read = format!(", read: \"{endpoint}\"");
        self
    }

    /// With this variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// On this database instead.
    pub fn database(mut self, url: &str) -> Self {
        url.clone_into(&mut self.database);
        self
    }

    /// With these lines in the configuration instead of the generous limits.
    pub fn config(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.extra);
        self
    }

    /// Spoken to with this token.
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// Started by this command, which gets the binary and its arguments.
    pub fn wrapped_in(mut self, command: &[&str]) -> Self {
        self.wrap = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Fettle {
        let fettle = self.launch();
        fettle.ready().await;
        fettle
    }

    /// Starts it without waiting.
    pub fn launch(self) -> Fettle {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("rules")).expect("rules folder");
        let port = postgres::free_port();
        let mut fettle = Fettle { folder, port, child: None, client: client(&self.token), setup: self };
        fettle.write_rules(&fettle.setup.rules.clone());
        fettle.launch();
        fettle
    }
}

/// One fettle, with the person who speaks to it.
pub struct Fettle {
    folder: tempfile::TempDir,
    port: u16,
    setup: Setup,
    child: Option<Child>,
    client: reqwest::Client,
}

/// The end of the world for a process: nothing is flushed, nobody is told.
const KILL: &str = "-KILL";

impl Fettle {
    /// The port it serves on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it serves.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the rules on disk.
    pub fn write_rules(&self, rules: &str) {
        std::fs::write(self.folder.path().join("rules/test.yaml"), rules).expect("write rules");
    }

    /// Starts the process (again) on the same folder.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "one process at a time");
        let folder = self.folder.path();
        let database = match self.setup.database.as_str() {
            "" => format!("sqlite://{}", folder.join("fettle.db").display()),
            url => url.to_owned(),
        };
        let disks =
            if self.setup.disks.is_empty() { String::new() } else { format!(", disks: {{{}}}", self.setup.disks) };
        let config = format!(
            "listen: 127.0.0.1:{}\ndatabase: \"{database}\"\nrules: rules/\nmode: act\nhosts: {{local: {{docker: \"{}\"{}{}}}}}\n{}",
            self.port, self.setup.docker, self.setup.read, disks, self.setup.extra
        );
        std::fs::write(folder.join("fettle.yaml"), config).expect("write fettle.yaml");
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("log file");
        let binary = env!("CARGO_BIN_EXE_fettle").to_owned();
        let mut words = self.setup.wrap.clone();
        words.extend([binary, "serve".into(), "--config".into(), folder.join("fettle.yaml").display().to_string()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(folder);
        for name in ["DATABASE_URL", "DOCKER_HOST", "FETTLE_LISTEN", "FETTLE_MODE", "FETTLE_RULES", "FETTLE_DATABASE"] {
            command.env_remove(name);
        }
        command.envs(self.setup.env.iter().map(|(name, value)| (name, value)));
        self.child = Some(command.spawn().expect("start fettle"));
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("fettle.log")
    }

    /// Starts without its wrapper from now on.
    pub fn unwrap(&mut self) {
        self.setup.wrap.clear();
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        wait::until("fettle is ready", Duration::from_secs(20), async || {
            match self.client.get(self.url("/-/ready")).send().await {
                Ok(answer) if answer.status() == 200 => Ok(()),
                Ok(answer) => Err(format!("{}\n{}", answer.status(), self.log())),
                Err(error) => Err(format!("{error}\n{}", self.log())),
            }
        })
        .await;
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.signal(KILL);
        let _ = self.child.take().map(|mut child| child.wait());
    }

    /// SIGTERM, and waits for the end; its exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.wait()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            // A wrapper execs, so this is fettle itself.
            let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
        }
    }

    /// Waits for its end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.take().and_then(|mut child| child.wait().expect("wait for fettle").code())
    }

    /// Posts a body; the status, or 0 when there was no answer.
    pub async fn post(&self, body: &Value) -> u16 {
        let sent = self.client.post(self.url("/webhook")).json(body).send().await;
        sent.map_or(0, |answer| answer.status().as_u16())
    }

    /// Posts until it is taken.
    pub async fn send(&self, body: &Value) {
        wait::until("the notification is taken", Duration::from_secs(20), async || match self.post(body).await {
            202 => Ok(()),
            status => Err(format!("{status}\n{}", self.log())),
        })
        .await;
    }

    /// What a POST with a JSON body answers.
    pub async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client.post(self.url(path)).json(body).send().await.expect("an answer");
        let (status, body) = (answer.status().as_u16(), answer.json().await.unwrap_or_default());
        contract::check("POST", path, status, &body);
        (status, body)
    }

    /// The status that a DELETE answers.
    pub async fn delete(&self, path: &str) -> u16 {
        let request = self.client.delete(self.url(path)).header("content-type", "application/json");
        request.send().await.expect("an answer").status().as_u16()
    }

    /// What a GET answers, as JSON.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        let body = answer.json().await.expect("JSON");
        contract::check("GET", path, 200, &body);
        body
    }

    /// All metrics.
    pub async fn metrics(&self) -> String {
        self.client.get(self.url("/metrics")).send().await.expect("an answer").text().await.expect("text")
    }

    /// The remediations of a target, newest first.
    pub async fn remediations(&self, target: &str) -> Vec<Value> {
        rows(&self.get(&format!("/api/v1/remediations?limit=1000&target={target}")).await)
    }

    /// The audit rows of a target, newest first.
    pub async fn actions(&self, target: &str) -> Vec<Value> {
        rows(&self.get(&format!("/api/v1/actions?limit=1000&target={target}")).await)
    }

    /// Waits until the newest remediation of a target is closed; the whole story.
    pub async fn closed(&self, target: &str, within: Duration) -> Value {
        let id = wait::until("the remediation is closed", within, async || {
            let newest = self.remediations(target).await.into_iter().next().unwrap_or_default();
            if newest["state"] == "closed" {
                Ok(newest["id"].clone())
            } else {
                Err(format!("{newest}\n{}", self.log()))
            }
        })
        .await;
        self.get(&format!("/api/v1/remediations/{}", id.as_str().expect("an id"))).await
    }
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

impl Drop for Fettle {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the log of a failed test is what one wants to read first")]
            {
                eprintln!("--- fettle's log ---\n{}", self.log());
            }
        }
        self.kill();
    }
}

fn client(token: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = reqwest::header::HeaderMap::new();
    if !token.is_empty() {
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    reqwest::Client::builder()
        .default_headers(headers)
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

/// One notification about many alerts that fire.
pub fn all_firing(alerts: &[Vec<(&str, &str)>]) -> Value {
    let mut all = firing(&[]);
    all["alerts"] = alerts.iter().map(|labels| firing(labels)["alerts"][0].clone()).collect();
    all
}

/// A notification about one alert, as Alertmanager would send it.
pub fn firing(labels: &[(&str, &str)]) -> Value {
    notification("firing", labels, "0001-01-01T00:00:00Z")
}

/// Its resolve, ending now.
pub fn resolved(labels: &[(&str, &str)]) -> Value {
    notification("resolved", labels, &jiff::Timestamp::now().to_string())
}

fn notification(status: &str, labels: &[(&str, &str)], ends_at: &str) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({"version": "4", "receiver": "fettle", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": status,
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093",
        "alerts": [{"status": status, "labels": labels, "annotations": {}, "generatorURL": "",
            "startsAt": jiff::Timestamp::now().to_string(), "endsAt": ends_at, "fingerprint": "0000000000000000"}]})
}
