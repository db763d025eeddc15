//! Rows found by a name, in the order of an instant.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fettle_core::time::Timestamp;

/// Names that many rows share, each held once.
#[derive(Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    /// The one copy of `name`.
    pub(super) fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(name) {
            return shared.clone();
        }
        let shared: Arc<str> = name.into();
        self.0.insert(shared.clone());
        shared
    }

    /// Forgets the names that no row has any more.
    pub(super) fn sweep(&mut self) {
        self.0.retain(|name| Arc::strong_count(name) > 1);
    }
}

/// For each name, what is filed under it by instant.
#[derive(Debug)]
pub(super) struct Filed<I>(HashMap<Arc<str>, BTreeSet<(Timestamp, I)>>);

impl<I> Default for Filed<I> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<I: Ord + Copy> Filed<I> {
    pub(super) fn put(&mut self, name: &Arc<str>, at: Timestamp, id: I) {
        self.0.entry(name.clone()).or_default().insert((at, id));
    }

    /// A name without rows goes.
    pub(super) fn take(&mut self, name: &str, at: Timestamp, id: I) {
        if let Some(rows) = self.0.get_mut(name) {
            rows.remove(&(at, id));
            if rows.is_empty() {
                self.0.remove(name);
            }
        }
    }

    /// What is filed under `name`, oldest first.
    pub(super) fn of<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = (Timestamp, I)> + use<'a, I> {
        self.0.get(name).into_iter().flatten().copied()
    }
}

/// What is in either of two, which are newest first, each once.
pub(super) fn newest_of<T: Ord + Copy>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T>,
) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || {
        let next = one.peek().copied().max(other.peek().copied())?;
        one.next_if_eq(&next);
        other.next_if_eq(&next);
        Some(next)
    })
}

/// The latest row of each rule under a name.
#[derive(Debug)]
pub(super) struct Latest<I>(HashMap<Arc<str>, Vec<Last<I>>>);

impl<I> Default for Latest<I> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// The latest row of a rule.
#[derive(Debug)]
pub(super) struct Last<I> {
    pub(super) rule: Arc<str>,
    pub(super) at: Timestamp,
    pub(super) id: I,
}

impl<I: Copy + Ord> Latest<I> {
    pub(super) fn put(&mut self, name: &Arc<str>, last: Last<I>) {
        let all = self.0.entry(name.clone()).or_default();
        match all.iter_mut().find(|known| known.rule == last.rule) {
            Some(known) if (known.at, known.id) < (last.at, last.id) => *known = last,
            Some(_) => {}
            None => all.push(last),
        }
    }

    pub(super) fn of(&self, name: &str) -> &[Last<I>] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn take(&mut self, name: &str, id: I) {
        if let Some(all) = self.0.get_mut(name) {
            all.retain(|last| last.id != id);
            if all.is_empty() {
                self.0.remove(name);
            }
        }
    }
}
