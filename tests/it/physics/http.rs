//! HTTP to a daemon's socket, so that statuses are seen as they are: the client library reports 304 as success.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// An answer: its status and its body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// Asks once. `Err` where the connection was not made or broke.
pub(super) async fn ask(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<Answer> {
    let mut stream = UnixStream::connect(socket).await?;
    let body = body.map(ToString::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let broken = || std::io::Error::other("no answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, body: body.to_owned() })
}

/// Whether the daemon answers a ping.
pub(super) async fn ping(socket: &Path) -> bool {
    let asked = tokio::time::timeout(Duration::from_secs(5), ask(socket, "GET", "/_ping", None)).await;
    asked.is_ok_and(|it| it.is_ok_and(|it| it.status == 200))
}
