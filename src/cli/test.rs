//! `fettle test`: unit tests of rules.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use regex::Regex;

use super::{Failure, Outcome, print};
use crate::config;
use fettle_core::diagnostic::render;
use fettle_engine::rule_files::read_tests;
use fettle_predict::test::show::{self, Ran, Results};
use fettle_predict::test::{load, run as run_case};

/// Run unit tests of rules.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A test declares containers, says what happens when, and what must come of it; an action, a refusal or a block that is not
expected fails it. Time is virtual, and nothing real is touched.

Examples:
  fettle test
  fettle test rules/web.test.yaml
  fettle test --run 'fourth restart' --output junit > results.xml

Exit codes: 0 all passed, 1 a test failed or a file does not load, 2 usage.")]
pub(super) struct Args {
    /// Test files, or folders of them [default: the rules folder of the configuration]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests whose name this regular expression finds
    #[arg(long, value_name = "REGEX")]
    run: Option<String>,
    /// For whom the results are written
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// The configuration file, for where the rules are [default: fettle.yaml, if there is one]
    #[arg(long, value_name = "FILE", env = "FETTLE_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Format {
    /// People
    #[default]
    Human,
    /// Scripts
    Json,
    /// CI
    Junit,
}

pub(super) fn run(args: &Args) -> Outcome {
    let wanted = args.run.as_deref().map(Regex::new).transpose();
    let wanted = wanted.context("--run is not a regular expression").map_err(Failure::Usage)?;
    let results = results(&paths(args)?, wanted.as_ref());
    print(&match args.output {
        Format::Human => show::human(&results),
        Format::Json => show::json(&results),
        Format::Junit => show::junit(&results),
    })?;
    let (failed, problems) = (results.failed(), results.problems.len());
    match (failed, problems) {
        (0, 0) if results.ran.is_empty() => Err(anyhow::anyhow!("there is no such test").into()),
        (0, 0) => Ok(()),
        (failed, 0) => Err(anyhow::anyhow!("{failed} of {} tests failed", results.ran.len()).into()),
        (_, 1) => Err(anyhow::anyhow!("1 problem in test files").into()),
        (_, problems) => Err(anyhow::anyhow!("{problems} problems in test files").into()),
    }
}

fn paths(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    if !args.paths.is_empty() {
        return Ok(args.paths.clone());
    }
    match config::load(args.config.as_deref(), &config::process) {
        Ok((config, _)) => Ok(vec![config.rules]),
        Err(found) => {
            super::hint(&render::human(&found));
            Err(anyhow::anyhow!("the configuration does not load; name the tests instead").into())
        }
    }
}

fn results(paths: &[PathBuf], wanted: Option<&Regex>) -> Results {
    let mut results = Results { partial: wanted.is_some(), ..Results::default() };
    let files = match read_tests(paths) {
        Ok(files) => files,
        Err(found) => {
            results.problems = found;
            return results;
        }
    };
    for file in &files {
        let file = match load(file) {
            Ok(file) => file,
            Err(found) => {
                results.problems.extend(found);
                continue;
            }
        };
        for rules in file.rule_sets() {
            results.coverage.add(rules);
        }
        for case in file.cases.iter().filter(|it| wanted.is_none_or(|wanted| wanted.is_match(&it.name))) {
            let outcome = run_case(&file, case);
            results.coverage.reach(&outcome.happened);
            let (file, name) = (file.path.clone(), case.name.clone());
            results.ran.push(Ran { file, line: case.line, name, difference: outcome.difference });
        }
    }
    results
}
