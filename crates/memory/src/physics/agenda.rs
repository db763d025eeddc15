//! What is going to happen by itself, by instant; at one instant in the order in which it was entered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::container::Key;
use super::request::Ticket;
use fettle_core::time::Timestamp;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A request reaches the daemon.
    Arrive(Ticket),
    /// The process ends by itself; `life` is the one that says so.
    End { key: Key, life: u32 },
    /// The process ends because of SIGTERM.
    Term { key: Key, run: usize },
    /// The grace of a stop is over.
    Grace { key: Key, run: usize },
    /// The pause before the next start by policy is over.
    Policy { key: Key, token: u32 },
    /// A start is through.
    Started { key: Key },
    /// A removal is through.
    Removed { key: Key, ticket: Ticket },
    /// A probe of the health check ends.
    Probe { key: Key, run: usize },
    /// Swarm compares a service's tasks with what is asked for.
    Reconcile { service: usize },
    /// Swarm starts a task in place of one that ended.
    Replace { service: usize, key: Key },
}

impl Due {
    /// The container that it is about.
    pub(super) fn container(self) -> Option<Key> {
        match self {
            Self::End { key, .. }
            | Self::Term { key, .. }
            | Self::Grace { key, .. }
            | Self::Policy { key, .. }
            | Self::Started { key }
            | Self::Removed { key, .. }
            | Self::Probe { key, .. } => Some(key),
            Self::Arrive(_) | Self::Reconcile { .. } | Self::Replace { .. } => None,
        }
    }
}

/// The agenda.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<(Timestamp, u64, Due)>>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Timestamp, due: Due) {
        self.entered += 1;
        self.heap.push(Reverse((at, self.entered, due)));
    }

    /// The first that is due by `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, due))| (at, due))
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }
}
