//! Where a daemon listens, as it is written in the configuration, and how a client for it is made.
//!
//! Always holds: an [`Endpoint`] carries no secret (credentials in it are refused), so it may be printed anywhere.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bollard::errors::Error;

use super::tls::Secured;

/// Has no effect on the wire: bollard sends unversioned paths.
const API: &bollard::ClientVersion = bollard::API_DEFAULT_VERSION;

/// Where a daemon listens.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A socket file, by absolute path.
    Unix(String),
    /// Plain TCP, `host:port`: a socket proxy on a network of its own.
    Tcp(String),
    /// TCP with TLS and a client certificate, `host:port`.
    Tls(String, Secured),
}

impl PartialEq for Endpoint {
    /// One and the same place.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(a), Self::Unix(b)) | (Self::Tcp(a), Self::Tcp(b)) | (Self::Tls(a, _), Self::Tls(b, _)) => {
                a == b
            }
            _ => false,
        }
    }
}

/// Text that is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a docker endpoint is written unix:///path or tcp://host:port{0}")]
pub struct NotAnEndpoint(&'static str);

impl FromStr for Endpoint {
    type Err = NotAnEndpoint;

    fn from_str(text: &str) -> Result<Self, NotAnEndpoint> {
        let (scheme, rest) = text.split_once("://").ok_or(NotAnEndpoint(""))?;
        match scheme {
            "unix" if rest.starts_with('/') && rest.len() > 1 && !rest.contains('\0') => Ok(Self::Unix(rest.into())),
            "unix" => Err(NotAnEndpoint(", with an absolute path")),
            "tcp" | "http" => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                address(rest).map(|()| Self::Tcp(rest.into()))
            }
            "https" => Err(NotAnEndpoint("; TLS is spoken where certificates are configured")),
            "ssh" => Err(NotAnEndpoint("; ssh is not supported")),
            _ => Err(NotAnEndpoint("")),
        }
    }
}

/// Whether `text` is `host:port` and nothing more.
fn address(text: &str) -> Result<(), NotAnEndpoint> {
    if text.contains('@') {
        return Err(NotAnEndpoint(", without credentials"));
    }
    let (host, port) = text.rsplit_once(':').ok_or(NotAnEndpoint("; the port is missing"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let legal = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    match port.parse::<u16>() {
        Ok(1..) if legal => Ok(()),
        _ => Err(NotAnEndpoint("")),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{path}"),
            Self::Tcp(address) | Self::Tls(address, _) => write!(f, "tcp://{address}"),
        }
    }
}

impl Endpoint {
    /// A client for one request that may take `limit`. Opens nothing; fails if the socket file is not there.
    pub(super) fn client(&self, limit: Duration) -> Result<bollard::Docker, Error> {
        // bollard's own limit is whole seconds and does not cover bodies; ours does, and so ends first.
        let seconds = limit.as_secs() + 1;
        match self {
            Self::Unix(path) => bollard::Docker::connect_with_unix(path, seconds, API),
            Self::Tcp(address) => bollard::Docker::connect_with_http(address, seconds, API),
            Self::Tls(address, secured) => secured.client(address, seconds, API),
        }
    }

    /// The same place, spoken to with certificates; a socket file needs none.
    pub(super) fn secured(self, secured: &Secured) -> Self {
        match self {
            Self::Tcp(address) => Self::Tls(address, secured.clone()),
            other => other,
        }
    }

    /// Whether the daemon runs on this machine.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for (text, written) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://10.0.0.12:2375", "tcp://10.0.0.12:2375"),
            ("http://socket-proxy:2375/", "tcp://socket-proxy:2375"),
            ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), written);
        }
    }

    #[test]
    fn what_is_not_an_endpoint_is_refused_without_repeating_it() {
        for text in [
            "",
            "/var/run/docker.sock",
            "unix://docker.sock",
            "unix:///",
            "tcp://host",
            "tcp://host:0",
            "tcp://host:99999",
            "tcp://:2375",
            "tcp://user:secret@host:2375",
            "tcp://host:2375/v1.41",
            "tcp://ho st:2375",
            "https://host:2376",
            "ssh://host",
            "npipe:////./pipe/docker_engine",
        ] {
            let error = text.parse::<Endpoint>().expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
