//! Which files are emptied and which are deleted. Pure: it is given what was listed and answers with what to do.
//!
//! A file whose name is among the rotated ones is deleted when it is old enough, and never emptied; any other that is named
//! is emptied when it is large enough. Deleting comes first, the oldest first, then emptying, the largest first: so that
//! where enough is free before the end, what is lost is what is worth least.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use fettle_core::action::CleanLogs;
use fettle_core::target::Pattern;

/// A file as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative to its root: no `..`, no control characters.
    pub(super) path: String,
    /// Bytes, as they are counted by its length.
    pub(super) size: u64,
    /// Bytes that it takes of the disk.
    pub(super) allocated: u64,
    /// When it was last written, in seconds since 1970.
    pub(super) modified: i64,
    /// Its inode, and the device of it.
    pub(super) inode: (u64, u64),
    /// How many names it has.
    pub(super) links: u64,
    /// Whether a process has it open; `None` when that cannot be told.
    pub(super) open: Option<bool>,
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Its name is taken away.
    Delete,
    /// Its length becomes 0.
    Empty,
}

impl Deed {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "deleted",
            Self::Empty => "emptied",
        }
    }
}

/// One file to be cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Which root it is below.
    pub(super) root: usize,
    /// What to do.
    pub(super) deed: Deed,
    /// To which file.
    pub(super) entry: Entry,
}

/// Why files were left alone, and how many.
pub(super) type Skipped = BTreeMap<&'static str, u64>;

/// What is to be done, in this order, and what is left alone although its name is among those that may be cleaned.
pub(super) fn plan(listed: &[Vec<Entry>], clean: &CleanLogs, now: i64) -> (Vec<Job>, Skipped) {
    let mut skipped = Skipped::new();
    let mut skip = |why: &'static str| *skipped.entry(why).or_default() += 1;
    let (mut rotated, mut growing): (Vec<Job>, Vec<Job>) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (root, entries) in listed.iter().enumerate() {
        for entry in entries {
            let name = name(&entry.path);
            let of = |deed| Job { root, deed, entry: entry.clone() };
            let kind = match (permits(&clean.rotated, name), permits(&clean.files, name)) {
                (true, _) => Deed::Delete,
                (false, true) => Deed::Empty,
                (false, false) => continue,
            };
            if entry.links > 1 {
                // Its other name may lie anywhere.
                skip("hard_link");
            } else if !seen.insert(entry.inode) {
                // Below two of the roots.
            } else if kind == Deed::Delete {
                rotated.push(of(kind));
            } else if entry.size <= clean.larger_than {
                skip("small");
            } else {
                growing.push(of(kind));
            }
        }
    }
    let mut jobs = old_enough(rotated, clean, now, &mut skip);
    growing.sort_by_key(|job| Reverse(job.entry.allocated));
    jobs.extend(growing);
    (within(jobs, clean, &mut skip), skipped)
}

/// Those that may be deleted, the oldest first.
fn old_enough(mut jobs: Vec<Job>, clean: &CleanLogs, now: i64, skip: &mut impl FnMut(&'static str)) -> Vec<Job> {
    jobs.sort_by_key(|job| Reverse(job.entry.modified));
    let older_than = i64::try_from(clean.older_than.as_secs()).unwrap_or(i64::MAX);
    let mut newest: HashMap<(usize, String), u32> = HashMap::new();
    jobs.retain(|job| {
        let kept = newest.entry((job.root, folder(&job.entry.path).to_owned())).or_default();
        if *kept < clean.keep_newest {
            *kept += 1;
            skip("newest");
            return false;
        }
        if now.saturating_sub(job.entry.modified) < older_than {
            skip("young");
            return false;
        }
        if job.entry.open == Some(true) {
            // Deleting would free nothing before it is closed.
            skip("open");
            return false;
        }
        true
    });
    jobs.reverse();
    jobs
}

/// The first so many of them that are not too much together; one that alone would be too much makes room for the next.
fn within(jobs: Vec<Job>, clean: &CleanLogs, skip: &mut impl FnMut(&'static str)) -> Vec<Job> {
    let (mut files, mut bytes) = (0, 0_u64);
    let fits = |job: &Job| {
        if files >= clean.max_files {
            skip("over_max_files");
            return false;
        }
        let sum = bytes.saturating_add(job.entry.allocated);
        if sum > clean.max_bytes {
            skip("over_max_bytes");
            return false;
        }
        (files, bytes) = (files + 1, sum);
        true
    };
    jobs.into_iter().filter(fits).collect()
}

/// Whether a file of this name may be cleaned at all.
pub(super) fn is_named(clean: &CleanLogs, name: &str) -> bool {
    permits(&clean.rotated, name) || permits(&clean.files, name)
}

fn permits(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.permits(name))
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a path that was listed is one to act on: printable, and with nothing in it that leads out of its root.
pub(super) fn is_plain(path: &str) -> bool {
    !path.chars().any(|c| c.is_control() || c == '\u{fffd}')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests;
