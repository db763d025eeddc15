//! `fettle replay` as a person types it: what it reads, what it prints, how it ends.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use fettle_core::ports::model::NewNotification;
use fettle_core::time::{Timestamp, before};
use serde_json::Value;
use uuid::Uuid;

use crate::support::postgres::{Database, free_port};
use crate::support::process::Process;
use crate::support::wait;

const SOON: Duration = Duration::from_secs(40);

const RULES: &str = r#"
version: 1
rules:
  - name: web-restart
    match: ['alertname="ServiceDown"']
    target: {container: $labels.service, allow: ["web", "api-*"]}
    budget: [2 per 1h]
    cooldown: 0s
    steps: [restart, restart]
"#;

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("fettle.yaml"), "mode: act\nrules: rules.yaml\n").expect("written");
        std::fs::write(folder.path().join("rules.yaml"), RULES).expect("written");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("written");
    }

    fn run(&self, words: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
        command.arg("replay").args(words).current_dir(self.path()).stdin(Stdio::null());
        for name in ["DATABASE_URL", "FETTLE_CONFIG", "FETTLE_RULES", "FETTLE_MODE", "FETTLE_HOSTS", "DOCKER_HOST"] {
            command.env_remove(name);
        }
        let done = command.output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
    }

    fn json(&self, words: &[&str]) -> Value {
        let said = self.run(&[words, &["--output", "json"]].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
        serde_json::from_str(&said.out).expect("JSON and nothing else")
    }
}

fn line(minute: u32, status: &str, service: &str) -> String {
    let (hour, minute) = (12 + minute / 60, minute % 60);
    format!(
        r#"{{"at":"2026-01-31T{hour}:{minute:02}:00Z","status":"{status}","labels":{{"alertname":"ServiceDown","service":"{service}"}}}}"#
    ) + "\n"
}

/// Twelve minutes apart: three times fired and resolved.
fn lines() -> String {
    let round = |n: u32| line(12 * n, "firing", "web") + &line(12 * n + 5, "resolved", "web");
    (0..3).map(round).collect::<String>() + &line(40, "firing", "db")
}

#[test]
fn lines_of_alerts_are_replayed_and_every_remediation_is_told_when_asked_for() {
    let place = Place::new();
    place.write("alerts.jsonl", &lines());
    let said = place.run(&["--from", "alerts.jsonl", "--verbose"]);
    let expected = "\
2026-01-31 12:00:00Z to 2026-01-31 13:40:00Z, alerts.jsonl: 7 notifications, 7 alerts

RULE         OPENED  DONE       REFUSED        BLOCKED   PEOPLE  ENDED
web-restart  4       restart 2  not_allowed 1  budget 1  -       cancelled 1, fixed 2, refused 1

+ 2026-01-31 12:00:00Z  web-restart  container:local/web
    restart succeeded, fixed; closed fixed

+ 2026-01-31 12:12:00Z  web-restart  container:local/web
    restart succeeded, fixed; closed fixed

+ 2026-01-31 12:24:00Z  web-restart  container:local/web
    blocked by budget; closed cancelled

+ 2026-01-31 12:40:00Z  web-restart  container:local/db
    refused by not_allowed; closed refused
";
    assert_eq!((said.out.as_str(), said.code), (expected, Some(0)), "{}", said.err);
    assert!(said.err.contains("note: there is no record of Docker"), "{}", said.err);
    let worse = place.json(&["--from", "alerts.jsonl", "--assume", "not_fixed"]);
    assert_eq!(worse["total"]["would"]["outcomes"]["cleared"], 2, "{worse:#}");
    assert_eq!((&worse["compared"], &worse["rules"][0]["was"]), (&Value::Null, &Value::Null));
    let later =
        place.json(&["--from", "alerts.jsonl", "--since", "2026-01-31T12:10:00Z", "--until", "2026-01-31T12:20:00Z"]);
    assert_eq!((&later["notifications"], &later["to"]), (&2.into(), &"2026-01-31T12:20:00Z".into()));
}

#[test]
fn an_unreadable_line_is_named_the_rest_goes_on_and_the_exit_code_is_1() {
    let place = Place::new();
    let folder = place.path().join("bodies");
    std::fs::create_dir(&folder).expect("made");
    place.write("bodies/a.jsonl", &(lines() + "{\"at\": \"2026-01-31T13:00:00Z\", \"status\": 7}\n"));
    let body = r#"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"ServiceDown","service":"api-1"},
        "startsAt":"2026-01-31T12:10:00Z"}]}"#;
    place.write("bodies/20260131T121000Z.json", body);
    place.write("bodies/undated.json", body);
    let said = place.run(&["--from", "bodies"]);
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("8 notifications") && said.out.contains("restart 3"), "{}", said.out);
    for told in [
        "bodies/a.jsonl:8: $.status: ",
        "bodies/undated.json:1: $: it does not say when",
        "2 records could not be read",
    ] {
        assert!(said.err.contains(told), "{told} is not in {}", said.err);
    }
    let said = place.run(&["--from", "bodies", "--output", "json"]);
    let report: Value = serde_json::from_str(&said.out).expect("JSON all the same");
    assert_eq!(
        (said.code, &report["unreadable"], report["problems"].as_array().map(Vec::len)),
        (Some(1), &2.into(), Some(2))
    );
}

#[test]
fn what_cannot_be_replayed_is_said_in_one_sentence() {
    let place = Place::new();
    for (words, code, told) in [
        (&["--since", "1h", "--until", "2h"][..], 2, "before it begins"),
        (&["--since", "yesterday"], 2, "how long ago"),
        (&["--from", "x", "--from-prometheus", "http://x"], 2, "cannot be used with"),
        (&["--from", "missing.jsonl"], 1, "missing.jsonl"),
        (&["--database", "sqlite://missing.db"], 1, "no database at missing.db"),
        (&["--database", "mysql://x"], 1, "this is neither"),
        (&["--rules", "missing/"], 1, "missing/"),
        (&["--from-prometheus", "http://127.0.0.1:1", "--since", "1h"], 1, "unreachable"),
    ] {
        let said = place.run(words);
        assert!(said.code == Some(code) && said.err.contains(told), "{words:?}: {:?} {}", said.code, said.err);
        assert_eq!(said.out, "", "{words:?}");
    }
}

async fn record_is_read(url: &str) {
    let store = fettle_store::open(url, Uuid::now_v7().into()).await.expect("the database opens");
    let now = Timestamp::now();
    let body = |status: &str, since: Timestamp| {
        format!(
            r#"{{"version":"4","alerts":[{{"status":"{status}","labels":{{"alertname":"ServiceDown","service":"web"}},
            "startsAt":"{since}","endsAt":"{since}"}}]}}"#
        )
    };
    let notification = |ago: u64, status: &'static str| {
        let (at, since) = (before(now, Duration::from_secs(ago)), before(now, Duration::from_hours(2)));
        NewNotification {
            id: Uuid::now_v7().into(),
            received_at: at,
            sender: "test".into(),
            receiver: "fettle".into(),
            group_key: String::new(),
            status,
            alerts: 1,
            truncated: 0,
            body: body(status, if status == "firing" { since } else { at }).into(),
        }
    };
    store
        .append(&[notification(7200, "firing"), notification(6000, "firing"), notification(3000, "resolved")])
        .await
        .expect("stored");
    let place = Place::new();
    let report = place.json(&["--database", url, "--since", "3h", "--verbose"]);
    assert_eq!((&report["notifications"], &report["total"]["would"]["actions"]["restart"]), (&3.into(), &1.into()));
    // Nothing was done, so what would have been is new; and an effect that fixes has its alert fire no more.
    assert_eq!(report["compared"]["new"], 1, "{report:#}");
    assert_eq!(report["remediations"][0]["would"]["outcome"], "fixed", "{report:#}");
    assert!(report["warnings"].to_string().contains("from firing on: 1"), "{report:#}");
    // What began before the period is replayed and not counted.
    let report = place.json(&["--database", url, "--since", "110m"]);
    assert_eq!((&report["notifications"], &report["total"]["would"]["opened"]), (&2.into(), &0.into()), "{report:#}");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_database_is_read_while_fettle_has_it_open() {
    let folder = tempfile::tempdir().expect("a folder");
    record_is_read(&format!("sqlite://{}", folder.path().join("fettle.db").display())).await;
    record_is_read(&Database::create().await.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_of_a_real_prometheus_are_replayed() {
    let (place, port) = (Place::new(), free_port());
    place.write("prometheus.yml", "global: {evaluation_interval: 1s}\nrule_files: [alerts.yml]\n");
    place.write(
        "alerts.yml",
        "groups: [{name: g, rules: [{alert: ServiceDown, expr: vector(1), labels: {service: web, severity: critical}}]}]\n",
    );
    let arguments = [
        "--config.file=prometheus.yml".to_owned(),
        "--storage.tsdb.path=tsdb".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let _prometheus = Process::start(place.path(), "prometheus", "prometheus", &arguments);
    let url = format!("http://127.0.0.1:{port}");
    let words = ["--from-prometheus", &url, "--since", "1m", "--step", "1s", "--output", "json", "--verbose"];
    let report = wait::until("the alert has fired for a while", SOON, async || {
        let said = tokio::task::block_in_place(|| place.run(&words));
        let report: Value = serde_json::from_str(&said.out).unwrap_or_default();
        if report["total"]["would"]["actions"]["restart"] == 1 {
            Ok(report)
        } else {
            Err(format!("{}{}", said.out, said.err))
        }
    })
    .await;
    assert_eq!(report["remediations"][0]["would"]["target"], "container:local/web", "{report:#}");
    assert!(report["warnings"].to_string().contains("external_labels"), "{report:#}");
}
