//! Rows that are worked on under a claim: filed by when they are due and by when their lease ends.
//!
//! Always holds: a row is free or held, and is filed accordingly; one that is over is neither. A claim raises the version,
//! so an earlier one is lost even to its own owner.

use std::collections::{BTreeMap, BTreeSet};

use fettle_core::id::{EffortId, ReplicaId};
use fettle_core::ports::model::Claim;
use fettle_core::time::Timestamp;

/// Whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The process.
    pub owner: ReplicaId,
    /// Until when.
    pub until: Timestamp,
}

impl Lease {
    /// Whether it is over at `now`; it holds to its last instant.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.until < now
    }
}

/// A row that is worked on.
#[derive(Debug, Clone)]
pub struct Row<T> {
    /// What it holds.
    pub doc: T,
    /// Raised by every claim and commit.
    pub version: i64,
    /// How often it was woken.
    pub wakes: i64,
    /// When it is due; `None`: it is over.
    pub due: Option<Timestamp>,
    /// Whose it is.
    pub lease: Option<Lease>,
}

impl<T> Row<T> {
    /// One that nobody has touched.
    pub(super) fn new(doc: T, due: Option<Timestamp>, lease: Option<Lease>) -> Self {
        Self { doc, version: 1, wakes: 0, due, lease }
    }

    /// Compare, for compare and set.
    pub(super) fn is_held_by(&self, claim: &Claim) -> bool {
        self.version == claim.version && self.lease.is_some_and(|lease| lease.owner == claim.owner)
    }

    /// It must be looked at by `now`, whoever holds it.
    pub(super) fn wake(&mut self, now: Timestamp) {
        self.due = self.due.map(|due| due.min(now));
        self.wakes += 1;
    }
}

/// All rows of one kind.
#[derive(Debug)]
pub(super) struct Leased<I, T> {
    rows: BTreeMap<I, Row<T>>,
    /// Open rows that nobody holds, by when they are due.
    free: BTreeSet<(Timestamp, I)>,
    /// Open rows that somebody holds, by when the lease ends; then by when they are due.
    held: BTreeSet<(Timestamp, Timestamp, I)>,
}

impl<I, T> Default for Leased<I, T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), free: BTreeSet::new(), held: BTreeSet::new() }
    }
}

impl<I: Copy + Ord + Into<EffortId>, T> Leased<I, T> {
    pub(super) fn get(&self, id: I) -> Option<&Row<T>> {
        self.rows.get(&id)
    }

    /// To change what no filing depends on.
    pub(super) fn doc(&mut self, id: I) -> Option<&mut T> {
        self.rows.get_mut(&id).map(|row| &mut row.doc)
    }

    pub(super) fn has(&self, id: I) -> bool {
        self.rows.contains_key(&id)
    }

    /// By id.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &Row<T>)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    /// Those before `end`, by id.
    pub(super) fn before(&self, end: Option<I>) -> impl DoubleEndedIterator<Item = (I, &Row<T>)> {
        let end = end.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.rows.range((std::ops::Bound::Unbounded, end)).map(|(id, row)| (*id, row))
    }

    /// Those that are not over: the free ones by when they are due, then those that are held.
    pub(super) fn open(&self) -> impl Iterator<Item = (I, &Row<T>)> {
        let free = self.free.iter().map(|(_, id)| *id);
        let ids = free.chain(self.held.iter().map(|(_, _, id)| *id));
        ids.filter_map(|id| Some((id, self.rows.get(&id)?)))
    }

    /// When the earliest that nobody holds is due.
    pub(super) fn first_free(&self) -> Option<Timestamp> {
        self.free.first().map(|(due, _)| *due)
    }

    /// Whether somebody holds one.
    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether all are over.
    pub(super) fn is_over(&self) -> bool {
        self.free.is_empty() && self.held.is_empty()
    }

    pub(super) fn insert(&mut self, id: I, row: Row<T>) {
        self.file(id, row.due, row.lease);
        self.rows.insert(id, row);
    }

    pub(super) fn remove(&mut self, id: I) -> Option<Row<T>> {
        let row = self.rows.remove(&id)?;
        self.unfile(id, row.due, row.lease);
        Some(row)
    }

    /// Changes a row and files it anew.
    pub(super) fn change<R>(&mut self, id: I, change: impl FnOnce(&mut Row<T>) -> R) -> Option<R> {
        let row = self.rows.get_mut(&id)?;
        let before = (row.due, row.lease);
        let done = change(row);
        let after = (row.due, row.lease);
        if before != after {
            self.unfile(id, before.0, before.1);
            self.file(id, after.0, after.1);
        }
        Some(done)
    }

    fn file(&mut self, id: I, due: Option<Timestamp>, lease: Option<Lease>) {
        match (due, lease) {
            (Some(due), None) => self.free.insert((due, id)),
            (Some(due), Some(lease)) => self.held.insert((lease.until, due, id)),
            (None, _) => false,
        };
    }

    fn unfile(&mut self, id: I, due: Option<Timestamp>, lease: Option<Lease>) {
        match (due, lease) {
            (Some(due), None) => self.free.remove(&(due, id)),
            (Some(due), Some(lease)) => self.held.remove(&(lease.until, due, id)),
            (None, _) => false,
        };
    }

    /// Those whose lease is over, with when they are due.
    fn lapsed(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, I)> {
        self.held.iter().take_while(move |(until, ..)| *until < now).map(|(_, due, id)| (*due, *id))
    }

    /// Claims what is due, earliest first.
    pub(super) fn claim(&mut self, owner: ReplicaId, now: Timestamp, until: Timestamp, limit: u32) -> Vec<(Claim, &T)> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let free = self.free.iter().take_while(|(due, _)| *due <= now).take(limit).copied();
        let mut due: Vec<(Timestamp, I)> = free.chain(self.lapsed(now).filter(|(due, _)| *due <= now)).collect();
        due.sort_unstable();
        due.truncate(limit);
        for (_, id) in &due {
            self.change(*id, |row| {
                row.lease = Some(Lease { owner, until });
                row.version += 1;
            });
        }
        let claimed = |(_, id): (Timestamp, I)| {
            let row = self.rows.get(&id)?;
            Some((Claim { id: id.into(), owner, version: row.version, wakes: row.wakes }, &row.doc))
        };
        due.into_iter().filter_map(claimed).collect()
    }

    /// The earliest that nobody holds.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let free = self.free.first().map(|(due, _)| *due);
        free.into_iter().chain(self.lapsed(now).map(|(due, _)| due)).min()
    }

    /// Gives back the claims of those owners; how many.
    pub(super) fn release(&mut self, of: impl Fn(ReplicaId) -> bool) -> u64 {
        let owned = |id: &I| self.rows.get(id).and_then(|row| row.lease).is_some_and(|lease| of(lease.owner));
        let ids: Vec<I> = self.held.iter().map(|(_, _, id)| *id).filter(owned).collect();
        for id in &ids {
            self.change(*id, |row| row.lease = None);
        }
        ids.len() as u64
    }
}
