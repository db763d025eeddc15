//! What rules are read from, and what they are checked against.
//!
//! Always holds: plain values. The configuration fills a [`Context`]; reading and lints only look at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::labels::Labels;
use crate::target::{Disks, Hosts};

/// A rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// As the user knows it; rules of files with lower paths (in byte order) come first.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// What rules are checked against.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts about the service")]
pub struct Context {
    /// The configured hosts.
    pub hosts: Hosts,
    /// Whether the hosts are those of the service, and not those of a test.
    pub of_service: bool,
    /// How long evidence that an alert fires is good for.
    pub freshness: Duration,
    /// How long audit rows are kept.
    pub audit_kept: Duration,
    /// Whether Alertmanager can be asked what fires, so that evidence can be had anew.
    pub alertmanager: bool,
    /// Whether Prometheus can be asked.
    pub prometheus: bool,
    /// Whether there is anybody who could approve.
    pub approvers: bool,
    /// The disks that may be cleaned.
    pub disks: Disks,
    /// Where they are mounted: host, then disk.
    pub mounts: BTreeMap<String, BTreeMap<String, String>>,
    /// Labels of alerts that were recorded; `None`: no record is looked at.
    pub history: Option<Arc<[Labels]>>,
}

impl Context {
    /// Whether an alert would be stale after such a wait, with nobody to ask whether it still fires.
    pub(super) fn stale_after(&self, wait: Duration) -> bool {
        !self.alertmanager && wait > self.freshness
    }
}

impl Default for Context {
    /// One host `local` and the built-in settings.
    fn default() -> Self {
        Self {
            hosts: Hosts::new([("local", &[][..])]),
            of_service: false,
            freshness: Duration::from_mins(10),
            audit_kept: Duration::from_hours(400 * 24),
            alertmanager: false,
            prometheus: false,
            approvers: true,
            disks: Disks::new(),
            mounts: BTreeMap::new(),
            history: None,
        }
    }
}
