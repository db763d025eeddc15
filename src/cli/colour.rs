//! Colours: on terminals only, never the only carrier of a meaning.

use std::ffi::OsStr;
use std::io::IsTerminal;

use clap::ValueEnum;

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct Colour {
    /// When to use colours; `auto` is on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: When,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

impl Colour {
    /// Whether what goes to stdout is coloured.
    pub(super) fn on(self) -> bool {
        decide(
            self.color,
            std::io::stdout().is_terminal(),
            std::env::var_os("NO_COLOR").as_deref(),
            std::env::var_os("TERM").as_deref(),
        )
    }
}

/// What was asked for wins over the environment, as no-color.org has it.
fn decide(asked: When, terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    match asked {
        When::Always => true,
        When::Never => false,
        When::Auto => terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_owner_does_not_mind() {
        let os = |text: &'static str| Some(OsStr::new(text));
        assert!(decide(When::Auto, true, None, os("xterm")));
        assert!(decide(When::Auto, true, os(""), None), "an empty NO_COLOR asks for nothing");
        assert!(!decide(When::Auto, false, None, None));
        assert!(!decide(When::Auto, true, os("1"), None));
        assert!(!decide(When::Auto, true, None, os("dumb")));
        assert!(decide(When::Always, false, os("1"), None));
        assert!(!decide(When::Never, true, None, None));
    }
}
