//! Signs of life, of the engine's tasks and of the server's workers: each says until when it will be heard of again.
//!
//! Always holds: a task that keeps its word is alive, whether or not what it tried worked; so a database or a Docker that
//! is away makes nobody late, because every call to them ends by itself. One that does not end, a lock that is never
//! given back, a disk that hangs: then the word is broken, and [`Pulses::late`] names the task. Whoever watches from
//! outside (systemd) has the process started anew then.
//!
//! Not done: telling what the task hangs in. The log and a stack trace do that better.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long one round of a task may take that waits for nothing but the store: its calls end after 6 s each, there are a
/// few in a row, and a machine under load is slow.
pub const ROUND: Duration = Duration::from_secs(30);

/// The words that stand.
#[derive(Debug)]
pub struct Pulses {
    began: Instant,
    tasks: Vec<(&'static str, AtomicU64)>,
}

/// One task's voice. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pulse {
    pulses: Arc<Pulses>,
    task: usize,
}

impl Pulses {
    /// Nobody has given a word yet, so nobody is late.
    #[must_use]
    pub fn of(names: &[&'static str]) -> Arc<Self> {
        let tasks = names.iter().map(|&name| (name, AtomicU64::new(u64::MAX))).collect();
        Arc::new(Self { began: Instant::now(), tasks })
    }

    /// The voice of the `task`-th.
    #[must_use]
    pub fn pulse(self: &Arc<Self>, task: usize) -> Pulse {
        Pulse { pulses: self.clone(), task }
    }

    /// Who should have been heard of by now.
    #[must_use]
    pub fn late(&self) -> Vec<&'static str> {
        self.late_after(self.began.elapsed())
    }

    fn late_after(&self, elapsed: Duration) -> Vec<&'static str> {
        let now = millis(elapsed);
        self.tasks.iter().filter(|(_, until)| until.load(Ordering::Relaxed) < now).map(|(name, _)| *name).collect()
    }
}

impl Pulse {
    /// Alive now, and heard of again `within` that time.
    pub fn again(&self, within: Duration) {
        self.until(self.pulses.began.elapsed() + within);
    }

    /// Ended as it should: nothing more will be heard.
    pub fn done(&self) {
        self.set(u64::MAX);
    }

    fn until(&self, elapsed: Duration) {
        self.set(millis(elapsed));
    }

    fn set(&self, until: u64) {
        if let Some((_, word)) = self.pulses.tasks.get(self.task) {
            word.store(until, Ordering::Relaxed);
        }
    }
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_broke_its_word_is_late() {
        let pulses = Pulses::of(&["writer", "worker"]);
        let (writer, worker) = (pulses.pulse(0), pulses.pulse(1));
        assert!(pulses.late_after(Duration::from_hours(1)).is_empty(), "no word was given");
        writer.until(Duration::from_secs(30));
        worker.until(Duration::from_mins(1));
        assert!(pulses.late_after(Duration::from_secs(30)).is_empty(), "in time is not late");
        assert_eq!(pulses.late_after(Duration::from_secs(31)), ["writer"]);
        writer.done();
        assert_eq!(pulses.late_after(Duration::from_hours(1)), ["worker"]);
    }
}
