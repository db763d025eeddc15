//! What a person sees through: how wide the terminal is, what time it is, and whether colours help.
//!
//! Away from a terminal nothing is cut, instants are absolute and nothing is coloured, so that what a script or a file gets does not
//! depend on where it was started.

use std::io::IsTerminal;

use jiff::Timestamp;
use serde_json::Value;

use super::colour::Colour;
use super::table::instant;

/// How results are shown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    /// Columns of the terminal; `None`: nothing is cut.
    pub(super) width: Option<usize>,
    /// Lines of the terminal.
    pub(super) height: Option<usize>,
    /// When it is; `None`: instants are not put in relation to it.
    pub(super) now: Option<Timestamp>,
    /// Whether to colour.
    pub(super) colour: bool,
}

impl View {
    /// As stdout has it.
    pub(super) fn of_stdout(colour: Colour) -> Self {
        let out = std::io::stdout();
        if !out.is_terminal() {
            return Self { colour: colour.on(), ..Self::default() };
        }
        let size = rustix::termios::tcgetwinsize(&out).ok();
        // Some terminals do not know.
        let known = |n: u16| Some(usize::from(n)).filter(|n| *n > 0);
        Self {
            width: size.and_then(|it| known(it.ws_col)),
            height: size.and_then(|it| known(it.ws_row)),
            now: Some(Timestamp::now()),
            colour: colour.on(),
        }
    }

    /// Whether somebody looks.
    pub(super) fn is_terminal(self) -> bool {
        self.now.is_some()
    }

    /// A field that is an instant: `3m ago`, or the instant itself.
    pub(super) fn when(self, row: &Value, name: &str) -> String {
        self.apart(row, name).unwrap_or_else(|| instant(row, name))
    }

    /// A field that is an instant, with how long ago it was.
    pub(super) fn instant(self, row: &Value, name: &str) -> String {
        let apart = self.apart(row, name).map(|apart| format!(" ({apart})")).unwrap_or_default();
        instant(row, name) + &apart
    }

    fn apart(self, row: &Value, name: &str) -> Option<String> {
        let at: Timestamp = row.get(name)?.as_str()?.parse().ok()?;
        let seconds = self.now?.duration_since(at).as_secs();
        let length = short(seconds.unsigned_abs());
        Some(match seconds {
            0 => "now".to_owned(),
            1.. => format!("{length} ago"),
            _ => format!("in {length}"),
        })
    }

    /// `text` in a style of the terminal, if colours help.
    pub(super) fn paint(self, style: Option<&str>, text: &str) -> String {
        match style {
            Some(style) if self.colour && !text.is_empty() => format!("\u{1b}[{style}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }
}

/// A length of time in one unit, the greatest that fits.
fn short(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The style of a state, outcome, result or verdict; the word says the same without it.
pub(super) fn style(word: &str) -> Option<&'static str> {
    Some(match word {
        "fixed" | "succeeded" => "32",
        "escalated" | "failed" | "unknown" | "not_fixed" | "still_firing" | "regressed" => "31",
        "blocked" | "awaiting_approval" | "refused" | "rejected" | "expired" | "unconfirmed" | "cleared" => "33",
        "running" | "verifying" | "held" => "36",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn instants_are_told_from_now_on_a_terminal_and_as_they_are_elsewhere() {
        let view = View { now: "2026-01-31T12:00:00Z".parse().ok(), ..View::default() };
        let row = |at: &str| json!({"at": at});
        for (at, said) in [
            ("2026-01-31T12:00:00Z", "now"),
            ("2026-01-31T11:59:15Z", "45s ago"),
            ("2026-01-31T11:57:00Z", "3m ago"),
            ("2026-01-31T10:00:00Z", "2h ago"),
            ("2026-01-01T12:00:00Z", "30d ago"),
            ("2026-01-31T12:05:00Z", "in 5m"),
            ("soon", "soon"),
        ] {
            assert_eq!(view.when(&row(at), "at"), said);
        }
        assert_eq!(View::default().when(&row("2026-01-31T11:57:00Z"), "at"), "2026-01-31 11:57:00Z");
        assert_eq!(view.instant(&row("2026-01-31T11:57:00Z"), "at"), "2026-01-31 11:57:00Z (3m ago)");
        assert_eq!(view.instant(&json!({}), "at"), "-");
    }
}
