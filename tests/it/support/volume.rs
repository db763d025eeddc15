//! Small file systems, to be filled.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A file system in memory, gone with the value.
#[derive(Debug)]
pub struct Volume(TempDir);

impl Volume {
    /// An empty one of this size.
    pub fn of_megabytes(size: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        mount(folder.path(), size);
        Self(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// What `df` says is free.
    pub fn free_percent(&self) -> u32 {
        let out = Command::new("df").args(["-Pk"]).arg(self.path()).output().expect("df");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let used = text.lines().last().and_then(|line| line.split_whitespace().nth(4)).unwrap_or("100%");
        100 - used.trim_end_matches('%').parse::<u32>().unwrap_or(100)
    }

    /// Mounts another one inside, which goes with this.
    pub fn mount_inside(&self, folder: &str) {
        let inside = self.path().join(folder);
        std::fs::create_dir_all(&inside).expect("a folder");
        mount(&inside, 1);
    }
}

fn mount(folder: &Path, megabytes: u32) {
    let size = format!("size={megabytes}m");
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "fettle-test"]).arg(folder).status();
    assert!(done.is_ok_and(|it| it.success()), "mount needs root");
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", "-R"]).arg(self.path()).status();
    }
}
