//! What is to be done when: ordered by instant, and among equals by when it was put in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use uuid::Uuid;

use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::time::Timestamp;

/// What is to be done. An entry may be out of date: whoever takes it looks whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wake {
    /// A remediation was opened: it is decided at once, whenever it is due.
    Begin(Uuid),
    /// A remediation is due.
    Due(Uuid),
    /// The call of a remediation is answered.
    Answer(Uuid),
    /// A loan is due.
    Loan(Uuid),
    /// The call that returns a loan is answered.
    LoanAnswer(Uuid),
    /// What these alerts waited for is free.
    Again(Vec<Fingerprint>),
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    queue: BinaryHeap<Reverse<Entry>>,
    put: u64,
}

#[derive(Debug)]
struct Entry(Timestamp, u64, Wake);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl Agenda {
    pub(super) fn put(&mut self, at: Timestamp, wake: Wake) {
        self.put += 1;
        self.queue.push(Reverse(Entry(at, self.put, wake)));
    }

    /// The next one whose instant is in time; moves `now` to it, never back.
    pub(super) fn next(&mut self, in_time: impl Fn(Timestamp) -> bool, now: &mut Timestamp) -> Option<Wake> {
        let Reverse(Entry(at, ..)) = self.queue.peek()?;
        if !in_time((*at).max(*now)) {
            return None;
        }
        *now = (*at).max(*now);
        self.queue.pop().map(|Reverse(Entry(_, _, wake))| wake)
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.queue.peek().map(|Reverse(Entry(at, ..))| *at)
    }
}
