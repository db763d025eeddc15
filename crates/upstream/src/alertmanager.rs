//! Alertmanager's API v2: what its peers list, and what is posted to them.
//!
//! All peers are asked at the same time, each within [`ASK`]; those that answer make the [`Picture`]. Callers at the same
//! time share one look, and a caller who accepts an older picture gets it at once. A peer that failed is not asked
//! again for [`REMEMBERED`], so that one that hangs costs its deadline once and not once per caller.
//!
//! A peer says how long it has been up in the same conversation, after its alerts and by its own clock. What was heard
//! of that before is no answer: the peer may have been started again since, and would be believed to list everything. It
//! is kept to tell one process of a young peer from the next ([`Run`]).

mod offset;
mod wire;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use reqwest::Url;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::offset::{Clock, Offset};
use super::Access;
use super::peer::{self, Peer};
use fettle_core::ports::upstream::{Answers, Upstream, UpstreamError};
use fettle_core::time::{Timestamp, after, since};
use fettle_core::upstream::{Announcement, PeerView, Picture, Run};

/// For all that is asked of one peer for a picture. Its answer comes in milliseconds; decisions wait for it.
pub const ASK: Duration = Duration::from_secs(2);

/// Of that, for how long a peer is up that nothing is known of yet; without it its alerts count all the same.
const ASK_FIRST: Duration = Duration::from_secs(1);

/// For a post to one peer. Nothing waits for it.
pub const POST: Duration = Duration::from_secs(5);

/// For how long a peer that failed is not asked again.
pub const REMEMBERED: Duration = Duration::from_secs(2);

/// Largest list of alerts, in bytes: some 50,000 alerts.
pub const LIST_MAX: usize = 32 << 20;

/// Largest status, in bytes. It holds the peer's whole configuration.
const STATUS_MAX: usize = 4 << 20;

/// Alertmanager lists what is resolved in none of these.
const EVERYTHING: [(&str, &str); 4] =
    [("active", "true"), ("silenced", "true"), ("inhibited", "true"), ("unprocessed", "true")];

/// All configured peers.
#[derive(Debug)]
pub struct Alertmanager {
    peers: Vec<Peer>,
    memory: Mutex<Memory>,
    /// How far each peer's clock is from fettle's, in their order, once it is known.
    offsets: Vec<std::sync::Mutex<Option<Offset>>>,
    /// fettle's clock; without it, instants are posted as they are.
    clock: Option<Clock>,
}

/// What the last looks brought. Locked while a look is taken: that makes it one look for all who wait.
#[derive(Debug, Default)]
struct Memory {
    picture: Option<Arc<Picture>>,
    /// By peer, in their order.
    peers: Vec<Known>,
}

/// What is known of a peer from one look to the next.
#[derive(Debug, Default)]
struct Known {
    /// That it failed, and when.
    failure: Option<(Instant, UpstreamError)>,
    /// Its process.
    run: Option<Run>,
}

impl Alertmanager {
    /// Knows the peers and connects to none.
    ///
    /// # Panics
    ///
    /// When the process has no TLS provider; `main` installs it.
    pub fn new(urls: &[Url], access: &Access) -> Result<Self, UpstreamError> {
        let client = peer::client(urls, access)?;
        let peers: Vec<_> = urls.iter().map(|url| Peer::new(url, client.clone(), access)).collect();
        let memory = Memory { picture: None, peers: peers.iter().map(|_| Known::default()).collect() };
        let offsets = peers.iter().map(|_| std::sync::Mutex::default()).collect();
        Ok(Self { peers, memory: Mutex::new(memory), offsets, clock: None })
    }

    /// The same, and what is posted to a peer is dated by the peer's clock: how far that is from `clock` is read from its
    /// answers.
    #[must_use]
    pub fn dated_by(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Clock(Arc::new(clock)));
        self
    }

    /// The same, and each request to a peer is counted: what is remembered is not one.
    #[must_use]
    pub fn counted(mut self, answers: &Arc<dyn Answers>) -> Self {
        self.peers.iter_mut().for_each(|peer| peer.count(answers, "alertmanager"));
        self
    }

    /// Asks every peer that did not just fail.
    async fn look(&self, at: Timestamp, known: &mut [Known]) -> Result<Picture, UpstreamError> {
        let answers = join_all(self.peers.iter().zip(&mut *known).map(|(peer, known)| ask(peer, known, at))).await;
        let views: Vec<PeerView> = answers.into_iter().flatten().collect();
        if views.is_empty() {
            return Err(none(
                known.iter().filter_map(|it| it.failure.as_ref().map(|(_, error)| error.clone())).collect(),
            ));
        }
        Ok(Picture::merge(at, self.peers.len(), &views))
    }
}

/// That nobody answered: one peer's reason is the whole reason.
fn none(mut causes: Vec<UpstreamError>) -> UpstreamError {
    if causes.len() == 1 { causes.remove(0) } else { UpstreamError::NoAnswer { causes } }
}

/// What one peer says, unless it fails or just did.
async fn ask(peer: &Peer, known: &mut Known, at: Timestamp) -> Option<PeerView> {
    if known.failure.as_ref().is_some_and(|(when, _)| when.elapsed() < REMEMBERED) {
        return None;
    }
    match view(peer, &mut known.run, at).await {
        Ok(view) => {
            known.failure = None;
            Some(view)
        }
        Err(error) => {
            known.failure = Some((Instant::now(), error));
            None
        }
    }
}

/// What one peer says, within [`ASK`]. Its alerts count without its age, not the other way round; and the age is asked
/// for last, so that a peer that was started again in between is seen to be young.
async fn view(peer: &Peer, run: &mut Option<Run>, at: Timestamp) -> Result<PeerView, UpstreamError> {
    let end = Instant::now() + ASK;
    let mut limit = ASK;
    if run.is_none() {
        *run = age(peer, ASK_FIRST, at).await.map(|(began, _)| Run::new(began));
        limit -= ASK_FIRST;
    }
    let list = peer.get("/api/v2/alerts", &EVERYTHING, limit, LIST_MAX).await?;
    let alerts = peer.read(list.bytes, wire::alerts).await?;
    let after = age(peer, end.saturating_duration_since(Instant::now()), at).await;
    let listed_before = Run::follow(run, &alerts, after);
    Ok(PeerView { up_for: after.map(|(_, up_for)| up_for), alerts, listed_before })
}

/// Since when a peer is up, and for how long, if it says so in time.
async fn age(peer: &Peer, within: Duration, at: Timestamp) -> Option<(Timestamp, Duration)> {
    let status = peer.get("/api/v2/status", &[], within, STATUS_MAX).await.ok()?;
    // Its own clock, if it says: another clock may be minutes away from the one that it was started by.
    let now = wire::date(&status.headers).unwrap_or(at);
    let began = peer.read(status.bytes, wire::up_since).await.ok()?;
    Some((began, since(now, began)))
}

#[async_trait]
impl Upstream for Alertmanager {
    fn peers(&self) -> Vec<String> {
        self.peers.iter().map(|peer| peer.name.clone()).collect()
    }

    async fn picture(&self, now: Timestamp, max_age: Duration) -> Result<Arc<Picture>, UpstreamError> {
        let called = Instant::now();
        let mut memory = self.memory.lock().await;
        if let Some(picture) = memory.picture.as_ref().filter(|picture| since(now, picture.at) <= max_age) {
            return Ok(picture.clone());
        }
        // The peers are asked now, not when the wait for the lock began: all who waited with this caller can use it.
        let at = after(now, called.elapsed());
        let picture = Arc::new(self.look(at, &mut memory.peers).await?);
        memory.picture = Some(picture.clone());
        Ok(picture)
    }

    async fn post(&self, announcements: &[Announcement]) -> Vec<(String, Result<(), UpstreamError>)> {
        let post = |(peer, offset)| async move {
            let posted = match &self.clock {
                Some(clock) => post_dated(peer, offset, clock, announcements).await,
                None => peer.post("/api/v2/alerts", wire::announcements(announcements), POST).await.map(drop),
            };
            (peer.name.clone(), posted)
        };
        join_all(self.peers.iter().zip(&self.offsets).map(post)).await
    }
}

/// Posts by the peer's clock. If its answer shows that this was set since, they are posted once more.
async fn post_dated(
    peer: &Peer,
    known: &std::sync::Mutex<Option<Offset>>,
    clock: &Clock,
    announcements: &[Announcement],
) -> Result<(), UpstreamError> {
    let end = Instant::now() + POST;
    let mut offset = *known.lock().unwrap_or_else(PoisonError::into_inner);
    if offset.is_none() {
        let asked = (clock.0)();
        // A peer that does not answer this either answers the post, or not.
        let status = peer.get("/api/v2/status", &[], ASK, STATUS_MAX).await;
        offset = status.ok().and_then(|status| measure(asked, clock, &status.headers));
    }
    for _ in 0..2 {
        let (used, now) = (offset.unwrap_or_default(), (clock.0)());
        let dated: Vec<_> = announcements.iter().map(|it| used.date(it, now)).collect();
        let left = end.saturating_duration_since(Instant::now());
        let answer = peer.post("/api/v2/alerts", wire::announcements(&dated), left).await?;
        let measured = measure(now, clock, &answer.headers);
        let changed = measured.filter(|it| it.differs(used));
        offset = changed.or(offset);
        *known.lock().unwrap_or_else(PoisonError::into_inner) = offset;
        if changed.is_none() {
            break;
        }
    }
    Ok(())
}

fn measure(asked: Timestamp, clock: &Clock, headers: &reqwest::header::HeaderMap) -> Option<Offset> {
    wire::date(headers).map(|date| Offset::measure(asked, (clock.0)(), date))
}
