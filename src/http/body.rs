//! A request's body, read whole and within bounds: in bytes, in time, and in bytes of all bodies together.
//!
//! Always holds: nothing beyond the limit is kept, a declared length over it is not read at all, and reading ends after
//! [`WHOLE`], or [`PAUSE`] after the last byte. A declared length reserves no memory: what was announced costs nothing
//! until it arrives. Large bodies are read in turn, so that those that are begun can end.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use fettle_core::settings::limits::{LARGE_AT_ONCE, SMALL, SMALL_AT_ONCE};

/// The longest silence within a body.
const PAUSE: Duration = Duration::from_secs(5);

/// The longest time for a whole body: 10 MiB at 1 MiB a second.
const WHOLE: Duration = Duration::from_secs(10);

/// How long a body waits for its turn to be read.
const TURN: Duration = Duration::from_secs(2);

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
    /// One for each large body.
    turns: Arc<Semaphore>,
    /// One for each byte of the small ones.
    small: Arc<Semaphore>,
}

/// A body that was read. Its room is given back when this is dropped.
pub(super) struct Body {
    /// All of it.
    pub bytes: Bytes,
    _room: Room,
}

/// What a body holds while it is read: the bytes that it has while it is small, else a turn.
#[derive(Default)]
struct Room {
    small: Option<OwnedSemaphorePermit>,
    turn: Option<OwnedSemaphorePermit>,
}

async fn wait(semaphore: &Arc<Semaphore>, permits: usize) -> Result<OwnedSemaphorePermit, Unread> {
    let permits = u32::try_from(permits).unwrap_or(u32::MAX);
    let permit = timeout_at(Instant::now() + TURN, semaphore.clone().acquire_many_owned(permits)).await;
    permit.ok().and_then(Result::ok).ok_or(Unread::NoRoom)
}

impl Bodies {
    /// Bodies of at most `limit` bytes each.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, turns: Arc::new(Semaphore::new(LARGE_AT_ONCE)), small: Arc::new(Semaphore::new(SMALL_AT_ONCE)) }
    }

    /// The most one body may have, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Makes room for `more` bytes of a body that is to have `size` bytes then.
    async fn make_room(&self, room: &mut Room, more: usize, size: usize) -> Result<(), Unread> {
        if room.turn.is_some() {
            return Ok(());
        }
        if size > SMALL {
            room.turn = Some(wait(&self.turns, 1).await?);
            room.small = None;
            return Ok(());
        }
        let permit = wait(&self.small, more).await?;
        match &mut room.small {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }

    /// Reads a body to its end. Dropped before its end, it gives back what it held.
    pub(super) async fn read(&self, headers: &HeaderMap, mut from: web::Payload) -> Result<Body, Unread> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|declared| declared > self.limit) {
            return Err(Unread::TooLarge);
        }
        let mut bytes = BytesMut::with_capacity(declared.unwrap_or(FIRST).min(FIRST));
        let mut room = Room::default();
        if let Some(large) = declared.filter(|declared| *declared > SMALL) {
            self.make_room(&mut room, 0, large).await?;
        }
        let end = Instant::now() + WHOLE;
        loop {
            let by = end.min(Instant::now() + PAUSE);
            match timeout_at(by, from.next()).await {
                Err(_) => return Err(Unread::TooSlow),
                Ok(None) => return Ok(Body { bytes: bytes.freeze(), _room: room }),
                Ok(Some(Err(_))) => return Err(Unread::Broken),
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() > self.limit => return Err(Unread::TooLarge),
                Ok(Some(Ok(chunk))) => {
                    self.make_room(&mut room, chunk.len(), bytes.len() + chunk.len()).await?;
                    bytes.extend_from_slice(&chunk);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bodies_under_way_share_one_bound_and_give_their_room_back() {
        let bodies = Bodies::new(10 << 20);
        let mut small: Vec<_> = (0..SMALL_AT_ONCE / SMALL).map(|_| Room::default()).collect();
        for room in &mut small {
            assert_eq!(bodies.make_room(room, SMALL, SMALL).await, Ok(()));
        }
        let mut more = Room::default();
        assert_eq!(bodies.make_room(&mut more, 1, 1).await, Err(Unread::NoRoom));
        let mut large: Vec<_> = (0..LARGE_AT_ONCE).map(|_| Room::default()).collect();
        for room in small.iter_mut().take(1).chain(&mut large[1..]) {
            assert_eq!(bodies.make_room(room, 1, SMALL + 1).await, Ok(()), "a body that grows needs a turn");
        }
        assert_eq!(bodies.make_room(&mut more, SMALL, SMALL).await, Ok(()), "and gives its bytes back");
        assert_eq!(bodies.make_room(&mut large[0], 1, SMALL + 1).await, Err(Unread::NoRoom));
        drop((small, more, large));
        assert_eq!(
            (bodies.turns.available_permits(), bodies.small.available_permits()),
            (LARGE_AT_ONCE, SMALL_AT_ONCE)
        );
    }
}
