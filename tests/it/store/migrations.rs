//! Each migration, applied to a database of the version before it that has rows in every table.
//!
//! The rows are made by the newest store, and copied into older schemas column by column: so every table and every kind of
//! row is there without a second description of the schema. What a row said before a migration it says after it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::ports::Store;
use fettle_core::ports::model::Changes;
use fettle_core::ports::model::ReceiveAsk;
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::{BreakerRow, EventRow, Record, Severity, TransitionRow};
use fettle_core::remediation::state::StateName;
use fettle_core::surroundings::{Answer, AnswerKind, PauseScope, Storm};
use serde_json::{Map, Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use super::fixture::{
    at, awaiting, closed, commit, held, intent, lend, loan, notification, open_all, open_claimed, record, running,
    succeeded, verdict, write,
};
use super::pauses::pause;
use super::{Db, on_both};
use crate::support::postgres::Database;

on_both!(rows_outlive_every_migration);

/// In the order in which rows refer to each other.
const TABLES: [&str; 15] = [
    "notifications",
    "pending",
    "remediations",
    "alerts",
    "candidates",
    "actions",
    "verdicts",
    "transitions",
    "events",
    "pauses",
    "breakers",
    "storm",
    "loans",
    "answers",
    "announcements",
];

/// Rows of every kind: open and closed, claimed and free, with and without a result.
async fn fill(db: &Db) {
    let store: &dyn Store = &*db.store;
    store.append(&[notification(at(1), "a\u{1f600}"), notification(at(2), "b")]).await.expect("append");
    let (asked, at_work) = (awaiting(held("asked", at(1)), "plan-a", at(100)), held("web", at(5)));
    open_all(store, std::slice::from_ref(&asked)).await;
    let answer = |kind, plan: Option<&str>| {
        let plan = plan.map(str::to_owned);
        Answer { id: Uuid::now_v7().into(), kind, plan, by: "oncall".into(), at: at(9) }
    };
    store.answer(asked.id, &answer(AnswerKind::Approve, Some("plan-a"))).await.expect("answer");
    store.answer(asked.id, &answer(AnswerKind::Cancel, None)).await.expect("cancel");
    let claim = open_claimed(store, db.owner, &at_work).await;
    let row = intent(&at_work, at(6));
    let under_way = commit(&running(at_work.clone(), row.id, at(6)), vec![record(&row)]);
    store.work().commit(&claim, &under_way).await.expect("commit").expect("claimed");
    let over = closed(held("old", at(0)), Outcome::Fixed, at(9));
    let done = intent(&over, at(1));
    let records = vec![
        record(&done),
        Record::Result(succeeded(done.id, at(2), at(3))),
        verdict(done.id, Verdict::Unconfirmed, at(5)),
        Record::Transition(TransitionRow {
            remediation_id: over.id,
            at: at(1),
            state: StateName::Running,
            what: "began".into(),
            detail: json!({"n": [1, null, "x"]}),
        }),
        Record::Event(EventRow {
            at: at(1),
            event: "truncated",
            severity: Severity::Warning,
            details: json!({"n": 1}),
        }),
        Record::Breaker(BreakerRow {
            rule: "web".into(),
            at: at(7),
            opened_at: Some(at(7)),
            probe: Some(done.id),
            by: None,
        }),
        Record::Announce(Box::new(Announcement {
            name: AnnouncementName::GaveUp,
            remediation: over.id,
            labels: over.alert.labels.clone(),
            annotations: BTreeMap::from([("summary".to_owned(), "it gave up".to_owned())]),
            at: at(8),
            until: at(9_000),
        })),
    ];
    let found = Some(Storm { since: at(1), last_at: at(2), targets: 7 });
    let changes = Changes { opened: vec![over], records, storm: found, ..Changes::default() };
    write(store, &ReceiveAsk::new(db.owner, at(9)), changes).await.expect("write");
    let lender = held("lender", at(1));
    lend(db, &lender, &loan(&lender, at(50)), Outcome::Unconfirmed).await;
    for scope in [PauseScope::All, PauseScope::Rule("web".into())] {
        store.pause(&pause(scope, 3, Some(at(60)))).await.expect("pause");
    }
}

/// Where the migrations of one database are.
fn folder(is_sqlite: bool) -> PathBuf {
    let backend = if is_sqlite { "sqlite" } else { "postgres" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/store/migrations").join(backend)
}

/// The number at the beginning of a migration's file name.
fn version(file: &Path) -> u32 {
    let name = file.file_name().expect("a file").to_string_lossy().into_owned();
    name.split('_').next().and_then(|number| number.parse().ok()).expect("a number first")
}

/// A database of an older version.
struct Old {
    is_sqlite: bool,
    url: String,
    /// Removed when dropped.
    _place: (Option<Database>, tempfile::TempDir),
}

impl Old {
    async fn empty(is_sqlite: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if is_sqlite {
            let url = format!("sqlite://{}?mode=rwc", folder.path().join("fettle.db").display());
            return Self { is_sqlite, url, _place: (None, folder) };
        }
        let database = Database::create().await;
        Self { is_sqlite, url: database.url(), _place: (Some(database), folder) }
    }

    /// Applies the migrations up to this version, as they are in the repository.
    async fn migrate_to(&self, newest: u32) {
        let some = tempfile::tempdir().expect("a folder");
        for file in
            std::fs::read_dir(folder(self.is_sqlite)).expect("readable").map(|file| file.expect("a file").path())
        {
            if version(&file) <= newest {
                std::fs::copy(&file, some.path().join(file.file_name().expect("a name"))).expect("copy");
            }
        }
        let migrator = Migrator::new(some.path()).await.expect("migrations");
        let run = if self.is_sqlite {
            migrator.run(&sqlx::SqlitePool::connect(&self.url).await.expect("connect")).await
        } else {
            migrator.run(&sqlx::PgPool::connect(&self.url).await.expect("connect")).await
        };
        run.unwrap_or_else(|error| panic!("migration {newest}: {error}"));
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        texts(self.is_sqlite, &self.url, sql).await
    }

    /// The tables that there are.
    async fn tables(&self) -> Vec<&'static str> {
        let sql = if self.is_sqlite {
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
        } else {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
        };
        let there = self.texts(sql).await;
        TABLES.into_iter().filter(|table| there.iter().any(|it| it == table)).collect()
    }

    /// Every row of every table, each as what its columns hold.
    async fn rows(&self) -> BTreeMap<&'static str, Vec<Map<String, Value>>> {
        let mut rows = BTreeMap::new();
        for table in self.tables().await {
            rows.insert(table, self::rows(self.is_sqlite, &self.url, table).await);
        }
        rows
    }

    /// Copies the rows of the tables that are here.
    async fn copy_from(&self, url: &str) {
        for table in self.tables().await {
            if self.is_sqlite {
                let mut connection = SqliteConnection::connect(&self.url).await.expect("connect");
                let columns = columns(&self.url, table).await.join(", ");
                let from = url.trim_start_matches("sqlite://");
                let sql = format!(
                    "ATTACH '{from}' AS newest; INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newest.{table}"
                );
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect(table);
            } else {
                let mut connection = PgConnection::connect(&self.url).await.expect("connect");
                let sql = format!(
                    "INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_record(NULL::{table}, $1::json)"
                );
                for row in texts(false, url, &format!("SELECT row_to_json(t)::text FROM {table} t")).await {
                    sqlx::query(AssertSqlSafe(&*sql)).bind(row).execute(&mut connection).await.expect(table);
                }
            }
        }
    }
}

async fn texts(is_sqlite: bool, url: &str, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql);
    let texts = if is_sqlite {
        let mut connection = SqliteConnection::connect(url).await.expect("connect");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await
    } else {
        let mut connection = PgConnection::connect(url).await.expect("connect");
        sqlx::query_scalar(sql).fetch_all(&mut connection).await
    };
    texts.expect("readable")
}

/// The columns of a table of SQLite.
async fn columns(url: &str, table: &str) -> Vec<String> {
    texts(true, url, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")).await
}

async fn rows(is_sqlite: bool, url: &str, table: &str) -> Vec<Map<String, Value>> {
    let sql = if is_sqlite {
        let columns = columns(url, table).await;
        let pairs: Vec<String> = columns.iter().map(|column| format!("'{column}', quote({column})")).collect();
        format!("SELECT json_object({}) FROM {table} ORDER BY 1", pairs.join(", "))
    } else {
        format!("SELECT row_to_json(t)::text FROM {table} t ORDER BY 1")
    };
    let rows = texts(is_sqlite, url, &sql).await;
    rows.iter().map(|row| serde_json::from_str(row).expect("an object")).collect()
}

async fn rows_outlive_every_migration(newest: Db) {
    fill(&newest).await;
    let is_sqlite = newest.is_sqlite();
    for table in TABLES {
        assert!(newest.count(table).await > 0, "no row of {table} is tested");
    }
    let files = std::fs::read_dir(folder(is_sqlite)).expect("readable");
    let last = files.map(|file| version(&file.expect("a file").path())).max().expect("some");
    for first in 1..last {
        let old = Old::empty(is_sqlite).await;
        old.migrate_to(first).await;
        old.copy_from(&newest.url()).await;
        let before = old.rows().await;
        assert!(before.values().all(|rows| !rows.is_empty()), "{first}: {before:?}");
        for next in first + 1..=last {
            old.migrate_to(next).await;
            let after = old.rows().await;
            for (table, rows) in &before {
                let kept = rows
                    .iter()
                    .zip(&after[table])
                    .all(|(before, after)| before.iter().all(|(column, value)| after.get(column) == Some(value)));
                assert!(
                    kept && rows.len() == after[table].len(),
                    "{first} to {next}: {table} {rows:?} {:?}",
                    after[table]
                );
            }
        }
        // And the service begins on it: what is there reads back.
        let url = old.url.trim_end_matches("?mode=rwc").to_owned();
        let store = fettle_store::open(&url, Uuid::now_v7().into()).await.expect("the service begins");
        let backlog = store.backlog().await.expect("readable");
        assert_eq!(backlog, newest.store.backlog().await.expect("readable"));
        if before.contains_key("actions") {
            let filter = fettle_core::ports::view::ActionFilter { limit: 100, ..Default::default() };
            let expected = newest.store.actions(&filter).await.expect("readable");
            assert_eq!(store.actions(&filter).await.expect("readable"), expected);
        }
        store.close().await;
    }
}
