//! Connections that lead nowhere are closed.
//!
//! actix-web times the first request head of a connection and idle keep-alive. It does not time the head of a later
//! request, a body that nobody reads any more, or an answer that is never fetched: one byte an hour would hold each for
//! ever. So every connection is known here with the moment its last answer was ready, and one that has answered nothing
//! for longer than keep-alive allows is cut. A request in a handler is never cut: handlers have limits of their own.

use std::any::Any;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

/// Alertmanager keeps idle connections for 5 minutes; closing them first would cost it an attempt now and then.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(330);

/// After this long without an answer a connection is cut: keep-alive, and time to send one more request head.
const PATIENCE: Duration = Duration::from_secs(KEEP_ALIVE.as_secs() + 30);

/// How long a sender whose body was refused may take to read the answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

/// A request is in its handler.
const BUSY: i64 = -1;

/// One connection. Lives as long as it does.
pub(super) struct Connection {
    socket: std::net::TcpStream,
    /// Milliseconds since `born` at which the last answer was ready, or [`BUSY`].
    idle_since: AtomicI64,
    born: Instant,
}

impl Connection {
    /// A request is in its handler until the guard is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.idle_since.store(BUSY, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Something of a long answer was fetched: it leads somewhere.
    pub(super) fn alive(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// Closes it soon, once its answer can have been read.
    pub(super) fn condemn(&self) {
        let soon = self.now() - millis(PATIENCE) + millis(FAREWELL);
        // Below zero it stays clear of the mark for a handler.
        self.idle_since.store(if soon == BUSY { soon - 1 } else { soon }, Ordering::Relaxed);
    }

    /// Closes it at once, both ways.
    pub(super) fn cut(&self) {
        // An error means that it is closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn now(&self) -> i64 {
        millis(self.born.elapsed())
    }

    fn is_stuck(&self, patience: Duration) -> bool {
        let since = self.idle_since.load(Ordering::Relaxed);
        since != BUSY && self.now() - since >= millis(patience)
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// While this is held its connection is not idle.
pub(super) struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
    }
}

/// All connections of one server.
#[derive(Default)]
pub(super) struct Connections(Mutex<Vec<Weak<Connection>>>);

impl Connections {
    /// Knows a new connection and lets its requests find it.
    pub(super) fn opened(&self, io: &dyn Any, data: &mut Extensions) {
        let socket = io.downcast_ref::<TcpStream>().and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
        let Some(socket) = socket else { return };
        let connection =
            Arc::new(Connection { socket: socket.into(), idle_since: AtomicI64::new(0), born: Instant::now() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&connection));
        data.insert(connection);
    }

    /// Cuts what has answered nothing for `patience` and forgets what is closed.
    fn sweep(&self, patience: Duration) {
        let open = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let open: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
            *all = open.iter().map(Arc::downgrade).collect();
            open
        };
        let stuck: Vec<_> = open.iter().filter(|connection| connection.is_stuck(patience)).collect();
        for connection in &stuck {
            connection.cut();
        }
        if !stuck.is_empty() {
            tracing::info!(connections = stuck.len(), "connections that led nowhere were closed");
        }
    }

    /// Sweeps as long as the server lives. Cancel safe.
    pub(super) async fn watch(connections: Weak<Self>) {
        let mut tick = tokio::time::interval(SWEEP);
        loop {
            tick.tick().await;
            let Some(connections) = connections.upgrade() else { return };
            connections.sweep(PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn connected() -> (std::net::TcpStream, Arc<Connection>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let (socket, _) = listener.accept().expect("one waits");
        let connection = Connection { socket, idle_since: AtomicI64::new(0), born: Instant::now() };
        (client, Arc::new(connection))
    }

    #[test]
    fn a_connection_that_answers_nothing_is_cut_and_one_in_a_handler_is_not() {
        let (mut idle_client, idle) = connected();
        let (busy_client, busy) = connected();
        let connections = Connections::default();
        connections.0.lock().expect("test").extend([Arc::downgrade(&idle), Arc::downgrade(&busy)]);
        let guard = busy.busy();
        connections.sweep(Duration::ZERO);
        assert_eq!(idle_client.read(&mut [0]).expect("closed in order"), 0);
        busy_client.set_nonblocking(true).expect("a socket");
        assert!((&busy_client).read(&mut [0]).is_err(), "nothing to read, and still open");
        drop(guard);
        assert!(busy.is_stuck(Duration::ZERO) && !busy.is_stuck(PATIENCE));
    }

    #[test]
    fn a_condemned_connection_has_time_for_its_answer_and_no_more() {
        let (_client, connection) = connected();
        connection.condemn();
        assert!(!connection.is_stuck(PATIENCE));
        assert!(connection.is_stuck(PATIENCE.saturating_sub(FAREWELL)));
    }

    #[test]
    fn closed_connections_are_forgotten() {
        let (_client, connection) = connected();
        let connections = Connections::default();
        connections.0.lock().expect("test").push(Arc::downgrade(&connection));
        drop(connection);
        connections.sweep(PATIENCE);
        assert!(connections.0.lock().expect("test").is_empty());
    }
}
