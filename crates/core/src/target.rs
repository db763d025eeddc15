//! What may be touched, and how it is written: `container:node-a/web-1`, `compose:node-a/shop/web`.
//!
//! Always holds: a [`Target`] that names something names it with characters Docker allows in names, so it can
//! never be a path, an option or a pattern. A target that a rule asked for and that could not be named is
//! [`Target::Unresolvable`], written with `?`, and nothing can be looked up by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::hosts::Hosts;

/// One thing on one host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The container of exactly this name.
    Container {
        /// The host's name in the configuration.
        host: String,
        /// The container's name, without the slash Docker puts before it.
        name: String,
    },
    /// The container that Compose made for this service.
    Compose {
        /// The host's name in the configuration.
        host: String,
        /// The Compose project.
        project: String,
        /// The service within the project.
        service: String,
    },
    /// A Swarm service.
    Swarm {
        /// The host's name in the configuration.
        host: String,
        /// The service's name.
        service: String,
    },
    /// A disk of a host.
    Disk {
        /// The host's name in the configuration.
        host: String,
        /// The disk's name in the configuration.
        name: String,
    },
    /// A rule asked for a target that could not be named: a label is missing or holds what no name may hold.
    Unresolvable {
        /// `container` or `compose`.
        kind: Kind,
        /// The host's name, or `?` when the host itself could not be named.
        host: String,
    },
}

/// Which way a target is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// By exact container name.
    Container,
    /// By Compose project and service.
    Compose,
    /// By Swarm service.
    Swarm,
    /// By the disk's name in the configuration.
    Disk,
}

impl Kind {
    /// The word before the colon.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Compose => "compose",
            Self::Swarm => "swarm",
            Self::Disk => "disk",
        }
    }
}

impl Target {
    /// The host's name in the configuration.
    #[must_use]
    pub fn host(&self) -> &str {
        match self {
            Self::Container { host, .. }
            | Self::Compose { host, .. }
            | Self::Swarm { host, .. }
            | Self::Disk { host, .. }
            | Self::Unresolvable { host, .. } => host,
        }
    }

    /// The name that a rule's `allow` speaks of: the container's or the service's.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Container { name, .. } | Self::Disk { name, .. } => Some(name),
            Self::Compose { service, .. } | Self::Swarm { service, .. } => Some(service),
            Self::Unresolvable { .. } => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { host, name } => write!(f, "container:{host}/{name}"),
            Self::Compose { host, project, service } => write!(f, "compose:{host}/{project}/{service}"),
            Self::Swarm { host, service } => write!(f, "swarm:{host}/{service}"),
            Self::Disk { host, name } => write!(f, "disk:{host}/{name}"),
            Self::Unresolvable { kind, host } => write!(f, "{}:{host}/?", kind.as_str()),
        }
    }
}

impl From<Target> for String {
    fn from(it: Target) -> Self {
        it.to_string()
    }
}

/// Text that does not name a target.
#[derive(Debug, thiserror::Error)]
#[error(
    "a target is written container:HOST/NAME, compose:HOST/PROJECT/SERVICE, swarm:HOST/SERVICE or disk:HOST/NAME, not {0:?}"
)]
pub struct NotATarget(String);

impl FromStr for Target {
    type Err = NotATarget;
    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let wrong = || NotATarget(text.chars().take(256).collect());
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "container" => Kind::Container,
            "compose" => Kind::Compose,
            "swarm" => Kind::Swarm,
            "disk" => Kind::Disk,
            _ => return Err(wrong()),
        };
        let (host, rest) = rest.split_once('/').ok_or_else(wrong)?;
        if rest == "?" {
            return Ok(Self::Unresolvable { kind, host: host.into() });
        }
        if !is_name(host) {
            return Err(wrong());
        }
        match (kind, rest.split_once('/')) {
            (Kind::Container, None) if is_name(rest) => Ok(Self::Container { host: host.into(), name: rest.into() }),
            (Kind::Compose, Some((project, service))) if is_name(project) && is_name(service) => {
                Ok(Self::Compose { host: host.into(), project: project.into(), service: service.into() })
            }
            (Kind::Swarm, None) if is_name(rest) => Ok(Self::Swarm { host: host.into(), service: rest.into() }),
            (Kind::Disk, None) if is_name(rest) => Ok(Self::Disk { host: host.into(), name: rest.into() }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = NotATarget;
    fn try_from(text: String) -> Result<Self, NotATarget> {
        text.parse()
    }
}

/// An exact name, or a glob in which `*` is any run of legal name characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(pub String);

impl Pattern {
    /// Whether `name` is permitted by this pattern.
    #[must_use]
    pub fn permits(&self, name: &str) -> bool {
        // Greedy match with one point of return: linear in practice, no recursion, no regex from a rule's text.
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n, mut back) = (0, 0, None);
        while let Some(&byte) = name.get(n) {
            match pattern.get(p) {
                Some(b'*') => {
                    back = Some((p, n));
                    p += 1;
                }
                Some(&want) if want == byte => {
                    p += 1;
                    n += 1;
                }
                _ => match back {
                    Some((star, from)) => {
                        back = Some((star, from + 1));
                        p = star + 1;
                        n = from + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern.iter().skip(p).all(|&b| b == b'*')
    }
}

/// Longest name that is looked up. Docker itself sets no limit; a host name in DNS ends at 255.
const NAME_MAX: usize = 255;

/// Whether `text` is a legal Docker name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_MAX
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The disks of all hosts and what the configuration permits on them: host, disk, action names.
pub type Disks = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_characters_and_the_rest_is_exact() {
        for (pattern, name, permitted) in [
            ("web", "web", true),
            ("web", "web2", false),
            ("api-*", "api-", true),
            ("api-*", "api-7", true),
            ("api-*", "xapi-7", false),
            ("*-db-*", "a-db-b-db-c", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("*", "anything", true),
            ("", "", true),
        ] {
            assert_eq!(Pattern(pattern.into()).permits(name), permitted, "{pattern} {name}");
        }
    }

    #[test]
    fn a_target_reads_back_as_it_is_written() {
        for text in ["container:node-a/web-1", "compose:node-a/shop/web", "container:local/?"] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_name_is_not_a_target() {
        for text in
            ["web", "container:", "container:a/", "container:a/../b", "compose:a/b", "container:a/b/c", "planet:a/b"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for name in ["", "-a", ".a", "a/b", "a b", "a\n", "ä", "a%2f"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"a".repeat(256)) && is_name(&"a".repeat(255)));
    }
}
