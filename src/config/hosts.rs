//! The Docker hosts.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use super::raw::RawHost;
use crate::core::target::is_name;
use crate::core::yaml::{Node, entries, strings, text};
use crate::diagnostic::{Report, codes};

/// Where Docker listens unless something else is said.
pub(super) const SOCKET: &str = "unix:///var/run/docker.sock";

/// One Docker host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// As rules, targets and metrics name it.
    pub name: String,
    /// Where to act: `unix:///path` or `tcp://host:port`.
    pub docker: String,
    /// Where to look, if not there.
    pub read: Option<String>,
    /// Values of the label `instance` that mean this host.
    pub instances: Vec<String>,
}

/// Reads all hosts; `socket` is for those that name no endpoint. Sorted by name.
pub(super) fn read(node: &Node, socket: &str, report: &mut Report<'_>) -> Option<Vec<Host>> {
    let entries = entries(node, report)?;
    if entries.is_empty() {
        report.add_with_help(&codes::HOST_ENDPOINT, &node.at, "no host at all", "remove `hosts` for the local Docker");
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let mut claimed: HashMap<String, &str> = HashMap::new();
    let mut hosts = Vec::new();
    for entry in entries {
        let name = entry.key.as_str();
        if !is_name(name) {
            let help = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit";
            report.add_with_help(&codes::HOST_ENDPOINT, &entry.at, "this is not a name for a host", help);
        }
        let raw = match entry.value.value {
            crate::core::yaml::Value::Null => RawHost::default(),
            _ => RawHost::read(&entry.value, report).unwrap_or_default(),
        };
        let docker = raw.docker.and_then(|node| endpoint(node, report));
        let read = raw.read.and_then(|node| endpoint(node, report));
        let instances = raw.instances.and_then(|node| strings(node, report)).unwrap_or_default();
        for instance in &instances {
            let other = names.iter().find(|other| *other == instance && **other != name);
            let other =
                other.copied().or_else(|| claimed.insert((*instance).to_owned(), name)).filter(|it| *it != name);
            if let (Some(other), Some(list)) = (other, raw.instances) {
                let message = format!("instance \"{instance}\" means host `{other}` already");
                report.add_with_help(&codes::INSTANCE_TWICE, &list.at, message, "an instance belongs to one host");
            }
        }
        hosts.push(Host {
            name: name.to_owned(),
            docker: docker.unwrap_or_else(|| socket.to_owned()),
            read,
            instances: instances.into_iter().map(str::to_owned).collect(),
        });
    }
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    Some(hosts)
}

/// Reads an endpoint.
pub(super) fn endpoint(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let written = text(node, report)?;
    let fault = match written.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') && path.len() > 1 => None,
        Some(("tcp" | "http", address)) if is_address(address.strip_suffix('/').unwrap_or(address)) => None,
        Some(("https" | "ssh", _)) => Some("TLS and ssh to Docker are not supported yet"),
        _ => Some("this is not a Docker endpoint"),
    };
    if let Some(message) = fault {
        report.add_with_help(&codes::HOST_ENDPOINT, &node.at, message, "write unix:///PATH or tcp://HOST:PORT");
        return None;
    }
    Some(written.to_owned())
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let legal = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
    };
    legal && port.parse::<u16>().is_ok_and(|port| port > 0)
}
