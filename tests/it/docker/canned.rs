//! A daemon that gives canned answers, for what a real one cannot be made to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Listens in a temporary folder until the test ends. Every connection is closed after the answer.
pub(super) struct Canned {
    folder: tempfile::TempDir,
    requests: Arc<AtomicUsize>,
}

impl Canned {
    /// Reads a request and answers what `answer` makes of its path; the empty answer just closes.
    pub(super) fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let (canned, listener) = Self::bind();
        let counter = canned.requests.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let path = path(&mut stream).await;
                counter.fetch_add(1, Ordering::SeqCst);
                // The client may be gone, that is its right.
                let _ = stream.write_all(answer(&path).as_bytes()).await;
            }
        });
        canned
    }

    /// Accepts and closes, without reading.
    pub(super) fn deaf() -> Self {
        let (canned, listener) = Self::bind();
        tokio::spawn(async move {
            loop {
                drop(listener.accept().await.expect("accept"));
            }
        });
        canned
    }

    fn bind() -> (Self, UnixListener) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("bind");
        (Self { folder, requests: Arc::default() }, listener)
    }

    /// The endpoint.
    pub(super) fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// How many requests were read.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request and gives its path, the query included.
async fn path(stream: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    let head = String::from_utf8(head).expect("a head is ASCII");
    head.split(' ').nth(1).expect("a path").to_owned()
}

/// A whole answer.
pub(super) fn reply(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Canned\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A full container id.
pub(super) fn an_id() -> String {
    "0a".repeat(32)
}
