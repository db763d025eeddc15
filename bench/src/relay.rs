//! A relay in front of a real Docker that times each restart: so fettle's share of a restart is what is left of the same
//! restart, and Docker's own spread (tens of milliseconds) does not blur it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

/// Serves until the bench ends.
#[derive(Debug)]
pub struct Relay {
    /// For fettle's configuration.
    pub socket: PathBuf,
    restarts: Arc<Mutex<Vec<Duration>>>,
}

impl Relay {
    /// Relays to `upstream` from a socket in `folder`.
    pub fn start(folder: &Path, upstream: &Path) -> Result<Self> {
        let socket = folder.join("relay.sock");
        let listener = UnixListener::bind(&socket)?;
        let restarts = Arc::new(Mutex::new(Vec::new()));
        let (shared, upstream) = (restarts.clone(), upstream.to_path_buf());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (restarts, upstream) = (shared.clone(), upstream.clone());
                // A connection that breaks is the client's business.
                std::thread::spawn(move || drop(relay(&client, &upstream, &restarts)));
            }
        });
        Ok(Self { socket, restarts })
    }

    /// The restarts so far: each from its request's arrival to its answer.
    pub fn restarts(&self) -> Vec<Duration> {
        self.restarts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A client sends its next request only after the answer to the last one, so one note per connection is enough.
type Pending = Mutex<Option<Instant>>;

fn relay(client: &UnixStream, upstream: &Path, restarts: &Mutex<Vec<Duration>>) -> std::io::Result<()> {
    let server = UnixStream::connect(upstream)?;
    let pending: Pending = Mutex::new(None);
    std::thread::scope(|scope| {
        let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
        let requests = &pending;
        scope.spawn(move || {
            let note = |chunk: &[u8]| {
                if is_restart(chunk) {
                    *requests.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
            };
            drop(pump(&from_client, &to_server, note));
        });
        pump(&server, client, |_| {
            if let Some(since) = pending.lock().unwrap_or_else(PoisonError::into_inner).take() {
                restarts.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed());
            }
        })
    })
}

/// `POST [/v1.N]/containers/ID/restart…`. Requests are small: their first line comes in one piece.
fn is_restart(chunk: &[u8]) -> bool {
    let line = chunk.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.starts_with("POST ") && line.contains("/containers/") && line.contains("/restart")
}

fn pump(mut from: &UnixStream, mut to: &UnixStream, mut seen: impl FnMut(&[u8])) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        seen(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}
