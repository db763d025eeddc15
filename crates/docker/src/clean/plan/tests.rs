//! What is cleaned, by tables.

use std::time::Duration;

use super::*;

const DAY: i64 = 86_400;
const NOW: i64 = 1_000 * DAY;

fn clean() -> CleanLogs {
    let patterns = |them: &[&str]| them.iter().map(|it| Pattern((*it).into())).collect();
    CleanLogs {
        roots: vec!["/var/log".into()],
        files: patterns(&["*.log"]),
        rotated: patterns(&["*.log.*", "*.gz"]),
        max_files: 100,
        max_bytes: 1 << 40,
        older_than: Duration::from_hours(24 * 7),
        larger_than: 100,
        keep_newest: 0,
        stop_when_free: None,
        free_above: None,
        user: None,
        container_log: false,
    }
}

/// `days` old; every one with an inode of its own.
fn file(path: &str, size: u64, days: i64) -> Entry {
    let inode = path.bytes().fold(7, |sum: u64, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    Entry {
        path: path.into(),
        size,
        allocated: size,
        modified: NOW - days * DAY,
        inode: (1, inode),
        links: 1,
        open: None,
    }
}

fn planned(listed: &[Entry], clean: &CleanLogs) -> (Vec<String>, Vec<(&'static str, u64)>) {
    let (jobs, skipped) = plan(&[listed.to_vec()], clean, NOW);
    let shown = jobs.iter().map(|job| format!("{} {}", job.deed.as_str(), job.entry.path)).collect();
    (shown, skipped.into_iter().collect())
}

#[test]
fn rotated_and_old_goes_first_then_the_largest_is_emptied() {
    let listed = [
        file("a.log", 500, 0),
        file("b.log", 900, 0),
        file("a.log.1", 10, 8),
        file("a.log.2.gz", 10, 30),
        file("data.db", 9_000, 90),
    ];
    let (jobs, skipped) = planned(&listed, &clean());
    assert_eq!(jobs, ["deleted a.log.2.gz", "deleted a.log.1", "emptied b.log", "emptied a.log"]);
    assert_eq!(skipped, []);
}

#[test]
fn a_name_that_is_not_among_them_is_never_touched() {
    for name in ["data.db", "a.log2", "log", "a.LOG", "gz", ""] {
        assert_eq!(planned(&[file(name, 1 << 30, 900)], &clean()).0, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_is_young_open_small_linked_or_new_is_left_and_counted() {
    let linked = Entry { links: 2, ..file("linked.log", 500, 9) };
    let open = Entry { open: Some(true), ..file("open.log.1", 500, 9) };
    let future = file("future.log.1", 500, -3);
    let listed = [file("a.log.1", 5, 6), open, file("small.log", 100, 9), linked, future];
    let (jobs, skipped) = planned(&listed, &clean());
    assert_eq!(jobs, Vec::<String>::new());
    assert_eq!(skipped, [("hard_link", 1), ("open", 1), ("small", 1), ("young", 2)]);
}

#[test]
fn an_open_file_is_emptied_all_the_same() {
    let open = Entry { open: Some(true), ..file("a.log", 500, 0) };
    assert_eq!(planned(&[open], &clean()).0, ["emptied a.log"]);
}

#[test]
fn the_newest_of_each_folder_stay() {
    let mut clean = clean();
    clean.keep_newest = 1;
    let listed = [
        file("a.log.1", 1, 10),
        file("a.log.2", 1, 20),
        file("sub/a.log.1", 1, 30),
        file("sub/a.log.2", 1, 40),
        file("a.log.3", 1, 50),
    ];
    let (jobs, skipped) = planned(&listed, &clean);
    assert_eq!(jobs, ["deleted a.log.3", "deleted sub/a.log.2", "deleted a.log.2"]);
    assert_eq!(skipped, [("newest", 2)]);
}

#[test]
fn files_and_bytes_are_bounded_and_one_that_is_too_large_makes_room() {
    let mut clean = clean();
    clean.max_bytes = 1_000;
    let listed = [file("a.log", 2_000, 0), file("b.log", 600, 0), file("c.log", 500, 0), file("d.log", 400, 0)];
    assert_eq!(
        planned(&listed, &clean),
        (vec!["emptied b.log".into(), "emptied d.log".into()], vec![("over_max_bytes", 2)])
    );
    clean.max_files = 1;
    let left = vec![("over_max_bytes", 1), ("over_max_files", 2)];
    assert_eq!(planned(&listed, &clean), (vec!["emptied b.log".into()], left));
}

#[test]
fn a_file_below_two_roots_is_cleaned_once() {
    let mut clean = clean();
    clean.roots.push("/var/log/app".into());
    let inner = Entry { path: "a.log".into(), ..file("app/a.log", 500, 0) };
    let (jobs, _) = plan(&[vec![file("app/a.log", 500, 0)], vec![inner]], &clean, NOW);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
}

#[test]
fn what_leads_out_of_a_root_is_not_plain() {
    for path in ["a.log", "sub/a b.log", "ä/ü.log", "...", "..a"] {
        assert!(is_plain(path), "{path}");
    }
    for path in ["", "/a", "../a", "sub/../../a", "./a", "a//b", "a\nb.log", "a\u{1b}.log", "a/", "\u{fffd}.log"] {
        assert!(!is_plain(path), "{path:?}");
    }
}
