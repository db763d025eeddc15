//! What the paths of a command name: rules, settings, tests of rules.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::cli::Failure;
use crate::config::{self, Config};
use fettle_core::diagnostic::Diagnostic;
use fettle_core::rule::compile::SourceFile;
use fettle_engine::rule_files::{Gathered, Kind, gather, kind, read_from, read_text};

/// How stdin is shown.
const STDIN: &str = "<stdin>";

/// What was given, read.
pub(super) struct Given {
    /// What rules are checked against, and what is wrong with it.
    pub(super) settings: (Config, Vec<Diagnostic>),
    /// Whether the settings are to be checked themselves.
    pub(super) own_settings: bool,
    /// How many files the settings are in; without any they are all defaults and variables.
    pub(super) settings_files: usize,
    /// Rules and tests of rules.
    pub(super) gathered: Gathered,
    /// Where rules were looked for.
    pub(super) root: PathBuf,
}

impl Given {
    /// Reads everything that `paths` name; nothing named is the configuration with its rules.
    pub(super) fn sort_out(paths: &[PathBuf], config: Option<&Path>) -> Result<Self, Failure> {
        let (mut settings, mut others, mut stdin) = (Vec::new(), Vec::new(), None);
        for path in paths {
            if path == Path::new("-") {
                stdin = Some(read_from(std::io::stdin().lock(), STDIN));
            } else if path.is_file() && is_settings(path) {
                settings.push(path.clone());
            } else {
                others.push(path.as_path());
            }
        }
        let mut gathered = gather(&others, true);
        settings.append(&mut gathered.settings);
        let mut of_stdin = None;
        match stdin {
            Some(Ok(text)) if config::is_settings(&text) => of_stdin = Some(text),
            Some(Ok(text)) => gathered.rules.push(SourceFile { path: STDIN.to_owned(), text }),
            Some(Err(problem)) => gathered.found.push(*problem),
            None => {}
        }
        if settings.len() + usize::from(of_stdin.is_some()) > 1 {
            let named = settings.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(Failure::Usage(anyhow!("rules belong to one configuration, and there are several: {named}")));
        }
        let own_settings = paths.is_empty() || of_stdin.is_some() || !settings.is_empty();
        let file = settings.first().map(PathBuf::as_path).or(config);
        let there = file.unwrap_or(Path::new("fettle.yaml")).exists() || of_stdin.is_some();
        let settings_files = usize::from(own_settings && there);
        let env = &config::process;
        let settings = match &of_stdin {
            Some(text) => config::look_at(STDIN, text, Path::new(""), env),
            None => config::look(file, env),
        };
        let mut root = others.first().map_or_else(|| STDIN.into(), |path| path.to_path_buf());
        if others.is_empty() && own_settings {
            root.clone_from(&settings.0.rules);
            gathered = merge(gathered, gather(&[&root], false));
        }
        Ok(Self { settings, own_settings, settings_files, gathered, root })
    }
}

/// Whether a file is settings: by its name, else by its keys.
fn is_settings(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match kind(&name) {
        Some(Kind::Settings) => true,
        Some(Kind::Test) => false,
        Some(Kind::Rules) | None => read_text(path).is_ok_and(|text| config::is_settings(&text)),
    }
}

fn merge(mut one: Gathered, other: Gathered) -> Gathered {
    one.rules.extend(other.rules);
    one.tests.extend(other.tests);
    one.found.extend(other.found);
    one
}
