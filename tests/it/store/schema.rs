//! The schema: the views are a contract, every statement fits it, and it is migrated once.

use std::collections::HashMap;

use fettle_core::announcement::AnnouncementName;
use fettle_core::ports::model::Standing;
use fettle_core::remediation::loan::LoanEnd;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::AnswerKind;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqlSafeStr, SqliteConnection};

use super::fixture::{at, held, notification, open_all};
use super::{Db, on_both};

on_both!(
    the_views_have_exactly_the_columns_of_the_contract,
    every_statement_prepares,
    opening_again_migrates_nothing_and_loses_nothing,
    the_schema_knows_every_word_of_the_core,
    the_schema_leaves_out_the_verdicts_that_prove_something,
);

const VIEWS: [(&str, &str); 10] = [
    (
        "fettle_audit",
        "id, at, remediation_id, rule, action, target, host, mode, result, reason, verdict, actor, alertname, fingerprint, \
         severity, labels, planned_at, started_at, finished_at, duration_ms, attempt, step, detail, error",
    ),
    ("fettle_verdicts", "action_id, at, verdict, reason"),
    (
        "fettle_remediations",
        "id, target, rule, state, outcome, reason, opened_at, closed_at, actions, alertname, severity",
    ),
    ("fettle_notifications", "id, received_at, sender, receiver, group_key, status, alerts, truncated, bytes"),
    ("fettle_events", "id, at, event, severity, details, cpu, ram, disk"),
    ("fettle_pauses", "id, scope, about, reason, by, at, until, ended_at, ended_by"),
    ("fettle_breakers", "rule, opened_at, probe, closed_at, by"),
    ("fettle_loans", "id, remediation_id, rule, target, state, reason, opened_at, closed_at, due_at"),
    ("fettle_proposals", "remediation_id, target, rule, action, step, plan, why, asked_at, until, alertname, severity"),
    ("fettle_storm", "since, last_at, targets"),
];

async fn the_views_have_exactly_the_columns_of_the_contract(db: Db) {
    for (view, columns) in VIEWS {
        let sql = if db.is_sqlite() {
            format!("SELECT name FROM pragma_table_info('{view}') ORDER BY cid")
        } else {
            format!(
                "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{view}' \
                 ORDER BY ordinal_position"
            )
        };
        assert_eq!(db.texts(&sql).await.join(", "), columns, "{view}");
    }
    if !db.is_sqlite() {
        let instants = "SELECT count(*)::text FROM information_schema.columns WHERE table_name LIKE 'fettle\\_%' \
                        AND column_name IN ('at', 'received_at', 'opened_at', 'closed_at', 'planned_at', 'started_at', \
                        'finished_at', 'until', 'ended_at', 'due_at', 'asked_at', \
                        'since', 'last_at') AND data_type <> 'timestamp with time zone'";
        assert_eq!(db.texts(instants).await, ["0"]);
    }
}

/// The SQL constants of a store, by file and name, read from its sources: none can be forgotten. What both stores share is
/// put together with the words of this one's dialect.
pub fn statements(folder: &str) -> Vec<(String, String)> {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/store/src");
    let dialect = std::fs::read_to_string(sources.join(folder).join("dialect.rs")).unwrap();
    let word = regex::Regex::new(r#"\((\w+)\) => \{\s*"([^"]*)"\s*\}"#).unwrap();
    let words: HashMap<_, _> = word.captures_iter(&dialect).map(|c| (c[1].to_owned(), c[2].to_owned())).collect();
    assert!(!words.is_empty());
    let constant = regex::Regex::new(r#"const (\w+): &str =\s*(?:sql!\(([^;]*)\)|("[^"]*"));"#).unwrap();
    let piece = regex::Regex::new(r#""([^"]*)"|(\w+)"#).unwrap();
    let together = |pieces: &str| -> String {
        let said = |c: regex::Captures| c.get(1).map_or_else(|| words[&c[2]].clone(), |text| text.as_str().to_owned());
        piece.captures_iter(pieces).map(said).collect()
    };
    let mut found = Vec::new();
    for folder in [folder, "shared"] {
        for file in std::fs::read_dir(sources.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains("query(\"") && !text.contains("scalar(\"") && !text.contains("query_as(\""),
                "{path:?}"
            );
            assert!(!text.contains("AssertSqlSafe"), "{path:?}");
            let stem = path.file_stem().unwrap().to_string_lossy();
            let here = constant.captures_iter(&text);
            let here = here.filter(|c| !["WHAT", "TIMESTAMPTZ", "CHANNEL"].contains(&&c[1]));
            found.extend(here.map(|c| {
                let pieces = c.get(2).or(c.get(3)).map_or("", |pieces| pieces.as_str());
                (format!("{stem}.{}", &c[1]), together(pieces))
            }));
        }
    }
    found
}

async fn every_statement_prepares(db: Db) {
    let found = statements(if db.is_sqlite() { "sqlite" } else { "postgres" });
    assert!(found.len() > 40, "{} statements found", found.len());
    // Those that begin a transaction or a session, several at once, are run by every test.
    for (name, sql) in found.into_iter().filter(|(_, sql)| !sql.trim_start().starts_with("BEGIN") && !sql.contains(';'))
    {
        let prepared = if db.is_sqlite() {
            let mut connection = SqliteConnection::connect(&db.url()).await.unwrap();
            connection.prepare(AssertSqlSafe(&*sql).into_sql_str()).await.map(drop)
        } else {
            let mut connection = PgConnection::connect(&db.url()).await.unwrap();
            connection.prepare(AssertSqlSafe(&*sql).into_sql_str()).await.map(drop)
        };
        prepared.unwrap_or_else(|e| panic!("{name}: {e}\n{sql}"));
    }
}

async fn opening_again_migrates_nothing_and_loses_nothing(db: Db) {
    db.store.append(&[notification(at(1), "a")]).await.unwrap();
    open_all(&*db.store, &[held("web", at(1))]).await;
    let applied =
        "SELECT CAST(version AS text) || ' ' || CAST(installed_on AS text) FROM _sqlx_migrations ORDER BY version";
    let before = db.texts(applied).await;
    let db = db.reopen().await;
    assert_eq!(db.texts(applied).await, before);
    assert_eq!((db.count("notifications").await, db.count("remediations").await), (1, 1));
}

async fn the_schema_knows_every_word_of_the_core(db: Db) {
    let folder = if db.is_sqlite() { "sqlite" } else { "postgres" };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/store/migrations").join(folder);
    let schema: String =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    // The words that a column of a table may hold.
    let words = |table: &str, column: &str| -> Vec<String> {
        let from = schema.find(&format!("CREATE TABLE {table} (")).unwrap_or_else(|| panic!("{table} is not there"));
        let list = regex::Regex::new(&format!(r"{column} IN \(([^)]*)\)")).unwrap();
        let list = list.captures(&schema[from..]).unwrap_or_else(|| panic!("{table}.{column} is not checked"));
        list[1].split(',').map(|word| word.trim().trim_matches('\'').to_owned()).collect()
    };
    let loan_words = ["lent", "returning"].into_iter().chain(LoanEnd::ALL.iter().map(|w| w.as_str()));
    for (table, column, of_core) in [
        ("remediations", "state", StateName::ALL.iter().map(|w| w.as_str()).collect::<Vec<_>>()),
        ("remediations", "outcome", Outcome::ALL.iter().map(|w| w.as_str()).collect()),
        ("candidates", "standing", Standing::ALL.iter().map(|w| w.as_str()).collect()),
        ("actions", "result", ActionResult::ALL.iter().map(|w| w.as_str()).collect()),
        ("verdicts", "verdict", Verdict::ALL.iter().map(|w| w.as_str()).collect()),
        ("answers", "kind", AnswerKind::ALL.iter().map(|w| w.as_str()).collect()),
        ("announcements", "name", AnnouncementName::ALL.iter().map(|w| w.as_str()).collect()),
        ("loans", "state", loan_words.collect()),
    ] {
        let known = words(table, column);
        for word in of_core {
            assert!(known.iter().any(|k| k == word), "{table}.{column}: {word} is not among {known:?}");
        }
    }
}

/// What the core says of each verdict, the view of what is unproven says too.
async fn the_schema_leaves_out_the_verdicts_that_prove_something(db: Db) {
    let folder = if db.is_sqlite() { "sqlite" } else { "postgres" };
    let path = format!("{}/crates/store/migrations/{folder}/0007_safety.sql", env!("CARGO_MANIFEST_DIR"));
    let schema = std::fs::read_to_string(path).unwrap();
    let proving: Vec<_> = Verdict::ALL.iter().filter(|it| !it.proves_nothing()).map(|it| format!("'{it}'")).collect();
    let list = format!("verdict NOT IN ({})", proving.join(", "));
    assert_eq!(schema.matches(&list).count(), 2, "{list}: the index and the view");
}
