//! What an exporter serves: a text that the test sets, on a port of its own.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What it serves now.
#[derive(Clone, Default)]
pub struct Exporter(Arc<Mutex<String>>);

impl Exporter {
    /// Serves this from now on.
    pub fn say(&self, text: String) {
        *self.0.lock().expect("not poisoned") = text;
    }

    /// Serves until the test's runtime ends; the port.
    pub async fn serve(&self) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let text = self.0.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let body = text.lock().expect("not poisoned").clone();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }
}
