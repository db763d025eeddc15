//! Where Alertmanager and Prometheus are, and how fettle gets in.
//!
//! Always holds: a URL is `http` or `https`, has a host, and has neither credentials nor query; every file that is named
//! was readable and not empty at the start. Credentials stay in their files and are read again for every request, so that
//! those which are swapped while fettle runs need no restart; certificates are read once.

use std::path::{Path, PathBuf};

use reqwest::Url;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use fettle_upstream::{Access, Credentials};

use super::environment::{Form, Given, read};
use super::load::{Loader, small_file};
use super::raw::{RawAlertmanager, RawBasicAuth, RawPrometheus};
use fettle_core::diagnostic::{Diagnostic, Report, codes};
use fettle_core::yaml::{Node, Value, items, required, text};

/// The Alertmanagers that fettle asks and posts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// All peers, each once; at least one. A route prefix is part of it, `/api/v2` is not.
    pub urls: Vec<Url>,
    /// How to get in, the same for all.
    pub access: Access,
}

/// The Prometheus that fettle asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// With its route prefix, without `/api/v1`.
    pub url: Url,
    /// How to get in.
    pub access: Access,
}

/// The variables of one server, and where it stands in the file.
struct Names {
    key: &'static str,
    url: &'static str,
    url_key: &'static str,
    bearer_token_file: &'static str,
    username: &'static str,
    password_file: &'static str,
    ca_file: &'static str,
}

const ALERTMANAGER: Names = Names {
    key: "alertmanager",
    url: "FETTLE_ALERTMANAGER_URLS",
    url_key: "urls",
    bearer_token_file: "FETTLE_ALERTMANAGER_BEARER_TOKEN_FILE",
    username: "FETTLE_ALERTMANAGER_BASIC_AUTH_USERNAME",
    password_file: "FETTLE_ALERTMANAGER_BASIC_AUTH_PASSWORD_FILE",
    ca_file: "FETTLE_ALERTMANAGER_CA_FILE",
};

const PROMETHEUS: Names = Names {
    key: "prometheus",
    url: "FETTLE_PROMETHEUS_URL",
    url_key: "url",
    bearer_token_file: "FETTLE_PROMETHEUS_BEARER_TOKEN_FILE",
    username: "FETTLE_PROMETHEUS_BASIC_AUTH_USERNAME",
    password_file: "FETTLE_PROMETHEUS_BASIC_AUTH_PASSWORD_FILE",
    ca_file: "FETTLE_PROMETHEUS_CA_FILE",
};

/// The keys that both servers have.
#[derive(Clone, Copy, Default)]
struct RawAccess<'n> {
    bearer_token_file: Option<&'n Node>,
    bearer_token: Option<&'n Node>,
    basic_auth: Option<&'n Node>,
    ca_file: Option<&'n Node>,
}

impl Loader<'_> {
    pub(super) fn alertmanager(&mut self, node: Option<&Node>) -> Option<Alertmanager> {
        let raw = node.map(|node| RawAlertmanager::read(node, &mut self.report).unwrap_or_default());
        let keys = raw.map(|it| RawAccess {
            bearer_token_file: it.bearer_token_file,
            bearer_token: it.bearer_token,
            basic_auth: it.basic_auth,
            ca_file: it.ca_file,
        });
        let access = self.access(&ALERTMANAGER, keys.unwrap_or_default());
        let written = raw.and_then(|it| it.urls);
        self.needed(&ALERTMANAGER, node, written, access != Access::default());
        let urls = self.get(Form::List, &[ALERTMANAGER.url], written, urls)?;
        Some(Alertmanager { urls, access })
    }

    pub(super) fn prometheus(&mut self, node: Option<&Node>) -> Option<Prometheus> {
        let raw = node.map(|node| RawPrometheus::read(node, &mut self.report).unwrap_or_default());
        let keys = raw.map(|it| RawAccess {
            bearer_token_file: it.bearer_token_file,
            bearer_token: it.bearer_token,
            basic_auth: it.basic_auth,
            ca_file: it.ca_file,
        });
        let access = self.access(&PROMETHEUS, keys.unwrap_or_default());
        let written = raw.and_then(|it| it.url);
        self.needed(&PROMETHEUS, node, written, access != Access::default());
        let url = self.get(Form::Text, &[PROMETHEUS.url], written, url)?;
        Some(Prometheus { url, access })
    }

    /// Reports that there is something to say to a server, and no server.
    fn needed(&mut self, names: &Names, node: Option<&Node>, written: Option<&Node>, has_access: bool) {
        if self.is_set(names.url) {
            return;
        }
        let help = format!("set {}, or {}.{} in the file", names.url, names.key, names.url_key);
        match node {
            Some(Node { at, value: Value::Map(_) }) => {
                required(written, names.url_key, at, &help, &mut self.report);
            }
            None if has_access => {
                let message = "there are credentials or certificates, and no URL that they are for";
                let problem =
                    Diagnostic::of_file(&codes::UPSTREAM_URL, format!("environment {}", names.url), message).help(help);
                self.elsewhere.push(problem);
            }
            // What is not a map was reported when it was read.
            Some(_) | None => {}
        }
    }

    fn access(&mut self, names: &Names, raw: RawAccess<'_>) -> Access {
        if let Some(node) = raw.bearer_token {
            let help = "remove it, and name a file that holds it: bearer_token_file";
            self.report.add_with_help(
                &codes::UPSTREAM_ACCESS,
                &node.at,
                "a token does not belong into this file",
                help,
            );
        }
        let basic = raw.basic_auth.and_then(|node| RawBasicAuth::read(node, &mut self.report)).unwrap_or_default();
        if let Some(node) = basic.password {
            let help = "remove it, and name a file that holds it: password_file";
            self.report.add_with_help(
                &codes::UPSTREAM_ACCESS,
                &node.at,
                "a password does not belong into this file",
                help,
            );
        }
        let token_file = self.file(names.bearer_token_file, raw.bearer_token_file, token_file);
        let password_file = self.file(names.password_file, basic.password_file, secret_file);
        let username = self.get(Form::Text, &[names.username], basic.username, username);
        let ca = self.file(names.ca_file, raw.ca_file, certificates);
        let has_password = basic.password_file.is_some() || self.is_set(names.password_file);
        let has_user = basic.username.is_some() || self.is_set(names.username);
        let has_basic = raw.basic_auth.is_some() || has_user || has_password;
        let fault = if has_basic && (raw.bearer_token_file.is_some() || self.is_set(names.bearer_token_file)) {
            Some(("both a bearer token and a password are given", "keep one of them"))
        } else if has_basic && !(has_user && has_password) && basic.password.is_none() {
            Some(("basic_auth has not both username and password_file", "add what is missing"))
        } else {
            None
        };
        if let Some((message, help)) = fault {
            if let Some(node) = raw.basic_auth.or(raw.bearer_token_file) {
                self.report.add_with_help(&codes::UPSTREAM_ACCESS, &node.at, message, help);
            } else {
                let place = format!("environment {}", names.username);
                self.elsewhere.push(Diagnostic::of_file(&codes::UPSTREAM_ACCESS, place, message).help(help));
            }
        }
        let credentials = match (token_file, username.zip(password_file)) {
            (Some(token_file), _) => Some(Credentials::Bearer { token_file }),
            (None, Some((username, password_file))) => Some(Credentials::Basic { username, password_file }),
            (None, None) => None,
        };
        Access { credentials, ca }
    }

    /// What a file gives that a variable or the settings name: from the folder of the settings if it stands there.
    fn file<T>(
        &mut self,
        variable: &str,
        node: Option<&Node>,
        with: fn(&Path, &Node, &mut Report<'_>) -> Option<T>,
    ) -> Option<T> {
        let named =
            |base: &Path, node: &Node, report: &mut Report<'_>| with(&base.join(text(node, report)?), node, report);
        let here = |node: &Node, report: &mut Report<'_>| named(Path::new(""), node, report);
        match read(self.env, &[variable], Form::Text, &mut self.elsewhere, here) {
            Given::By(value) => value,
            Given::Not => node.and_then(|node| named(self.base, node, &mut self.report)),
        }
    }

    fn is_set(&self, variable: &str) -> bool {
        (self.env)(variable).is_some_and(|value| !value.is_empty())
    }
}

fn urls(node: &Node, report: &mut Report<'_>) -> Option<Vec<Url>> {
    let before = report.found.len();
    let mut urls: Vec<Url> = Vec::new();
    for item in items(node, report)? {
        let Some(url) = url(item, report) else { continue };
        if urls.contains(&url) {
            report.add_with_help(
                &codes::UPSTREAM_URL,
                &item.at,
                "this peer stands here already",
                "name each peer once",
            );
        }
        urls.push(url);
    }
    if urls.is_empty() && report.found.len() == before {
        let help = "name every peer, such as [http://alertmanager:9093], or remove the key";
        report.add_with_help(&codes::UPSTREAM_URL, &node.at, "no URL at all", help);
    }
    (!urls.is_empty()).then_some(urls)
}

/// Reads a URL; what is wrong with it is said without repeating it.
fn url(node: &Node, report: &mut Report<'_>) -> Option<Url> {
    const HELP: &str = "write http://HOST:PORT or https://HOST:PORT, with a route prefix if there is one";
    let written = text(node, report)?;
    let Some(mut url) = Url::parse(written).ok().filter(|it| matches!(it.scheme(), "http" | "https") && it.has_host())
    else {
        report.add_with_help(&codes::UPSTREAM_URL, &node.at, "this is not a URL of a server", HELP);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let help = "remove what stands before the @; name files instead: basic_auth or bearer_token_file";
        report.add_with_help(&codes::URL_SECRET, &node.at, "credentials do not belong into a URL", help);
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        report.add_with_help(&codes::UPSTREAM_URL, &node.at, "a query or a fragment leads nowhere here", HELP);
        return None;
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.split('/').any(|part| part == "api") {
        report.add_with_help(&codes::UPSTREAM_URL, &node.at, "fettle adds the path of the API itself", HELP);
        return None;
    }
    url.set_path(&path);
    Some(url)
}

fn username(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let name = text(node, report)?;
    if name.is_empty() || name.contains(':') || name.chars().any(char::is_control) {
        let help = "some text without a colon, which would end it";
        report.add_with_help(&codes::UPSTREAM_ACCESS, &node.at, "this is not a name of a user", help);
        return None;
    }
    Some(name.to_owned())
}

/// The path of a file that holds a token. A password may have any signs: it is sent encoded.
fn token_file(path: &Path, node: &Node, report: &mut Report<'_>) -> Option<PathBuf> {
    let token = small_file(path, node, report)?;
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{} holds no token: one has letters, digits and signs only", path.display());
        report.add(&codes::SECRET_FILE, &node.at, message);
        return None;
    }
    Some(path.to_path_buf())
}

/// The path of a file that holds a password.
fn secret_file(path: &Path, node: &Node, report: &mut Report<'_>) -> Option<PathBuf> {
    let secret = small_file(path, node, report)?;
    if secret.expose().chars().any(char::is_control) {
        let message = format!("{} holds more than one line, or control characters", path.display());
        report.add(&codes::SECRET_FILE, &node.at, message);
        return None;
    }
    Some(path.to_path_buf())
}

fn certificates(path: &Path, node: &Node, report: &mut Report<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let fault = match read {
        Ok(found) if found.is_empty() => "there is no certificate in it".to_owned(),
        Ok(found) => {
            let mut store = RootCertStore::empty();
            match found.iter().find_map(|it| store.add(it.clone()).err()) {
                None => return Some(found),
                Some(error) => error.to_string(),
            }
        }
        Err(rustls::pki_types::pem::Error::Io(error)) => error.to_string(),
        Err(_) => "it is not PEM".to_owned(),
    };
    let message = format!("{} cannot be used: {fault}", path.display());
    report.add_with_help(&codes::CA_FILE, &node.at, message, "name a file of certificates in PEM");
    None
}
