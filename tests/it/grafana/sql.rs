//! Every SQL of the dashboards, as Grafana's role, on what a real fettle wrote: it runs whatever is chosen, and gives rows of
//! the shape that its panel needs.

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::time::{Timestamp, after, before};
use serde_json::{Value, json};

use super::expand::{Ask, expand};
use super::scene::{Reader, Table, as_owner, with_role};
use super::{Query, SQL, Shape, queries};
use crate::support::container::Run;
use crate::support::docker::Daemon;
use crate::support::fettle::{Fettle, Setup, firing, resolved};
use crate::support::wait;

/// Long enough for Docker on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A rule's name may be anything that prints; this one tries the quotes of every language.
const RULE: &str = r#"restart, it's "\(1)$re$"#;

const NUMBERS: [&str; 4] = ["INT4", "INT8", "FLOAT8", "NUMERIC"];

fn rules(project: &str) -> String {
    format!(
        "version: 1
rules:
  - name: {name}
    match: ['alertname=\"Down\"']
    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}
    cooldown: 0s
    steps:
      - restart: {{grace: 1s}}
        verify: {{settle: 0s, healthy_for: 1s, resolved_within: 30s}}
  - name: in-vain
    match: ['alertname=\"Crash\"']
    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}
    steps:
      - restart: {{grace: 1s}}
        verify: {{settle: 0s, healthy_for: 1s, resolved_within: 3s}}
  - name: ask
    match: ['alertname=\"Ask\"']
    target: {{min_age: 0s, container: $labels.service, allow: [\"*\"]}}
    steps:
      - restart: {{grace: 1s}}
        approval: {{within: 9m}}
  - name: lend
    match: ['alertname=\"Memory\"']
    target: {{min_age: 0s, compose: {{project: {project}, service: web}}}}
    steps:
      - scale_down: {{by: 1, floor: 1}}
        restore: {{after: 30m}}
",
        name = json!(RULE)
    )
}

/// Fixed, come back and fixed again; in vain, and people told; refused; asked; lent; paused.
async fn happens(fettle: &Fettle, daemon: &Daemon, project: &str) {
    let well = Run::named("well").enabled().start(daemon).await;
    let (down, target) = ([("alertname", "Down"), ("service", &*well.name)], format!("container:local/{}", well.name));
    for round in 1..=2 {
        fettle.send(&firing(&down)).await;
        wait::until("it is restarted", SOON, async || {
            let done = fettle.actions(&target).await.iter().filter(|it| it["result"] == "succeeded").count();
            if done == round { Ok(()) } else { Err(format!("{done} of {round}\n{}", fettle.log())) }
        })
        .await;
        fettle.send(&resolved(&down)).await;
        assert_eq!(fettle.closed(&target, SOON).await["outcome"], "fixed", "{}", fettle.log());
    }
    let crashed = Run::named("crashed").enabled().shell("exit 3").start(daemon).await;
    fettle.send(&firing(&[("alertname", "Crash"), ("service", &crashed.name)])).await;
    assert_eq!(fettle.closed(&format!("container:local/{}", crashed.name), SOON).await["outcome"], "escalated");
    fettle.send(&firing(&[("alertname", "Down"), ("service", "nobody")])).await;
    assert_eq!(fettle.closed("container:local/nobody", SOON).await["outcome"], "refused");
    let asked = Run::named("asked").enabled().start(daemon).await;
    fettle.send(&firing(&[("alertname", "Ask"), ("service", &asked.name)])).await;
    stands(fettle, &format!("container:local/{}", asked.name), "awaiting_approval").await;
    let mut lent = Vec::new();
    for number in 1..=2 {
        lent.push(Run::named("lent").enabled().compose(project, "web", number).start(daemon).await);
    }
    fettle.send(&firing(&[("alertname", "Memory")])).await;
    stands(fettle, &format!("compose:local/{project}/web"), "verifying").await;
    let pause = json!({"reason": "in a test", "target": "container:local/other"});
    assert_eq!(fettle.ask("/api/v1/pause", &pause).await.0, 201);
}

async fn stands(fettle: &Fettle, target: &str, state: &str) {
    wait::until(state, SOON, async || match fettle.remediations(target).await.first() {
        Some(it) if it["state"] == state => Ok(()),
        other => Err(format!("{other:?}\n{}", fettle.log())),
    })
    .await;
}

fn last_hour(chosen: BTreeMap<&'static str, Vec<&'static str>>) -> Ask<'static> {
    let now = Timestamp::now();
    let (hour, moment) = (Duration::from_hours(1), Duration::from_secs(5));
    Ask { from: before(now, hour), to: after(now, moment), interval_seconds: 60, chosen }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sql_gives_rows_of_its_panels_shape_from_what_fettle_wrote_whatever_is_chosen() {
    let (daemon, postgres) = (Daemon::shared().await, with_role().await);
    let project = crate::support::unique("shop");
    let fettle = Setup::new(&daemon.url(), &rules(&project)).database(&postgres.url()).start().await;
    happens(&fettle, &daemon, &project).await;
    // What takes longer to come by itself: a storm, and a sample of the host.
    let rare = "INSERT INTO storm (since, last_at, targets) VALUES (now() - interval '1 minute', now(), 7);
        INSERT INTO events (id, at, event, severity, details, cpu, ram, disk)
        VALUES (gen_random_uuid(), now(), 'host_sampled', 'info', '{}', 12.5, 40, 50)";
    as_owner(&postgres.url(), rare).await;
    let mut reader = Reader::connect(postgres.address(), "postgres").await;
    for query in queries(SQL) {
        let table = asked(&mut reader, &query, &last_hour(BTreeMap::new())).await;
        assert!(!table.rows.is_empty(), "{}: no rows\n{}\n{}", query.place, query.text, fettle.log());
        has_shape(&query, &table);
        for rule in [vec![RULE], vec![RULE, "ask", "in-vain", "lend"]] {
            let one = [("rule", rule), ("host", vec!["local"])].into();
            let table = asked(&mut reader, &query, &last_hour(one)).await;
            has_shape(&query, &table);
            let is_about_it = query.text.contains("FROM fettle_audit") && query.text.contains("${rule:regex}");
            assert!(!table.rows.is_empty() || !is_about_it, "{}: no rows for the chosen rule", query.place);
        }
        let none =
            [("rule", vec!["'; DROP", "$re$ OR $re$"]), ("target", vec![r"a\b"]), ("host", vec!["(", "$1"])].into();
        asked(&mut reader, &query, &last_hour(none)).await;
    }
}

async fn asked(reader: &mut Reader, query: &Query, ask: &Ask<'_>) -> Table {
    let sql = expand(query, ask);
    reader.ask(&sql).await.unwrap_or_else(|error| panic!("{}: {error}\n{sql}", query.place))
}

fn has_shape(query: &Query, table: &Table) {
    let place = format!("{}: {:?}", query.place, table.columns);
    let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
    let of =
        |types: &[&str]| table.columns.iter().filter(|(name, it)| name != "time" && types.contains(&&**it)).count();
    let (numbers, texts) = (of(&NUMBERS), of(&["TEXT"]));
    let printable = table.columns.iter().all(|(_, it)| it == "TEXT" || it == "TIMESTAMPTZ" || NUMBERS.contains(&&**it));
    assert!(printable, "{place}: Grafana shows texts, numbers and times");
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{place}");
    match query.shape {
        Shape::TimeSeries => {
            let times: Vec<f64> = table.rows.iter().map(|row| row["time"].as_f64().expect("seconds")).collect();
            assert!(times.is_sorted(), "{place}: {times:?}");
            // A series is named by `metric`, or, without it, by its column.
            assert!(numbers >= 1 && texts + numbers + 1 == names.len(), "{place}");
            assert!(texts == 0 || (numbers == 1 && texts == 1 && names.contains(&"metric")), "{place}");
            for row in &table.rows {
                assert!(row.get("metric").is_none_or(serde_json::Value::is_string), "{place}: {row:?}");
            }
        }
        Shape::Figures => {
            assert!(numbers == names.len() && table.rows.len() == 1, "{place}: {} rows", table.rows.len());
        }
        Shape::Bars => assert!((texts, numbers, names.len()) == (1, 1, 2), "{place}"),
        Shape::Rows => assert!(names.iter().all(|it| it.starts_with(char::is_uppercase)), "{place}: titles of columns"),
        Shape::Annotation => {
            assert!(names.starts_with(&["time"]) && names.ends_with(&["text", "tags"]), "{place}");
            let is_text = |value: &Value| value.as_str().is_some_and(|it| !it.is_empty());
            for row in &table.rows {
                assert!(is_text(&row["text"]) && is_text(&row["tags"]) && is_text(&row["time"]), "{place}: {row:?}");
                assert!(row.get("timeEnd").is_none_or(|end| end.as_str() >= row["time"].as_str()), "{place}: {row:?}");
            }
        }
        Shape::Choices => {
            assert!((texts, names.len()) == (1, 1), "{place}");
            let values: Vec<String> = table.rows.iter().map(|row| row[names[0]].to_string()).collect();
            assert_eq!(values.iter().collect::<std::collections::BTreeSet<_>>().len(), values.len(), "{place}");
        }
        Shape::Lines => panic!("{place}: no log lines in SQL"),
    }
}
