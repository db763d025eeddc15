//! What another process makes due at once is heard at once: `NOTIFY` in the transaction that stores it, `LISTEN` on a connection
//! of its own.
//!
//! Always holds: a wake carries no fact, only its kind, and nothing rests on it: whoever hears one looks at the rows. What was
//! said while nobody listened is lost, so a connection that was made anew counts as one wake, and the worker polls in any
//! case. Told are the few writes that make a row due which nobody is at work on: an answer, a resolve, a claim given back, a
//! pause or a breaker that a person took back. Not every commit: the server commits those that notify one after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgConnection};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The channel, and the one kind of wake there is.
const CHANNEL: &str = "fettle";
const TELL: &str = "SELECT pg_notify('fettle', 'due')";

/// Pause before a connection that cannot be made is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// A connection on which nothing was heard for so long is asked for a sign of life: a network that swallows packets looks
/// like silence.
const QUIET: Duration = Duration::from_secs(10);

/// It must answer within this.
const ANSWER: Duration = Duration::from_secs(2);

/// A connection that takes longer is given up.
const CONNECT: Duration = Duration::from_secs(10);

/// Has every process look for what is due, once this transaction is committed.
pub(super) async fn tell(tx: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(TELL).execute(tx).await.map(drop)
}

/// This process's ear. Ends with [`Wakes::end`], or when dropped.
#[derive(Debug)]
pub(super) struct Wakes {
    heard: Arc<Heard>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Heard {
    /// Keeps one wake for whoever waits next.
    wake: Notify,
    listens: AtomicBool,
}

impl Wakes {
    /// Listens from soon on.
    pub(super) fn begin(options: PgConnectOptions) -> Self {
        let (heard, stop) = (Arc::new(Heard::default()), CancellationToken::new());
        let (theirs, until) = (heard.clone(), stop.clone());
        let task = tokio::spawn(async move {
            // Cancel safe: what is not heard any more is not needed.
            tokio::select! {
                () = until.cancelled() => {}
                () = listen(options, &theirs) => {}
            }
            theirs.listens.store(false, Ordering::Relaxed);
        });
        Self { heard, stop, task: Mutex::new(Some(task)) }
    }

    /// Ends when something may be due. Cancel safe.
    pub(super) async fn heard(&self) {
        self.heard.wake.notified().await;
    }

    /// Whether anything could be heard now.
    pub(super) fn are_heard(&self) -> bool {
        self.heard.listens.load(Ordering::Relaxed)
    }

    pub(super) async fn end(&self) {
        self.stop.cancel();
        if let Some(task) = self.task.lock().await.take() {
            // It has nothing to say; if it panicked, the runtime has already said so.
            let _ = task.await;
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Passes on what is heard; on another connection when one dies.
async fn listen(options: PgConnectOptions, heard: &Heard) {
    loop {
        if let Ok(Ok(mut listener)) = tokio::time::timeout(CONNECT, listener(&options)).await {
            heard.listens.store(true, Ordering::Relaxed);
            // Whatever was said before is made up for by one look.
            heard.wake.notify_one();
            while hears(&mut listener, heard).await {}
            heard.listens.store(false, Ordering::Relaxed);
            heard.wake.notify_one();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Passes on the next thing that is heard. False when the connection is gone, and with it what was said meanwhile.
async fn hears(listener: &mut PgListener, heard: &Heard) -> bool {
    match tokio::time::timeout(QUIET, listener.try_recv()).await {
        Ok(Ok(Some(_))) => {
            heard.wake.notify_one();
            true
        }
        Ok(_) => false,
        Err(_) => matches!(tokio::time::timeout(ANSWER, listener.execute("SELECT 1")).await, Ok(Ok(_))),
    }
}

async fn listener(options: &PgConnectOptions) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
