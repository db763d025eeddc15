//! The outbox's end: fettle's own alerts go to every Alertmanager, at least once each, and are renewed while they stand.
//!
//! Always holds: what a decision announced was stored with it; it is delivered until every peer took it, or refused it for
//! good. `FettleWorking` is posted with an end a minute ahead, so it lapses by itself when nobody renews it any more. An
//! alert that calls people is posted with its full length: it must not end because fettle did.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::pulse::{Pulse, ROUND};
use crate::seldom::Seldom;
use crate::shell::Shell;
use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::chain;
use fettle_core::ports::model::Outgoing;
use fettle_core::ports::upstream::Upstream;
use fettle_core::time::{Timestamp, after, before};
use fettle_core::upstream::Announcement;

/// How often the outbox is looked at when nobody calls: another replica may have died with something in it.
const EVERY: Duration = Duration::from_secs(2);

/// How long `FettleWorking` stands without being renewed: if fettle dies, the page is released after that.
pub const LAPSES_AFTER: Duration = Duration::from_mins(1);

/// How often what stands is posted again: two posts may fail before it lapses.
const RENEW: Duration = Duration::from_secs(20);

/// How long a claim on what is being posted lasts: the client's own deadline, and some.
const LEASE: Duration = Duration::from_secs(15);

/// Announcements in one post.
const AT_ONCE: u32 = 256;

/// The task that tells Alertmanager.
pub struct Announcer {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// Complaints about peers that do not answer.
    pub seldom: Seldom,
}

impl Announcer {
    /// Delivers until `stop`, then once more what is due.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let Some(upstream) = self.shell.upstream.clone() else {
            stop.cancelled().await;
            return;
        };
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            pulse.again(ROUND);
            // Cancel safe: a notification that is not taken stays.
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.shell.announce.notified() => {}
                _ = every.tick() => {}
            }
            self.deliver(&*upstream).await;
        }
        pulse.done();
    }

    async fn deliver(&self, upstream: &dyn Upstream) {
        let shell = &*self.shell;
        let now = shell.time.now();
        let due = shell.store.announcements(shell.owner, now, before(now, RENEW), after(now, LEASE), AT_ONCE).await;
        let due = match due {
            Ok(due) if due.is_empty() => return,
            Ok(due) => due,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "the outbox could not be read");
                return;
            }
        };
        let alerts: Vec<Announcement> = due.iter().map(|it| as_posted(it, now)).collect();
        let mut taken = true;
        for (peer, answer) in upstream.post(&alerts).await {
            for outgoing in &due {
                shell.telemetry.announced(outgoing.announcement.name, answer.is_ok());
            }
            match answer {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    taken = false;
                    if let Some(unsaid) = self.seldom.due(&peer) {
                        tracing::warn!(peer, unsaid, %error, "fettle's own alerts could not be delivered yet");
                    }
                }
                // To say the same again would be refused again; what it took of it, it took.
                Err(error) => tracing::error!(peer, %error, "fettle's own alerts are refused by this Alertmanager"),
            }
        }
        if !taken {
            return;
        }
        for outgoing in &due {
            if let Err(error) = shell.store.announced(outgoing, now).await {
                tracing::debug!(error = %chain(&error), "a delivery could not be noted; it is made again");
                return;
            }
        }
    }
}

fn as_posted(outgoing: &Outgoing, now: Timestamp) -> Announcement {
    let it = &outgoing.announcement;
    let ends_at = match it.name {
        _ if it.until <= it.at => now,
        AnnouncementName::Working => it.until.min(after(now, LAPSES_AFTER)),
        AnnouncementName::GaveUp | AnnouncementName::PipelineSilent => it.until,
    };
    Announcement {
        labels: it.labels.clone(),
        annotations: it.annotations.clone(),
        starts_at: outgoing.starts_at.min(ends_at),
        ends_at,
        generator_url: None,
    }
}
