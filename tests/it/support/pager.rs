//! Whoever would be woken: takes Alertmanager's notifications and keeps them.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The alerts of all notifications so far, each with its status.
#[derive(Clone, Default)]
pub struct Pager(Arc<Mutex<Vec<Value>>>);

impl Pager {
    /// Listens until the test's runtime ends; the port.
    pub async fn serve(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let pager = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let pager = pager.clone();
                // A connection that breaks is the sender's to notice.
                tokio::spawn(async move { drop(pager.take(stream).await) });
            }
        });
        port
    }

    /// What it was told of the alert with this name.
    pub fn told(&self, alertname: &str) -> Vec<Value> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|alert| alert["labels"]["alertname"] == alertname).cloned().collect()
    }

    /// One request: its length is in its head.
    async fn take(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.and_then(|it| it.parse().ok()).unwrap_or_default()];
        stream.read_exact(&mut body).await?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let alerts = body["alerts"].as_array().cloned().unwrap_or_default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(alerts);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await
    }
}
