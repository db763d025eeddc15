//! Walking folders and acting on files without ever following a link: every step is relative to a folder that is open.
//!
//! Always holds: what is opened is opened with `O_NOFOLLOW`, one name at a time, so that nobody who renames folders or puts
//! links in their place can lead elsewhere. A file is acted on through its open folder, and emptied through its own open
//! descriptor, after it was seen to be the one that was listed.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, ftruncate, open, openat, statat, unlinkat};

use super::Outcome;
use super::plan::{Entry, Skipped, is_plain};

/// Deepest folder that is entered: each costs a descriptor while below it.
const DEPTH_MAX: usize = 32;

/// Most names looked at below one root.
const NAMES_MAX: usize = 200_000;

/// Most files listed below one root.
const ENTRIES_MAX: usize = 10_000;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens `folder`, which is `base` or below it. Links may lie on the way to `base`, which is the operator's, not below.
pub(super) fn open_below(base: &Path, folder: &Path) -> io::Result<OwnedFd> {
    let inside = folder.strip_prefix(base).map_err(|_| io::Error::other("it is not below the disk's path"))?;
    let mut at = open(base, FOLDER, Mode::empty())?;
    for part in inside.components() {
        let Component::Normal(name) = part else { return Err(io::Error::other("its path is not a plain one")) };
        at = openat(&at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(at)
}

/// Opens the folder of a file that was listed below `root`; with the file's name.
pub(super) fn folder_of<'p>(root: &OwnedFd, path: &'p str) -> io::Result<(OwnedFd, &'p str)> {
    let mut at = openat(root, ".", FOLDER, Mode::empty())?;
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().filter(|_| is_plain(path)).ok_or_else(|| io::Error::other("not a plain path"))?;
    for part in parts {
        at = openat(&at, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok((at, name))
}

/// What was found by walking.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) entries: Vec<Entry>,
    pub(super) skipped: Skipped,
    names: usize,
}

impl Walked {
    fn skip(&mut self, why: &'static str) {
        *self.skipped.entry(why).or_default() += 1;
    }
}

/// Every regular file below `root` whose name is wanted, on the same file system. Ends early when `go_on` says so.
pub(super) fn walk(
    root: &OwnedFd,
    wanted: &dyn Fn(&str) -> bool,
    open: &HashSet<(u64, u64)>,
    go_on: &dyn Fn() -> bool,
) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let device = fstat(root)?.st_dev;
    let mut visit = Visit { device, wanted, open, go_on, walked: &mut walked };
    visit.folder(root, "", 0)?;
    Ok(walked)
}

struct Visit<'v> {
    device: u64,
    wanted: &'v dyn Fn(&str) -> bool,
    open: &'v HashSet<(u64, u64)>,
    go_on: &'v dyn Fn() -> bool,
    walked: &'v mut Walked,
}

impl Visit<'_> {
    fn folder(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> io::Result<()> {
        for found in Dir::read_from(folder)? {
            let Ok(found) = found else { break };
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.walked.names += 1;
            if self.walked.names > NAMES_MAX || !(self.go_on)() {
                self.walked.skip("over_most_files");
                break;
            }
            let Some(name) = name.to_str().ok().filter(|name| is_plain(name)) else {
                self.walked.skip("unprintable");
                continue;
            };
            // What has gone since is nothing to be counted.
            let Ok(seen) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match FileType::from_raw_mode(seen.st_mode) {
                FileType::RegularFile if (self.wanted)(name) => self.file(path, &seen),
                FileType::RegularFile => {}
                FileType::Directory if seen.st_dev != self.device => self.walked.skip("other_file_system"),
                FileType::Directory if depth >= DEPTH_MAX => self.walked.skip("too_deep"),
                FileType::Directory => self.below(folder, name, &path, depth),
                FileType::Symlink => self.walked.skip("link"),
                _ => self.walked.skip("no_file"),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, seen: &Stat) {
        if seen.st_dev != self.device {
            // A file can be mounted, too.
            self.walked.skip("other_file_system");
        } else if self.walked.entries.len() >= ENTRIES_MAX {
            self.walked.skip("over_most_files");
        } else {
            let mut entry = entry(path, seen);
            entry.open = Some(self.open.contains(&entry.inode));
            self.walked.entries.push(entry);
        }
    }

    fn below(&mut self, folder: &OwnedFd, name: &str, path: &str, depth: usize) {
        let opened = openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        let entered = opened.map_err(io::Error::from).and_then(|below| {
            if fstat(&below)?.st_dev != self.device {
                return Err(io::Error::other("it was mounted meanwhile"));
            }
            self.folder(&below, path, depth + 1)
        });
        if entered.is_err() {
            self.walked.skip("not_readable");
        }
    }
}

fn entry(path: String, seen: &Stat) -> Entry {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    Entry {
        path,
        size: number(seen.st_size),
        // Blocks of 512 bytes, whatever the file system's are.
        allocated: number(seen.st_blocks).saturating_mul(512),
        modified: seen.st_mtime,
        inode: (seen.st_dev, seen.st_ino),
        links: seen.st_nlink,
        open: None,
    }
}

/// What is at this name now, if it is a regular file.
pub(super) fn look(folder: &OwnedFd, name: &str) -> io::Result<Option<Entry>> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(seen) if FileType::from_raw_mode(seen.st_mode) == FileType::RegularFile => {
            Ok(Some(entry(name.to_owned(), &seen)))
        }
        Ok(_) | Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Deletes the file of this name if it is still the one that was listed, and was not written since.
pub(super) fn delete(folder: &OwnedFd, name: &str, listed: &Entry) -> io::Result<Outcome> {
    let Some(now) = look(folder, name)? else { return Ok(Outcome::Skipped("gone")) };
    if now.inode != listed.inode || now.links != 1 {
        return Ok(Outcome::Skipped("replaced"));
    }
    if (now.size, now.modified) != (listed.size, listed.modified) {
        return Ok(Outcome::Skipped("growing"));
    }
    unlinkat(folder, name, AtFlags::empty())?;
    Ok(Outcome::Done(now.allocated))
}

/// Empties the file of this name if it is still the one that was listed. The file is open when that is looked at, so it
/// cannot be another one by then.
pub(super) fn empty(folder: &OwnedFd, name: &str, listed: &Entry) -> io::Result<Outcome> {
    // Without waiting: a pipe put in its place would never be opened.
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(Outcome::Skipped("gone")),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Ok(Outcome::Skipped("replaced")),
        Err(error) => return Err(error.into()),
    };
    let seen = fstat(file.as_fd())?;
    let now = entry(name.to_owned(), &seen);
    let is_file = FileType::from_raw_mode(seen.st_mode) == FileType::RegularFile;
    if !is_file || now.inode != listed.inode || now.links != 1 {
        return Ok(Outcome::Skipped("replaced"));
    }
    if now.size < listed.size {
        return Ok(Outcome::Skipped("shrunk"));
    }
    ftruncate(file.as_fd(), 0)?;
    Ok(Outcome::Done(now.allocated))
}

#[cfg(test)]
mod tests;
