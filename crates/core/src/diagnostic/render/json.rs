//! For scripts: an array of objects, always with the same seven keys.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity};

/// A diagnostic as scripts see it.
#[derive(Debug, Serialize)]
pub struct Record<'d> {
    code: &'static str,
    severity: Severity,
    file: &'d str,
    line: usize,
    column: usize,
    message: &'d str,
    help: Option<&'d str>,
}

impl<'d> From<&'d Diagnostic> for Record<'d> {
    fn from(it: &'d Diagnostic) -> Self {
        Self {
            code: it.code,
            severity: it.severity,
            file: &it.file,
            line: it.line,
            column: it.column,
            message: &it.message,
            help: it.help.as_deref(),
        }
    }
}

/// The array, one object per line.
///
/// # Panics
///
/// Never: plain strings and numbers always serialize.
pub fn json(found: &[Diagnostic]) -> String {
    let lines: Vec<String> = found
        .iter()
        .map(|it| serde_json::to_string(&Record::from(it)).expect("plain strings and numbers always serialize"))
        .collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}
