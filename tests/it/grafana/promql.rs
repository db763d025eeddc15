//! Every PromQL of the dashboards against a real Prometheus that scrapes a real fettle, and what exporters would say.

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::time::Timestamp;
use regex::Regex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::expand::{Ask, expand};
use super::{PROMQL, Query, listed_by, names, queries};
use crate::support::fettle::{Setup, firing};
use crate::support::postgres::free_port;
use crate::support::process::Process;
use crate::support::wait;

const SOON: Duration = Duration::from_mins(1);

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {min_age: 0s, container: $labels.service, allow: [\"*\"]}
    steps: [restart]
";

/// Names and labels as the exporters of the stack give them.
const EXPORTERS: &str = include_str!("exporters.prom");

/// Serves the same text to everybody until the test's runtime ends.
async fn serve(text: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

/// A Prometheus that has scraped everything a few times.
struct Server {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
    client: reqwest::Client,
}

impl Server {
    async fn start(fettle: u16, exporters: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let alert = "groups: [{name: probe, rules: [{alert: Probe, expr: vector(1), labels: {severity: critical, service: web}}]}]\n";
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [alerts.yml]\nscrape_configs:\n  - {{job_name: fettle, static_configs: [{{targets: ['127.0.0.1:{fettle}']}}]}}\n  - {{job_name: exporters, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:{exporters}']}}]}}\n"
        );
        std::fs::write(folder.path().join("alerts.yml"), alert).expect("written");
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("written");
        let arguments = [
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=tsdb".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let process = Process::start(folder.path(), "prometheus", "prometheus", &arguments);
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(SOON).build().expect("a client");
        let it = Self { _process: process, _folder: folder, url: format!("http://127.0.0.1:{port}/api/v1"), client };
        let often = "min(count_over_time(up[20s])) > 3 and count(ALERTS) == 1 and count(up) == 2 \
                     and max(fettle_heartbeat_timestamp_seconds) > 0";
        wait::until("everything was scraped a few times", SOON, async || match it.now(often).await {
            Ok(found) if !found.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        it
    }

    async fn now(&self, expr: &str) -> Result<Vec<Value>, String> {
        self.get("query", &[("query", expr)]).await
    }

    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Vec<Value>, String> {
        let request = self.client.get(format!("{}/{path}", self.url)).query(parameters);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        let series = body["data"]["result"].as_array().filter(|_| body["status"] == "success");
        series.cloned().ok_or_else(|| body.to_string())
    }

    /// As a panel asks: once, or over a time.
    async fn asked(&self, query: &Query, expr: &str) -> Vec<Value> {
        let end = Timestamp::now().as_second();
        let found = if query.is_instant {
            self.now(expr).await
        } else {
            let (start, end) = ((end - 10).to_string(), end.to_string());
            self.get("query_range", &[("query", expr), ("start", &start), ("end", &end), ("step", "1")]).await
        };
        found.unwrap_or_else(|error| panic!("{}: {expr}: {error}", query.place))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_promql_gives_series_with_the_labels_of_its_legend_and_every_metric_of_fettle_exists() {
    let heartbeat = "heartbeat: {alertname: Watchdog, max_silence: 5m}\n";
    let fettle = Setup::new("unix:///nowhere/docker.sock", RULES).config(heartbeat).start().await;
    fettle.send(&firing(&[("alertname", "Down"), ("service", "web")])).await;
    fettle.send(&firing(&[("alertname", "Watchdog")])).await;
    let prometheus = Server::start(fettle.port(), serve(EXPORTERS).await).await;
    let registry = names(&fettle.metrics().await, r"(?m)^# TYPE (\w+) ");
    assert!(registry.len() > 20, "{registry:?}");
    for query in queries(PROMQL) {
        for name in names(&query.text, r"\b(fettle_\w+)") {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            assert!(registry.contains(family), "{}: fettle has no {name}", query.place);
        }
        for chosen in [vec![], vec!["restart"], vec!["restart", r"it's \ (1)"]] {
            let chosen = if chosen.is_empty() { BTreeMap::new() } else { [("rule", chosen)].into() };
            let ask = Ask { from: Timestamp::UNIX_EPOCH, to: Timestamp::now(), interval_seconds: 3, chosen };
            let expr = expand(&query, &ask);
            let series = prometheus.asked(&query, &expr).await;
            assert!(!series.is_empty(), "{}: {expr}: no series", query.place);
            for label in &query.legend {
                let has = |it: &Value| it["metric"].get(label).is_some();
                assert!(series.iter().any(has), "{}: {expr}: no label {label}", query.place);
            }
        }
    }
    let values = Regex::new(r"^label_values\((\w+), (\w+)\)$").expect("an expression");
    for (variable, asks) in listed_by(PROMQL) {
        let found = values.captures(&asks).unwrap_or_else(|| panic!("{variable}: {asks}"));
        let series = prometheus.now(&found[1]).await.expect("a metric");
        let has = series.iter().any(|it| it["metric"].get(&found[2]).is_some());
        assert!(has, "{variable}: {asks}: no such label");
    }
}
