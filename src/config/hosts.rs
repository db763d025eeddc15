//! The Docker hosts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::net::Ipv6Addr;
use std::path::{Component, Path, PathBuf};

use rustls::pki_types::pem::{PemObject, SectionKind};

use super::raw::{RawDisk, RawHost, RawTls};
use fettle_core::diagnostic::{Report, codes};
use fettle_core::target::is_name;
use fettle_core::yaml::{Node, boolean, entries, items, required, strings, text, word};

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
    /// Whether its lifecycle events are followed.
    pub events: bool,
    /// Certificates, for endpoints of TCP.
    pub tls: Option<Tls>,
    /// Its disks, by name.
    pub disks: BTreeMap<String, Disk>,
}

/// Certificates to speak to a Docker host with, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who signed the daemon's certificate.
    pub ca_file: PathBuf,
    /// The certificate that is shown to the daemon.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

/// A disk of a host: the second permission for what is done to the host itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Where it is mounted on the host, absolute.
    pub path: PathBuf,
    /// The actions that are permitted on it, by name.
    pub allow: BTreeSet<String>,
}

/// The actions that can be done to a disk.
const ON_DISKS: [(&str, &str); 2] = [("clean_logs", "clean_logs"), ("prune", "prune")];

impl Host {
    /// The host of a configuration that names none.
    pub(super) fn only(docker: String) -> Self {
        let (name, disks) = ("local".to_owned(), BTreeMap::new());
        Self { name, docker, read: None, instances: Vec::new(), events: true, tls: None, disks }
    }
}

/// Reads all hosts; `socket` is for those that name no endpoint, files are looked for from `base`. Sorted by name.
pub(super) fn read(node: &Node, socket: &str, base: &Path, report: &mut Report<'_>) -> Option<Vec<Host>> {
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
            fettle_core::yaml::Value::Null => RawHost::default(),
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
        let docker = docker.unwrap_or_else(|| socket.to_owned());
        let tls = raw.tls.and_then(|node| tls(node, base, report));
        if let Some(node) =
            raw.tls.filter(|_| [Some(&docker), read.as_ref()].into_iter().flatten().all(|it| it.starts_with("unix:")))
        {
            let help = "write `docker: tcp://HOST:2376`, or remove `tls`";
            report.add_with_help(&codes::HOST_TLS, &node.at, "TLS is for tcp://, and this host has none", help);
        }
        hosts.push(Host {
            name: name.to_owned(),
            docker,
            read,
            instances: instances.into_iter().map(str::to_owned).collect(),
            events: raw.events.and_then(|node| boolean(node, report)).unwrap_or(true),
            tls,
            disks: raw.disks.and_then(|node| disks(node, report)).unwrap_or_default(),
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
        Some(("https", _)) => Some("TLS to Docker is written tcp://HOST:PORT, with `tls` beside it"),
        Some(("ssh", _)) => Some("ssh to Docker is not supported"),
        _ => Some("this is not a Docker endpoint"),
    };
    if let Some(message) = fault {
        report.add_with_help(&codes::HOST_ENDPOINT, &node.at, message, "write unix:///PATH or tcp://HOST:PORT");
        return None;
    }
    Some(written.to_owned())
}

/// Reads the certificates' places, and looks whether they are there: a wrong one shows at the first alert otherwise.
fn tls(node: &Node, base: &Path, report: &mut Report<'_>) -> Option<Tls> {
    let raw = RawTls::read(node, report)?;
    let help = "ca_file, cert_file and key_file belong together";
    let mut file = |given, key, kind: &[SectionKind]| {
        let node = required(given, key, &node.at, help, report)?;
        let path = base.join(text(node, report)?);
        certificate(&path, kind, node, report);
        Some(path)
    };
    let keys = [SectionKind::PrivateKey, SectionKind::RsaPrivateKey, SectionKind::EcPrivateKey];
    let ca_file = file(raw.ca_file, "ca_file", &[SectionKind::Certificate]);
    let cert_file = file(raw.cert_file, "cert_file", &[SectionKind::Certificate]);
    let key_file = file(raw.key_file, "key_file", &keys);
    Some(Tls { ca_file: ca_file?, cert_file: cert_file?, key_file: key_file? })
}

/// Reports a file that cannot be read or holds nothing of the wanted kind. Its content is never shown.
fn certificate(path: &Path, wanted: &[SectionKind], node: &Node, report: &mut Report<'_>) {
    // Chains are some kilobytes; whatever is longer is the wrong file.
    const LIMIT: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
    let what = if wanted.contains(&SectionKind::Certificate) { "certificate" } else { "private key" };
    let holds = || {
        let mut kinds = <(SectionKind, Vec<u8>)>::pem_slice_iter(&bytes).filter_map(Result::ok).map(|(kind, _)| kind);
        kinds.any(|kind| wanted.contains(&kind))
    };
    let fault = match read {
        Err(error) => format!("cannot read {}: {error}", path.display()),
        Ok(_) if holds() => return,
        Ok(_) => format!("{} holds no {what} in PEM", path.display()),
    };
    report.add(&codes::CERTIFICATE_FILE, &node.at, fault);
}

fn disks(node: &Node, report: &mut Report<'_>) -> Option<BTreeMap<String, Disk>> {
    let mut disks = BTreeMap::new();
    for entry in entries(node, report)? {
        if !is_name(&entry.key) {
            let help = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit";
            report.add_with_help(&codes::HOST_DISK, &entry.at, "this is not a name for a disk", help);
        }
        let Some(raw) = RawDisk::read(&entry.value, report) else { continue };
        let path = required(raw.path, "path", &entry.value.at, "say where it is mounted on the host", report);
        let path = path.and_then(|node| disk_path(node, report));
        let allow = required(raw.allow, "allow", &entry.value.at, "say what is permitted: [clean_logs, prune]", report);
        let allow = allow.and_then(|node| disk_allow(node, report));
        if let (Some(path), Some(allow)) = (path, allow) {
            disks.insert(entry.key.clone(), Disk { path, allow });
        }
    }
    Some(disks)
}

fn disk_path(node: &Node, report: &mut Report<'_>) -> Option<PathBuf> {
    let written = text(node, report)?;
    let path = Path::new(written);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.is_absolute() && plain && path.parent().is_some() && !written.chars().any(char::is_control) {
        return Some(path.to_owned());
    }
    let help = "write an absolute path below /, without `..`";
    report.add_with_help(&codes::HOST_DISK, &node.at, "this is not a path for a disk", help);
    None
}

fn disk_allow(node: &Node, report: &mut Report<'_>) -> Option<BTreeSet<String>> {
    let allow = items(node, report)?;
    if allow.is_empty() {
        let help = "write [clean_logs], [prune] or both, or remove the disk";
        report.add_with_help(&codes::DISK_ALLOW, &node.at, "this permits nothing", help);
    }
    Some(allow.iter().filter_map(|item| word(item, &ON_DISKS, report)).map(str::to_owned).collect())
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let legal = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
    };
    legal && port.parse::<u16>().is_ok_and(|port| port > 0)
}
