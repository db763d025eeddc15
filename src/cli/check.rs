//! `fettle check`: configuration and rules, every problem at once.
//!
//! What it says is what `serve` and a reload say, from the same code. Rules are checked against the settings they will run with; when
//! those cannot be read, what depends on them is not judged.

mod given;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::colour::Colour;
use super::{Failure, Outcome, client, hint, print};
use crate::config::{self, Config};
use fettle_core::alert::labels::Labels;
use fettle_core::diagnostic::nearest::nearest;
use fettle_core::diagnostic::{Diagnostic, codes, render, sort};
use fettle_core::rule::compile::{SourceFile, compile};
use fettle_engine::rule_files as rules;
use fettle_predict::test;
use fettle_store as store;
use given::Given;

/// Check configuration and rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without a PATH the configuration and the rules it names are checked. A PATH is a file of rules or of tests, a folder of them, or a
configuration, which brings its rules along; `-` is stdin.

Exit codes: 0 fine, 1 errors, 3 warnings only (with --strict).

Examples:
  fettle check
  fettle check rules/web.yaml
  fettle check --strict --output github rules/
  fettle check --against sqlite://fettle.db
  cat web.yaml | fettle check -")]
pub(super) struct Args {
    /// Files or folders [default: the configuration and its rules]
    paths: Vec<PathBuf>,
    /// The configuration that rules are checked against [default: fettle.yaml, if there is one]
    #[arg(long, value_name = "FILE", env = "FETTLE_CONFIG")]
    config: Option<PathBuf>,
    /// Also compare with the alerts recorded in this database, which is only read
    #[arg(long, value_name = "DATABASE")]
    against: Option<String>,
    /// Exit 3 when there are warnings
    #[arg(long)]
    strict: bool,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    colour: Colour,
}

/// For whom problems are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Output {
    /// People
    #[default]
    Human,
    /// Scripts: code, severity, file, line, column, message, help
    Json,
    /// GitHub Actions: annotations
    Github,
}

/// What is judged by the settings, and so only when those can be read.
const BY_SETTINGS: [&str; 10] = [
    codes::HOST.id,
    codes::HOLD_STALE.id,
    codes::WINDOW_FORGOTTEN.id,
    codes::DISK.id,
    codes::NOT_PERMITTED.id,
    codes::NO_APPROVER.id,
    codes::APPROVAL_STALE.id,
    codes::QUERY.id,
    codes::RESOLVED_UNSEEN.id,
    codes::LADDER_UNSEEN.id,
];

/// Alerts that are looked at, the latest first.
const ALERTS: u32 = 10_000;

/// What was looked at and found.
struct Checked {
    found: Vec<Diagnostic>,
    files: usize,
    rules: usize,
}

pub(super) fn run(args: &Args) -> Outcome {
    let given = Given::sort_out(&args.paths, args.config.as_deref())?;
    let history = args.against.as_deref().map(recorded).transpose()?;
    let checked = check(given, history);
    let Checked { found, .. } = &checked;
    print(&match args.output {
        Output::Json => render::json(found),
        Output::Github => render::github(found),
        Output::Human if args.colour.on() => render::coloured(found) + &summary(&checked),
        Output::Human => render::human(found) + &summary(&checked),
    })?;
    if found.iter().any(Diagnostic::is_error) {
        return Err(Failure::Said(1));
    }
    if args.strict && !found.is_empty() {
        return Err(Failure::Said(3));
    }
    Ok(())
}

fn check(given: Given, history: Option<Arc<[Labels]>>) -> Checked {
    let Given { settings, own_settings, settings_files, gathered, root } = given;
    let (config, mut of_settings) = settings;
    let unread = of_settings.iter().any(Diagnostic::is_error);
    let mut found = gathered.found;
    if own_settings {
        of_settings.extend(unknown_variables());
        found.append(&mut of_settings);
    } else if unread {
        hint(
            "the configuration has errors, so what depends on it was not checked; `fettle check` without a PATH shows them",
        );
    }
    let only_rules = gathered.tests.is_empty();
    found.extend(of_tests(&gathered.tests));
    let files = gathered.rules.len() + gathered.tests.len() + settings_files;
    let count = check_rules(&config, &gathered.rules, unread, history, &mut found);
    if count == 0 && only_rules && found.is_empty() {
        found.push(rules::no_rules(&root));
    }
    sort(&mut found);
    found.dedup();
    Checked { found, files, rules: count }
}

/// Checks all rules as one set; how many there are.
fn check_rules(
    config: &Config,
    files: &[SourceFile],
    unread: bool,
    history: Option<Arc<[Labels]>>,
    found: &mut Vec<Diagnostic>,
) -> usize {
    let mut context = config.rule_context();
    context.history = history;
    let compiled = compile(files, &context);
    let (rules, of_rules) = match compiled {
        Ok((set, warnings)) => (set.len(), warnings),
        Err(found) => (0, found),
    };
    found.extend(of_rules.into_iter().filter(|it| !unread || !BY_SETTINGS.contains(&it.code)));
    rules
}

/// Whether tests of rules are written as they should be. Whether they pass is for `fettle test`.
fn of_tests(paths: &[PathBuf]) -> Vec<Diagnostic> {
    let read = |path: &PathBuf| match rules::read_text(path) {
        Ok(text) => {
            test::load(&SourceFile { path: path.to_string_lossy().into_owned(), text }).err().unwrap_or_default()
        }
        Err(problem) => vec![*problem],
    };
    paths.iter().flat_map(read).collect()
}

/// Variables that look like ours and are none.
fn unknown_variables() -> Vec<Diagnostic> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let told = |name: String| {
        let file = format!("environment {name}");
        let problem = Diagnostic::of_file(&codes::UNKNOWN_VARIABLE, file, "this variable is no setting of fettle's");
        match nearest(&name, &config::KNOWN) {
            Some(near) => problem.help(format!("did you mean {near}?")),
            None => problem.help("nothing follows from it; remove it"),
        }
    };
    config::unknown(names).into_iter().map(told).collect()
}

/// The labels of alerts that a database has recorded.
fn recorded(url: &str) -> Result<Arc<[Labels]>, Failure> {
    // The URL may hold a password, so no error repeats it.
    let labels = client::converse(async { Ok(store::recorded_labels(url, ALERTS).await?) })?;
    if labels.is_empty() {
        hint("the database has recorded no alert, so there is nothing to compare with");
    }
    Ok(labels.into())
}

/// What was looked at, in a line.
fn summary(of: &Checked) -> String {
    let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let errors = of.found.iter().filter(|it| it.is_error()).count();
    let (errors, warnings) = (count(errors, "error"), count(of.found.len() - errors, "warning"));
    let files = count(of.files, "file");
    if of.found.is_empty() {
        format!("{} in {files}: no problems\n", count(of.rules, "rule"))
    } else {
        format!("\n{errors}, {warnings} in {files}\n")
    }
}
