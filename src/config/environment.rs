//! Settings from environment variables, read like nodes of the file.

use crate::core::yaml::{Node, Value, parse};
use crate::diagnostic::{Diagnostic, Report, Source};

/// Looks a variable up. A function, so that tests need not touch the process.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The variables of this process; one that is not UTF-8 counts as absent.
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
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
