//! Where fettle remembers.

use fettle_core::diagnostic::{Report, codes};
use fettle_core::yaml::{Node, text};
use fettle_upstream::Secret;

/// The database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Which one.
    pub kind: DatabaseKind,
    /// Its URL, which may hold a password.
    pub url: Secret,
}

/// The databases fettle knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Default for Database {
    fn default() -> Self {
        Self { kind: DatabaseKind::Sqlite, url: Secret::from("sqlite://fettle.db".to_owned()) }
    }
}

/// The database that `url` names, if it names one.
pub(super) fn parse(url: &str) -> Option<Database> {
    let (scheme, rest) = url.split_once(':')?;
    let kind = match scheme {
        // What lives in memory only would forget its budgets at every start.
        "sqlite" if rest.contains(":memory:") || rest.contains("mode=memory") => return None,
        "sqlite" if !rest.trim_start_matches('/').is_empty() => DatabaseKind::Sqlite,
        "postgres" | "postgresql" if rest.starts_with("//") => DatabaseKind::Postgres,
        _ => return None,
    };
    Some(Database { kind, url: Secret::from(url.to_owned()) })
}

pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Database> {
    let database = parse(text(node, report)?);
    if database.is_none() {
        wrong(node, report);
    }
    database
}

pub(super) fn wrong(node: &Node, report: &mut Report<'_>) {
    let help = "write sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME";
    report.add_with_help(&codes::DATABASE, &node.at, "this is not the URL of a database fettle knows", help);
}
