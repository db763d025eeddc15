//! `fettle completions SHELL`: completions from the same definitions as the commands.

use clap_complete::Shell;

use super::{Outcome, command, print};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle completions bash > /etc/bash_completion.d/fettle
  fettle completions zsh > \"${fpath[1]}/_fettle\"
  fettle completions fish > ~/.config/fish/completions/fettle.fish")]
pub(super) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command::command(), "fettle", &mut text);
    print(&String::from_utf8_lossy(&text))
}
