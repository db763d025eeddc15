//! Looking again every two seconds: drawn anew on a terminal, only what is new elsewhere.
//!
//! Ends with the terminal's interrupt, or when nobody reads any more. That fettle does not answer is told, and asked again.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use super::colour::Colour;
use super::view::View;
use super::{Failure, Outcome, Output, hint};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// To the upper left corner, and nothing below.
const CLEAR: &str = "\u{1b}[H\u{1b}[J";

/// Whether to look again and again.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Watch {
    /// Look again every 2 seconds; away from a terminal only what is new or changed is printed
    #[arg(long = "watch", short = 'w')]
    pub(super) on: bool,
}

/// Watches a list of rows that have an `id`.
pub(super) fn rows(
    output: Output,
    colour: Colour,
    fetch: impl Fn() -> Result<Value, Failure>,
    show: impl Fn(&Value, View) -> String,
) -> Outcome {
    let mut seen = HashMap::new();
    let mut headed = false;
    look(colour, &Cell::new(false), fetch, |found, view| {
        let rows = found.as_array().map(Vec::as_slice).unwrap_or_default();
        if output == Output::Human && view.is_terminal() {
            return Some(show(found, view));
        }
        // The newest is first, and what is printed cannot be taken back: oldest first.
        let mut fresh: Vec<Value> = rows.iter().filter(|row| is_new(&mut seen, row)).cloned().collect();
        fresh.reverse();
        if fresh.is_empty() {
            return None;
        }
        if output == Output::Json {
            return Some(fresh.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n");
        }
        let text = show(&Value::Array(fresh), view);
        // Headings once.
        let below = if headed { text.split_once('\n').map_or("", |(_, below)| below).to_owned() } else { text };
        headed = true;
        Some(below)
    })
}

/// Watches one thing until `done`; away from a terminal it is printed when it has changed.
pub(super) fn one(
    output: Output,
    colour: Colour,
    fetch: impl Fn() -> Result<Value, Failure>,
    show: impl Fn(&Value, View) -> String,
    done: impl Fn(&Value) -> bool,
) -> Outcome {
    let mut last = Value::Null;
    let ended = Cell::new(false);
    look(colour, &ended, fetch, |found, view| {
        ended.set(done(found));
        let changed = last != *found;
        last = found.clone();
        match output {
            Output::Human if view.is_terminal() => Some(show(found, view)),
            _ if !changed => None,
            Output::Human => Some(show(found, view)),
            Output::Json => Some(format!("{found}\n")),
        }
    })
}

/// Whether a row was not there, or was another, the last time.
fn is_new(seen: &mut HashMap<String, Value>, row: &Value) -> bool {
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    seen.insert(id, row.clone()).as_ref() != Some(row)
}

fn look(
    colour: Colour,
    ended: &Cell<bool>,
    fetch: impl Fn() -> Result<Value, Failure>,
    mut text: impl FnMut(&Value, View) -> Option<String>,
) -> Outcome {
    let mut told = false;
    loop {
        let view = View::of_stdout(colour);
        match fetch() {
            Ok(found) => {
                told = false;
                if let Some(text) = text(&found, view)
                    && !write(&drawn(&text, view))?
                {
                    return Ok(());
                }
            }
            Err(Failure::Problems(error)) => {
                if !std::mem::replace(&mut told, true) {
                    hint(&format!("{error:#}; asking again"));
                }
            }
            Err(other) => return Err(other),
        }
        if ended.get() {
            return Ok(());
        }
        std::thread::sleep(EVERY);
    }
}

/// What is written: on a terminal as much as fits, in the place of what was there.
fn drawn(text: &str, view: View) -> String {
    if !view.is_terminal() {
        return text.to_owned();
    }
    let room = view.height.unwrap_or(usize::MAX).saturating_sub(1);
    let mut lines: Vec<&str> = text.lines().take(room).collect();
    lines.push("");
    format!("{CLEAR}{}", lines.join("\n"))
}

/// Writes; false when nobody reads any more.
fn write(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Problems(anyhow::Error::new(error).context("write the result"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_is_new_until_it_was_seen_as_it_is() {
        let mut seen = HashMap::new();
        let row = |state: &str| json!({"id": "a", "state": state});
        let news: Vec<bool> = ["held", "held", "running", "held"].map(|it| is_new(&mut seen, &row(it))).into();
        assert_eq!(news, [true, false, true, true]);
    }

    #[test]
    fn a_terminal_is_drawn_anew_and_never_scrolls() {
        let view = View { height: Some(3), now: Some(jiff::Timestamp::UNIX_EPOCH), ..View::default() };
        assert_eq!(drawn("a\nb\nc\nd\n", view), "\u{1b}[H\u{1b}[Ja\nb\n");
        assert_eq!(drawn("a\nb\n", View::default()), "a\nb\n");
    }
}
