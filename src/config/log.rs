//! How to log.

use tracing_subscriber::EnvFilter;

use fettle_core::diagnostic::{Report, codes};
use fettle_core::yaml::{Node, text, word};

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// For whom.
    pub format: LogFormat,
    /// A level, or a filter such as `info,fettle=debug`.
    pub level: String,
}

/// For whom log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// People at a terminal.
    Human,
    /// Collectors: one JSON object per line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info".to_owned() }
    }
}

pub(super) fn read_format(node: &Node, report: &mut Report<'_>) -> Option<LogFormat> {
    word(node, &[("human", LogFormat::Human), ("json", LogFormat::Json)], report)
}

pub(super) fn read_level(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let level = text(node, report)?;
    // A filter takes any single word for the name of a module, so a mistyped level would silence everything.
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let single = level.bytes().all(|b| b.is_ascii_alphanumeric());
    if (single && !words.contains(&level.to_lowercase().as_str())) || EnvFilter::try_new(level).is_err() {
        let help = "write error, warn, info, debug or trace, or a filter such as info,fettle=debug";
        report.add_with_help(&codes::LOG, &node.at, "this is not a level to log at", help);
        return None;
    }
    Some(level.to_owned())
}
