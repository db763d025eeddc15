//! Finding and reading rule files.
//!
//! `rules` names a file, or a folder that is searched with its subfolders for `*.yaml` and `*.yml`. Tests of rules (`*.test.yaml`)
//! and everything hidden are left out, which also leaves out the `..data` folder of a Kubernetes `ConfigMap` while the links
//! beside it are followed.
//!
//! Always holds: nothing is waited for (a pipe is not read), nothing beyond the limit is kept, no folder is read twice.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::core::rule::compile::{Context, SourceFile, compile};
use crate::core::rule::set::RuleSet;
use crate::diagnostic::{Diagnostic, codes, sort};

/// Largest file. Ten thousand rules are about a tenth of it.
const FILE_MAX: u64 = 10 << 20;

/// Reads and compiles. An empty set is legal, and a warning.
pub fn load_rules(path: &Path, context: &Context) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let files = read_rules(path)?;
    let (set, mut warnings) = compile(&files, context)?;
    if set.is_empty() {
        let message = "there is no rule here, so nothing will ever be done";
        let help = "put *.yaml files with rules into this folder";
        warnings.push(Diagnostic::of_file(&codes::NO_RULES, path.to_string_lossy(), message).help(help));
    }
    Ok((set, warnings))
}

/// Reads every rule file, in byte order of path.
pub fn read_rules(path: &Path) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let mut paths = Vec::new();
    let mut found = Vec::new();
    match fs::metadata(path) {
        Ok(it) if it.is_dir() => search(path, is_rules, &mut HashSet::new(), &mut paths, &mut found),
        Ok(_) => paths.push(path.to_owned()),
        Err(error) => found.push(unreadable(path, &error).help("create it, or say where rules are with `rules`")),
    }
    let mut files = Vec::new();
    for path in paths {
        match read_text(&path) {
            Ok(text) => files.push(SourceFile { path: path.to_string_lossy().into_owned(), text }),
            Err(problem) => found.push(*problem),
        }
    }
    files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    sort(&mut found);
    if found.is_empty() { Ok(files) } else { Err(found) }
}

/// Every unit test of rules (`*.test.yaml`) that these name or that is below them, in byte order of path, each once.
pub fn read_tests(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let (mut tests, mut found, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for path in paths {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => search(path, is_test, &mut seen, &mut tests, &mut found),
            Ok(_) => tests.push(path.clone()),
            Err(error) => found.push(unreadable(path, &error)),
        }
    }
    tests.sort();
    tests.dedup();
    let mut files = Vec::new();
    for path in tests {
        match read_text(&path) {
            Ok(text) => files.push(SourceFile { path: path.to_string_lossy().into_owned(), text }),
            Err(problem) => found.push(*problem),
        }
    }
    sort(&mut found);
    if found.is_empty() { Ok(files) } else { Err(found) }
}

fn search(
    folder: &Path,
    wanted: fn(&str) -> bool,
    seen: &mut HashSet<PathBuf>,
    paths: &mut Vec<PathBuf>,
    found: &mut Vec<Diagnostic>,
) {
    // Links may lead in circles; the real path tells.
    let entries = fs::canonicalize(folder).and_then(|real| {
        if seen.insert(real) { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() } else { Ok(Vec::new()) }
    });
    let entries: Vec<PathBuf> = match entries {
        Ok(entries) => entries,
        Err(error) => {
            found.push(unreadable(folder, &error));
            return;
        }
    };
    for path in entries {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        match fs::metadata(&path) {
            Ok(it) if it.is_dir() => search(&path, wanted, seen, paths, found),
            Ok(_) if wanted(&name) => paths.push(path),
            Err(error) if wanted(&name) => found.push(unreadable(&path, &error)),
            _ => {}
        }
    }
}

fn is_rules(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| Path::new(stem).extension().is_none_or(|last| last != "test"))
}

fn is_test(name: &str) -> bool {
    name.ends_with(".test.yaml") || name.ends_with(".test.yml")
}

/// The text of a file without a byte order mark.
pub(super) fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let read = || {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX {
            return Err(io::Error::other("larger than 10 MiB"));
        }
        let mut text = String::from_utf8(bytes).map_err(|wrong| {
            io::Error::other(format!("not UTF-8 from byte {} on", wrong.utf8_error().valid_up_to()))
        })?;
        if text.starts_with('\u{FEFF}') {
            text.drain(..'\u{FEFF}'.len_utf8());
        }
        Ok(text)
    };
    read().map_err(|error| Box::new(unreadable(path, &error)))
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::of_file(&codes::UNREADABLE, path.to_string_lossy(), format!("cannot be read: {error}"))
}
