//! Text as the databases keep it: what has no NUL in it is stored as it came, and that is nearly everything.

use fettle_core::alert::labels::Labels;
use fettle_core::text::{clean, json};
use serde_json::Value;

use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::state::{Opener, Remediation};

pub(super) fn text(text: &str) -> String {
    clean(text).into_owned()
}

pub(super) fn text_opt(text: Option<&str>) -> Option<String> {
    text.map(self::text)
}

fn has_nul(labels: &Labels) -> bool {
    labels.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'))
}

pub(super) fn labels(labels: &Labels) -> Labels {
    if has_nul(labels) {
        labels.iter().map(|(name, value)| (text(name), text(value))).collect()
    } else {
        labels.clone()
    }
}

pub(super) fn value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(self::text(text)),
        Value::Array(all) => Value::Array(all.iter().map(self::value).collect()),
        Value::Object(all) => all.iter().map(|(name, it)| (text(name), self::value(it))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Outside text is in an alert's labels and in what is derived from them.
fn is_suspect(alert: &Opener, derived: [Option<&str>; 3]) -> bool {
    has_nul(&alert.labels) || derived.into_iter().flatten().any(|it| it.contains('\0'))
}

/// As a document of its JSON.
pub(super) fn remediation(it: &Remediation) -> Remediation {
    if is_suspect(&it.alert, [Some(&it.rule), it.key.as_deref(), it.reason()]) {
        serde_json::from_str(&json(it)).unwrap_or_else(|_| it.clone())
    } else {
        it.clone()
    }
}

pub(super) fn loan(it: &Loan) -> Loan {
    let reason = fettle_core::ports::common::loan_end(it).map(|(_, reason)| reason);
    if is_suspect(&it.alert, [Some(&it.rule), Some(&it.key), reason]) {
        serde_json::from_str(&json(it)).unwrap_or_else(|_| it.clone())
    } else {
        it.clone()
    }
}
