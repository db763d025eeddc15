//! The alert that always fires: when it goes missing, the way from Prometheus to fettle is broken, and fettle would not know
//! of any other alert either. That is an event, and an alert of fettle's own where Alertmanager can be told.
//!
//! Silence counts from the start of this process: a fettle that was down does not blame the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::pulse::{Pulse, ROUND};
use crate::shell::Shell;
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::id::RemediationId;
use fettle_core::ports::StoreError;
use fettle_core::ports::chain;
use fettle_core::remediation::record::{EventRow, Record, Severity};
use fettle_core::time::{Timestamp, after, since};

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(5);

/// How long the alert about it stands without being renewed.
const STANDS: Duration = Duration::from_mins(5);

/// Which alert is expected.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Its `alertname`.
    pub alertname: String,
    /// The longest time without it.
    pub max_silence: Duration,
}

/// The task that looks for it.
pub struct Heartbeat {
    /// The engine's parts.
    pub shell: Arc<Shell>,
    /// What is expected; without it nothing is looked for.
    pub expected: Option<Expected>,
}

impl Heartbeat {
    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken, pulse: Pulse) {
        let Some(expected) = &self.expected else {
            stop.cancelled().await;
            return;
        };
        let started = self.shell.time.now();
        let mut silent = false;
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pulse.again(ROUND);
            // Cancel safe: both keep nothing.
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    pulse.done();
                    return;
                }
                _ = every.tick() => {}
            }
            match self.look(expected, started, silent).await {
                Ok(now) => silent = now,
                Err(error) => tracing::debug!(error = %chain(&error), "the heartbeat could not be looked for"),
            }
        }
    }

    /// Whether it is missing now; tells when that changed, and renews the alert while it stays so.
    async fn look(&self, expected: &Expected, started: Timestamp, was: bool) -> Result<bool, StoreError> {
        let shell = &*self.shell;
        let now = shell.time.now();
        let heard = shell.store.last_heard(&expected.alertname).await?;
        if let Some(heard) = heard {
            shell.telemetry.heartbeat(heard);
        }
        let last = heard.map_or(started, |at| at.max(started));
        let missing = since(now, last) > expected.max_silence;
        let mut records = Vec::new();
        if missing != was {
            let (event, severity) =
                if missing { ("pipeline_silent", Severity::Critical) } else { ("pipeline_heard", Severity::Info) };
            let details = json!({"alertname": expected.alertname, "last_heard_at": heard,
                "max_silence_seconds": expected.max_silence.as_secs()});
            records.push(Record::Event(EventRow { at: now, event, severity, details }));
        }
        if shell.upstream.is_some() && (missing || was) {
            records.push(Record::Announce(Box::new(alert(expected, now, missing))));
        }
        if !records.is_empty() {
            shell.store.record(&records).await?;
            shell.telemetry.recorded(&[], &records);
            shell.announce.notify_one();
        }
        Ok(missing)
    }
}

fn alert(expected: &Expected, now: Timestamp, missing: bool) -> Announcement {
    let name = AnnouncementName::PipelineSilent;
    let summary = format!("{} did not reach fettle for {} s", expected.alertname, expected.max_silence.as_secs());
    Announcement {
        name,
        remediation: RemediationId::nil(),
        labels: Labels::from_iter([
            ("alertname", name.as_str()),
            ("fettle", "self"),
            ("severity", "critical"),
            ("heartbeat", expected.alertname.as_str()),
        ]),
        annotations: BTreeMap::from([("summary".to_owned(), summary)]),
        at: now,
        until: if missing { after(now, STANDS) } else { now },
    }
}
