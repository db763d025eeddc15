//! The clients of Alertmanager and Prometheus against real servers, and against servers that fail.

mod access;
mod alertmanager;
mod canned;
mod faults;
mod prometheus;

use std::time::Duration;

use fettle::config::{self, Access};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::upstream::Upstream;
use fettle_core::time::Timestamp;
use fettle_core::upstream::{Announcement, Picture};
use fettle_upstream::Alertmanager;
use reqwest::Url;

use crate::support::postgres::free_port;
use crate::support::process::Process;
use crate::support::wait;

/// Long against everything that is waited for here.
const SOON: Duration = Duration::from_secs(20);

/// No picture is old enough not to be taken anew.
const FRESH: Duration = Duration::ZERO;

/// A real Alertmanager of the test's own.
struct Real {
    port: u16,
    process: Option<Process>,
    _folder: tempfile::TempDir,
}

/// Others inhibit before fettle does: Alertmanager 0.25 names one inhibiting alert only, by the first rule that applies.
const CONFIG: &str = "
route: {receiver: nobody}
receivers: [{name: nobody}]
inhibit_rules:
  - {source_matchers: ['alertname=\"HostDown\"'], target_matchers: ['alertname=\"ServiceDown\"'], equal: [instance]}
  - {source_matchers: ['fettle=\"self\"', 'alertname=\"FettleWorking\"'], target_matchers: ['fettle!=\"self\"'], equal: [service]}
";

impl Real {
    async fn start() -> Self {
        Self::with(&[], &[]).await
    }

    /// With these files beside its configuration, and these arguments.
    async fn with(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        for (name, text) in files.iter().chain(&[("alertmanager.yml", CONFIG)]) {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let own = [
            "--config.file=alertmanager.yml".to_owned(),
            "--storage.path=data".to_owned(),
            "--cluster.listen-address=".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let arguments: Vec<_> = arguments.iter().map(|it| (*it).to_owned()).chain(own).collect();
        let process = Process::start(folder.path(), "prometheus-alertmanager", "prometheus-alertmanager", &arguments);
        wait::until("Alertmanager listens", SOON, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())
        })
        .await;
        Self { port, process: Some(process), _folder: folder }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        self.process = None;
    }

    /// Posts alerts that fire from now on, as Prometheus would.
    async fn fires(&self, alerts: &[&Labels]) {
        let body: Vec<_> = alerts.iter().map(|labels| serde_json::json!({ "labels": labels })).collect();
        self.post("/api/v2/alerts", &serde_json::json!(body)).await;
    }

    /// Posts that an alert is over, as Prometheus would.
    async fn resolves(&self, labels: &Labels) {
        let body = serde_json::json!([{"labels": labels, "endsAt": Timestamp::now().to_string()}]);
        self.post("/api/v2/alerts", &body).await;
    }

    /// Silences every alert of this name.
    async fn silence(&self, alertname: &str) {
        let body = serde_json::json!({
            "matchers": [{"name": "alertname", "value": alertname, "isRegex": false}],
            "startsAt": Timestamp::now().to_string(),
            "endsAt": fettle_core::time::after(Timestamp::now(), Duration::from_hours(1)).to_string(),
            "createdBy": "a person", "comment": "hands off",
        });
        self.post("/api/v2/silences", &body).await;
    }

    async fn post(&self, path: &str, body: &serde_json::Value) {
        let answer = plain().post(format!("{}{path}", self.url())).json(body).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{path}: {:?}", answer.text().await);
    }
}

/// A client of the test's own.
fn plain() -> reqwest::Client {
    provider();
    reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a client")
}

fn provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// fettle's client for these peers.
fn peers(urls: &[&str]) -> Alertmanager {
    with(urls, &Access::default())
}

fn with(urls: &[&str], access: &Access) -> Alertmanager {
    provider();
    let urls = urls.iter().map(|url| Url::parse(url).expect("a URL")).collect::<Vec<_>>();
    Alertmanager::new(&urls, access).expect("a client")
}

fn alert(name: &str, service: &str) -> Labels {
    Labels::from_iter([("alertname", name), ("service", service), ("instance", "node-a:9100")])
}

fn own(service: &str) -> Labels {
    Labels::from_iter([("alertname", "FettleWorking"), ("service", service), ("fettle", "self")])
}

fn announcement(labels: &Labels, lasts: Duration) -> Announcement {
    let now = Timestamp::now();
    Announcement {
        labels: labels.clone(),
        annotations: [("summary".to_owned(), "fettle restarts \"it\"\n".to_owned())].into(),
        starts_at: now,
        ends_at: fettle_core::time::after(now, lasts),
        generator_url: Some("http://fettle.example/r/1".to_owned()),
    }
}

/// Looks until the picture is as it should be.
async fn seen(upstream: &Alertmanager, what: &str, is: impl Fn(&Picture) -> bool) -> Picture {
    wait::until(what, SOON, async || {
        let picture = upstream.picture(Timestamp::now(), FRESH).await.map_err(|error| error.to_string())?;
        if is(&picture) { Ok((*picture).clone()) } else { Err(format!("{picture:?}")) }
    })
    .await
}

fn has(picture: &Picture, labels: &Labels) -> bool {
    picture.alerts.contains_key(&Fingerprint::of(labels))
}
