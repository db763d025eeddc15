//! A database as Grafana finds it: its role made as in the stack, and what asks as that role.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Column, Connection, Executor, PgConnection, SqlSafeStr, Statement, TypeInfo};

use super::root;
use crate::support::missing;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::server::find_program;

/// Runs grafana/readonly.sql with this password file; what it said, when it failed.
pub fn make_role(url: &str, password_file: &str) -> Result<(), String> {
    let psql = find_program("psql", &[]).unwrap_or_else(|| missing("psql", "postgresql"));
    let mut command = Command::new(psql);
    command.args([url, "--quiet", "--no-psqlrc", "--file"]).arg(root().join("readonly.sql"));
    command.env("GRAFANA_DB_PASSWORD_FILE", password_file);
    let output = command.output().expect("psql runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && said.is_empty() { Ok(()) } else { Err(said) }
}

/// A cluster of its own, since roles are the cluster's, with Grafana's role in its database.
pub async fn with_role() -> PrivatePostgres {
    let postgres = PrivatePostgres::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "of grafana\n").expect("written");
    make_role(&postgres.url(), &password.display().to_string()).expect("the role is made");
    postgres
}

/// What a query gives.
pub struct Table {
    /// Names and types of its columns.
    pub columns: Vec<(String, String)>,
    pub rows: Vec<Map<String, Value>>,
}

/// A connection as Grafana's own.
pub struct Reader(PgConnection);

impl Reader {
    pub async fn connect(address: SocketAddr, database: &str) -> Self {
        let url = format!("postgres://grafana@{address}/{database}");
        Self(PgConnection::connect(&url).await.expect("grafana may connect"))
    }

    /// What the query gives, or what the server said.
    pub async fn ask(&mut self, sql: &str) -> sqlx::Result<Table> {
        let prepared = self.0.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
        let column = |it: &sqlx::postgres::PgColumn| (it.name().to_owned(), it.type_info().name().to_owned());
        let columns = prepared.columns().iter().map(column).collect();
        let whole = format!("SELECT to_jsonb(it) FROM ({sql}) it");
        let rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(whole)).fetch_all(&mut self.0).await?;
        let row = |value| if let Value::Object(map) = value { map } else { panic!("a row is an object") };
        Ok(Table { columns, rows: rows.into_iter().map(row).collect() })
    }

    /// The first column as text, for what is no single query.
    pub async fn lines(&mut self, sql: &str) -> sqlx::Result<Vec<String>> {
        let rows: Vec<sqlx::postgres::PgRow> = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut self.0).await?;
        rows.iter().map(|row| sqlx::Row::try_get(row, 0)).collect()
    }
}

/// Runs SQL as the owner of the database.
pub async fn as_owner(url: &str, sql: &str) {
    let mut owner = PgConnection::connect(url).await.expect("connect");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}
