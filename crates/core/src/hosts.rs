//! The configured hosts, and which of them a label `instance` means.
//!
//! One comparison for every use: a rule that reads its host from `instance`, and the guard `other_host`.
//! - An entry without a port means the host whatever the port: `node-a`, `10.0.0.11`, `fd00::1` or `[fd00::1]`.
//! - `*` is any sequence of characters, in the host part and in the port: `node-a:*`, `10.0.0.*`.
//! - Of an instance that is a URL the host part counts: `http://node-a:8080/healthz`.

use core::net::Ipv6Addr;
use std::collections::BTreeMap;

use crate::target::Pattern;

/// The configured hosts, as rules name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Every host's name, with the entries of its `instances`.
    instances: BTreeMap<String, Vec<String>>,
}

impl Hosts {
    /// `hosts`: each host's name with the values of `instance` that mean it.
    #[must_use]
    pub fn new<'a>(hosts: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Self {
        let hosts = hosts.into_iter().map(|(name, instances)| (name.to_owned(), instances.to_vec()));
        Self { instances: hosts.collect() }
    }

    /// The host that `word` means: its name, or one of its instances. The most exact entry counts; `None` also when two hosts
    /// have an equally exact one.
    #[must_use]
    pub fn find(&self, word: &str) -> Option<&str> {
        // A host's own name always means that host, whatever another host lists as an instance.
        if let Some((name, _)) = self.instances.get_key_value(word) {
            return Some(name);
        }
        let exactness = |(name, instances): (&'_ String, &Vec<String>)| {
            let listed = instances.iter().filter_map(|entry| Exactness::of(entry, word));
            listed.chain(Exactness::of(name, word)).max()
        };
        let best = self.instances.iter().filter_map(exactness).max()?;
        let mut means = self.instances.iter().filter(|host| exactness(*host) == Some(best));
        match (means.next(), means.next()) {
            (Some((name, _)), None) => Some(name),
            _ => None,
        }
    }

    /// The entries of a host's `instances`.
    #[must_use]
    pub fn instances(&self, host: &str) -> &[String] {
        self.instances.get(host).map_or(&[], Vec::as_slice)
    }

    /// Every host's name in byte order.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.instances.keys().map(String::as_str).collect()
    }

    /// The host of a rule that names none: the only one there is.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        let mut names = self.instances.keys();
        match (names.next(), names.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }
}

/// Whether an instance has a port.
#[must_use]
pub fn has_port(instance: &str) -> bool {
    Parts::of(instance).port.is_some()
}

/// How exactly an entry of `instances` means an instance, least exact first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    /// By `*`.
    Glob,
    /// By the host part, whatever the port.
    Host,
    /// By host part and port.
    Port,
    /// Letter by letter.
    Equal,
}

impl Exactness {
    fn of(entry: &str, instance: &str) -> Option<Self> {
        if entry == instance {
            return Some(Self::Equal);
        }
        let (listed, given) = (Parts::of(entry), Parts::of(instance));
        let port = match (listed.port, given.port) {
            (None | Some("*"), _) => true,
            (Some(_), None) => false,
            (Some(listed), Some(given)) => Pattern(listed.to_owned()).permits(given),
        };
        if !port || !is_same_host(listed.host, given.host) {
            return None;
        }
        Some(match listed.port {
            _ if entry.contains('*') => Self::Glob,
            None => Self::Host,
            Some(_) => Self::Port,
        })
    }
}

/// Names and addresses are the same whatever the case of their letters; an IPv6 address may be written in several ways.
fn is_same_host(listed: &str, given: &str) -> bool {
    if let (Ok(listed), Ok(given)) = (listed.parse::<Ipv6Addr>(), given.parse::<Ipv6Addr>()) {
        return listed == given;
    }
    !given.is_empty() && Pattern(listed.to_ascii_lowercase()).permits(&given.to_ascii_lowercase())
}

/// The host part and the port of an instance.
struct Parts<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let address = text.split_once("://").map_or(text, |(_, rest)| rest);
        let address = address.split(['/', '?', '#']).next().unwrap_or_default();
        let address = address.rsplit_once('@').map_or(address, |(_, rest)| rest);
        if let Some((host, rest)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return Self { host, port: rest.strip_prefix(':') };
        }
        match address.split_once(':') {
            // More than one colon without brackets: an IPv6 address, which has no port.
            Some((host, port)) if !port.contains(':') => Self { host, port: Some(port) },
            _ => Self { host: address, port: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(of: &[(&str, &[&str])]) -> Hosts {
        let owned: Vec<(&str, Vec<String>)> =
            of.iter().map(|(name, list)| (*name, list.iter().map(|it| (*it).to_owned()).collect())).collect();
        Hosts::new(owned.iter().map(|(name, list)| (*name, list.as_slice())))
    }

    #[test]
    fn a_host_is_found_by_name_and_by_instance_and_names_win() {
        let hosts = hosts(&[("a", &["10.0.0.1:9100", "b"]), ("b", &[])]);
        assert_eq!((hosts.find("10.0.0.1:9100"), hosts.find("b"), hosts.find("x")), (Some("a"), Some("b"), None));
        assert_eq!((hosts.only(), hosts.names()), (None, vec!["a", "b"]));
        assert_eq!(Hosts::new([("local", &[][..])]).only(), Some("local"));
    }

    #[test]
    fn an_instance_is_compared_by_host_part_port_and_glob() {
        for (entry, instance, means) in [
            ("node-x", "node-x:9100", true),
            ("node-x", "node-x", true),
            ("node-x", "NODE-X:9100", true),
            ("node-x", "node-xx:9100", false),
            ("node-x:9100", "node-x:9100", true),
            ("node-x:9100", "node-x:8080", false),
            ("node-x:9100", "node-x", false),
            ("node-x:*", "node-x:9100", true),
            ("node-x:*", "node-x", true),
            ("node-x:91*", "node-x:9100", true),
            ("node-x:91*", "node-x:8080", false),
            ("10.0.0.*", "10.0.0.7:9100", true),
            ("10.0.0.*", "10.0.1.7:9100", false),
            ("10.0.0.1", "10.0.0.11:9100", false),
            ("fd00::1", "[fd00::1]:9100", true),
            ("[fd00::1]", "fd00:0::1", true),
            ("[fd00::1]:9100", "[FD00::1]:9100", true),
            ("[fd00::1]:9100", "[fd00::1]:9101", false),
            ("[fd00::1]:*", "fd00::1", true),
            ("fd00::1", "[fd00::11]:9100", false),
            ("node-x", "http://node-x:8080/healthz?a=b:c", true),
            ("node-x", "https://anna@node-x/", true),
            ("node-x", "http://shop.example.com/node-x", false),
            ("*", "", false),
            ("node-x", "", false),
        ] {
            let found = hosts(&[("h", &[entry]), ("other", &[])]).find(instance).map(str::to_owned);
            assert_eq!(found.is_some(), means, "{entry} {instance}");
        }
        assert_eq!(
            hosts(&[("node-x", &[])]).find("node-x:9100"),
            Some("node-x"),
            "its own name means it with any port"
        );
    }

    #[test]
    fn the_most_exact_entry_counts_and_two_equally_exact_ones_mean_no_host() {
        let several =
            hosts(&[("a", &["10.0.0.*"]), ("b", &["10.0.0.7"]), ("c", &["10.0.0.7:9100"]), ("d", &["10.0.*"])]);
        assert_eq!(several.find("10.0.0.7:8080"), Some("b"));
        assert_eq!(several.find("10.0.0.7:9100"), Some("c"));
        assert_eq!(several.find("10.0.0.8:9100"), None, "two globs");
        assert_eq!(several.find("10.0.1.8:9100"), Some("d"));
    }
}
