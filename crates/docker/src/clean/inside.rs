//! Inside a container: `find`, `stat`, `truncate`, `df` and `ls` of its image, GNU's or busybox's.
//!
//! Names come from `find -print0`, so none can pass for two; facts about them from `stat` of names that hold no control
//! characters. What is done is done by `find` again, from the root, by path *and* inode: it walks without following links,
//! so a folder that was swapped for a link meanwhile leads nowhere. What remains is the instant between its look at a file
//! and `truncate` opening it; whoever can write into the folder could use that to have another file emptied, one that the
//! user whom the programs run as may write to. Where that matters the rule names a `user`. `-delete` has no such instant.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use tokio::time::Instant;

use super::plan::{Deed, Entry, is_named, is_plain};
use super::{Acted, Listing, Outcome, Place, said};
use crate::exec::{self, Output};
use crate::host::Host;
use fettle_core::action::CleanLogs;
use fettle_core::ports::platform::PlatformError;
use fettle_core::sight::Space;
use fettle_core::target::Pattern;

/// Most files looked at below one root.
const ENTRIES_MAX: usize = 10_000;

/// Files in one call: their paths, of 4 KiB at most, must fit into one command line, which holds 2 MiB.
const STAT_AT_ONCE: usize = 200;
const ACT_AT_ONCE: usize = 25;
const ACT_CAREFULLY: usize = 5;

/// Size, blocks, bytes of a block, last written, inode, device, names, mode (in hex), path.
const FORMAT: &str = "%s %b %B %Y %i %d %h %f %n";

/// A container to clean in.
pub(super) struct Inside<'c> {
    pub(super) host: &'c Host,
    /// Its full id.
    pub(super) id: &'c str,
    pub(super) user: Option<&'c str>,
    pub(super) now: i64,
    pub(super) deadline: Instant,
}

#[async_trait]
impl Place for Inside<'_> {
    fn batch(&self, careful: bool) -> usize {
        if careful { ACT_CAREFULLY } else { ACT_AT_ONCE }
    }

    fn now(&self) -> i64 {
        self.now
    }

    async fn free(&self, root: &str) -> Option<Space> {
        let output = self.run(vec!["df".into(), "-Pk".into(), root.into()]).await.ok()?;
        space(&String::from_utf8_lossy(&output.out))
    }

    async fn list(&self, root: &str, clean: &CleanLogs) -> Result<Listing, PlatformError> {
        let mut argv: Vec<String> = ["find", root, "-xdev", "-type", "f", "("].map(Into::into).into();
        for (n, pattern) in clean.files.iter().chain(&clean.rotated).enumerate() {
            if n > 0 {
                argv.push("-o".into());
            }
            argv.extend(["-name".into(), glob(pattern)]);
        }
        argv.extend([")", "-print0"].map(Into::into));
        let found = self.run(argv).await?;
        let mut listing = Listing { said: said(&found.err), ..Listing::default() };
        if found.out.is_empty() && found.code != Some(0) {
            let why = listing.said.unwrap_or_else(|| format!("find ended with {:?}", found.code));
            return Err(PlatformError::Unfit(why));
        }
        let mut skip = |why| *listing.skipped.entry(why).or_default() += 1;
        let mut paths = Vec::new();
        // What follows the last NUL is nothing, or half a path.
        let complete = found.out.iter().rposition(|b| *b == 0).map_or(&[][..], |end| &found.out[..end]);
        for path in complete.split(|b| *b == 0) {
            match std::str::from_utf8(path).ok().and_then(|path| below(path, root)) {
                Some(_) if paths.len() >= ENTRIES_MAX => skip("over_most_files"),
                Some(path) => paths.push(path),
                None => skip("unprintable"),
            }
        }
        if found.cut {
            skip("over_most_files");
        }
        let (open, how) = self.open_files().await;
        listing.open_files = Some(how);
        for some in paths.chunks(STAT_AT_ONCE) {
            listing.entries.extend(self.stat(root, some, &open, how).await?.into_values());
        }
        listing.entries.retain(|entry| entry.path.rsplit('/').next().is_some_and(|name| is_named(clean, name)));
        listing.entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listing)
    }

    async fn act(&self, root: &str, deed: Deed, entries: &[Entry]) -> Result<Acted, PlatformError> {
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        let unknown = HashSet::new();
        let before = self.stat(root, &paths, &unknown, UNKNOWN).await?;
        let fit: Vec<&Entry> = entries.iter().filter(|it| change(it, before.get(&it.path), deed).is_none()).collect();
        let mut acted = Acted::default();
        if !fit.is_empty() {
            let mut output = self.run(command(root, deed, &fit, true)).await?;
            if deed == Deed::Delete && lacks_delete(&output) {
                output = self.run(command(root, deed, &fit, false)).await?;
            }
            acted.said = said(&output.err).or_else(|| said(&output.out));
        }
        let after = self.stat(root, &paths, &unknown, UNKNOWN).await?;
        for entry in entries {
            let (was, is) = (before.get(&entry.path), after.get(&entry.path));
            acted.outcomes.push(match change(entry, was, deed) {
                Some(why) => Outcome::Skipped(why),
                None => outcome(deed, was.unwrap_or(entry), is),
            });
        }
        Ok(acted)
    }
}

/// Why a file is left alone that was to be cleaned: it is not as it was listed.
fn change(listed: &Entry, now: Option<&Entry>, deed: Deed) -> Option<&'static str> {
    match now {
        None => Some("gone"),
        Some(now) if now.inode != listed.inode || now.links != 1 => Some("replaced"),
        // A rotated file that is written is none.
        Some(now) if deed == Deed::Delete && (now.size, now.modified) != (listed.size, listed.modified) => {
            Some("growing")
        }
        Some(now) if deed == Deed::Empty && now.size < listed.size => Some("shrunk"),
        Some(_) => None,
    }
}

fn outcome(deed: Deed, was: &Entry, is: Option<&Entry>) -> Outcome {
    match (deed, is) {
        (Deed::Delete, None) => Outcome::Done(was.allocated),
        (Deed::Delete, Some(is)) if is.inode != was.inode => Outcome::Done(was.allocated),
        (Deed::Empty, Some(is)) if is.inode == was.inode && is.allocated < was.allocated => {
            Outcome::Done(was.allocated - is.allocated)
        }
        (Deed::Empty, Some(is)) if is.inode == was.inode && is.size < was.size => Outcome::Done(0),
        (Deed::Empty, None) => Outcome::Skipped("gone"),
        _ => Outcome::Skipped("refused"),
    }
}

/// Whether this `find` does not know `-delete`: it says so before it looks at anything.
fn lacks_delete(output: &Output) -> bool {
    output.code != Some(0)
        && String::from_utf8_lossy(&output.err).lines().next().is_some_and(|line| line.contains("-delete"))
}

/// Names the files by path and inode, and does it where both are right.
fn command(root: &str, deed: Deed, entries: &[&Entry], has_delete: bool) -> Vec<String> {
    let mut argv: Vec<String> = ["find", root, "-xdev", "-type", "f", "("].map(Into::into).into();
    for (n, entry) in entries.iter().enumerate() {
        if n > 0 {
            argv.push("-o".into());
        }
        let path = literal(&format!("{root}/{}", entry.path));
        argv.extend(["-path".into(), path, "-inum".into(), entry.inode.1.to_string()]);
    }
    argv.push(")".into());
    match deed {
        Deed::Delete if has_delete => argv.push("-delete".into()),
        Deed::Delete => argv.extend(["-exec", "rm", "-f", "{}", ";"].map(Into::into)),
        Deed::Empty => argv.extend(["-exec", "truncate", "-s", "0", "{}", ";"].map(Into::into)),
    }
    argv
}

/// Why it is not known which files are open.
const UNKNOWN: &str = "cannot tell";

impl Inside<'_> {
    /// Runs a program. That it is not there is said here, in the words of whoever looked for it.
    async fn run(&self, argv: Vec<String>) -> Result<Output, PlatformError> {
        let program = argv.first().cloned().unwrap_or_default();
        let output = exec::run(self.host, self.id, self.user, argv, self.deadline).await?;
        if matches!(output.code, Some(126 | 127)) {
            let why = said(&output.out).or_else(|| said(&output.err)).unwrap_or_default();
            return Err(PlatformError::Unfit(format!("the container cannot run {program}: {why}")));
        }
        Ok(output)
    }

    /// What is known of these paths, which are relative to the root; those that are gone or no regular files are not in it.
    async fn stat(
        &self,
        root: &str,
        paths: &[&str],
        open: &HashSet<String>,
        how: &str,
    ) -> Result<HashMap<String, Entry>, PlatformError> {
        let mut argv: Vec<String> = ["stat", "-c", FORMAT].map(Into::into).into();
        argv.extend(paths.iter().map(|path| format!("{root}/{path}")));
        let output = self.run(argv).await?;
        let text = String::from_utf8_lossy(&output.out);
        let entries = text.lines().filter_map(|line| parse(line, root)).map(|mut entry| {
            let is_open = open.contains(&format!("{root}/{}", entry.path));
            entry.open = (is_open || how == "seen").then_some(is_open);
            (entry.path.clone(), entry)
        });
        Ok(entries.collect())
    }

    /// The paths that processes of the container have open, and whether that is all of them. Processes of other containers
    /// that share a volume are never seen.
    async fn open_files(&self) -> (HashSet<String>, &'static str) {
        let argv = ["find", "/proc", "-maxdepth", "3", "-path", "/proc/[0-9]*/fd/*", "-exec", "ls", "-l", "{}", "+"];
        let Ok(output) = self.run(argv.map(Into::into).into()).await else { return (HashSet::new(), UNKNOWN) };
        let text = String::from_utf8_lossy(&output.out);
        let paths = text.lines().filter_map(|line| line.split_once("/fd/")?.1.split_once(" -> ").map(|(_, path)| path));
        let open: HashSet<String> = paths.filter(|path| path.starts_with('/')).map(str::to_owned).collect();
        let complaint = String::from_utf8_lossy(&output.err).to_lowercase();
        let refused = output.cut || ["denied", "permitted"].iter().any(|word| complaint.contains(word));
        let how = match (open.is_empty() && output.out.is_empty(), refused) {
            (true, _) => UNKNOWN,
            (_, true) => "seen in part",
            _ => "seen",
        };
        (open, how)
    }
}

fn parse(line: &str, root: &str) -> Option<Entry> {
    let mut fields = line.splitn(9, ' ');
    let mut number = || fields.next()?.parse::<u64>().ok();
    let (size, blocks, block) = (number()?, number()?, number()?);
    let modified = i64::try_from(number()?).ok()?;
    let (inode, device, links) = (number()?, number()?, number()?);
    let mode = u32::from_str_radix(fields.next()?, 16).ok()?;
    let path = below(fields.next()?, root)?.to_owned();
    let is_file = mode & 0o170_000 == 0o100_000;
    let allocated = blocks.saturating_mul(block);
    is_file.then_some(Entry { path, size, allocated, modified, inode: (device, inode), links, open: None })
}

/// The path relative to the root, if it is below it and plain.
fn below<'p>(path: &'p str, root: &str) -> Option<&'p str> {
    path.strip_prefix(root)?.strip_prefix('/').filter(|path| is_plain(path))
}

/// A rule's glob as `find` reads it: only `*` means more than itself.
fn glob(pattern: &Pattern) -> String {
    escape(&pattern.0, "?[]\\")
}

/// A path as `find` reads it where every character means itself.
fn literal(path: &str) -> String {
    escape(path, "*?[]\\")
}

fn escape(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// From `df -Pk`: of the second line three numbers in a row and a share; names before and after them may hold blanks.
fn space(text: &str) -> Option<Space> {
    let words: Vec<&str> = text.lines().nth(1)?.split_whitespace().collect();
    words.windows(4).find_map(|it| {
        it[3].strip_suffix('%').filter(|share| share.parse::<u8>().is_ok())?;
        let kib = |word: &str| word.parse::<u64>().ok();
        let (total, _, free) = (kib(it[0])?, kib(it[1])?, kib(it[2])?);
        Some(Space { total: total.checked_mul(1024)?, free: free.checked_mul(1024)? }).filter(|it| it.total > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_and_what_is_no_file_below_the_root_is_not() {
        let read = |line: &str| parse(line, "/var/log");
        let entry = read("10485760 16 512 1700000000 42 66 1 81a4 /var/log/app/a b.log").expect("a file");
        assert_eq!((entry.path.as_str(), entry.size, entry.allocated), ("app/a b.log", 10_485_760, 8192));
        assert_eq!((entry.inode, entry.links), ((66, 42), 1));
        for wrong in [
            "1 8 512 0 42 66 1 a1ff /var/log/link.log",
            "1 8 512 0 42 66 1 41ed /var/log/folder.log",
            "1 8 512 0 42 66 1 81a4 /var/logs/a.log",
            "1 8 512 0 42 66 1 81a4 /var/log/../../etc/a.log",
            "1 8 512 0 42 66 1 81a4 /etc/passwd",
            "stat: cannot stat '/var/log/a.log'",
            "",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn free_space_is_read_whatever_the_names_are() {
        let head = "Filesystem           1024-blocks    Used Available Capacity Mounted on\n";
        let table = [
            ("tmpfs                    10240      1024      9216  10% /srv", (10_240, 9216)),
            ("my share 5 10240 1024 9216 10% /mnt/my disk", (10_240, 9216)),
        ];
        for (line, (total, free)) in table {
            let expected = Some(Space { total: total * 1024, free: free * 1024 });
            assert_eq!(space(&format!("{head}{line}\n")), expected, "{line}");
        }
        assert_eq!(space(head), None);
        assert_eq!(space("df: /x: can't find mount point"), None);
    }

    #[test]
    fn a_path_with_signs_of_globs_means_itself() {
        assert_eq!(literal("/log/a[1]*?.log"), "/log/a\\[1\\]\\*\\?.log");
        assert_eq!(glob(&Pattern("a*.log".into())), "a*.log");
    }

    #[test]
    fn a_file_is_left_alone_that_is_not_as_it_was_listed() {
        let listed = parse("100 8 512 50 42 66 1 81a4 /l/a", "/l").expect("a file");
        let with = |change: fn(&mut Entry)| {
            let mut entry = listed.clone();
            change(&mut entry);
            entry
        };
        let now = |deed, entry: Option<&Entry>| change(&listed, entry, deed);
        assert_eq!(now(Deed::Delete, Some(&listed)), None);
        assert_eq!(now(Deed::Delete, None), Some("gone"));
        assert_eq!(now(Deed::Delete, Some(&with(|it| it.size = 101))), Some("growing"));
        assert_eq!(now(Deed::Delete, Some(&with(|it| it.modified = 51))), Some("growing"));
        assert_eq!(now(Deed::Empty, Some(&with(|it| it.size = 101))), None);
        assert_eq!(now(Deed::Empty, Some(&with(|it| it.size = 99))), Some("shrunk"));
        assert_eq!(now(Deed::Empty, Some(&with(|it| it.inode.1 = 43))), Some("replaced"));
        assert_eq!(now(Deed::Empty, Some(&with(|it| it.links = 2))), Some("replaced"));
    }
}
