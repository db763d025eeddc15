//! Whether the database is still the file that its path names.
//!
//! A file that is deleted, or replaced by a backup, goes on to take what is written, and it is all gone with the process. So
//! nothing is acknowledged into such a file: it must be there under its name when something is stored.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fettle_core::ports::StoreError;

/// The file as it was opened.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Place {
    /// Of a file that was just opened.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path) }
    }

    /// An error when another file, or none, has its name by now.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if identity(&self.path) == self.file {
            return Ok(());
        }
        let path = self.path.display();
        let why =
            format!("{path} was deleted or replaced under the running fettle, which stores nothing more: restart it");
        Err(StoreError::Unusable(why))
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    metadata(path).ok().map(|it| (it.dev(), it.ino()))
}
