//! Settings from environment variables, read like nodes of the file.

use fettle_core::diagnostic::{Diagnostic, Report, Source};
use fettle_core::yaml::{Node, Value, parse};

/// Looks a variable up. A function, so that tests need not touch the process.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The variables of this process; one that is not UTF-8 counts as absent.
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Every variable of ours: the settings', and those that only the command line reads.
pub const KNOWN: [&str; 47] = [
    "FETTLE_ALERTMANAGER_BASIC_AUTH_PASSWORD_FILE",
    "FETTLE_ALERTMANAGER_BASIC_AUTH_USERNAME",
    "FETTLE_ALERTMANAGER_BEARER_TOKEN_FILE",
    "FETTLE_ALERTMANAGER_CA_FILE",
    "FETTLE_ALERTMANAGER_URLS",
    "FETTLE_AUTH_METRICS_OPEN",
    "FETTLE_AUTH_TOKENS",
    "FETTLE_CONFIG",
    "FETTLE_DATABASE",
    "FETTLE_DATABASE_FILE",
    "FETTLE_FRESHNESS",
    "FETTLE_DOCKER_PATIENCE",
    "FETTLE_HEARTBEAT_ALERTNAME",
    "FETTLE_HEARTBEAT_FILE",
    "FETTLE_HEARTBEAT_MAX_SILENCE",
    "FETTLE_HOSTS",
    "FETTLE_LIMITS_ALERTS",
    "FETTLE_LIMITS_ANNOTATIONS",
    "FETTLE_LIMITS_BODY",
    "FETTLE_LIMITS_BUDGET",
    "FETTLE_LIMITS_IN_FLIGHT",
    "FETTLE_LIMITS_LABELS",
    "FETTLE_LIMITS_MEMORY",
    "FETTLE_LIMITS_NAME",
    "FETTLE_LIMITS_SENDERS",
    "FETTLE_LIMITS_TARGET_BUDGET",
    "FETTLE_LIMITS_TEXT",
    "FETTLE_LIMITS_VALUE",
    "FETTLE_LISTEN",
    "FETTLE_LOG",
    "FETTLE_LOG_FORMAT",
    "FETTLE_METRICS_FILE",
    "FETTLE_MODE",
    "FETTLE_PROMETHEUS_BASIC_AUTH_PASSWORD_FILE",
    "FETTLE_PROMETHEUS_BASIC_AUTH_USERNAME",
    "FETTLE_PROMETHEUS_BEARER_TOKEN_FILE",
    "FETTLE_PROMETHEUS_CA_FILE",
    "FETTLE_PROMETHEUS_URL",
    "FETTLE_PROTECTED_COMPOSE_PROJECTS",
    "FETTLE_PROTECTED_CONTAINERS",
    "FETTLE_RECHECK",
    "FETTLE_RETENTION_AUDIT",
    "FETTLE_RETENTION_NOTIFICATIONS",
    "FETTLE_RULES",
    "FETTLE_STORM",
    "FETTLE_TRIP",
    "FETTLE_URL",
];

/// Variables among `names` that look like ours and are not: `FETTLE_MOD=observe` must not act in silence. Tokens of the
/// command line are left alone.
pub fn unknown(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let ours = |name: &String| name.starts_with("FETTLE_") && !name.starts_with("FETTLE_TOKEN");
    names.into_iter().filter(ours).filter(|name| !KNOWN.contains(&name.as_str())).collect()
}

/// How the text of a variable becomes a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Text,
    /// Separated by commas.
    List,
    /// A YAML document.
    Yaml,
}

/// Reads the first of `names` that is set; its problems name the variable and do not repeat its text.
pub(super) fn read<T>(
    env: Environment<'_>,
    names: &[&str],
    form: Form,
    found: &mut Vec<Diagnostic>,
    with: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Given<T> {
    let set = names.iter().find_map(|name| env(name).filter(|text| !text.is_empty()).map(|text| (*name, text)));
    let Some((name, text)) = set else { return Given::Not };
    let file = format!("environment {name}");
    let mut report = Report::new(Source::new(&file, &text));
    let node = match form {
        Form::Text => Some(scalar(&text)),
        Form::List => Some(Node {
            at: 0..text.len(),
            value: Value::List(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(scalar).collect()),
        }),
        Form::Yaml => parse(&mut report),
    };
    let value = node.and_then(|node| with(&node, &mut report));
    found.extend(report.found.into_iter().map(|it| Diagnostic { line: 0, column: 0, snippet: None, ..it }));
    Given::By(value)
}

/// Whether a variable is set, and what it says if that can be read.
pub(super) enum Given<T> {
    Not,
    By(Option<T>),
}

fn scalar(text: &str) -> Node {
    Node { at: 0..text.len(), value: Value::Scalar(text.to_owned()) }
}

#[cfg(test)]
mod known {
    use super::{KNOWN, unknown};

    #[test]
    fn every_setting_with_a_variable_is_known_and_a_typo_is_not() {
        let raw = include_str!("raw.rs");
        let documented = raw.split('`').filter(|word| word.starts_with("FETTLE_"));
        for name in documented {
            assert!(KNOWN.contains(&name), "{name}");
        }
        let names = ["FETTLE_MOD", "FETTLE_MODE", "FETTLE_TOKEN", "HOME"].map(str::to_owned);
        assert_eq!(unknown(names), ["FETTLE_MOD"]);
    }
}
