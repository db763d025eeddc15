//! `fettle reach`: what the rules could touch now, and what refuses the rest; and whether other rules reach wider.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use super::client::{Peer, converse};
use super::local::{Loaded, Local, rules};
use super::{Failure, Outcome, Output, hint, print, reached};
use fettle_core::rule::set::RuleSet;
use fettle_core::time::{Timestamp, micros};
use fettle_predict::reach::{Inventory, Reach, gather, wider};

/// List what the rules could touch now, and what refuses the rest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Settings and rules are read on this machine, and the containers, services and disks of all hosts are looked at. Asked are the
guards that speak of the thing itself: not pauses, budgets or cooldowns, which `fettle explain` asks.

With --diff the rules are compared with older ones, by what is written and over the same containers; exit code 1 when they
reach wider: something new to touch, or a looser allow, mode, budget, approval or match. With --offline only what is written
is compared; with --containers over the containers of a saved `fettle reach --output json`, so that CI needs no Docker.

Examples:
  fettle reach
  fettle reach --output json > reach.json
  fettle reach --diff old-rules/
  fettle reach --diff old-rules/ --containers reach.json
  fettle reach --diff old-rules/ --offline
  fettle reach --url http://fettle:9876 --token-file viewer.token")]
pub(super) struct Args {
    /// Compare with these older rules, a file or a folder; exit code 1 when the reach is wider
    #[arg(long, value_name = "OLD_RULES")]
    diff: Option<PathBuf>,
    /// Instead of looking: what was there when this was saved by `fettle reach --output json`
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    containers: Option<PathBuf>,
    /// Only what the rules could touch, nothing that is refused
    #[arg(long, conflicts_with = "diff")]
    may: bool,
    #[command(flatten)]
    local: Local,
    #[command(flatten)]
    peer: Peer,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.local.offline && args.diff.is_none() {
        return Err(Failure::Usage(anyhow!("--offline compares rules by what is written: give --diff OLD_RULES")));
    }
    let remote = args.peer.url.is_some() && args.diff.is_none() && args.containers.is_none() && !args.local.is_meant();
    if remote {
        let client = args.peer.client()?;
        return show(args, &converse(async { client.get("/api/v1/reach", &[]).await })?);
    }
    let loaded = args.local.load()?;
    match &args.diff {
        None => {
            let inventory = inventory(args, &loaded, &[&loaded.rules])?;
            show(args, &json!(Reach::of(&loaded.rules, &loaded.ground(), inventory)))
        }
        Some(old) => compare(args, &loaded, old),
    }
}

fn show(args: &Args, reach: &Value) -> Outcome {
    match args.output {
        Output::Json => print(&format!("{reach:#}\n")),
        Output::Human => print(&reached::reach(reach, args.may)),
    }
}

fn compare(args: &Args, loaded: &Loaded, old: &Path) -> Outcome {
    let old = rules(&loaded.config, old)?;
    let inventory = inventory(args, loaded, &[&old, &loaded.rules])?;
    let found = wider(&old, &loaded.rules, &loaded.ground(), &inventory);
    let answer = json!({"wider": found, "hosts": inventory.hosts, "unseen": inventory.unseen});
    match args.output {
        Output::Json => print(&format!("{answer:#}\n"))?,
        Output::Human => print(&reached::wider(&answer))?,
    }
    if found.is_empty() {
        return Ok(());
    }
    let ways = if found.len() == 1 { "in one way".to_owned() } else { format!("in {} ways", found.len()) };
    Err(Failure::Problems(anyhow!("the rules reach wider than before, {ways}")))
}

/// What is there: saved, looked at, or nothing.
fn inventory(args: &Args, loaded: &Loaded, rules: &[&RuleSet]) -> Result<Inventory, Failure> {
    let now = micros(Timestamp::now());
    if let Some(file) = &args.containers {
        return Ok(saved(file)?);
    }
    if args.local.offline {
        return Ok(Inventory::empty(now));
    }
    let docker = loaded.docker()?;
    let ground = loaded.ground();
    let inventory = converse(async { Ok(gather(&docker, rules, &ground, now).await) })?;
    let failed = |host: &fettle_predict::reach::HostSaid| Some(format!("{}: {}", host.host, host.error.as_ref()?));
    let failed: Vec<String> = inventory.hosts.iter().filter_map(failed).collect();
    if failed.len() == inventory.hosts.len() {
        let advice = "give --containers FILE, or --offline with --diff";
        return Err(anyhow!("no host could be asked: {}; {advice}", failed.join("; ")).into());
    }
    for failed in failed {
        hint(&format!("note: not asked: {}", super::table::clean(&failed)));
    }
    Ok(inventory)
}

fn saved(file: &Path) -> anyhow::Result<Inventory> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let mut read: Value = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    serde_json::from_value(read["inventory"].take())
        .with_context(|| format!("{} was not saved by `fettle reach --output json`", file.display()))
}
