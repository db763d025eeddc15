//! An HTTP server that gives canned answers, for what a real one cannot be made to do.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Listens until the test ends. Every connection is closed after the answer.
pub(super) struct Canned {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Reads the head of a request and answers what `answer` makes of its path, the query included.
    pub(super) async fn start<F>(answer: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<u8>> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let canned = Self { port: listener.local_addr().expect("bound").port(), heads: Arc::default() };
        let (heads, answer) = (canned.heads.clone(), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let (heads, answer) = (heads.clone(), answer.clone());
                tokio::spawn(async move {
                    let head = head(&mut stream).await;
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    heads.lock().expect("not poisoned").push(head);
                    // The client may be gone, that is its right.
                    let _ = stream.write_all(&answer(path).await).await;
                });
            }
        });
        canned
    }

    /// Always the same answer.
    pub(super) async fn always(answer: Vec<u8>) -> Self {
        Self::start(move |_| std::future::ready(answer.clone())).await
    }

    /// Accepts, reads, and never answers.
    pub(super) async fn hung() -> Self {
        Self::start(|_| std::future::pending()).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The heads of all requests so far.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }

    /// How many requests began with this method and path.
    pub(super) fn requests(&self, begin: &str) -> usize {
        self.heads().iter().filter(|head| head.starts_with(begin)).count()
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n")
        && let Ok(byte) = stream.read_u8().await
    {
        head.push(byte);
    }
    String::from_utf8(head).expect("a head is ASCII")
}

/// A whole answer.
pub(super) fn reply(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status} Canned\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}
