//! Finding and reading rule files.
//!
//! `rules` names a file, or a folder that is searched with its subfolders for `*.yaml` and `*.yml`. Tests of rules (`*.test.yaml`)
//! and everything hidden are left out, which also leaves out the `..data` folder of a Kubernetes `ConfigMap` while the links
//! beside it are followed.
//!
//! Always holds: nothing is waited for (a pipe is not read), nothing beyond the limits is kept, no folder is read twice. What
//! can be read is checked even when something else cannot, so that every problem is told at once.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fettle_core::diagnostic::{Diagnostic, codes, sort};
use fettle_core::rule::compile::{Context, SourceFile, compile};
use fettle_core::rule::set::RuleSet;

/// Largest file. Ten thousand rules are about a tenth of it.
const FILE_MAX: u64 = 10 << 20;

/// Largest sum of all files. They are kept in memory while they are checked.
const SUM_MAX: usize = 100 << 20;

/// Most files. One for each rule is plenty.
const FILES_MAX: usize = 20_000;

/// What was found below some paths.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Files of rules, in byte order of path.
    pub rules: Vec<SourceFile>,
    /// Tests of rules, in byte order of path.
    pub tests: Vec<PathBuf>,
    /// Settings that lie among the rules.
    pub settings: Vec<PathBuf>,
    /// What cannot be read.
    pub found: Vec<Diagnostic>,
}

/// Reads and compiles. An empty set is legal, and a warning.
pub fn load_rules(path: &Path, context: &Context) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let Gathered { rules, mut found, .. } = gather(&[path], false);
    match compile(&rules, context) {
        Ok((set, mut warnings)) if found.is_empty() => {
            if set.is_empty() {
                warnings.push(no_rules(path));
            }
            Ok((set, warnings))
        }
        Ok((_, more)) | Err(more) => {
            found.extend(more);
            sort(&mut found);
            Err(found)
        }
    }
}

/// There is no rule to load.
pub fn no_rules(path: &Path) -> Diagnostic {
    let message = "there is no rule here, so nothing will ever be done";
    let help = "put *.yaml files with rules into this folder";
    Diagnostic::of_file(&codes::NO_RULES, path.to_string_lossy(), message).help(help)
}

/// Reads every rule file, in byte order of path.
pub fn read_rules(path: &Path) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let Gathered { rules, found, .. } = gather(&[path], false);
    if found.is_empty() { Ok(rules) } else { Err(found) }
}

/// Reads every rule file at these paths, in byte order of path. With `apart`, `fettle.yaml` in a folder is no rule file but
/// settings.
pub fn gather(paths: &[&Path], apart: bool) -> Gathered {
    let mut search = Search { apart, seen: HashSet::new(), paths: Vec::new(), gathered: Gathered::default() };
    for path in paths {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => search.folder(path),
            Ok(_)
                if apart && path.file_name().is_some_and(|name| kind(&name.to_string_lossy()) == Some(Kind::Test)) =>
            {
                search.gathered.tests.push((*path).to_owned());
            }
            Ok(_) => search.paths.push((*path).to_owned()),
            Err(error) => {
                let problem = unreadable(path, &error).help("create it, or say where rules are with `rules`");
                search.gathered.found.push(problem);
            }
        }
    }
    let Search { mut paths, mut gathered, .. } = search;
    paths.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    paths.dedup();
    let mut sum = 0;
    for (at, path) in paths.iter().enumerate() {
        if at == FILES_MAX || sum > SUM_MAX {
            let message = format!("too much to read: {} files with {} MiB before this one", at, sum >> 20);
            let help = "name the folder that holds rules and nothing else";
            gathered.found.push(Diagnostic::of_file(&codes::UNREADABLE, path.to_string_lossy(), message).help(help));
            break;
        }
        match read_text(path) {
            Ok(text) => {
                sum += text.len();
                gathered.rules.push(SourceFile { path: path.to_string_lossy().into_owned(), text });
            }
            Err(problem) => gathered.found.push(*problem),
        }
    }
    gathered.tests.sort();
    sort(&mut gathered.found);
    gathered
}

/// Every unit test of rules (`*.test.yaml`) that these name or that is below them, in byte order of path, each once.
pub fn read_tests(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Vec<Diagnostic>> {
    let mut search = Search { apart: false, seen: HashSet::new(), paths: Vec::new(), gathered: Gathered::default() };
    for path in paths {
        match fs::metadata(path) {
            Ok(it) if it.is_dir() => search.folder(path),
            Ok(_) => search.gathered.tests.push(path.clone()),
            Err(error) => search.gathered.found.push(unreadable(path, &error)),
        }
    }
    let Gathered { mut tests, mut found, .. } = search.gathered;
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

struct Search {
    apart: bool,
    /// Links may lead in circles; the real path tells.
    seen: HashSet<PathBuf>,
    paths: Vec<PathBuf>,
    gathered: Gathered,
}

impl Search {
    fn folder(&mut self, folder: &Path) {
        let entries = fs::canonicalize(folder).and_then(|real| {
            if self.seen.insert(real) {
                fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
            } else {
                Ok(Vec::new())
            }
        });
        let entries: Vec<PathBuf> = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.gathered.found.push(unreadable(folder, &error));
                return;
            }
        };
        for path in entries {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            let kind = kind(&name);
            match fs::metadata(&path) {
                Ok(it) if it.is_dir() => self.folder(&path),
                Ok(_) if self.paths.len() > FILES_MAX => return,
                Ok(_) => match kind {
                    Some(Kind::Test) => self.gathered.tests.push(path),
                    Some(Kind::Settings) if self.apart => self.gathered.settings.push(path),
                    Some(_) => self.paths.push(path),
                    None => {}
                },
                Err(error) if kind.is_some_and(|kind| kind != Kind::Test) => {
                    self.gathered.found.push(unreadable(&path, &error));
                }
                Err(_) => {}
            }
        }
    }
}

/// What a file in a folder is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rules.
    Rules,
    /// Tests of rules.
    Test,
    /// Settings, under the name that they have unless something else is said.
    Settings,
}

/// What a file of this name is, if it is any of ours.
pub fn kind(name: &str) -> Option<Kind> {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))?;
    Some(match stem {
        "fettle" => Kind::Settings,
        stem if Path::new(stem).extension().is_some_and(|last| last == "test") => Kind::Test,
        _ => Kind::Rules,
    })
}

/// The text of a file without a byte order mark.
pub fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let read = || {
        // Opening a pipe would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        File::open(path)
    };
    let file = read().map_err(|error| Box::new(unreadable(path, &error)))?;
    read_from(file, &path.to_string_lossy())
}

/// The text that can be read from `from`, known as `shown`, without a byte order mark.
pub fn read_from(from: impl Read, shown: &str) -> Result<String, Box<Diagnostic>> {
    let unreadable = |error: &str| Diagnostic::of_file(&codes::UNREADABLE, shown, format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    if let Err(error) = from.take(FILE_MAX + 1).read_to_end(&mut bytes) {
        return Err(Box::new(unreadable(&error.to_string())));
    }
    if bytes.len() as u64 > FILE_MAX {
        return Err(Box::new(unreadable("larger than 10 MiB").help("split it; no file of rules is that large")));
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with('\u{FEFF}') {
                text.drain(..'\u{FEFF}'.len_utf8());
            }
            Ok(text)
        }
        Err(wrong) => {
            let end = wrong.utf8_error().valid_up_to();
            let bytes = wrong.into_bytes();
            let help = match bytes.get(..2) {
                Some([0xFF, 0xFE] | [0xFE, 0xFF]) => "it looks like UTF-16; save it as UTF-8",
                _ => "save it as UTF-8",
            };
            let before = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
            let problem = Diagnostic {
                line: before.matches('\n').count() + 1,
                column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
                ..unreadable(&format!("not UTF-8 from byte {end} on"))
            };
            Err(Box::new(problem.help(help)))
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::of_file(&codes::UNREADABLE, path.to_string_lossy(), format!("cannot be read: {error}"))
}
