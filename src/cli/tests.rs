//! The command line: what is understood, what is refused, what is printed.

use clap::{CommandFactory, Parser};

use super::*;

fn parsed(line: &str) -> Result<Command, i32> {
    Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|error| error.exit_code())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn commands_and_flags_are_those_of_the_contract() {
    for line in [
        "fettle serve",
        "fettle serve --config fettle.yaml",
        "fettle check",
        "fettle check rules/ fettle.yaml --strict --output github --color never",
        "fettle check - --config fettle.yaml --against sqlite://fettle.db --output json",
        "fettle schema",
        "fettle schema config",
        "fettle completions zsh",
        "fettle man --dir man",
        "fettle send alertname=X service=web",
        "fettle send alertname=X --resolved --url http://fettle:9876 --token t --output json",
        "fettle send alertname=X --token-file /run/secrets/t",
        "fettle health",
        "fettle health --url http://127.0.0.1:1",
        "fettle token new --name oncall --role admin",
        "fettle remediations --state open --rule r --target container:local/web --limit 5",
        "fettle remediations --output json",
        "fettle actions --result refused --remediation 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11",
        "fettle show 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11",
        "fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11",
        "fettle approve 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --plan 9f2c --output json",
        "fettle reject 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --plan 9f2c",
        "fettle cancel 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --reason deploy",
        "fettle pause --reason deploy",
        "fettle pause --reason deploy --rule web-restart --for 2h",
        "fettle pause --reason deploy --target container:local/web --until 2099-01-31T12:00:00Z",
        "fettle resume",
        "fettle resume 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11",
        "fettle resume --all",
        "fettle resume --target container:local/web",
        "fettle resume --rule web-restart",
        "fettle pauses --output json",
        "fettle breakers",
        "fettle breakers --output json",
        "fettle breakers reset web-restart",
        "fettle test",
        "fettle test rules/ more.test.yaml --run fourth --output junit",
        "fettle test --config fettle.yaml --output json",
        "fettle explain alertname=Down service=web",
        "fettle explain notification.json --output json",
        "fettle explain - --offline --rules rules/ --config fettle.yaml",
        "fettle explain 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --url http://fettle:9876 --token t",
        "fettle replay",
        "fettle replay --since 7d --until 2026-01-31T12:00:00Z --rules new/ --mode act --assume not_fixed --verbose",
        "fettle replay --database sqlite://fettle.db --config fettle.yaml --output json",
        "fettle replay --from alerts.jsonl",
        "fettle replay --from-prometheus http://prometheus:9090 --since 2d --step 15s --repeat 5m",
        "fettle reach",
        "fettle reach --may --output json",
        "fettle reach --diff old/ --offline",
        "fettle reach --diff old/ --containers reach.json --output json",
    ] {
        assert!(parsed(line).is_ok(), "{line}");
    }
}

#[test]
fn what_is_not_understood_exits_with_2() {
    for line in [
        "fettle",
        "fettle mend",
        "fettle replay --since yesterday",
        "fettle replay --from x --database sqlite://x",
        "fettle replay --assume hope",
        "fettle check --output yaml",
        "fettle check --color sometimes",
        "fettle schema everything",
        "fettle completions",
        "fettle send",
        "fettle send service",
        "fettle send =x",
        "fettle send a=b --token t --token-file f",
        "fettle token new --name x",
        "fettle token new --name x --role root",
        "fettle token new --name x/y --role admin",
        "fettle show 7",
        "fettle actions --limit many",
        "fettle remediations --output yaml",
        "fettle approve",
        "fettle approve 7",
        "fettle pause",
        "fettle pause --reason deploy --for 2",
        "fettle pause --reason deploy --for 0s",
        "fettle pause --reason deploy --until tomorrow",
        "fettle pause --reason deploy --for 2h --until 2099-01-31T12:00:00Z",
        "fettle pause --reason deploy --rule web --target container:local/web",
        "fettle pause --reason deploy --target web",
        "fettle resume --all --rule web",
        "fettle resume 0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11 --all",
        "fettle breakers reset",
        "fettle breakers open web",
        "fettle explain",
        "fettle reach --diff",
        "fettle reach --diff old/ --offline --containers reach.json",
        "fettle reach --diff old/ --may",
    ] {
        assert_eq!(parsed(line).err(), Some(2), "{line}");
    }
}

#[test]
fn every_command_has_examples_in_its_help() {
    for command in command::command().get_subcommands() {
        for it in std::iter::once(command).chain(command.get_subcommands()) {
            let help = it.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  "), "{} has no examples", it.get_name());
        }
    }
}
