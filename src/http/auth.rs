//! Who may ask for what: tokens and roles, or, without tokens, this machine's own programs only.
//!
//! A token is sent as `Authorization: Bearer TOKEN`, or as the password of `Authorization: Basic` (Alertmanager's
//! `basic_auth`, and `user:pass@` in a URL); the user name means nothing.
//!
//! Always holds: every configured hash is compared with the hash of what was sent, in constant time, whether or not one
//! matched already. Every POST and DELETE says `Content-Type: application/json`, which no web page can send across
//! origins without asking first. Without tokens the `Host` is a loopback name or address, so a page cannot rebind its own
//! name to us, and a POST or DELETE with an `Origin` comes from our own pages.

use std::future::{Ready, ready};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpRequest, dev, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::{Kind, Problem};
use crate::config::{Role, Token};
use crate::telemetry::metrics::{ANONYMOUS, UNKNOWN_SENDER};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name, or `anonymous` where there are no tokens.
    pub name: Arc<str>,
    /// What the caller may do.
    pub role: Role,
}

/// A caller that was turned away.
#[derive(Debug)]
pub struct Denied {
    /// The token's name, `unknown`, or `anonymous`.
    pub name: Arc<str>,
    /// The answer.
    pub problem: Problem,
}

/// Everybody who may ask.
#[derive(Debug)]
pub struct Gate {
    tokens: Vec<(Caller, [u8; 32])>,
}

impl Gate {
    /// A gate for these tokens; for none, a gate that lets this machine's own programs do everything.
    #[must_use]
    pub fn new(tokens: &[Token]) -> Self {
        let known = |token: &Token| (Caller { name: token.name.as_str().into(), role: token.role }, token.sha256);
        Self { tokens: tokens.iter().map(known).collect() }
    }

    /// Lets a request in that may do what `need` may: credentials, then role, then what a browser could have sent.
    pub fn admit(&self, method: &Method, headers: &HeaderMap, need: Role) -> Result<Caller, Denied> {
        let writes = matches!(*method, Method::POST | Method::DELETE);
        let caller = if self.tokens.is_empty() {
            let caller = Caller { name: ANONYMOUS.into(), role: Role::Admin };
            match foreign(headers, writes) {
                None => caller,
                Some(why) => return Err(Denied { name: caller.name, problem: Problem::new(Kind::Foreign, why) }),
            }
        } else {
            let caller = self.known(headers).ok_or_else(|| Denied {
                name: UNKNOWN_SENDER.into(),
                problem: Problem::new(
                    Kind::Unauthorized,
                    "send a token as Authorization: Bearer, or as the Basic password",
                ),
            })?;
            if !caller.role.covers(need) {
                let detail = format!("the role {} may not do this; {} may", caller.role.as_str(), need.as_str());
                return Err(Denied { name: caller.name, problem: Problem::new(Kind::Forbidden, detail) });
            }
            caller
        };
        if writes && !is_json(headers) {
            let detail = "send Content-Type: application/json";
            return Err(Denied { name: caller.name, problem: Problem::new(Kind::UnsupportedMediaType, detail) });
        }
        Ok(caller)
    }

    fn known(&self, headers: &HeaderMap) -> Option<Caller> {
        let sent = Sha256::digest(credentials(headers)?);
        // No early end: how long it takes does not tell which hash came close.
        let found = self.tokens.iter().fold(
            None,
            |found, (caller, sha256)| {
                if bool::from(sha256.ct_eq(&sent)) { Some(caller) } else { found }
            },
        );
        found.cloned()
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The token that was sent, if it is not empty.
fn credentials(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, rest) = text(headers, AUTHORIZATION)?.split_once(' ')?;
    let rest = rest.trim();
    let token = if scheme.eq_ignore_ascii_case("bearer") {
        rest.as_bytes().to_vec()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = STANDARD.decode(rest).ok()?;
        let colon = pair.iter().position(|&byte| byte == b':')?;
        pair.get(colon + 1..)?.to_vec()
    } else {
        return None;
    };
    (!token.is_empty()).then_some(token)
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = text(headers, CONTENT_TYPE).and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Why a request without tokens could be a web page's, or another machine's.
fn foreign(headers: &HeaderMap, writes: bool) -> Option<&'static str> {
    let host = text(headers, HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Some("without tokens the Host must be localhost or a loopback address; configure auth.tokens");
    }
    let own = |origin: &str| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    if writes && !headers.get_all(ORIGIN).all(|value| value.to_str().is_ok_and(own)) {
        return Some("without tokens a page of another origin may not do this; configure auth.tokens");
    }
    None
}

/// Whether `Host` names this machine to itself: `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        let port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return port && address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return false,
        None => host,
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn admitted(request: &HttpRequest, need: Role) -> Result<Caller, Problem> {
    let gate = request.app_data::<web::Data<Gate>>().ok_or_else(|| Problem::new(Kind::Internal, "no gate"))?;
    gate.admit(request.method(), request.headers(), need).map_err(|denied| denied.problem)
}

/// A handler that takes this runs only for who may read.
pub struct Viewer;

impl FromRequest for Viewer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(admitted(request, Role::Viewer).map(|_| Self))
    }
}

/// The same, for a handler that must know who it is.
pub struct Known(pub Caller);

impl FromRequest for Known {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(admitted(request, Role::Viewer).map(Self))
    }
}

/// A handler that takes this runs only for who may ask what would be done.
pub struct Analyst;

impl FromRequest for Analyst {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(admitted(request, Role::Analyst).map(|_| Self))
    }
}

/// A handler that takes this runs only for who may do everything.
pub struct Admin(pub Caller);

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(admitted(request, Role::Admin).map(Self))
    }
}

#[cfg(test)]
mod tests;
