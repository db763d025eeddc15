//! The parameters of what frees space: `clean_logs` and `prune`, and where each ends.
//!
//! Always holds: at least one root and one file name, roots are folders that do not contain each other, and none is `/`.

use std::path::Path;
use std::time::Duration;

use super::actions::given;
use super::model::{Find, Pattern, TargetSpec};
use super::raw::{RawCleanLogs, RawPrune};
use crate::action::{Action, CleanLogs, Prune};
use crate::diagnostic::{Report, codes};
use crate::yaml::{Node, boolean, bytes, duration, items, number, required, text};

/// What is old unless the step says otherwise.
const OLD: Duration = Duration::from_hours(24);

/// File names that grow.
const FILES: [&str; 1] = ["*.log"];

/// File names that log rotation leaves behind: logrotate with numbers, with dates, compressed; and by hand.
const ROTATED: [&str; 5] = ["*.log.*", "*.log-*", "*.gz", "*.old", "*.1"];

/// Longest path that Linux opens, in bytes.
const PATH_MAX: usize = 4096;

/// Reads the parameters of `clean_logs`.
pub(super) fn clean_logs(node: &Node, target: Option<&TargetSpec>, report: &mut Report<'_>) -> Option<Action> {
    let before = report.found.len();
    let raw = given(node, RawCleanLogs::read, report)?;
    let help = "say which folders it may clean, such as {roots: [/var/log/app]}";
    let roots = required(raw.roots, "roots", &node.at, help, report).and_then(|node| roots(node, report));
    let clean = CleanLogs {
        roots: roots.unwrap_or_default(),
        files: raw.files.map_or_else(|| patterns(&FILES), |node| file_names(node, true, report)),
        rotated: raw.rotated.map_or_else(|| patterns(&ROTATED), |node| file_names(node, false, report)),
        max_files: raw.max_files.map_or(Some(100), |node| number(node, 1..=100_000, report)).unwrap_or_default(),
        max_bytes: raw.max_bytes.map_or(Some(10 << 30), |node| size(node, 1, report)).unwrap_or_default(),
        older_than: raw.older_than.map_or(Some(OLD), |node| duration(node, report)).unwrap_or_default(),
        larger_than: raw.larger_than.map_or(Some(10 << 20), |node| size(node, 0, report)).unwrap_or_default(),
        keep_newest: raw.keep_newest.map_or(Some(3), |node| number(node, 0..=100_000, report)).unwrap_or_default(),
        stop_when_free: raw.stop_when_free.and_then(|node| percent(node, report)),
        free_above: raw.free_above.and_then(|node| percent(node, report)),
        user: raw.user.and_then(|node| user(node, report)),
        container_log: raw.container_log.map_or(Some(false), |node| boolean(node, report)).unwrap_or_default(),
    };
    if let (Some(stop), Some(above), Some(node)) = (clean.stop_when_free, clean.free_above, raw.stop_when_free)
        && stop < above
    {
        let message = format!("it ends with {stop}% free, and helps only with {above}%");
        report.add_with_help(&codes::FREE_SHARES, &node.at, message, format!("write {above}% or more"));
    }
    if target.is_some_and(|target| matches!(target.find, Find::Disk(_))) {
        for (key, node) in [("user", raw.user), ("container_log", raw.container_log)] {
            let Some(node) = node else { continue };
            let message = format!("`{key}` speaks of a container, and the target is a disk");
            report.add_with_help(&codes::ACTION_TARGET, &node.at, message, format!("remove `{key}`"));
        }
    }
    let whole = report.found[before..].iter().all(|it| !it.is_error());
    whole.then_some(Action::CleanLogs(clean))
}

/// Reads the parameters of `prune`.
pub(super) fn prune(node: &Node, report: &mut Report<'_>) -> Option<Action> {
    let before = report.found.len();
    let raw = given(node, RawPrune::read, report)?;
    let mut flag =
        |node: Option<&Node>, base| node.map_or(Some(base), |node| boolean(node, report)).unwrap_or_default();
    let prune = Prune {
        images: flag(raw.images, true),
        unused_images: flag(raw.unused_images, false),
        build_cache: flag(raw.build_cache, true),
        stopped_containers: flag(raw.stopped_containers, false),
        older_than: raw.older_than.map_or(Some(OLD), |node| duration(node, report)).unwrap_or_default(),
        free_above: raw.free_above.and_then(|node| percent(node, report)),
    };
    if let (true, Some(node)) = (prune.unused_images, raw.unused_images) {
        let message = "this removes every image that no container uses at the moment, named or not";
        let help = "leave it out to remove images without a name only";
        report.add_with_help(&codes::UNUSED_IMAGES, &node.at, message, help);
    }
    if report.found[before..].iter().any(crate::diagnostic::Diagnostic::is_error) {
        return None;
    }
    if !(prune.images || prune.unused_images || prune.build_cache || prune.stopped_containers) {
        let help = "switch one of images, build_cache and stopped_containers on";
        report.add_with_help(&codes::NOTHING_TO_DO, &node.at, "`prune` removes nothing", help);
        return None;
    }
    Some(Action::Prune(prune))
}

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern((*name).to_owned())).collect()
}

fn size(node: &Node, least: u64, report: &mut Report<'_>) -> Option<u64> {
    let bounds = if least == 0 { "up to 1024TiB" } else { "more than 0 and up to 1024TiB" };
    bytes(node, least..=1 << 50, bounds, report)
}

/// A share such as `20%` or `20`. Nothing is ever wholly free, and 0 says nothing.
fn percent(node: &Node, report: &mut Report<'_>) -> Option<u8> {
    let written = text(node, report)?;
    let digits = written.strip_suffix('%').unwrap_or(written);
    let share = digits.parse::<u8>().ok().filter(|share| (1..=99).contains(share) && !digits.starts_with('+'));
    if share.is_none() {
        let shown: String = written.chars().take(40).collect();
        let message = format!("\"{shown}\" is not a share that can be free");
        report.add_with_help(&codes::NUMBER, &node.at, message, "write a whole number from 1% to 99%, such as 20%");
    }
    share
}

/// Reads the folders that are cleaned; none may be `/`, hold another, or be reached by going up.
fn roots(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let list = items(node, report)?;
    if list.is_empty() {
        let help = "list the folders it may clean, such as [/var/log/app]";
        report.add_with_help(&codes::ROOT, &node.at, "without a root there is nothing to clean", help);
    }
    let mut roots: Vec<String> = Vec::new();
    for item in list {
        let Some(written) = text(item, report) else { continue };
        let Some(root) = root(written, item, report) else { continue };
        let nested = |other: &&String| Path::new(&root).starts_with(other) || Path::new(other).starts_with(&root);
        if let Some(other) = roots.iter().find(nested) {
            let message = format!("`{root}` and `{other}` are not apart: one file would be cleaned twice");
            report.add_with_help(&codes::ROOT, &item.at, message, "keep the outer one, or name folders that are apart");
        }
        roots.push(root);
    }
    Some(roots)
}

/// One root, without a slash at its end.
fn root(written: &str, node: &Node, report: &mut Report<'_>) -> Option<String> {
    let trimmed = written.strip_suffix('/').unwrap_or(written);
    let mut parts = trimmed.split('/').skip(1);
    let (message, help) = if !written.is_empty() && written.chars().all(|c| c == '/') {
        ("the root of everything is no folder of logs", "name the folder the logs are in")
    } else if written.contains(['$', '{', '}', '*', '?', '[', ']', '\\']) {
        ("a root is one folder, never a pattern or text put together", "write the path as it is; `files` has patterns")
    } else if !written.starts_with('/') {
        ("a root must be absolute", "begin with `/`: the path inside the container, or on the host for a disk")
    } else if parts.any(|part| matches!(part, "" | "." | "..")) {
        ("a root must be a plain path", "write it without `.`, `..` and doubled slashes")
    } else if written.chars().any(char::is_control) || written.len() > PATH_MAX {
        ("a root must be a path that can be printed and opened", "name the folder the logs are in")
    } else {
        return Some(trimmed.to_owned());
    };
    report.add_with_help(&codes::ROOT, &node.at, message, help);
    None
}

/// Reads patterns of file names: exact, or with `*` for any run of characters.
fn file_names(node: &Node, needed: bool, report: &mut Report<'_>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    let list = items(node, report).unwrap_or_default();
    if list.is_empty() && needed && matches!(node.value, crate::yaml::Value::List(_)) {
        let help = "leave the key out for *.log, or list names such as [\"*.log\", stdout.txt]";
        report.add_with_help(&codes::FILE_PATTERN, &node.at, "without a file name there is nothing to clean", help);
    }
    for item in list {
        let Some(pattern) = text(item, report) else { continue };
        let wrong = |c: char| c.is_control() || matches!(c, '/' | '?' | '[' | ']' | '\\' | '$' | '{' | '}');
        if pattern.is_empty() || matches!(pattern, "." | "..") || pattern.contains(wrong) || pattern.len() > 255 {
            let help = "write a name without folders, in which only `*` stands for something: *.log";
            report.add_with_help(&codes::FILE_PATTERN, &item.at, "this is not a pattern of file names", help);
            continue;
        }
        if pattern.bytes().all(|b| b == b'*') {
            let message = "this permits every file in the roots, whether it is a log or not";
            report.add_with_help(&codes::ANY_FILE, &item.at, message, "list names such as *.log");
        }
        patterns.push(Pattern(pattern.to_owned()));
    }
    patterns
}

/// Who it is done as inside a container: a name or number, perhaps with a group.
fn user(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let written = text(node, report)?;
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let legal = match written.split_once(':') {
        Some((user, group)) => part(user) && part(group),
        None => part(written),
    };
    if !legal || written.len() > 64 {
        let help = "write USER or USER:GROUP, each a name or a number";
        report.add_with_help(&codes::USER, &node.at, "this is not a user", help);
        return None;
    }
    Some(written.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::yaml::parse;

    #[test]
    fn a_root_is_an_absolute_plain_path_that_is_not_everything() {
        for (written, read) in [
            ("/var/log/app", Some("/var/log/app")),
            ("/var/log/app/", Some("/var/log/app")),
            ("/a", Some("/a")),
            ("/with space", Some("/with space")),
            ("/a..b/...", Some("/a..b/...")),
            ("/", None),
            ("//", None),
            ("", None),
            ("var/log", None),
            ("/var/../etc", None),
            ("/..", None),
            ("/var/./log", None),
            ("/var/log/.", None),
            ("//var/log", None),
            ("/var//log", None),
            ("/var/log//", None),
            ("/var/*", None),
            ("/$labels.dir", None),
            ("/a\nb", None),
            ("~/logs", None),
        ] {
            let node = Node { at: 0..0, value: crate::yaml::Value::Scalar(written.to_owned()) };
            let mut report = Report::new(Source::new("x", ""));
            assert_eq!(root(written, &node, &mut report).as_deref(), read, "{written:?}");
            assert_eq!(report.found.is_empty(), read.is_some(), "{written:?}");
        }
    }

    #[test]
    fn shares_are_whole_and_possible() {
        for (written, read) in [
            ("20%", Some(20)),
            ("20", Some(20)),
            ("1", Some(1)),
            ("99%", Some(99)),
            ("0", None),
            ("100%", None),
            ("20 %", None),
            ("+20", None),
            ("2.5%", None),
            ("%", None),
        ] {
            let text = format!("'{written}'");
            let mut report = Report::new(Source::new("x", &text));
            let node = parse(&mut report).expect("a scalar");
            assert_eq!(percent(&node, &mut report), read, "{written}");
        }
    }
}
