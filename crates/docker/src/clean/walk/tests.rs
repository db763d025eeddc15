//! Hostile folders: whatever is put in the way, nothing outside of the root is touched.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use fettle_core::target::Pattern;

/// A disk with the root `log` and, beside it, what must not be touched.
struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("log/sub")).expect("folders");
        let scene = Self { folder };
        scene.write("outside.log", "precious");
        scene
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect("write");
    }

    fn root(&self) -> OwnedFd {
        open_below(self.folder.path(), &self.path("log")).expect("the root")
    }

    fn walk(&self) -> Walked {
        walk(&self.root(), &|name| Pattern("*.log".into()).permits(name), &HashSet::new(), &|| true).expect("walk")
    }

    fn entry(&self, path: &str) -> Entry {
        self.walk().entries.into_iter().find(|entry| entry.path == path).expect("it was listed")
    }

    /// Does it to a file that was listed as `entry`, as the cleaner does.
    fn act(&self, act: fn(&OwnedFd, &str, &Entry) -> io::Result<Outcome>, entry: &Entry) -> io::Result<Outcome> {
        let root = self.root();
        let (folder, name) = folder_of(&root, &entry.path)?;
        act(&folder, name, entry)
    }

    fn outside_is_as_it_was(&self) {
        assert_eq!(fs::read_to_string(self.path("outside.log")).expect("it is there"), "precious");
    }
}

#[test]
fn links_pipes_and_odd_names_are_counted_and_not_listed() {
    let scene = Scene::new();
    scene.write("log/a.log", "a");
    scene.write("log/sub/b.log", "b");
    scene.write("log/data.db", "d");
    symlink(scene.path("outside.log"), scene.path("log/link.log")).expect("a link");
    symlink(scene.folder.path(), scene.path("log/up")).expect("a link");
    symlink("/", scene.path("log/sub/root")).expect("a link");
    scene.write("log/new\nline.log", "n");
    fs::write(scene.path("log").join(std::ffi::OsStr::from_bytes(b"\xff.log")), "x").expect("write");
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.path("log/pipe.log"), Mode::RUSR).expect("a pipe");
    let walked = scene.walk();
    let mut paths: Vec<_> = walked.entries.iter().map(|entry| entry.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["a.log", "sub/b.log"]);
    let skipped: Vec<_> = walked.skipped.into_iter().collect();
    assert_eq!(skipped, [("link", 3), ("no_file", 1), ("unprintable", 2)]);
}

#[test]
fn a_root_that_is_a_link_or_lies_behind_one_is_not_entered() {
    let scene = Scene::new();
    symlink(scene.path("log"), scene.path("linked")).expect("a link");
    assert!(open_below(scene.folder.path(), &scene.path("linked")).is_err());
    assert!(open_below(scene.folder.path(), &scene.path("linked/sub")).is_err());
    assert!(open_below(scene.folder.path(), &scene.path("log/../log")).is_err());
    assert!(open_below(&scene.path("log"), scene.folder.path()).is_err(), "above the disk");
    assert!(open_below(scene.folder.path(), &scene.path("gone")).is_err());
    assert!(open_below(scene.folder.path(), scene.folder.path()).is_ok(), "the disk itself");
}

#[test]
fn emptying_and_deleting_do_what_they_say() {
    let scene = Scene::new();
    scene.write("log/a.log", &"x".repeat(10_000));
    scene.write("log/sub/b.log", "old");
    let (a, b) = (scene.entry("a.log"), scene.entry("sub/b.log"));
    assert_eq!(scene.act(empty, &a).expect("empty"), Outcome::Done(a.allocated));
    assert!(a.allocated >= 10_000);
    assert_eq!(fs::metadata(scene.path("log/a.log")).expect("it stays").len(), 0);
    assert!(matches!(scene.act(delete, &b).expect("delete"), Outcome::Done(_)));
    assert!(!scene.path("log/sub/b.log").exists());
    assert_eq!(scene.act(delete, &b).expect("again"), Outcome::Skipped("gone"));
    assert_eq!(scene.act(empty, &b).expect("again"), Outcome::Skipped("gone"));
}

#[test]
fn a_file_that_became_a_link_leads_nowhere() {
    let scene = Scene::new();
    for act in [empty, delete] {
        scene.write("log/a.log", "a");
        let a = scene.entry("a.log");
        fs::remove_file(scene.path("log/a.log")).expect("remove");
        symlink(scene.path("outside.log"), scene.path("log/a.log")).expect("a link");
        assert!(matches!(scene.act(act, &a).expect("a look"), Outcome::Skipped("replaced" | "gone")));
        scene.outside_is_as_it_was();
        fs::remove_file(scene.path("log/a.log")).expect("the link is still there");
    }
}

#[test]
fn a_folder_that_became_a_link_leads_nowhere() {
    let scene = Scene::new();
    fs::create_dir(scene.path("elsewhere")).expect("a folder");
    for act in [empty, delete] {
        scene.write("log/sub/b.log", "b");
        scene.write("elsewhere/b.log", "precious, too");
        let b = scene.entry("sub/b.log");
        fs::remove_dir_all(scene.path("log/sub")).expect("remove");
        symlink(scene.path("elsewhere"), scene.path("log/sub")).expect("a link");
        assert!(scene.act(act, &b).is_err());
        assert_eq!(fs::read_to_string(scene.path("elsewhere/b.log")).expect("it is there"), "precious, too");
        fs::remove_file(scene.path("log/sub")).expect("the link is still there");
        fs::create_dir(scene.path("log/sub")).expect("a folder");
    }
}

#[test]
fn another_file_of_the_same_name_is_not_the_one_that_was_listed() {
    let scene = Scene::new();
    for act in [empty, delete] {
        scene.write("log/a.log", "a");
        let a = scene.entry("a.log");
        scene.write("log/new.log", "b");
        fs::rename(scene.path("log/new.log"), scene.path("log/a.log")).expect("rename");
        assert_eq!(scene.act(act, &a).expect("a look"), Outcome::Skipped("replaced"));
        assert_eq!(fs::read_to_string(scene.path("log/a.log")).expect("it is there"), "b");
    }
}

#[test]
fn a_file_with_a_second_name_is_left_alone() {
    let scene = Scene::new();
    scene.write("log/a.log", "a");
    let a = scene.entry("a.log");
    fs::hard_link(scene.path("outside.log"), scene.path("log/hard.log")).expect("a second name");
    let hard = scene.entry("hard.log");
    assert_eq!((a.links, hard.links), (1, 2));
    fs::hard_link(scene.path("log/a.log"), scene.path("second.log")).expect("a second name");
    for act in [empty, delete] {
        assert_eq!(scene.act(act, &a).expect("a look"), Outcome::Skipped("replaced"));
        assert_eq!(scene.act(act, &hard).expect("a look"), Outcome::Skipped("replaced"));
    }
    scene.outside_is_as_it_was();
}

#[test]
fn a_rotated_file_that_is_written_stays_and_a_growing_one_is_emptied() {
    let scene = Scene::new();
    scene.write("log/a.log", "a");
    let a = scene.entry("a.log");
    scene.write("log/a.log", "aa");
    assert_eq!(scene.act(delete, &a).expect("a look"), Outcome::Skipped("growing"));
    assert!(matches!(scene.act(empty, &a).expect("empty"), Outcome::Done(_)));
    assert_eq!(scene.act(empty, &a).expect("again"), Outcome::Skipped("shrunk"));
}

#[test]
fn a_path_that_leads_out_is_refused_before_anything_is_opened() {
    let scene = Scene::new();
    for path in ["../outside.log", "sub/../../outside.log", "/etc/passwd", ""] {
        assert!(folder_of(&scene.root(), path).is_err(), "{path}");
    }
}

#[test]
fn a_walk_ends_when_there_is_no_time_and_goes_no_deeper_than_it_may() {
    let scene = Scene::new();
    scene.write("log/a.log", "a");
    let none = walk(&scene.root(), &|_| true, &HashSet::new(), &|| false).expect("walk");
    assert_eq!(none.entries, []);
    let deep = "d/".repeat(DEPTH_MAX + 2);
    fs::create_dir_all(scene.path("log").join(&deep)).expect("folders");
    scene.write(&format!("log/{deep}deep.log"), "d");
    let walked = scene.walk();
    assert_eq!((walked.entries.len(), walked.skipped.get("too_deep")), (1, Some(&1)));
}
