//! What is wrong with a file people wrote: what, where, why, and what to write instead.
//!
//! A [`Diagnostic`] is plain data; [`render`] has the ways to show it. A [`Report`] collects them for one [`Source`], so
//! that a reader sees every problem at once, in the order of the text.
//!
//! Always holds: a code never changes its meaning ([`codes`] has them all), lines and columns count from 1 and in
//! characters, and line 0 means the whole file or something that has no lines, such as an environment variable.
//! Does not decide what is wrong: that is for whoever reads the file.

use std::ops::Range;

use serde::Serialize;

pub use codes::Code;
pub use source::{Report, Source};

pub mod codes;
pub mod nearest;
pub mod render;
mod source;

/// Whether a problem stops what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is loaded.
    Error,
    /// Legal, and probably not what was meant.
    Warning,
}

impl Severity {
    /// The word in every rendering.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable: `F010`.
    pub code: &'static str,
    /// Whether it stops the load.
    pub severity: Severity,
    /// The file as the user named it, or what stands in its place (`environment FETTLE_LISTEN`).
    pub file: String,
    /// From 1; 0 when there is no line.
    pub line: usize,
    /// In characters, from 1; 0 when there is no line.
    pub column: usize,
    /// A lowercase clause that reads alone.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The text it is about.
    pub snippet: Option<Snippet>,
}

/// The line of source a problem is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The line without its end; of a very long one the part around what is meant.
    pub text: String,
    /// How many characters of the line are left out before the text.
    pub skipped: usize,
    /// How many characters from the column on are meant; at least 1.
    pub length: usize,
}

/// Characters of a line that are kept before and after where what is meant begins. What is shown is less.
const KEPT: usize = 400;

impl Snippet {
    fn of(place: &source::Place<'_>) -> Self {
        if place.text.len() <= 2 * KEPT {
            return Self { text: place.text.to_owned(), skipped: 0, length: place.length };
        }
        let skipped = (place.column - 1).saturating_sub(KEPT);
        let text = place.text.chars().skip(skipped).take(2 * KEPT).collect();
        Self { text, skipped, length: place.length.min(KEPT) }
    }
}

impl Diagnostic {
    /// A problem without a place inside `file`.
    pub fn of_file(code: &Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.id,
            severity: code.severity,
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            snippet: None,
        }
    }

    /// A problem at these bytes of `source`.
    pub fn at(code: &Code, source: &Source, bytes: Range<usize>, message: impl Into<String>) -> Self {
        let place = source.place(bytes);
        Self {
            line: place.line,
            column: place.column,
            snippet: Some(Snippet::of(&place)),
            ..Self::of_file(code, source.file, message)
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// On one line, for a log: `rules/web.yaml:14:15: "30" has no unit [F008]`.
    pub fn line(&self) -> String {
        let place = if self.line > 0 { format!(":{}:{}", self.line, self.column) } else { String::new() };
        let text: String = format!("{}{place}: {} [{}]", self.file, self.message, self.code);
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }

    /// Whether it stops the load.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Puts problems in the order people read: by file, then line, then column.
pub fn sort(found: &mut [Diagnostic]) {
    found.sort_by(|a, b| {
        (&a.file, a.line, a.column, a.severity, a.code).cmp(&(&b.file, b.line, b.column, b.severity, b.code))
    });
}
