//! `fettle token new`: a token for a person or a sender. It is shown once; only its hash goes into the configuration.

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Failure, Outcome, Output, hint, print};
use crate::config::Role;
use fettle_core::target::is_name;

/// For the help of the only command and of the one above it.
pub(super) const EXAMPLES: &str = "\
Examples:
  fettle token new --name alertmanager --role sender
  fettle token new --name oncall --role admin --output json";

/// Make tokens for the configuration.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token: shown once, with the lines for the configuration
    New(Args),
}

/// Make a token.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Who will hold it; the name stands in logs, metrics and the audit
    #[arg(long, value_parser = name)]
    name: String,
    /// What it may do: viewer reads, analyst also asks what would be done, admin does everything, sender only posts
    /// notifications
    #[arg(long, value_parser = ["viewer", "analyst", "admin", "sender"])]
    role: String,
    /// For whom to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Every token begins with this, so that scanners for leaked secrets can know one.
const PREFIX: &str = "fettle_";

/// 256 bits: as many as its hash has.
const BYTES: usize = 32;

fn name(text: &str) -> Result<String, String> {
    let legal = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit";
    if is_name(text) { Ok(text.to_owned()) } else { Err(legal.to_owned()) }
}

pub(super) fn run(command: &Command) -> Outcome {
    let Command::New(args) = command;
    let role = Role::from_word(&args.role).ok_or_else(|| Failure::Usage(anyhow!("no such role")))?;
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Problems(anyhow!("no random bytes: {error}")))?;
    let token = token(&bytes);
    let sha256 = digest(&token);
    match args.output {
        Output::Json => {
            let made = json!({"token": token, "name": args.name, "role": role.as_str(), "sha256": sha256});
            print(&format!("{made}\n"))
        }
        Output::Human => {
            print(&format!("{token}\n"))?;
            hint("The token above is shown only now. What belongs into fettle.yaml:\n");
            print(&snippet(&args.name, role, &sha256))
        }
    }
}

fn token(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn digest(token: &str) -> String {
    format!("{:x}", Sha256::digest(token))
}

fn snippet(name: &str, role: Role, sha256: &str) -> String {
    format!("auth:\n  tokens:\n    - {{name: {name}, role: {}, sha256: {sha256}}}\n", role.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_in_the_snippet_is_the_tokens() {
        let token = token(&[7; BYTES]);
        assert_eq!(token, "fettle_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        insta::assert_snapshot!(snippet("alertmanager", Role::Sender, &digest(&token)), @r"
        auth:
          tokens:
            - {name: alertmanager, role: sender, sha256: 8d240bb34b2bb4d95ff648c3536b9ca410c944379050cb98434886747db28571}
        ");
    }

    #[test]
    fn a_name_is_one_that_the_configuration_takes() {
        assert!(name("on-call.1").is_ok() && name("on call").is_err() && name("").is_err());
    }
}
