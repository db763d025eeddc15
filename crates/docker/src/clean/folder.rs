//! On a disk of the host that fettle sees itself.
//!
//! Which files are open is seen in `/proc`, as far as its owner lets us and in our own process namespace: from inside a
//! container not at all.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::plan::{Deed, Entry, is_named};
use super::{Acted, Listing, Outcome, Place, walk};
use crate::{disk, own};
use fettle_core::action::CleanLogs;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::Space;

/// Files cleaned between two looks at what is free, where nothing hangs on it.
const AT_ONCE: usize = 100;

/// A disk of the host.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its path.
    pub(super) disk: PathBuf,
    pub(super) deadline: Instant,
}

#[async_trait]
impl Place for Folder {
    fn batch(&self, careful: bool) -> usize {
        if careful { 1 } else { AT_ONCE }
    }

    fn now(&self) -> i64 {
        Timestamp::now().as_second()
    }

    async fn free(&self, root: &str) -> Option<Space> {
        let root = PathBuf::from(root);
        self.blocking(move |_| Ok(disk::space(&root))).await.ok()?
    }

    async fn list(&self, root: &str, clean: &CleanLogs) -> Result<Listing, PlatformError> {
        let (disk, root, clean) = (self.disk.clone(), PathBuf::from(root), clean.clone());
        self.blocking(move |until| {
            let folder = walk::open_below(&disk, &root).map_err(|error| unfit(&root, &error))?;
            let (open, open_files) = open_files();
            let go_on = || Instant::now() < until;
            let walked = walk::walk(&folder, &|name| is_named(&clean, name), &open, &go_on);
            let mut walked = walked.map_err(|error| unfit(&root, &error))?;
            if open_files != SEEN {
                // That it was not seen to be open proves nothing.
                walked.entries.iter_mut().for_each(|entry| entry.open = entry.open.filter(|open| *open));
            }
            let (entries, skipped) = (walked.entries, walked.skipped);
            Ok(Listing { entries, skipped, open_files: Some(open_files), said: None })
        })
        .await
    }

    async fn act(&self, root: &str, deed: Deed, entries: &[Entry]) -> Result<Acted, PlatformError> {
        let (disk, root, entries) = (self.disk.clone(), PathBuf::from(root), entries.to_vec());
        self.blocking(move |until| {
            let mut acted = Acted::default();
            for entry in &entries {
                if Instant::now() >= until {
                    acted.outcomes.push(Outcome::Skipped("no_time"));
                    continue;
                }
                let done = walk::open_below(&disk, &root).and_then(|root| {
                    let (folder, name) = walk::folder_of(&root, &entry.path)?;
                    match deed {
                        Deed::Delete => walk::delete(&folder, name, entry),
                        Deed::Empty => walk::empty(&folder, name, entry),
                    }
                });
                acted.outcomes.push(done.unwrap_or_else(|error| {
                    acted.said = Some(format!("{}: {error}", entry.path));
                    if error.kind() == std::io::ErrorKind::NotFound {
                        Outcome::Skipped("gone")
                    } else {
                        Outcome::Skipped("refused")
                    }
                }));
            }
            Ok(acted)
        })
        .await
    }
}

impl Folder {
    /// Runs what blocks on a thread of its own, which is told until when it has time. A file system that hangs is left to
    /// itself after that; what it was at may still happen, one file at most.
    async fn blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce(Instant) -> Result<T, PlatformError> + Send + 'static,
    ) -> Result<T, PlatformError> {
        let deadline = self.deadline;
        match timeout_at(deadline, spawn_blocking(move || run(deadline))).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(_) => {
                Err(PlatformError::Incomplete(format!("the file system of {} did not answer", self.disk.display())))
            }
        }
    }
}

fn unfit(root: &Path, error: &std::io::Error) -> PlatformError {
    PlatformError::Unfit(format!("{} cannot be cleaned: {error}", root.display()))
}

const SEEN: &str = "seen";

/// Device and inode of every file that is open, and whether these are all.
fn open_files() -> (HashSet<(u64, u64)>, &'static str) {
    let mut open = HashSet::new();
    let Ok(processes) = std::fs::read_dir("/proc") else { return (open, "cannot tell") };
    let mut all = own::own_container_id().is_none();
    for process in processes.flatten() {
        if !process.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        match std::fs::read_dir(process.path().join("fd")) {
            Ok(files) => {
                let seen = files.flatten().filter_map(|file| std::fs::metadata(file.path()).ok());
                open.extend(seen.map(|seen| (seen.dev(), seen.ino())));
            }
            Err(error) => all &= error.kind() == std::io::ErrorKind::NotFound,
        }
    }
    (open, if all { SEEN } else { "seen in part" })
}
