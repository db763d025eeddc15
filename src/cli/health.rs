//! `fettle health`: the health check of a container, without curl; or of whoever sees its heartbeat file only.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::client::{Peer, converse};
use super::{Outcome, print};
use crate::telemetry::heartbeat_files::{Beat, Status};
use fettle_core::time::Timestamp;

/// Exit 0 when a running fettle is ready.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle health
  fettle health --url http://127.0.0.1:9876
  fettle health --file /run/fettle/heartbeat

In a container: HEALTHCHECK CMD [\"fettle\", \"health\"]")]
pub(super) struct Args {
    #[command(flatten)]
    peer: Peer,
    /// Read a heartbeat file instead: 0 when it is at most 60 s old, or 120 s and said to be degraded
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Outcome {
    if let Some(path) = &args.file {
        return Ok(by_file(path)?).and_then(|said| print(&said));
    }
    let client = args.peer.client()?;
    converse(async { client.is_well("/-/ready").await })?;
    print("ready\n")
}

fn by_file(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let beat: Beat = serde_json::from_slice(&text).with_context(|| format!("{} is no heartbeat", path.display()))?;
    let said = format!("written {} by process {}", beat.at, beat.pid);
    match beat.read_at(Timestamp::now()) {
        Status::Healthy => Ok(format!("healthy: {said}\n")),
        Status::Degraded => Ok(format!("degraded: {said}\n")),
        Status::Unhealthy => bail!("unhealthy: {said}"),
    }
}
