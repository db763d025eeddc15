//! Waiting for a condition instead of sleeping, with the last state in the message when it never comes.

use std::time::{Duration, Instant};

/// Between two looks: short against everything that is waited for, long against the cost of a look.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` gives `Ok`; after `within` the test fails with `what` and the last `Err`.
pub async fn until<T, F, L>(what: &str, within: Duration, mut look: F) -> T
where
    F: FnMut() -> L,
    L: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    loop {
        match look().await {
            Ok(value) => return value,
            Err(state) if start.elapsed() > within => panic!("not within {within:?}: {what}; last seen: {state}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// [`until`] for code outside a runtime.
pub fn until_blocking<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(state) if start.elapsed() > within => panic!("not within {within:?}: {what}; last seen: {state}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Runs a future to its end from code that is not async, or inside another runtime (a `Drop`): on a thread of its own.
pub fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime needs only file descriptors").block_on(future)
        };
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
