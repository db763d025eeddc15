//! `other_host`: the alert's label `instance` names another machine than the one that the rule acts on.
//!
//! - It has the host part of another configured host; or
//! - it is none of the `instances` of the target's host, where that host has any. A rule that names no host acts on the only one
//!   there is; its `instances` count for an instance with a port, as Prometheus writes it. Other senders put other words there.
//!
//! It does not apply where the target itself is read from `instance`, nor to an alert without the label.

use serde_json::{Value, json};

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::alert::labels::Labels;
use crate::hosts::{self, Hosts};
use crate::rule::model::{Find, TargetSpec, Word};
use crate::target::Target;

/// The label by which Prometheus names what it scraped.
const INSTANCE: &str = "instance";
/// Characters of its value that are kept in a record.
const CHARS: usize = 256;

/// Why the alert is about another machine than the target's, with the numbers.
#[must_use]
pub fn by_instance(spec: &TargetSpec, target: &Target, labels: &Labels, hosts: &Hosts) -> Option<(String, Value)> {
    let (instance, own) = (labels.get(INSTANCE), target.host());
    if instance.is_empty() || is_read_from_instance(spec) {
        return None;
    }
    let (means, listed) = (hosts.find(instance), hosts.instances(own));
    let shown = show(instance);
    let why = match means {
        Some(host) if host == own => return None,
        Some(other) => format!("instance \"{shown}\" is of host {other}, and the target is on {own}"),
        None if listed.is_empty() || (spec.host.is_none() && !hosts::has_port(instance)) => return None,
        None => format!("instance \"{shown}\" is none of hosts.{own}.instances; if it is that host's, add it there"),
    };
    Some((why, json!({"instance": shown, "host": own, "means": means, "instances": listed})))
}

fn show(instance: &str) -> String {
    instance.escape_debug().take(CHARS).collect()
}

fn is_read_from_instance(spec: &TargetSpec) -> bool {
    let is = |word: &Word| matches!(word, Word::Label(name) if name == INSTANCE);
    spec.host.as_ref().is_some_and(is)
        || match &spec.find {
            Find::Container(word) | Find::Swarm(word) | Find::Disk(word) => is(word),
            Find::Compose { project, service } => is(project) || is(service),
        }
}

pub(super) fn ask<'a>(aim: &'a Aim<'_>) -> Ruling<'a> {
    let Some(rule) = aim.known.rule else { return Ruling::Unknown };
    let labels = &aim.known.remediation.alert.labels;
    match by_instance(&rule.target, aim.target, labels, &aim.known.settings.hosts) {
        Some((why, numbers)) => Ruling::refuses(None, why, numbers),
        None => Ruling::passes(move || {
            let numbers = json!({"instance": show(labels.get(INSTANCE)), "host": aim.target.host()});
            Basis::new("the alert is about no other host", numbers)
        }),
    }
}
