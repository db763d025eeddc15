//! From file and environment to a [`Config`], or to every problem in them.

use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

use super::environment::{Environment, Form, Given};
use super::limits::Retention;
use super::raw::{RawAuth, RawConfig, RawLog, RawRetention};
use super::secret::may_hold_one;
use super::{Auth, Config, Database, Host, Log, Protected};
use super::{auth, database, environment, hosts, limits, listen, log};
use fettle_core::alert::bounds::Bounds;
use fettle_core::diagnostic::{Diagnostic, Report, Source, codes, sort};
use fettle_core::rule::mode;
use fettle_core::rule::model::Mode;
use fettle_core::settings::limits::Limits;
use fettle_core::settings::limits::{positive, read_budgets};
use fettle_core::settings::raw::{RawLimits, RawProtected};
use fettle_core::settings::restraint::{self, Said};
use fettle_core::settings::{DOCKER_PATIENCE, RECHECK};
use fettle_core::yaml::{Node, boolean, number, parse, strings, text};
use fettle_engine::rule_files as rules;
use fettle_upstream::Secret;

/// The file that is read when none is named; it may be absent.
const DEFAULT_FILE: &str = "fettle.yaml";

/// Loads the settings. A `file` that is named must exist; the default one need not. Warnings come with the settings; on
/// failure errors and warnings come together.
pub fn load(file: Option<&Path>, env: Environment<'_>) -> Result<(Config, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (config, found) = look(file, env);
    if found.iter().any(Diagnostic::is_error) { Err(found) } else { Ok((config, found)) }
}

/// The settings as far as they can be read, and every problem in them: [`load`] for who only looks. What is wrong has its
/// default.
pub fn look(file: Option<&Path>, env: Environment<'_>) -> (Config, Vec<Diagnostic>) {
    let path = file.unwrap_or(Path::new(DEFAULT_FILE));
    let (text, unread) = if file.is_none() && !path.exists() {
        (String::new(), None)
    } else {
        rules::read_text(path).map_or_else(|problem| (String::new(), Some(*problem)), |text| (text, None))
    };
    let (config, mut found) = look_at(&path.to_string_lossy(), &text, path.parent().unwrap_or(Path::new("")), env);
    // What the environment says wrongly is still told.
    found.extend(unread);
    sort(&mut found);
    (config, found)
}

/// As [`look`], of a text that is known as `shown`; paths in it count from `base`.
pub fn look_at(shown: &str, text: &str, base: &Path, env: Environment<'_>) -> (Config, Vec<Diagnostic>) {
    let mut report = Report::new(Source::new(shown, text));
    let mut tree = parse(&mut report);
    let put = tree.as_mut().map(|tree| super::interpolate::interpolate(tree, env, &mut report)).unwrap_or_default();
    let raw = match &tree {
        // A file of nothing but comments says nothing.
        Some(Node { value: fettle_core::yaml::Value::Null, .. }) | None => RawConfig::default(),
        Some(tree) => RawConfig::read(tree, &mut report).unwrap_or_default(),
    };
    let mut loader = Loader { env, base, report, elsewhere: Vec::new() };
    let config = loader.config(&raw);
    let hidden = secret_lines(&raw, &loader.report.source);
    let mut found = loader.report.found;
    for problem in &mut found {
        hide(problem, &hidden, &put);
    }
    only_first_cause(&mut found);
    found.append(&mut loader.elsewhere);
    sort(&mut found);
    (config, found)
}

/// Whether a text is settings rather than rules, told by the keys at the beginning of its lines: whatever it is, it need not be
/// right, and is read for its problems later.
pub fn is_settings(text: &str) -> bool {
    let keys = || text.lines().filter_map(|line| line.split_once(':').map(|(key, _)| key));
    // Both have a key `rules`.
    !keys().any(|key| key == "version") && keys().any(|key| key != "rules" && RawConfig::KEYS.contains(&key))
}

/// The lines of values that hold secrets, or tokens written where they should not be.
fn secret_lines(raw: &RawConfig<'_>, source: &Source<'_>) -> Vec<RangeInclusive<usize>> {
    let servers = [raw.alertmanager, raw.prometheus].into_iter().flatten();
    let credentials = servers.filter_map(|node| match &node.value {
        fettle_core::yaml::Value::Map(entries) => Some(entries),
        _ => None,
    });
    let credentials = credentials.flatten().filter(|it| matches!(it.key.as_str(), "basic_auth" | "bearer_token"));
    let parts = [raw.database, raw.auth].into_iter().flatten().chain(credentials.map(|it| &it.value)).map(Node::extent);
    parts.map(|bytes| source.line(bytes.start)..=source.line(bytes.end.saturating_sub(1).max(bytes.start))).collect()
}

/// Takes out what may be secret: whole lines, and whatever came from a variable.
fn hide(problem: &mut Diagnostic, lines: &[RangeInclusive<usize>], put: &[(String, String)]) {
    let secret = lines.iter().any(|lines| lines.contains(&problem.line));
    problem.snippet.take_if(|snippet| secret || may_hold_one(&snippet.text));
    // Replacing shorter ones would garble the message, and nothing so short is secret.
    for (value, placeholder) in put.iter().filter(|(value, _)| value.len() >= 4) {
        problem.message = problem.message.replace(value, placeholder);
        problem.help = problem.help.take().map(|help| help.replace(value, placeholder));
    }
}

/// Where a variable is missing, what was made of the text without it is not worth a word.
fn only_first_cause(found: &mut Vec<Diagnostic>) {
    let missing: Vec<(usize, usize)> =
        found.iter().filter(|it| it.code == codes::VARIABLE.id).map(|it| (it.line, it.column)).collect();
    found.retain(|it| it.code == codes::VARIABLE.id || !missing.contains(&(it.line, it.column)));
}

/// A file that holds one secret; white space around it does not count.
pub(super) fn small_file(path: &Path, node: &Node, report: &mut Report<'_>) -> Option<Secret> {
    // A secret is short; whatever is longer is the wrong file.
    const LIMIT: u64 = 64 << 10;
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text));
    let fault = match read {
        Err(error) => format!("cannot read {}: {error}", path.display()),
        Ok(_) if text.trim().is_empty() => format!("{} is empty", path.display()),
        Ok(_) => return Some(Secret::from(text.trim().to_owned())),
    };
    report.add(&codes::SECRET_FILE, &node.at, fault);
    None
}

pub(super) struct Loader<'l> {
    pub(super) env: Environment<'l>,
    pub(super) base: &'l Path,
    pub(super) report: Report<'l>,
    /// Problems that are not in the file.
    pub(super) elsewhere: Vec<Diagnostic>,
}

impl Loader<'_> {
    /// The variable's value, else the file's.
    pub(super) fn get<T>(
        &mut self,
        form: Form,
        names: &[&str],
        node: Option<&Node>,
        read: impl Fn(&Node, &mut Report<'_>) -> Option<T>,
    ) -> Option<T> {
        match environment::read(self.env, names, form, &mut self.elsewhere, &read) {
            Given::By(value) => value,
            Given::Not => node.and_then(|node| read(node, &mut self.report)),
        }
    }

    fn config(&mut self, raw: &RawConfig<'_>) -> Config {
        let auth = self.auth(raw.auth);
        let has_tokens = !auth.tokens.is_empty();
        let approvers = auth.has_approver();
        let limits = self.limits(raw.limits);
        let storm = self
            .get(Form::Yaml, &["FETTLE_STORM"], raw.storm, |node, report| restraint::storm(node, approvers, report));
        let trip =
            self.get(Form::Yaml, &["FETTLE_TRIP"], raw.trip, |node, report| restraint::trip(node, approvers, report));
        let storm = Said::settle(storm, restraint::default_storm(approvers));
        let trip = Said::settle(trip, restraint::default_trip(approvers));
        let looks_back = restraint::looks_back(storm, trip).max(limits.longest_window());
        Config {
            listen: self
                .get(Form::Text, &["FETTLE_LISTEN"], raw.listen, |node, report| listen::read(node, has_tokens, report))
                .unwrap_or(listen::DEFAULT),
            database: self.database(raw),
            rules: self.path("FETTLE_RULES", raw.rules).unwrap_or_else(|| self.base.join("rules")),
            mode: self
                .get(Form::Text, &["FETTLE_MODE"], raw.mode, |node, report| mode::read(node, approvers, report))
                .unwrap_or(Mode::Observe),
            hosts: self.hosts(raw.hosts),
            auth,
            freshness: self
                .get(Form::Text, &["FETTLE_FRESHNESS"], raw.freshness, positive)
                .unwrap_or(std::time::Duration::from_mins(10)),
            docker_patience: self
                .get(Form::Text, &["FETTLE_DOCKER_PATIENCE"], raw.docker_patience, positive)
                .unwrap_or(DOCKER_PATIENCE),
            recheck: self.get(Form::Text, &["FETTLE_RECHECK"], raw.recheck, positive).unwrap_or(RECHECK),
            protected: self.protected(raw.protected),
            retention: self.retention(raw.retention, looks_back),
            limits,
            storm,
            trip,
            log: self.log(raw.log),
            alertmanager: self.alertmanager(raw.alertmanager),
            prometheus: self.prometheus(raw.prometheus),
            heartbeat: self.heartbeat(raw.heartbeat),
            heartbeat_file: self.path("FETTLE_HEARTBEAT_FILE", raw.heartbeat_file),
            metrics_file: self.path("FETTLE_METRICS_FILE", raw.metrics_file),
        }
    }

    /// A path: from the folder of the file if it stands there, as given if it is a variable.
    fn path(&mut self, variable: &str, node: Option<&Node>) -> Option<std::path::PathBuf> {
        let read = |node: &Node, report: &mut Report<'_>| text(node, report).map(std::path::PathBuf::from);
        match environment::read(self.env, &[variable], Form::Text, &mut self.elsewhere, read) {
            Given::By(path) => path,
            Given::Not => node.and_then(|node| read(node, &mut self.report)).map(|path| self.base.join(path)),
        }
    }

    fn database(&mut self, raw: &RawConfig<'_>) -> Database {
        let from_file = |base: &Path, node: &Node, report: &mut Report<'_>| {
            let path = base.join(text(node, report)?);
            let url = small_file(&path, node, report)?;
            let database = database::parse(url.expose());
            if database.is_none() {
                database::wrong(node, report);
            }
            database
        };
        let given = [("FETTLE_DATABASE", "FETTLE_DATABASE_FILE"), ("DATABASE_URL", "DATABASE_URL_FILE")];
        for (url, file) in given {
            if let Given::By(it) = environment::read(self.env, &[url], Form::Text, &mut self.elsewhere, database::read)
            {
                return it.unwrap_or_default();
            }
            let here = |node: &Node, report: &mut Report<'_>| from_file(Path::new(""), node, report);
            if let Given::By(it) = environment::read(self.env, &[file], Form::Text, &mut self.elsewhere, here) {
                return it.unwrap_or_default();
            }
        }
        match (raw.database, raw.database_file) {
            (Some(_), Some(node)) => {
                let message = "both `database` and `database_file` are given";
                self.report.add_with_help(&codes::DATABASE, &node.at, message, "keep one of them");
                None
            }
            (Some(node), None) => database::read(node, &mut self.report),
            (None, Some(node)) => from_file(self.base, node, &mut self.report),
            (None, None) => None,
        }
        .unwrap_or_default()
    }

    fn hosts(&mut self, node: Option<&Node>) -> Vec<Host> {
        let socket =
            self.get(Form::Text, &["DOCKER_HOST"], None, hosts::endpoint).unwrap_or_else(|| hosts::SOCKET.to_owned());
        let base = self.base;
        let hosts =
            self.get(Form::Yaml, &["FETTLE_HOSTS"], node, |node, report| hosts::read(node, &socket, base, report));
        hosts.unwrap_or_else(|| vec![Host::only(socket.clone())])
    }

    fn auth(&mut self, node: Option<&Node>) -> Auth {
        let raw = node.and_then(|node| RawAuth::read(node, &mut self.report)).unwrap_or_default();
        let base = self.base;
        let tokens =
            self.get(Form::Yaml, &["FETTLE_AUTH_TOKENS"], raw.tokens, |node, report| auth::read(node, base, report));
        let metrics_open = self.get(Form::Text, &["FETTLE_AUTH_METRICS_OPEN"], raw.metrics_open, boolean);
        Auth { tokens: tokens.unwrap_or_default(), metrics_open: metrics_open.unwrap_or(false) }
    }

    fn limits(&mut self, node: Option<&Node>) -> Limits {
        let raw = node.and_then(|node| RawLimits::read(node, &mut self.report)).unwrap_or_default();
        let base = Limits::default();
        let in_flight = |node: &Node, report: &mut Report<'_>| number(node, 1..=1000, report);
        let bounds = self.bounds(&raw);
        let found = Limits {
            in_flight: self
                .get(Form::Text, &["FETTLE_LIMITS_IN_FLIGHT"], raw.in_flight, in_flight)
                .unwrap_or(base.in_flight),
            budget: self.get(Form::List, &["FETTLE_LIMITS_BUDGET"], raw.budget, read_budgets).unwrap_or(base.budget),
            target_budget: self
                .get(Form::List, &["FETTLE_LIMITS_TARGET_BUDGET"], raw.target_budget, read_budgets)
                .unwrap_or(base.target_budget),
            body_bytes: self
                .get(Form::Text, &["FETTLE_LIMITS_BODY"], raw.body, limits::read_bytes)
                .unwrap_or(base.body_bytes),
            bounds,
            memory_bytes: self
                .get(Form::Text, &["FETTLE_LIMITS_MEMORY"], raw.memory, limits::read_memory)
                .unwrap_or(base.memory_bytes),
            senders: self.get(Form::Text, &["FETTLE_LIMITS_SENDERS"], raw.senders, limits::read_pace),
        };
        self.enough_memory(&found, raw.memory.or(raw.body).or(node));
        found
    }

    /// A notification that keeps every other limit must fit, or it could never be taken.
    fn enough_memory(&mut self, limits: &Limits, at: Option<&Node>) {
        let needed = limits.memory_needed().div_ceil(1 << 20);
        if limits.memory_bytes >= limits.memory_needed() {
            return;
        }
        let message = "limits.memory does not hold one notification of limits.body";
        let help = format!("write memory: {needed}MiB or more below limits, or a smaller body");
        match at {
            Some(node) => self.report.add_with_help(&codes::NUMBER, &node.at, message, help),
            None => self.elsewhere.push(Diagnostic::of_file(&codes::NUMBER, "the environment", message).help(&help)),
        }
    }

    fn bounds(&mut self, raw: &RawLimits<'_>) -> Bounds {
        let base = Bounds::default();
        let alerts = self.get(Form::Text, &["FETTLE_LIMITS_ALERTS"], raw.alerts, limits::read_alerts);
        let labels = self.get(Form::Text, &["FETTLE_LIMITS_LABELS"], raw.labels, limits::read_pairs);
        let annotations = self.get(Form::Text, &["FETTLE_LIMITS_ANNOTATIONS"], raw.annotations, limits::read_pairs);
        let name = self.get(Form::Text, &["FETTLE_LIMITS_NAME"], raw.name, limits::read_text);
        let value = self.get(Form::Text, &["FETTLE_LIMITS_VALUE"], raw.value, limits::read_text);
        let text = self.get(Form::Text, &["FETTLE_LIMITS_TEXT"], raw.text, limits::read_text);
        Bounds {
            alerts: alerts.unwrap_or(base.alerts),
            labels: labels.unwrap_or(base.labels),
            annotations: annotations.unwrap_or(base.annotations),
            name_bytes: name.unwrap_or(base.name_bytes),
            value_bytes: value.unwrap_or(base.value_bytes),
            text_bytes: text.unwrap_or(base.text_bytes),
        }
    }

    fn protected(&mut self, node: Option<&Node>) -> Protected {
        let raw = node.and_then(|node| RawProtected::read(node, &mut self.report)).unwrap_or_default();
        let names = |node: &Node, report: &mut Report<'_>| {
            Some(strings(node, report)?.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let containers = self.get(Form::List, &["FETTLE_PROTECTED_CONTAINERS"], raw.containers, names);
        let projects = self.get(Form::List, &["FETTLE_PROTECTED_COMPOSE_PROJECTS"], raw.compose_projects, names);
        Protected { containers: containers.unwrap_or_default(), compose_projects: projects.unwrap_or_default() }
    }

    fn retention(&mut self, node: Option<&Node>, longest: std::time::Duration) -> Retention {
        let raw = node.and_then(|node| RawRetention::read(node, &mut self.report)).unwrap_or_default();
        let base = Retention::default();
        let audit = |node: &Node, report: &mut Report<'_>| {
            let kept = positive(node, report)?;
            if kept < longest {
                let window = fettle_core::duration::show(longest);
                let message = format!("`limits`, `storm` or `trip` look back {window}, and rows would be gone by then");
                report.add_with_help(&codes::RETENTION, &node.at, message, format!("write {window} or more"));
            } else if kept < AUDIT_FLOOR {
                let message = "the database keeps the last day of the audit, whatever it is told";
                report.add_with_help(&codes::RETENTION, &node.at, message, "write 1d or more");
            }
            Some(kept)
        };
        let name = ["FETTLE_RETENTION_NOTIFICATIONS"];
        let notifications = self.get(Form::Text, &name, raw.notifications, positive).unwrap_or(base.notifications);
        let audit = self.get(Form::Text, &["FETTLE_RETENTION_AUDIT"], raw.audit, audit);
        // The default may be too short as well; there is no place in the file to point at then.
        if audit.is_none() && base.audit < longest {
            let message = "`limits`, `storm` or `trip` look back further than audit rows are kept";
            let help = format!("set retention.audit to {} or more", fettle_core::duration::show(longest));
            let file = self.report.source.file;
            self.elsewhere.push(Diagnostic::of_file(&codes::RETENTION, file, message).help(help));
        }
        Retention { notifications, audit: audit.unwrap_or(base.audit) }
    }

    fn log(&mut self, node: Option<&Node>) -> Log {
        let raw = node.and_then(|node| RawLog::read(node, &mut self.report)).unwrap_or_default();
        let base = Log::default();
        Log {
            format: self.get(Form::Text, &["FETTLE_LOG_FORMAT"], raw.format, log::read_format).unwrap_or(base.format),
            level: self.get(Form::Text, &["FETTLE_LOG"], raw.level, log::read_level).unwrap_or(base.level),
        }
    }
}

/// The least that audit rows are kept: the schema refuses to delete younger ones.
const AUDIT_FLOOR: std::time::Duration = std::time::Duration::from_hours(24);
