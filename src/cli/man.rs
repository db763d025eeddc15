//! `fettle man`: manual pages from the same definitions as the commands.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap_mangen::Man;

use super::{Failure, Outcome, command, hint, print};

/// Print the manual page.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fettle man | man -l -
  fettle man --dir /usr/local/share/man/man1")]
pub(super) struct Args {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut command = command::command();
    command.build();
    let Some(folder) = &args.dir else {
        return print(&page(command, "fettle")?);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let count = write(&command, "fettle", folder)?;
    hint(&format!("{count} pages in {}", folder.display()));
    Ok(())
}

/// Writes the page of a command and those of the commands below it; how many there are.
fn write(command: &clap::Command, name: &str, folder: &Path) -> Result<usize, Failure> {
    let path = folder.join(format!("{name}.1"));
    let text = page(command.clone(), name)?;
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    let mut count = 1;
    for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
        count += write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(count)
}

fn page(command: clap::Command, name: &str) -> Result<String, Failure> {
    let mut text = Vec::new();
    let written = Man::new(command).title(name).render(&mut text);
    written.map_err(|error| Failure::Fault(anyhow::Error::new(error).context("write a page")))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
