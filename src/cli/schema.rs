//! `fettle schema`: JSON Schema of what fettle reads, for editors.

use clap::ValueEnum;

use super::{Outcome, print};
use crate::config::raw::RawConfig;
use fettle_core::rule::RawFile;
use fettle_core::yaml::schema;
use fettle_predict::test::RawFile as Tests;

/// Print a JSON Schema.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Editors with the YAML language server find the schema by a line in the file:
  # yaml-language-server: $schema=./schema.json

Examples:
  fettle schema rules > rules/schema.json
  fettle schema tests > rules/test.schema.json
  fettle schema config > fettle.schema.json")]
pub(super) struct Args {
    /// Of which files
    #[arg(value_enum, default_value_t)]
    of: Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
enum Files {
    /// Rules
    #[default]
    Rules,
    /// The configuration, fettle.yaml
    Config,
    /// Unit tests of rules
    Tests,
}

pub(super) fn run(args: &Args) -> Outcome {
    let schema = match args.of {
        Files::Rules => schema(&RawFile::SHAPE, "Rules of fettle", false),
        Files::Config => schema(&RawConfig::SHAPE, "Configuration of fettle", true),
        Files::Tests => schema(&Tests::SHAPE, "Unit tests of rules of fettle", false),
    };
    print(&format!("{schema:#}\n"))
}
