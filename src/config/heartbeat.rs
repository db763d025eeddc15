//! The alert that always fires: when it goes missing, the way from Prometheus to fettle is broken.

use std::time::Duration;

use super::environment::Form;
use super::load::Loader;
use super::raw::RawHeartbeat;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::settings::limits::positive;
use fettle_core::yaml::{Node, text};

/// Which alert is expected, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Its `alertname`.
    pub alertname: String,
    /// The longest time without it. Counts from the start.
    pub max_silence: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { alertname: "Watchdog".to_owned(), max_silence: Duration::from_mins(5) }
    }
}

impl Loader<'_> {
    /// Expected only if the file or a variable says so: not every Prometheus has such an alert.
    pub(super) fn heartbeat(&mut self, node: Option<&Node>) -> Option<Heartbeat> {
        let raw = node.map(|node| RawHeartbeat::read(node, &mut self.report).unwrap_or_default());
        let keys = raw.unwrap_or_default();
        let name = self.get(Form::Text, &["FETTLE_HEARTBEAT_ALERTNAME"], keys.alertname, alertname);
        let silence = self.get(Form::Text, &["FETTLE_HEARTBEAT_MAX_SILENCE"], keys.max_silence, positive);
        let base = Heartbeat::default();
        (raw.is_some() || name.is_some() || silence.is_some()).then(|| Heartbeat {
            alertname: name.unwrap_or(base.alertname),
            max_silence: silence.unwrap_or(base.max_silence),
        })
    }
}

fn alertname(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let name = text(node, report)?;
    if name.is_empty() {
        let help = "write the alertname of an alert that always fires, such as Watchdog";
        report.add_with_help(&codes::HEARTBEAT, &node.at, "the heartbeat names no alert", help);
        return None;
    }
    Some(name.to_owned())
}
