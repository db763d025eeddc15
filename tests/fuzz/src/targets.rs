//! What is read, and what is promised about it whatever stands there.
//!
//! A target answers with a hash of what it said, so that inputs that are answered in a new way are known.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Webhook;
use fettle_core::diagnostic::render::{coloured, github, human, json};
use fettle_core::diagnostic::{Diagnostic, Severity};
use fettle_core::matcher::{self, parse};
use fettle_core::rule::RawFile;
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::yaml::{Form, Shape};

use crate::worker::hash;

/// Something that reads what strangers or slips of the hand wrote.
pub struct Target {
    /// As it is called on the command line, and the folder of its corpus.
    pub name: &'static str,
    /// Folders with more inputs, from the root of the project.
    pub folders: &'static [&'static str],
    /// Words that mean something to it.
    pub words: fn() -> &'static [String],
    /// Reads an input: a hash of what it said, or the promise that was broken.
    pub read: fn(&[u8]) -> Result<u64, String>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "rules", folders: &["tests/corpus/rules", "rules"], words: keys, read: rules },
    Target { name: "matchers", folders: &[], words: operators, read: matchers },
    Target { name: "webhooks", folders: &["tests/payloads"], words: fields, read: webhooks },
];

impl Target {
    /// Everything committed: what broke it once, its corpus, what other tests read.
    pub fn corpus(&self) -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let own = format!("tests/fuzz/corpus/{}", self.name);
        let mut inputs = files(&crate::regressions(), |name| name.starts_with(self.name));
        for folder in self.folders.iter().copied().chain([own.as_str()]) {
            inputs.extend(files(&root.join(folder), |name| !name.contains(".snap")));
        }
        inputs.push(Vec::new());
        inputs
    }
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter(|path| path.is_file()).collect();
    paths.sort();
    let named = paths.iter().filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())));
    named.flat_map(|path| inputs(path)).collect()
}

/// A file is an input; a file of lines is as many.
fn inputs(path: &Path) -> Vec<Vec<u8>> {
    let Ok(text) = std::fs::read(path) else { return Vec::new() };
    let lines = path.extension().is_some_and(|ending| ending == "lines");
    if lines { text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect() } else { vec![text] }
}

/// Every key of a rules file, as it stands before a value.
fn keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = BTreeSet::new();
        of_shape(&RawFile::SHAPE, &mut keys);
        keys.into_iter().collect()
    })
}

fn of_shape(shape: &Shape, keys: &mut BTreeSet<String>) {
    for field in shape.fields {
        if keys.insert(format!("{}: ", field.key)) {
            of_form(&field.form, keys);
        }
    }
}

fn of_form(form: &Form, keys: &mut BTreeSet<String>) {
    match form {
        Form::Map(shape) => of_shape(shape, keys),
        Form::Maybe(form) | Form::Needed(form) | Form::List(form) | Form::Some(form) | Form::Names(form) => {
            of_form(form, keys);
        }
        Form::Either(forms) => forms.iter().for_each(|form| of_form(form, keys)),
        _ => {}
    }
}

fn operators() -> &'static [String] {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let words = "= != =~ !~ {} , \\n \\\" \\x41 \\u00e9 (?i) (?s: [[:alpha:]] \\pL \\Q \\E \\b {2,3} {,3} .* ^ $ | \\d alertname \u{fffd}";
        words.split(' ').map(str::to_owned).collect()
    })
}

fn fields() -> &'static [String] {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let words = "\"version\":\"4\" \"status\":\"firing\" \"status\":\"resolved\" \"alerts\":[ \"labels\":{ \"fingerprint\": \"startsAt\": \"endsAt\": \
                     \"0001-01-01T00:00:00Z\" \"9999-12-31T23:59:59.999999999Z\" \"truncatedAlerts\": null \\ud800 1e400 \"\"";
        words.split_whitespace().map(str::to_owned).collect()
    })
}

/// Rules: all or nothing, every problem with a place that exists, in order, and shown without what a terminal obeys.
fn rules(input: &[u8]) -> Result<u64, String> {
    // What is not UTF-8 is refused by whoever reads the file.
    let text = String::from_utf8_lossy(input).into_owned();
    let file = SourceFile { path: "f.yaml".to_owned(), text };
    let context = Context { prometheus: true, ..Context::default() };
    let (loaded, found) = match compile(std::slice::from_ref(&file), &context) {
        Ok((set, found)) => {
            let labels = Labels::from_iter([("alertname", "X"), ("service", "web"), ("env", "prod")]);
            let _ = set.select(&labels).count();
            (Some(set.len()), found)
        }
        Err(found) => (None, found),
    };
    let errors = found.iter().any(|it| it.severity == Severity::Error);
    if loaded.is_some() == errors {
        return Err(format!("loaded {loaded:?} with {found:?}"));
    }
    let lines: Vec<&str> = file.text.split('\n').collect();
    for it in &found {
        let line = lines.get(it.line.wrapping_sub(1)).ok_or_else(|| format!("no such line: {it:?}"))?;
        if it.column == 0 || it.column > line.chars().count() + 1 {
            return Err(format!("no such column: {it:?}"));
        }
    }
    if !found.is_sorted_by_key(|it| (it.line, it.column)) {
        return Err("not in order".to_owned());
    }
    let shown = human(&found);
    if shown.chars().any(|c| c.is_control() && c != '\n') {
        return Err(format!("shown with what a terminal obeys: {shown:?}"));
    }
    let _ = (coloured(&found), github(&found), json(&found));
    Ok(hash((loaded.map(|rules| rules.min(3)), kinds(&found))))
}

/// Codes with their messages, but for what stands in quotes and in digits.
fn kinds(found: &[Diagnostic]) -> BTreeSet<(&str, String)> {
    let bare = |text: &str| {
        let outside = text.split(['"', '`']).step_by(2).collect::<String>();
        outside.chars().filter(|c| !c.is_ascii_digit()).take(60).collect()
    };
    found.iter().map(|it| (it.code, bare(&it.message))).collect()
}

/// Matchers: what is read prints as what reads the same; what is refused has a place in the text.
fn matchers(input: &[u8]) -> Result<u64, String> {
    let text = String::from_utf8_lossy(input);
    let _ = matcher::doubt(&text);
    match parse(&text) {
        Ok(read) => {
            let printed = read.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let again = parse(&printed).map_err(|error| format!("{printed:?} does not read again: {error}"))?;
            if again != read {
                return Err(format!("{printed:?} reads as something else"));
            }
            for matcher in &read {
                for value in ["", "prod", "a\nb", &text] {
                    let _ = matcher.matches_value(value);
                }
                if let Some(word) = matcher.only().into_iter().flatten().find(|word| !matcher.matches_value(word)) {
                    return Err(format!("{matcher} is said to let {word:?} through"));
                }
                if matcher.is_never()
                    && ["", "prod", "web-1", &text].iter().any(|it| !it.contains('\n') && matcher.matches_value(it))
                {
                    return Err(format!("{matcher} is said to match nothing"));
                }
            }
            let ops: Vec<_> =
                read.iter().map(|it| (it.op(), it.only().is_some(), it.matches_empty())).take(4).collect();
            Ok(hash((true, ops)))
        }
        Err(error) => {
            if text.get(error.at.clone()).is_none() {
                return Err(format!("{error:?} is outside of the text"));
            }
            let bare: String = error.message.split(['`', '"']).step_by(2).collect();
            Ok(hash((false, bare, error.help.is_some())))
        }
    }
}

/// Webhook bodies: read or refused with a path; every alert has a fingerprint and can be spoken of.
fn webhooks(input: &[u8]) -> Result<u64, String> {
    match Webhook::parse(input) {
        Ok(webhook) => {
            for alert in &webhook.alerts {
                let own = Fingerprint::of(&alert.labels).to_string();
                if own.len() != 16 {
                    return Err(format!("{own} is no fingerprint"));
                }
            }
            let firing = webhook.alerts.iter().filter(|it| it.firing).count();
            let labels: Vec<usize> = webhook.alerts.iter().map(|it| it.labels.len().min(3)).take(3).collect();
            Ok(hash((webhook.alerts.len().min(4), firing.min(4), webhook.truncated.min(2), labels)))
        }
        Err(wrong) => {
            let said = wrong.to_string();
            let bare: String = said.split(['`', '"']).step_by(2).collect();
            Ok(hash((false, bare.chars().filter(|c| !c.is_ascii_digit()).take(80).collect::<String>())))
        }
    }
}
