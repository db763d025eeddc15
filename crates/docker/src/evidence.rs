//! What is kept of a container before it is touched: why it was as it was is gone afterwards.
//!
//! Best effort, bounded in size and time: each part that cannot be had says so in its place.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::host::{Host, Op};
use super::{find, is_full_id, limits};
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::Pin;

/// Time for each part; all are asked at once. Under what the engine allows for the whole, so that one that is slow does not
/// cost the others.
const PART: Duration = Duration::from_millis(1500);

/// Most bytes of log that are kept, the newest.
const LOG_MAX: usize = 64 << 10;

/// Most bytes of log that are read to find those.
const READ_MAX: usize = 4 << 20;

/// Most results of the health check.
const HEALTH_MAX: usize = 5;

/// Most characters of one text besides the log.
const TEXT_MAX: usize = 1024;

/// Gathers what can be had of the container with this id; nothing of what is not one container.
pub(super) async fn gather(host: &Host, pin: &Pin, log_lines: u32) -> Value {
    let id = pin.id.as_str();
    if !is_full_id(id) {
        return json!({});
    }
    let (state, memory, log) = tokio::join!(
        part(async {
            find::inspect(host, id).await.map(|it| it.map_or(json!("the container is gone"), |it| state(&it)))
        }),
        part(async { limits::usage(host, id).await.map(|it| json!({"used": it.used, "limit": it.limit})) }),
        part(async { log(host, id, log_lines).await.map(|it| json!(it)) }),
    );
    json!({"state": state, "memory": memory, "log": log})
}

async fn part(asked: impl Future<Output = Result<Value, PlatformError>>) -> Value {
    match timeout(PART, asked).await {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => json!({"error": error.to_string()}),
        Err(_) => json!({"error": "not to be had in time"}),
    }
}

fn state(it: &bollard::models::ContainerInspectResponse) -> Value {
    let Some(state) = &it.state else { return json!("the daemon says nothing of it") };
    let health = state.health.as_ref();
    let results = health.and_then(|health| health.log.as_ref()).into_iter().flatten().rev().take(HEALTH_MAX);
    let mut results: Vec<Value> = results
        .map(|it| json!({"exit_code": it.exit_code, "output": text(it.output.as_deref().unwrap_or_default())}))
        .collect();
    results.reverse();
    json!({
        "status": state.status,
        "started_at": state.started_at,
        "finished_at": state.finished_at,
        "exit_code": state.exit_code,
        "error": state.error.as_deref().map(text),
        "oom_killed": state.oom_killed,
        "restart_count": it.restart_count,
        "health": health.and_then(|health| health.status),
        "health_log": results,
    })
}

/// The last lines of both streams, with the time of each, the newest last.
async fn log(host: &Host, id: &str, lines: u32) -> Result<Vec<String>, PlatformError> {
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).tail(&lines.to_string()).build();
    let until = Instant::now() + PART - PART / 5;
    host.see(Op::Logs, |client| async move {
        let mut kept = Kept::default();
        let mut stream = client.logs(id, Some(options));
        // What has come in time is worth having also when the rest has not.
        while let Ok(Some(piece)) = tokio::time::timeout_at(until, stream.next()).await {
            match piece? {
                LogOutput::StdErr { message } => kept.push("stderr", &message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => kept.push("stdout", &message),
                LogOutput::StdIn { .. } => {}
            }
            if kept.read > READ_MAX {
                break;
            }
        }
        Ok(kept.lines.into())
    })
    .await
}

/// The newest lines that are not too much together.
#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    bytes: usize,
    read: usize,
}

impl Kept {
    fn push(&mut self, stream: &str, message: &[u8]) {
        self.read += message.len();
        let text = String::from_utf8_lossy(message);
        for line in text.lines() {
            let mut line = format!("{stream} {}", printable(line));
            if line.len() > LOG_MAX {
                let end = (0..=LOG_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
                line.truncate(end);
            }
            self.bytes += line.len();
            self.lines.push_back(line);
        }
        while self.bytes > LOG_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

fn text(text: &str) -> String {
    printable(text.trim()).chars().take(TEXT_MAX).collect()
}

/// The text with everything escaped that would act on a terminal or that a database does not take.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        let acts =
            c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if acts && c != '\t' {
            // Writing to a string does not fail.
            let _ = write!(printable, "{}", c.escape_unicode());
        } else {
            printable.push(c);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_escaped() {
        assert_eq!(printable("a\tb ä"), "a\tb ä");
        assert_eq!(printable("\u{1b}[31mred\0\u{202e}"), "\\u{1b}[31mred\\u{0}\\u{202e}");
    }

    #[test]
    fn the_newest_lines_are_kept_and_never_too_much() {
        let mut kept = Kept::default();
        for n in 0..10_000 {
            kept.push("stdout", format!("{n} {}\n", "ä".repeat(20)).as_bytes());
            assert!(kept.bytes <= LOG_MAX && kept.bytes == kept.lines.iter().map(String::len).sum::<usize>());
        }
        assert!(kept.lines.back().is_some_and(|line| line.starts_with("stdout 9999 ")), "{:?}", kept.lines.back());
        kept.push("stderr", "ä".repeat(LOG_MAX).as_bytes());
        assert_eq!(kept.lines.len(), 1);
        assert!(kept.bytes <= LOG_MAX && kept.bytes > LOG_MAX - 8);
    }
}
