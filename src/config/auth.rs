//! Who may do what: bearer tokens, of which only hashes are kept.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::load::small_file;
use super::raw::RawToken;
use fettle_core::diagnostic::{Report, codes};
use fettle_core::target::is_name;
use fettle_core::yaml::{Node, items, required, text, word};

/// Who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// Names and hashes are unique. Without any, fettle serves on loopback only and asks for none.
    pub tokens: Vec<Token>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
}

impl Auth {
    /// Whether anybody could approve: whoever is on this machine when there are no tokens, else an admin.
    #[must_use]
    pub fn has_approver(&self) -> bool {
        self.tokens.is_empty() || self.tokens.iter().any(|token| token.role.covers(Role::Admin))
    }
}

/// One bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who it is; stands in the audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Of the token's bytes.
    pub sha256: [u8; 32],
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Look.
    Viewer,
    /// Look, and ask what would be done.
    Analyst,
    /// Everything.
    Admin,
    /// Post notifications, and nothing else.
    Sender,
}

impl Role {
    const WORDS: [(&str, Self); 4] =
        [("viewer", Self::Viewer), ("analyst", Self::Analyst), ("admin", Self::Admin), ("sender", Self::Sender)];

    /// The word in configuration and audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
            Self::Sender => "sender",
        }
    }

    /// The role that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
    }

    /// Whether this role may do what `needed` may: viewer < analyst < admin, and sender is covered by admin alone.
    pub fn covers(self, needed: Self) -> bool {
        match needed {
            Self::Viewer => matches!(self, Self::Viewer | Self::Analyst | Self::Admin),
            Self::Analyst => matches!(self, Self::Analyst | Self::Admin),
            Self::Admin => self == Self::Admin,
            Self::Sender => matches!(self, Self::Sender | Self::Admin),
        }
    }
}

/// Reads all tokens; files are looked for from `base`.
pub(super) fn read(node: &Node, base: &Path, report: &mut Report<'_>) -> Option<Vec<Token>> {
    let mut tokens: Vec<Token> = Vec::new();
    for item in items(node, report)? {
        let Some(raw) = RawToken::read(item, report) else { continue };
        let name = required(raw.name, "name", &item.at, "say whose token it is; the name stands in the audit", report)
            .and_then(|node| name(node, &tokens, report));
        let role = required(raw.role, "role", &item.at, "viewer, analyst, admin or sender", report)
            .and_then(|node| word(node, &Role::WORDS, report));
        let sha256 = hash(&raw, item, base, report);
        let (Some(name), Some(role), Some(sha256)) = (name, role, sha256) else { continue };
        if let Some(other) = tokens.iter().find(|other| other.sha256 == sha256) {
            let message = format!("this is the same token as that of `{}`", other.name);
            report.add_with_help(&codes::TOKEN, &item.at, message, "give everyone a token of their own");
        }
        tokens.push(Token { name, role, sha256 });
    }
    Some(tokens)
}

fn name(node: &Node, others: &[Token], report: &mut Report<'_>) -> Option<String> {
    let name = text(node, report)?;
    if !is_name(name) {
        let help = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit";
        report.add_with_help(&codes::TOKEN, &node.at, "this is not a name for a token", help);
    } else if others.iter().any(|other| other.name == name) {
        report.add_with_help(&codes::TOKEN, &node.at, format!("a token named `{name}` exists already"), "rename one");
    }
    Some(name.to_owned())
}

fn hash(raw: &RawToken<'_>, item: &Node, base: &Path, report: &mut Report<'_>) -> Option<[u8; 32]> {
    if let Some(node) = raw.token {
        let help = "remove it; `fettle token new` prints the sha256 to write here, or use token_file";
        report.add_with_help(&codes::TOKEN, &node.at, "a token itself does not belong into this file", help);
        return None;
    }
    match (raw.sha256, raw.token_file) {
        (Some(node), None) => {
            let digest = from_hex(text(node, report)?);
            if digest.is_none() {
                let help = "64 hexadecimal digits, as `fettle token new` prints them";
                report.add_with_help(&codes::TOKEN, &node.at, "this is not a SHA-256", help);
            }
            digest
        }
        (None, Some(node)) => {
            let path = base.join(text(node, report)?);
            let token = small_file(&path, node, report)?;
            Some(Sha256::digest(token.expose()).into())
        }
        (None, None) => {
            report.add_with_help(
                &codes::TOKEN,
                &item.at,
                "the token has neither sha256 nor token_file",
                "add one of them",
            );
            None
        }
        (Some(_), Some(node)) => {
            report.add_with_help(
                &codes::TOKEN,
                &node.at,
                "the token has both sha256 and token_file",
                "keep one of them",
            );
            None
        }
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}
