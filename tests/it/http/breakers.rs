//! Circuit breakers and the storm, as people and Prometheus see them.

use std::time::Duration;

use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::remediation::record::{BreakerRow, Record};
use fettle_core::surroundings::Storm;
use fettle_core::time::before;
use serde_json::json;
use uuid::Uuid;

use crate::support::edge::{Edge, Setup};

/// A name that only a careful path can carry.
const ODD: &str = "web restart/50%";

fn rules() -> String {
    let rule = |name: &str, alert: &str| {
        format!(
            "  - name: {name:?}\n    match: ['alertname=\"{alert}\"']\n    target: {{container: web}}\n    steps: [restart]\n"
        )
    };
    format!("version: 1\nrules:\n{}{}", rule(ODD, "A"), rule("db", "B"))
}

async fn opened(edge: &Edge, rule: &str, ago: Duration) {
    let at = before(edge.time.now(), ago);
    let row = BreakerRow { rule: rule.into(), at, opened_at: Some(at), probe: None, by: None };
    edge.store.record(&[Record::Breaker(row)]).await.expect("it is stored");
}

async fn scraped(edge: &Edge) -> String {
    edge.client.get(edge.url("/metrics")).send().await.expect("an answer").text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_is_seen_open_then_half_open_and_is_reset_by_hand() {
    let edge = Setup::default().rules(&rules()).start().await;
    assert_eq!(edge.ask("GET", "/api/v1/breakers", None, None).await, (200, json!([])));
    opened(&edge, ODD, Duration::from_mins(10)).await;
    opened(&edge, "gone", Duration::from_mins(31)).await;
    let (_, found) = edge.ask("GET", "/api/v1/breakers", None, None).await;
    let states: Vec<_> =
        found.as_array().into_iter().flatten().map(|it| (&it["rule"], &it["state"], &it["limit"])).collect();
    assert_eq!(
        states,
        [(&json!("gone"), &json!("half_open"), &json!(3)), (&json!(ODD), &json!("open"), &json!(3))],
        "{found:#}"
    );
    for line in [r#"fettle_breaker_state{rule="web restart/50%"} 2"#, r#"fettle_breaker_state{rule="db"} 0"#] {
        let text = scraped(&edge).await;
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }

    let path = "/api/v1/breakers/web%20restart%2F50%25/reset";
    assert_eq!(edge.ask("POST", path, Some(json!({})), None).await, (200, json!({"rule": ODD, "reset": true})));
    assert_eq!(edge.ask("POST", path, Some(json!({})), None).await.1["reset"], json!(false), "it is closed already");
    let (_, found) = edge.ask("GET", "/api/v1/breakers", None, None).await;
    assert_eq!((&found[1]["rule"], &found[1]["state"]), (&json!(ODD), &json!("closed")), "{found:#}");
    assert!(scraped(&edge).await.contains(r#"fettle_breaker_state{rule="web restart/50%"} 0"#));
    assert_eq!(edge.ask("POST", "/api/v1/breakers/gone/reset", Some(json!({})), None).await.0, 200, "it may come back");
    assert_eq!(edge.ask("POST", "/api/v1/breakers/nobody/reset", Some(json!({})), None).await.0, 404);
    assert_eq!(edge.ask("POST", "/api/v1/breakers/db/reset", None, None).await.0, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_told_and_makes_nothing_unhealthy() {
    let edge = Setup::default().rules(&rules()).start().await;
    let now = edge.time.now();
    let storm =
        Storm { since: before(now, Duration::from_mins(3)), last_at: before(now, Duration::from_mins(1)), targets: 7 };
    let changes = Changes { storm: Some(storm), ..Changes::default() };
    let ask = ReceiveAsk { recent_since: Some(now), recent_limit: 5, ..ReceiveAsk::new(Uuid::now_v7().into(), now) };
    edge.store.receive(&ask, &move |_| changes.clone()).await.expect("it is stored");
    let (status, health) = edge.ask("GET", "/api/v1/health", None, None).await;
    assert_eq!((status, &health["status"]), (200, &json!("healthy")), "{health:#}");
    let told = &health["components"]["storm"];
    assert_eq!(
        (&told["active"], &told["targets"], &told["then"]),
        (&json!(true), &json!(7), &json!("propose")),
        "{told}"
    );
    for member in ["since", "last_at", "until"] {
        assert!(told[member].is_string(), "{member}: {told}");
    }
    assert!(scraped(&edge).await.lines().any(|line| line == "fettle_storm 1"));
}
