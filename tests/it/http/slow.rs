//! Those who take their time. The limits are seconds long, so these tests take as long.

use std::time::{Duration, Instant};

use crate::support::edge::Setup;
use crate::support::fettle::firing;

/// Above the 5 s a head or a pause in a body may take, with room for a busy machine.
const SOON: Duration = Duration::from_secs(15);

const HEAD: &str = "POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_costs_its_sender_the_connection() {
    let edge = Setup::default().start().await;
    let mut wire = edge.connect().await;
    wire.send("POST /webhook HTTP/1.1\r\nHost: local").await;
    let end = tokio::time::timeout(SOON, wire.until_closed()).await.expect("the connection ends");
    assert!(end.is_empty() || end.starts_with("HTTP/1.1 408 "), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_has_its_connection_cut_without_an_answer() {
    let edge = Setup::default().start().await;
    for encoding in ["Content-Length: 1000\r\n\r\n{\"version\"", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"ver"] {
        let mut wire = edge.connect().await;
        let start = Instant::now();
        wire.send(format!("{HEAD}{encoding}")).await;
        let end = tokio::time::timeout(SOON, wire.until_closed()).await.expect("the connection ends");
        assert_eq!(end, "", "Alertmanager tries a broken connection again at once, a 4xx much later");
        assert!(start.elapsed() >= Duration::from_secs(4), "slow is not the same as late");
    }
    assert!(edge.counted(r#"fettle_notifications_total{code="408",sender="anonymous"} 2"#));
    assert_eq!(edge.stored().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_trickles_is_not_waited_for_longer_than_ten_seconds() {
    let edge = Setup::default().start().await;
    let mut wire = edge.connect().await;
    wire.send(format!("{HEAD}Content-Length: 1000\r\n\r\n")).await;
    let start = Instant::now();
    let mut trickle = tokio::time::interval(Duration::from_millis(500));
    loop {
        trickle.tick().await;
        if tokio::io::AsyncWriteExt::write_all(&mut wire.0, b" ").await.is_err() {
            break;
        }
        assert!(start.elapsed() < SOON, "still reading after {:?}", start.elapsed());
    }
    assert!(edge.counted(r#"fettle_notifications_total{code="408",sender="anonymous"} 1"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_dawdle_do_not_keep_others_waiting() {
    let edge = Setup::default().start().await;
    let mut dawdlers = Vec::new();
    for _ in 0..200 {
        let mut wire = edge.connect().await;
        wire.send(format!("{HEAD}Content-Length: 1000\r\n\r\n{{")).await;
        dawdlers.push(wire);
    }
    let start = Instant::now();
    let body = firing(&[("alertname", "Down")]);
    let answer = edge.client.post(edge.url("/webhook")).json(&body).send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_kept_for_the_next_notification() {
    let edge = Setup::default().start().await;
    let mut wire = edge.connect().await;
    let body = firing(&[("alertname", "Down")]).to_string();
    for _ in 0..3 {
        wire.send(format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 202 "), "{head}");
        let length =
            head.to_lowercase().split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let mut answer = vec![0; length.expect("a length")];
        tokio::io::AsyncReadExt::read_exact(&mut wire.0, &mut answer).await.expect("the body of the answer");
    }
    assert_eq!(edge.stored().await, 3);
}
