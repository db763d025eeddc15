//! `fettle serve`: the service.

use std::path::PathBuf;

use super::{Failure, Outcome};
use crate::app;

/// Run the service.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every setting can also be an environment variable, which wins over the file:
  FETTLE_LISTEN, FETTLE_DATABASE or DATABASE_URL, FETTLE_RULES, FETTLE_MODE, FETTLE_HOSTS, FETTLE_LOG, FETTLE_LOG_FORMAT, …

Signals: SIGTERM and SIGINT stop in order, SIGHUP reloads the rules.

Examples:
  fettle serve
  fettle serve --config /etc/fettle/fettle.yaml
  FETTLE_MODE=observe FETTLE_LOG_FORMAT=json fettle serve")]
pub(super) struct Args {
    /// The configuration file [default: fettle.yaml, if there is one]
    #[arg(long, value_name = "FILE", env = "FETTLE_CONFIG")]
    config: Option<PathBuf>,
    /// A file that says every 30 s that this process lives [default: the setting of this name]
    #[arg(long, value_name = "PATH")]
    heartbeat_file: Option<PathBuf>,
    /// A file with its figures, written as often [default: the setting of this name]
    #[arg(long, value_name = "PATH")]
    metrics_file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("fettle").build();
    let runtime = runtime.map_err(|error| Failure::Fault(anyhow::Error::new(error).context("start the runtime")))?;
    let options = app::Options {
        config: args.config.clone(),
        heartbeat_file: args.heartbeat_file.clone(),
        metrics_file: args.metrics_file.clone(),
    };
    let ended = runtime.block_on(app::serve(&options));
    // Without waiting for calls of the operating system that do not return, as on a file system that hangs.
    runtime.shutdown_background();
    Ok(ended?)
}
