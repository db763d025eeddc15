//! For people: place, code and message, the line with the part that is meant, and what to write instead.
//!
//! ```text
//! rules/web.yaml:14:15: error[F008]: "30" has no unit
//! 14 |     cooldown: 30
//!    |               ^^
//!    = help: write 30s
//! ```

use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Severity, Snippet};

/// Characters of a source line that are shown; a longer one is cut around what is meant.
const WIDTH: usize = 120;

/// Every diagnostic, an empty line between two.
pub fn human(found: &[Diagnostic]) -> String {
    found.iter().map(|it| one(it, Paint { on: false })).collect::<Vec<_>>().join("\n")
}

/// The same in colours.
pub fn coloured(found: &[Diagnostic]) -> String {
    found.iter().map(|it| one(it, Paint { on: true })).collect::<Vec<_>>().join("\n")
}

/// Puts what a terminal needs around a text.
#[derive(Debug, Clone, Copy)]
struct Paint {
    on: bool,
}

impl Paint {
    fn with(self, style: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(self, severity: Severity, text: &str) -> String {
        let style = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
        };
        self.with(style, text)
    }
}

fn one(it: &Diagnostic, paint: Paint) -> String {
    let mut place = plain(&it.file);
    if it.line > 0 {
        let _ = write!(place, ":{}:{}", it.line, it.column);
    }
    let mut out = paint.with("1", &place);
    let kind = paint.severity(it.severity, &format!("{}[{}]", it.severity.as_str(), it.code));
    let _ = writeln!(out, ": {kind}: {}", plain(&it.message));
    let number = it.line.to_string();
    let margin = " ".repeat(if it.line > 0 { number.len() } else { 0 });
    if let Some(snippet) = &it.snippet {
        let (text, before, length) = cut(snippet, it.column);
        let bar = paint.with("2", &format!("{number} |"));
        let below = paint.with("2", &format!("{margin} |"));
        let _ = writeln!(out, "{bar} {text}");
        let _ = writeln!(out, "{below} {}{}", " ".repeat(before), paint.severity(it.severity, &"^".repeat(length)));
    }
    if let Some(help) = &it.help {
        let _ = writeln!(out, "{margin} {} {}", paint.with("36", "= help:"), plain(help));
    }
    out
}

/// The part of the line to show, the characters before what is meant, and the length of what is meant.
fn cut(snippet: &Snippet, column: usize) -> (String, usize, usize) {
    let before = column.saturating_sub(1).saturating_sub(snippet.skipped);
    let length = snippet.length.min(WIDTH);
    let from = if before + length <= WIDTH { 0 } else { before.saturating_sub((WIDTH - length) / 2) };
    let mut text: String = snippet.text.chars().skip(from).take(WIDTH).map(printable).collect();
    let mut lead = 0;
    if from > 0 || snippet.skipped > 0 {
        text.insert(0, '…');
        lead = 1;
    }
    if snippet.text.chars().nth(from + WIDTH).is_some() {
        text.push('…');
    }
    (text.trim_end().to_owned(), before - from + lead, length)
}

/// A file may hold anything; a terminal must not obey it. Tabs become one space so that carets stay in place.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

fn plain(text: &str) -> String {
    text.chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Source, codes, render::json};

    fn found() -> Vec<Diagnostic> {
        let long = format!("key: {}wrong{}", "x".repeat(300), "y".repeat(300));
        vec![
            Diagnostic::at(
                &codes::DURATION,
                &Source::new("rules/web.yaml", "a:\n\tcooldown: 30"),
                14..16,
                "\"30\" has no unit",
            )
            .help("write 30s"),
            Diagnostic::at(&codes::UNKNOWN_KEY, &Source::new("long.yaml", &long), 305..310, "unknown"),
            Diagnostic::of_file(&codes::LISTEN, "environment FETTLE_LISTEN", "no port\u{1b}[31m").help("write \"a:1\""),
        ]
    }

    #[test]
    fn people_see_the_place_the_text_and_the_advice() {
        insta::assert_snapshot!(human(&found()));
    }

    #[test]
    fn colours_add_nothing_and_take_nothing_away() {
        let coloured = coloured(&found());
        let mut bare = String::new();
        for (at, part) in coloured.split("\u{1b}[").enumerate() {
            bare.push_str(if at == 0 { part } else { part.split_once('m').expect("a style").1 });
        }
        assert_eq!(bare, human(&found()));
        assert!(coloured.contains("\u{1b}[1;31merror[F008]\u{1b}[0m"), "{coloured}");
    }

    #[test]
    fn scripts_see_the_seven_keys() {
        insta::assert_snapshot!(json(&found()));
        assert_eq!(json(&[]), "[]\n");
    }
}
