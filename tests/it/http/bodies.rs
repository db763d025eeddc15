//! What may be posted: every body Alertmanager was seen to send, and none that it would not.

use std::time::{Duration, Instant};

use fettle::config::Limits;
use fettle_core::alert::bounds::Bounds;
use fettle_core::rule::model::Budget;
use serde_json::{Value, json};

use crate::support::edge::{Edge, Setup};
use crate::support::fettle::{all_firing, firing};
use crate::support::wait;

async fn posted(edge: &Edge, body: impl Into<reqwest::Body>) -> (u16, Value) {
    let request = edge.client.post(edge.url("/webhook")).header("content-type", "application/json").body(body);
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("every answer is JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_alertmanager_was_seen_to_send_is_stored() {
    let edge = Setup::default().start().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads");
    let files = std::fs::read_dir(folder).expect("the captured bodies").map(|entry| entry.expect("an entry").path());
    let mut count = 0;
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "json")) {
        let text = std::fs::read_to_string(&path).expect("readable");
        let alerts = serde_json::from_str::<Value>(&text).expect("JSON")["alerts"].as_array().expect("alerts").len();
        let (status, answer) = posted(&edge, text).await;
        assert_eq!((status, &answer["alerts"]), (202, &json!(alerts)), "{}: {answer}", path.display());
        assert!(answer["id"].as_str().is_some_and(|id| uuid::Uuid::parse_str(id).is_ok()), "{answer}");
        count += 1;
    }
    assert!(count >= 43, "only {count} bodies were found");
    assert_eq!(edge.stored().await, count);
}

/// A body that is always the same, so that columns in errors are too.
fn fixed() -> Value {
    let mut body = firing(&[("alertname", "Down")]);
    body["alerts"][0]["startsAt"] = json!("2026-01-31T12:00:00Z");
    body
}

/// A body that is right but for one place.
fn wrong(pointer: &str, value: Value) -> String {
    let mut body = fixed();
    *body.pointer_mut(pointer).expect("a place") = value;
    body.to_string()
}

fn without(parent: &str, name: &str) -> String {
    let mut body = fixed();
    body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object").remove(name);
    body.to_string()
}

fn nested() -> Value {
    (0..10).fold(json!("deep"), |inner, _| json!({"a": inner}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_a_notification_is_answered_with_the_place_and_what_was_expected() {
    let edge = Setup::default().start().await;
    let truncated = fixed().to_string();
    let truncated = truncated[..truncated.len() / 2].to_owned();
    let twice = format!("{0}{0}", fixed());
    let bodies = [
        ("nothing", String::new()),
        ("not JSON", "user=root".to_owned()),
        ("truncated", truncated),
        ("two of them", twice),
        ("an array", "[]".to_owned()),
        ("null", "null".to_owned()),
        ("not UTF-8", "{\"version\":\"4\u{0}".to_owned()),
        ("no version", without("", "version")),
        ("version 3", wrong("/version", json!("3"))),
        ("version as number", wrong("/version", json!(4))),
        ("no alerts", without("", "alerts")),
        ("alerts null", wrong("/alerts", Value::Null)),
        ("alerts an object", wrong("/alerts", json!({}))),
        ("an alert null", wrong("/alerts/0", Value::Null)),
        ("no labels", without("/alerts/0", "labels")),
        ("no startsAt", without("/alerts/0", "startsAt")),
        ("a label a number", wrong("/alerts/0/labels/alertname", json!(7))),
        ("a label ten levels deep", wrong("/alerts/0/labels/alertname", nested())),
        ("an annotation null", wrong("/alerts/0/annotations", json!({"summary": null}))),
        ("an unknown status", wrong("/alerts/0/status", json!("pending"))),
        ("startsAt a number", wrong("/alerts/0/startsAt", json!(12))),
        ("startsAt no time", wrong("/alerts/0/startsAt", json!("yesterday"))),
        ("truncatedAlerts below zero", wrong("/truncatedAlerts", json!(-1))),
        ("groupLabels a string", wrong("/groupLabels", json!("x"))),
    ];
    let count = bodies.len();
    let mut table = Vec::new();
    for (what, body) in bodies {
        let (status, problem) = posted(&edge, body).await;
        assert_eq!((status, &problem["type"]), (400, &json!("/problems/malformed-notification")), "{what}: {problem}");
        assert!(problem["path"].as_str().is_some_and(|path| path.starts_with('$')), "{what}: {problem}");
        table.push(format!("{what}: {}", problem["detail"].as_str().expect("a detail")));
    }
    insta::assert_snapshot!(table.join("\n"), @r#"
    nothing: $: EOF while parsing a value at line 1 column 0
    not JSON: $: expected value at line 1 column 1
    truncated: $.alerts[0].?: EOF while parsing an object at line 1 column 193
    two of them: $: nothing may follow the object
    an array: $: invalid type: sequence, expected an object: a notification at line 1 column 0
    null: $: invalid type: null, expected an object: a notification at line 1 column 4
    not UTF-8: $.version: control character (\\u0000-\\u001F) found while parsing a string at line 1 column 14
    no version: $: missing field `version` at line 1 column 372
    version 3: $.version: invalid value: string \"3\", expected the string \"4\" at line 1 column 385
    version as number: $.version: invalid type: integer `4`, expected the string \"4\" at line 1 column 383
    no alerts: $: missing field `alerts` at line 1 column 191
    alerts null: $.alerts: invalid type: null, expected a sequence at line 1 column 14
    alerts an object: $.alerts: invalid type: map, expected a sequence at line 1 column 10
    an alert null: $.alerts[0]: invalid type: null, expected an object: an alert at line 1 column 15
    no labels: $.alerts[0]: missing field `labels` at line 1 column 164
    no startsAt: $.alerts[0]: missing field `startsAt` at line 1 column 160
    a label a number: $.alerts[0].labels.alertname: invalid type: integer `7`, expected a string at line 1 column 135
    a label ten levels deep: $.alerts[0].labels.alertname: invalid type: map, expected a string at line 1 column 134
    an annotation null: $.alerts[0].annotations.summary: invalid type: null, expected a string at line 1 column 41
    an unknown status: $.alerts[0].status: unknown variant `pending`, expected `firing` or `resolved` at line 1 column 194
    startsAt a number: $.alerts[0].startsAt: invalid type: integer `12`, expected a timestamp string at line 1 column 155
    startsAt no time: $.alerts[0].startsAt: failed to parse four digit integer as year: invalid digit, expected 0-9 but got y at line 1 column 164
    truncatedAlerts below zero: $.truncatedAlerts: invalid value: integer `-1`, expected u64 at line 1 column 372
    groupLabels a string: $.groupLabels: invalid type: string \"x\", expected an object of strings at line 1 column 314
    "#);
    assert_eq!(edge.stored().await, 0);
    assert!(edge.counted(&format!(r#"fettle_notifications_total{{code="400",sender="anonymous"}} {count}"#)));
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_nesting_and_garbage_neither_crash_nor_linger() {
    let edge = Setup::default().start().await;
    for body in ["[".repeat(1_000_000), "{\"a\":".repeat(200_000), "\u{0}".repeat(100_000), "9".repeat(1_000_000)] {
        let (status, problem) = posted(&edge, body).await;
        assert_eq!(status, 400, "{problem}");
        assert!(problem.to_string().len() < 1000, "an error is short: {problem}");
    }
    let (status, _) = posted(&edge, firing(&[("alertname", "Down")]).to_string()).await;
    assert_eq!(status, 202, "and it still works");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_passed_over() {
    let edge = Setup::default().start().await;
    let mut body = firing(&[("alertname", "Down")]);
    body["notification_reason"] = json!("first notification");
    body["routeLabels"] = json!({"team": "shop"});
    body["whatever comes next"] = nested();
    body["alerts"][0]["new"] = json!([1, 2]);
    assert_eq!(posted(&edge, body.to_string()).await.0, 202);
}

fn small() -> Setup {
    Setup::default().limits(Limits { body_bytes: 64 * 1024, ..Limits::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_declared_too_large_is_refused_before_it_is_sent() {
    let edge = small().start().await;
    let mut wire = edge.connect().await;
    wire.send(
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 65537\r\n\r\n",
    )
    .await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    assert!(edge.counted(r#"fettle_notifications_total{code="413",sender="anonymous"} 1"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_streamed_past_the_limit_is_refused_and_its_connection_ends() {
    let edge = small().start().await;
    let mut wire = edge.connect().await;
    wire.send("POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..17 {
        wire.send(&chunk).await;
    }
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    let start = Instant::now();
    let mut more = tokio::time::interval(Duration::from_millis(100));
    while tokio::io::AsyncWriteExt::write_all(&mut wire.0, chunk.as_bytes()).await.is_ok() {
        more.tick().await;
        assert!(start.elapsed() < Duration::from_secs(20), "it still reads after {:?}", start.elapsed());
    }
    assert_eq!(edge.stored().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_exactly_the_limit_is_taken() {
    let edge = small().start().await;
    let body = firing(&[("alertname", "Down")]).to_string();
    let full = format!("{body}{}", " ".repeat(64 * 1024 - body.len()));
    assert_eq!(posted(&edge, full.clone()).await.0, 202);
    assert_eq!(posted(&edge, full + " ").await.0, 413);
}

/// What the table in `docs/BAD_INPUT.md` says about a limit, with a body at it.
struct Row {
    limit: &'static str,
    status: u16,
    /// Its beginning; a name that is too long follows in part.
    path: Option<&'static str>,
    body: fn(usize) -> String,
}

/// The small limits that the table is walked with.
const BOUNDS: Bounds =
    Bounds { alerts: 7, labels: 6, annotations: 5, name_bytes: 90, value_bytes: 300, text_bytes: 500 };

/// A notification of three alerts whose last one has these labels and annotations besides its `alertname`.
fn last_with(labels: Vec<(String, String)>, annotations: Vec<(String, String)>) -> String {
    let mut body = all_firing(&vec![vec![("alertname", "Down")]; 3]);
    body["alerts"][2]["annotations"] = annotations.into_iter().collect();
    for (name, value) in labels {
        body["alerts"][2]["labels"][name] = json!(value);
    }
    body.to_string()
}

fn numbered(count: usize) -> Vec<(String, String)> {
    (0..count).map(|at| (format!("n{at}"), String::new())).collect()
}

const TABLE: [Row; 7] = [
    Row {
        limit: "body",
        status: 413,
        path: None,
        body: |bytes| {
            let body = firing(&[("alertname", "Down")]).to_string();
            format!("{body}{}", " ".repeat(bytes - body.len()))
        },
    },
    Row {
        limit: "alerts",
        status: 413,
        path: Some("$.alerts"),
        body: |count| all_firing(&vec![vec![("alertname", "Down")]; count]).to_string(),
    },
    Row {
        limit: "labels",
        status: 413,
        path: Some("$.alerts[2].labels"),
        body: |count| last_with(numbered(count - 1), Vec::new()),
    },
    Row {
        limit: "annotations",
        status: 413,
        path: Some("$.alerts[2].annotations"),
        body: |count| last_with(Vec::new(), numbered(count)),
    },
    Row {
        limit: "name",
        status: 400,
        path: Some("$.alerts[2].labels"),
        body: |bytes| last_with(vec![("n".repeat(bytes), String::new())], Vec::new()),
    },
    Row {
        limit: "value",
        status: 400,
        path: Some("$.alerts[2].labels.path"),
        body: |bytes| last_with(vec![("path".to_owned(), "v".repeat(bytes))], Vec::new()),
    },
    Row {
        limit: "text",
        status: 413,
        path: Some("$.alerts[2]"),
        body: |bytes| {
            let text = |bytes: usize| vec![("path".to_owned(), "v".repeat(bytes))];
            let rest = bytes - "alertname".len() - "Down".len() - 2 * "path".len();
            last_with(text(rest / 2), text(rest - rest / 2))
        },
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_of_the_table_of_bad_input_is_kept_to_the_last_and_answered_beyond_it() {
    let documents = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/BAD_INPUT.md");
    let documents = std::fs::read_to_string(documents).expect("the table");
    let limits = Limits { body_bytes: 4000, bounds: BOUNDS, ..Limits::default() };
    let edge = Setup::default().limits(limits).start().await;
    for Row { limit, status, path, body } in TABLE {
        let most = match limit {
            "body" => 4000,
            "alerts" => BOUNDS.alerts,
            "labels" => BOUNDS.labels,
            "annotations" => BOUNDS.annotations,
            "name" => BOUNDS.name_bytes,
            "value" => BOUNDS.value_bytes,
            _ => BOUNDS.text_bytes,
        };
        let line = documents.lines().find(|line| line.starts_with(&format!("| `limits.{limit}` |")));
        assert!(line.is_some_and(|line| line.contains(&format!("| {status} |"))), "limits.{limit}: {line:?}");
        for within in [most - 1, most] {
            assert_eq!(posted(&edge, body(within)).await.0, 202, "limits.{limit} at {within}");
        }
        let (answered, problem) = posted(&edge, body(most + 1)).await;
        assert_eq!(answered, status, "limits.{limit}: {problem}");
        assert_eq!(problem["limit"], json!(format!("limits.{limit}")), "{problem}");
        let begins = |named: &str| path.is_some_and(|path| named.starts_with(path));
        assert!(problem["path"].as_str().map_or(path.is_none(), begins), "{problem}");
        assert_eq!(problem["most"], json!(most), "{problem}");
        let counted = format!(r#"fettle_notifications_refused_total{{limit="{limit}",sender="anonymous"}} 1"#);
        assert!(edge.counted(&counted), "{counted}");
    }
    assert_eq!(edge.stored().await, 2 * TABLE.len() as u64);
    // Health is looked at once a second.
    wait::until("health names every limit", Duration::from_secs(20), async || {
        let health: Value =
            edge.client.get(edge.url("/api/v1/health")).send().await.expect("an answer").json().await.expect("JSON");
        let told = health["issues"].to_string();
        let all = TABLE.iter().all(|row| told.contains(&format!("limits.{} ", row.limit)));
        if all && health["status"] != json!("healthy") { Ok(()) } else { Err(told) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_not_stored_and_harms_nobody() {
    let edge = Setup::default().start().await;
    let body = firing(&[("alertname", "Down")]).to_string();
    let mut wire = edge.connect().await;
    let head = format!(
        "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len() + 10
    );
    wire.send(format!("{head}{body}")).await;
    drop(wire);
    assert_eq!(posted(&edge, body).await.0, 202);
    assert_eq!(edge.stored().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_above_its_pace_is_told_to_come_again_and_never_429() {
    let senders = Some(Budget { max: 2, per: Duration::from_hours(1) });
    let edge = Setup::default().limits(Limits { senders, ..Limits::default() }).start().await;
    let body = firing(&[("alertname", "Down")]).to_string();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(posted(&edge, body.clone()).await.0);
    }
    assert_eq!(statuses, [202, 202, 503, 503]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_senders_are_told_to_come_again() {
    let edge = Setup::default().without_database().start().await;
    let (status, problem) = posted(&edge, firing(&[("alertname", "Down")]).to_string()).await;
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/not-stored")));
    assert_eq!(posted(&edge, "{}").await.0, 400, "what can never work is said all the same");
    assert!(edge.counted(r#"fettle_notifications_total{code="503",sender="anonymous"} 1"#));
}
