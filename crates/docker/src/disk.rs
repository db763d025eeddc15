//! Disks of a host: what the configuration says of them, and how full they are where fettle can see it.
//!
//! fettle sees a disk when the daemon is on this machine (its endpoint is a socket file) and the path is there. Who runs
//! fettle in a container mounts the disk at the same path.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::daemon::Daemon;
use super::host::{Host, LOOK};
use fettle_core::sight::{Disk, Space};

/// One disk of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskConfig {
    /// Where it is mounted on the host.
    pub path: PathBuf,
    /// The actions that are permitted on it, by name.
    pub allow: BTreeSet<String>,
}

/// How many questions about disks of one host may be open: a network file system that hangs holds a thread each.
pub(super) const OPEN_MAX: usize = 4;

/// The disk of this name; `None` when the configuration knows none.
pub(super) async fn look(host: &Host, daemon: &Daemon, name: &str) -> Option<Disk> {
    let config = host.disks.get(name)?;
    let space = if host.is_local() { space_of(host, config.path.clone()).await } else { None };
    Some(Disk { daemon: daemon.id.clone(), name: name.to_owned(), allow: config.allow.clone(), space })
}

/// The file system's size and what of it is free. One that hangs is not to be seen.
async fn space_of(host: &Host, path: PathBuf) -> Option<Space> {
    let open = Arc::clone(&host.open_disks).try_acquire_owned().ok()?;
    let asked = tokio::task::spawn_blocking(move || {
        let seen = space(&path);
        drop(open);
        seen
    });
    tokio::time::timeout(LOOK, asked).await.ok()?.ok()?
}

/// A file system's size and what of it an ordinary user may still write. Blocks.
pub(super) fn space(path: &Path) -> Option<Space> {
    let seen = rustix::fs::statvfs(path).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(seen.f_frsize);
    Some(Space { total: bytes(seen.f_blocks), free: bytes(seen.f_bavail) }).filter(|space| space.total > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_has_no_space_to_be_seen() {
        assert!(space(Path::new("/")).is_some_and(|space| space.total >= space.free));
        assert_eq!(space(Path::new("/nowhere/at/all")), None);
    }
}
