//! What was cleaned, for the audit.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::plan::{Job, Skipped};
use fettle_core::sight::Space;

/// Most files listed; how many there were is said besides.
const LISTED_MAX: usize = 200;

/// What was cleaned.
#[derive(Debug, Default)]
pub(super) struct Report {
    files: Vec<Value>,
    /// How many files were cleaned.
    pub(super) count: u64,
    freed: u64,
    skipped: Skipped,
    roots: BTreeMap<String, Value>,
    /// What the programs said that did it, where they complained.
    pub(super) said: Option<String>,
    /// Whether it was seen which files are open.
    pub(super) open_files: Option<&'static str>,
    /// What became of the container's own log.
    pub(super) container_log: Option<Value>,
}

impl Report {
    pub(super) fn done(&mut self, root: &str, job: &Job, freed: u64) {
        self.count += 1;
        self.freed += freed;
        if self.files.len() < LISTED_MAX {
            let path = &job.entry.path;
            self.files.push(json!({"root": root, "path": path, "done": job.deed.as_str(), "bytes": freed}));
        }
    }

    pub(super) fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }

    pub(super) fn skip_all(&mut self, skipped: &Skipped) {
        for (why, n) in skipped {
            *self.skipped.entry(why).or_default() += n;
        }
    }

    pub(super) fn root(&mut self, root: &str, key: &str, value: Value) {
        self.roots.entry(root.to_owned()).or_insert_with(|| json!({}))[key] = value;
    }

    pub(super) fn free(&mut self, root: &str, key: &str, space: Option<Space>) {
        self.root(root, key, json!(space.map(Space::free_percent)));
    }

    /// Why files were left alone, in one line.
    pub(super) fn skips(&self) -> String {
        let each: Vec<String> = self.skipped.iter().map(|(why, n)| format!("{why}: {n}")).collect();
        if each.is_empty() { "no file has such a name".to_owned() } else { format!("left alone: {}", each.join(", ")) }
    }

    pub(super) fn value(&self) -> Value {
        let mut it = json!({
            "count": self.count,
            "freed_bytes": self.freed,
            "files": self.files,
            "skipped": self.skipped,
            "roots": self.roots,
        });
        if let Some(said) = &self.said {
            it["said"] = json!(said);
        }
        if let Some(open_files) = self.open_files {
            it["open_files"] = json!(open_files);
        }
        if let Some(log) = &self.container_log {
            it["container_log"] = log.clone();
        }
        json!({"cleaned": it})
    }
}
