//! Log lines on stderr: for people, or one JSON object a line.
//!
//! Fields keep their spelling in both: `remediation.id`, `rule`, `target`, `action`, `attempt`, `reason`, `duration_ms`,
//! `error`. stdout is left to results.
//!
//! Always holds: an event is one line, and nothing in a line for people commands a terminal. Text of alerts, containers and
//! servers is among the fields, and somebody may have put a line break into it, and behind that a line that fettle never
//! wrote.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FormatFields, Writer, debug_fn};
use tracing_subscriber::util::SubscriberInitExt;

/// What the libraries may say whatever the level is: they speak only when they complain. A filter that names modules is
/// taken as it stands.
const LIBRARIES: &str =
    "sqlx=error,actix_server=warn,actix_http=off,hyper=warn,hyper_util=warn,reqwest=warn,bollard=warn";

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people; coloured on a terminal unless `NO_COLOR` is set.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logging could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter does not read.
    #[error("log filter {filter:?}")]
    Filter {
        /// As configured.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else was there first.
    #[error("logs go elsewhere already")]
    Taken,
}

/// Sends all that is logged from now on to stderr, what speaks through the crate `log` included. Once per process. `level`
/// is a level, or a filter such as `info,fettle=debug`.
pub fn init(format: Format, level: &str) -> Result<(), LogsError> {
    let colour = std::io::stderr().is_terminal() && no_color_is_unset(std::env::var_os("NO_COLOR").as_deref());
    subscriber(format, level, colour, std::io::stderr)?.try_init().map_err(|_| LogsError::Taken)
}

fn no_color_is_unset(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_none_or(std::ffi::OsStr::is_empty)
}

fn subscriber<W>(
    format: Format,
    level: &str,
    colour: bool,
    to: W,
) -> Result<Box<dyn tracing::Subscriber + Send + Sync>, LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wrong = |source| LogsError::Filter { filter: level.to_owned(), source };
    let one_level = level.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let filter = if one_level { format!("{level},{LIBRARIES}") } else { level.to_owned() };
    let filter = EnvFilter::builder().parse(filter).map_err(wrong)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to).with_ansi(colour);
    Ok(match format {
        Format::Human => Box::new(lines.with_target(false).fmt_fields(plain_fields()).finish()),
        Format::Json => Box::new(lines.json().flatten_event(true).with_span_list(false).finish()),
    })
}

/// The message, then `name=value`, on one line.
fn plain_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| match field.name() {
        // Said by the line itself.
        name if name.starts_with("log.") => Ok(()),
        "message" => write!(OneLine(writer), "{value:?}"),
        name => {
            let (name, coloured) = (name.trim_start_matches("r#"), writer.has_ansi_escapes());
            if coloured {
                write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?;
            } else {
                write!(writer, "{name}=")?;
            }
            write!(OneLine(writer), "{value:?}")
        }
    })
    .delimited(" ")
}

/// Writes on with everything escaped that ends a line, acts on a terminal, or turns the direction of writing.
struct OneLine<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let acts =
            |c: char| (c.is_control() && c != '\t') || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut rest = text;
        while let Some(at) = rest.find(acts) {
            let (before, from) = rest.split_at(at);
            self.0.write_str(before)?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                write!(self.0, "{}", c.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("test").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, level: &str) -> String {
        let page = Page::default();
        let to = page.clone();
        let subscriber = subscriber(format, level, false, move || to.clone()).expect("a filter");
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(remediation.id = %"r1", rule = "web", attempt = 1, error = None::<&str>, "restart of web begins");
            tracing::debug!("detail");
        });
        let bytes = page.0.lock().expect("test").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_json_line_carries_the_fields_by_their_names() {
        let text = written(Format::Json, "info");
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("one JSON object");
        assert_eq!(line["message"], "restart of web begins");
        assert_eq!(line["remediation.id"], "r1");
        assert_eq!(line["rule"], "web");
        assert_eq!(line["attempt"], 1);
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{line}");
        assert!(line.get("error").is_none(), "{line}");
    }

    #[test]
    fn a_human_line_has_no_colour_where_none_is_wanted() {
        let text = written(Format::Human, "debug");
        assert!(text.contains("restart of web begins") && text.contains("rule=\"web\""), "{text}");
        assert!(text.contains("detail") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let hostile = "x\n2026-01-31T12:00:00Z  INFO all is well \u{1b}[2J\u{9b}1m\u{202e}";
        for format in [Format::Human, Format::Json] {
            let page = Page::default();
            let to = page.clone();
            let subscriber = subscriber(format, "debug", false, move || to.clone()).expect("a filter");
            tracing::subscriber::with_default(subscriber, || {
                let _span = tracing::info_span!("remediation", target = %hostile).entered();
                tracing::warn!(error = %hostile, target = hostile, why = ?hostile, "refused: {hostile}");
            });
            let text = String::from_utf8(page.0.lock().expect("test").clone()).expect("text");
            assert_eq!(text.lines().count(), 1, "{text}");
            let acts = |c: char| c != '\n' && if format == Format::Json { c < ' ' } else { c.is_control() };
            assert!(!text.contains(acts) && text.contains("all is well"), "{text:?}");
        }
    }

    #[test]
    fn no_color_counts_when_it_is_set_to_anything() {
        assert!(no_color_is_unset(None));
        assert!(no_color_is_unset(Some("".as_ref())));
        assert!(!no_color_is_unset(Some("1".as_ref())));
    }

    #[test]
    fn a_filter_that_does_not_read_is_named() {
        let error = subscriber(Format::Human, "fettle=loud", false, std::io::sink).err().expect("refused");
        assert_eq!(error.to_string(), r#"log filter "fettle=loud""#);
    }

    #[test]
    fn the_default_level_reads() {
        assert!(subscriber(Format::Human, "info", false, std::io::sink).is_ok());
    }

    #[test]
    fn libraries_are_quiet_unless_a_filter_names_modules() {
        let said = |level| {
            let page = Page::default();
            let to = page.clone();
            let subscriber = subscriber(Format::Human, level, false, move || to.clone()).expect("a filter");
            tracing::subscriber::with_default(subscriber, || tracing::info!(target: "sqlx::query", "a statement"));
            !page.0.lock().expect("test").is_empty()
        };
        assert!(!said("debug"));
        assert!(said("debug,sqlx=debug"));
    }
}
