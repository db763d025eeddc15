//! A request's body, read whole and within bounds: in bytes, in time, and in bytes of all bodies together.
//!
//! Always holds: nothing beyond the limit is kept, a declared length over it is not read at all, and reading ends after
//! [`WHOLE`], or [`PAUSE`] after the last byte. A declared length reserves no memory: what was announced costs nothing
//! until it arrives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

/// The longest silence within a body.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest time for a whole body: 10 MiB at 1 MiB a second.
const WHOLE: Duration = Duration::from_secs(10);

/// Bodies that may be under way at the same time: so many of the largest size.
const LARGEST_AT_ONCE: usize = 8;

/// What is reserved before anything arrived; most bodies fit.
const FIRST: usize = 16 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than the limit, by its own words or in fact.
    TooLarge,
    /// It came too slowly.
    TooSlow,
    /// The connection or the encoding broke.
    Broken,
    /// Too many bodies are under way.
    NoRoom,
}

/// How large bodies may be, one and all together.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    limit: usize,
    held: Arc<AtomicUsize>,
}

/// A body that was read. Its room is given back when this is dropped.
pub(super) struct Body {
    /// All of it.
    pub bytes: Bytes,
    _room: Room,
}

struct Room {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    fn take(&mut self, more: usize, at_most: usize) -> Result<(), Unread> {
        self.bytes += more;
        let before = self.held.fetch_add(more, Ordering::Relaxed);
        if before + more > at_most { Err(Unread::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Bodies {
    /// Bodies of at most `limit` bytes each.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: Arc::default() }
    }

    /// The most one body may have, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Reads a body to its end. Dropped before its end, it gives back what it held.
    pub(super) async fn read(&self, headers: &HeaderMap, mut from: web::Payload) -> Result<Body, Unread> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|declared| declared > self.limit) {
            return Err(Unread::TooLarge);
        }
        let mut bytes = BytesMut::with_capacity(declared.unwrap_or(FIRST).min(FIRST));
        let mut room = Room { held: self.held.clone(), bytes: 0 };
        let end = Instant::now() + WHOLE;
        loop {
            let by = end.min(Instant::now() + PAUSE);
            match timeout_at(by, from.next()).await {
                Err(_) => return Err(Unread::TooSlow),
                Ok(None) => return Ok(Body { bytes: bytes.freeze(), _room: room }),
                Ok(Some(Err(_))) => return Err(Unread::Broken),
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > self.limit => return Err(Unread::TooLarge),
                Ok(Some(Ok(chunk))) => {
                    room.take(chunk.len(), self.limit.saturating_mul(LARGEST_AT_ONCE))?;
                    bytes.extend_from_slice(&chunk);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_under_way_share_one_bound_and_give_their_room_back() {
        let held = Arc::<AtomicUsize>::default();
        let mut first = Room { held: held.clone(), bytes: 0 };
        let mut second = Room { held: held.clone(), bytes: 0 };
        assert_eq!(first.take(60, 100), Ok(()));
        assert_eq!(second.take(40, 100), Ok(()));
        assert_eq!(second.take(1, 100), Err(Unread::NoRoom));
        drop(second);
        assert_eq!(first.take(40, 100), Ok(()));
        drop(first);
        assert_eq!(held.load(Ordering::Relaxed), 0);
    }
}
