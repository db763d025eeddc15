//! Following what happens now: the stream of server-sent events.

use std::time::Duration;

use fettle::config::Role;
use serde_json::Value;

use super::proposals::waiting;
use crate::support::edge::{Edge, Setup, token};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(40);

/// A stream that is read event by event.
struct Followed {
    answer: reqwest::Response,
    rest: String,
}

impl Followed {
    async fn of(edge: &Edge, role: Option<Role>) -> Result<Self, u16> {
        let mut request = edge.client.get(edge.url("/api/v1/stream"));
        if let Some(role) = role {
            request = request.bearer_auth(token(role));
        }
        let answer = request.send().await.expect("an answer");
        if answer.status() != 200 {
            return Err(answer.status().as_u16());
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Ok(Self { answer, rest: String::new() })
    }

    /// The next event and its data; `None` when the stream ended.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let event: String = self.rest.drain(..end + 2).collect();
                let of = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(name), Some(data)) = (of("event: "), of("data: ")) {
                    return Some((name, serde_json::from_str(&data).expect("JSON")));
                }
                continue;
            }
            let part = tokio::time::timeout(SOON, self.answer.chunk()).await.expect("something within its time");
            self.rest.push_str(std::str::from_utf8(&part.ok()??).expect("UTF-8"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_at_once_what_is_open_and_again_when_that_changes() {
    let edge = Setup::default().start().await;
    let mut followed = Followed::of(&edge, None).await.expect("a stream");
    let (event, first) = followed.next().await.expect("an event");
    assert_eq!((event.as_str(), first["remediations"].as_array().map(Vec::len)), ("open", Some(0)), "{first}");
    let it = waiting(&edge, "web", Duration::from_mins(5)).await;
    let (_, then) = followed.next().await.expect("an event");
    assert_eq!(then["remediations"][0]["id"], it.id.to_string(), "{then}");
    assert_eq!(then["remediations"][0]["state"], "awaiting_approval");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_may_not_follow() {
    let edge = Setup::default().tokens().start().await;
    assert_eq!(Followed::of(&edge, None).await.err(), Some(401));
    assert_eq!(Followed::of(&edge, Some(Role::Sender)).await.err(), Some(403));
    assert!(Followed::of(&edge, Some(Role::Viewer)).await.is_ok());
    let by_url = edge.client.get(edge.url(&format!("/api/v1/stream?token={}", token(Role::Viewer))));
    assert_eq!(by_url.send().await.expect("an answer").status(), 401, "a token in a URL is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_and_a_place_is_free_again_when_one_ends() {
    let edge = Setup::default().start().await;
    let mut all = Vec::new();
    for _ in 0..32 {
        all.push(Followed::of(&edge, None).await.expect("a place"));
    }
    assert_eq!(Followed::of(&edge, None).await.err(), Some(503));
    assert!(edge.ask("GET", "/api/v1/rules", None, None).await.0 == 200, "others are answered");
    drop(all);
    wait::until("a place is free", SOON, async || {
        Followed::of(&edge, None).await.map(drop).map_err(|status| status.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_process_and_says_when_the_database_is_away() {
    let edge = Setup::default().without_database().start().await;
    let mut followed = Followed::of(&edge, None).await.expect("a stream");
    assert_eq!(followed.next().await.expect("an event").0, "away");
    edge.stop.cancel();
    assert!(followed.next().await.is_none(), "nothing more");
}
