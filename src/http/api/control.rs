//! What those handlers share that change something: answers, pauses, breakers.
//!
//! Always holds: who may is asked before the body is read; a body is small, read within bounds, and strictly understood: a key
//! that is misspelt must not do more than was meant.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web;
use arc_swap::ArcSwap;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::http::body::{Bodies, Unread};
use crate::http::problem::{Kind, Problem};
use fettle_core::ports::Store;
use fettle_core::rule::compile::Context;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::{Hosts, Target};
use fettle_engine::by_hand::ByHand;
use fettle_engine::clock::Time;
use fettle_engine::shell::Wake;

/// The largest body of a request that is no notification, in bytes: a hash, a name and a reason.
const BODY: usize = 16 * 1024;

/// The longest reason, in characters: it stands in every refusal that follows from it.
const REASON: usize = 500;

/// What changing something needs.
pub(in crate::http) struct Control {
    pub(in crate::http) store: Arc<dyn Store>,
    pub(in crate::http) rules: Arc<ArcSwap<RuleSet>>,
    pub(in crate::http) hosts: Hosts,
    pub(in crate::http) settings: Settings,
    pub(in crate::http) time: Arc<Time>,
    pub(in crate::http) wake: Arc<dyn Wake>,
    pub(in crate::http) bodies: Bodies,
    pub(in crate::http) by_hand: ByHand,
    /// What orders are understood against.
    pub(in crate::http) context: Context,
    pub(in crate::http) stop: CancellationToken,
}

/// Bodies of such requests.
pub(in crate::http) fn bodies() -> Bodies {
    Bodies::new(BODY)
}

impl Control {
    /// The body, understood. An empty one is an empty object.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<T, Problem> {
        let body = self.bodies.read(request.headers(), payload).await.map_err(|it| unread(it, BODY))?;
        let text: &[u8] = if body.bytes.iter().all(u8::is_ascii_whitespace) { b"{}" } else { &body.bytes };
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = T::deserialize(&mut json).and_then(|read| json.end().map(|()| read));
        read.map_err(|error| Problem::new(Kind::MalformedBody, shorten(&error.to_string())))
    }
}

impl Control {
    /// A target as it is written, that names something on a known host.
    pub(super) fn target(&self, text: &str) -> Result<Target, Problem> {
        let target: Target =
            text.parse().map_err(|error| Problem::parameter("target", format!("does not read: {error}")))?;
        if target.name().is_none() {
            return Err(Problem::parameter("target", "names nothing: `?` stands for what could not be named"));
        }
        let hosts = self.hosts.names();
        if hosts.contains(&target.host()) {
            return Ok(target);
        }
        Err(Problem::parameter("target", format!("is on an unknown host; known are {}", hosts.join(", "))))
    }
}

/// Why a body was not read, for the caller.
pub(super) fn unread(unread: Unread, limit: usize) -> Problem {
    match unread {
        Unread::TooLarge => Problem::new(Kind::PayloadTooLarge, format!("the limit is {limit} bytes")),
        Unread::TooSlow => Problem::new(Kind::RequestTimeout, "the body came too slowly"),
        Unread::Broken => Problem::new(Kind::BrokenBody, "the body broke off"),
        Unread::NoRoom => Problem::new(Kind::Overloaded, "too many bodies are under way; come again"),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(300).flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A reason as it is kept: trimmed, and not too long.
pub(super) fn reason(text: &str) -> Result<&str, Problem> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Problem::parameter("reason", "is missing: say why, for whoever finds it at night")),
        1..=REASON => Ok(text),
        _ => Err(Problem::parameter("reason", format!("has more than {REASON} characters"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        assert_eq!(reason("  deploy \n").expect("a reason"), "deploy");
        for text in ["", " \t", &"x".repeat(REASON + 1)] {
            assert_eq!(reason(text).expect_err("no reason").kind(), Kind::InvalidParameter, "{text:?}");
        }
        assert!(reason(&"é".repeat(REASON)).is_ok());
    }
}
