//! `earlier_run`: what the alerts show is about an earlier run of the container, and nothing is known against this one.
//!
//! - An alert's `startsAt` is before the start of the run, and its last evidence before that start plus the step's `settle`:
//!   notifications arrive late by construction (`group_wait`, `group_interval`, retries). Or
//! - it names another container by its id: a container that was made again has another one.
//!
//! It waits until an alert is heard again; evidence that becomes older than `freshness` ends the wait as `expired`. Runs that
//! the restart policy or fettle began are no new runs.

use std::time::Duration;

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use super::run::{begun_by_others, judged};
use crate::alert::episode::AlertState;
use crate::alert::labels::Labels;
use crate::sight::Sight;
use crate::time::{Timestamp, after};

/// The labels that may hold a container's id: cAdvisor's, and those of other exporters.
const ID_LABELS: [&str; 2] = ["id", "container_id"];
/// Digits of a full id, and of the short form that Docker shows.
const ID_DIGITS: [usize; 2] = [64, 12];

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let passes = |why: &'static str| Ruling::passes(move || Basis::new(why, json!({})));
    let Some(it) = judged(aim, sight) else { return passes("no container whose run matters") };
    // A start in the future by more than `settle` is the daemon's other clock: nothing is heard after it, and the wait would
    // not end by itself.
    let began_at = begun_by_others(it).filter(|at| *at <= after(aim.known.now, aim.settle));
    let mut doubts = aim.known.alerts.iter().filter(|alert| alert.firing).map(|alert| {
        let other = named_id(&alert.labels).filter(|named| !it.id.starts_with(named));
        let earlier = began_at.filter(|began_at| is_earlier(alert, *began_at, aim.settle));
        other.map(Doubt::Other).or(earlier.map(Doubt::Earlier))
    });
    // One alert about this run is enough.
    let first = doubts.next().flatten();
    let Some(doubt) = first.filter(|_| doubts.all(|doubt| doubt.is_some())) else {
        return passes("an alert is about this run");
    };
    let why = match doubt {
        Doubt::Other(id) => format!("the alert names container {}, and this one is {}", short(id), short(&it.id)),
        Doubt::Earlier(at) => format!("the run began at {at}, and the alert began before and was not heard since"),
    };
    let other = if let Doubt::Other(id) = doubt { Some(id) } else { None };
    let evidence_at = aim.known.alerts.iter().filter(|alert| alert.firing).map(|alert| alert.evidence_at).max();
    let numbers = json!({"started_at": it.started_at, "settle_seconds": aim.settle.as_secs(), "evidence_at": evidence_at,
        "heard_from": began_at.map(|at| after(at, aim.settle)), "alert_names": other, "container": it.id});
    Ruling::refuses(None, why, numbers)
}

/// Why an alert is not about this run.
#[derive(Debug, Clone, Copy)]
enum Doubt<'a> {
    /// It names another container.
    Other(&'a str),
    /// It began before this run, which began at this instant, and was not heard since.
    Earlier(Timestamp),
}

fn is_earlier(alert: &AlertState, began_at: Timestamp, settle: Duration) -> bool {
    alert.starts_at < began_at && alert.evidence_at < after(began_at, settle)
}

/// The container id that an alert names: `/docker/<id>`, `/system.slice/docker-<id>.scope`, `docker://<id>` or the id itself.
fn named_id(labels: &Labels) -> Option<&str> {
    ID_LABELS.iter().find_map(|name| {
        let last = labels.get(name).rsplit('/').next()?;
        let id = last.strip_prefix("docker-").unwrap_or(last);
        let id = id.strip_suffix(".scope").unwrap_or(id);
        (ID_DIGITS.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
            .then_some(id)
    })
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
