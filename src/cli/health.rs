//! `fettle health`: the health check of a container, without curl.

use super::client::{Peer, converse};
use super::{Outcome, print};

/// Exit 0 when a running fettle is ready.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle health
  fettle health --url http://127.0.0.1:9876

In a container: HEALTHCHECK CMD [\"fettle\", \"health\"]")]
pub(super) struct Args {
    #[command(flatten)]
    peer: Peer,
}

pub(super) fn run(args: &Args) -> Outcome {
    let client = args.peer.client()?;
    converse(async { client.is_well("/-/ready").await })?;
    print("ready\n")
}
