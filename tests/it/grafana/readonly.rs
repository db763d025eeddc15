//! Grafana's role: it reads the views and nothing else, whoever comes first, fettle or the role.

use std::net::SocketAddr;

use uuid::Uuid;

use super::scene::{Reader, as_owner, make_role, with_role};
use crate::support::private_postgres::PrivatePostgres;

/// As in the stack: fettle owns its database and is no superuser.
async fn migrate(url: &str) {
    let url = url.replace("postgres://postgres@", "postgres://fettle@");
    fettle_store::open(&url, Uuid::now_v7().into()).await.expect("fettle migrates").close().await;
}

/// A new database of the cluster that belongs to the role `fettle`.
async fn database(postgres: &PrivatePostgres, name: &str) -> String {
    as_owner(&postgres.url(), &format!("CREATE DATABASE {name} OWNER fettle")).await;
    format!("postgres://postgres@{}/{name}", postgres.address())
}

async fn reads_the_views_and_nothing_else(address: SocketAddr, database: &str) {
    let mut reader = Reader::connect(address, database).await;
    let relations = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ";
    let views = reader.lines(&format!("{relations} ('v') AND relname LIKE 'fettle%'")).await.expect("the catalogue");
    assert!(views.len() >= 10, "{views:?}");
    for view in &views {
        reader.ask(&format!("SELECT * FROM {view}")).await.unwrap_or_else(|error| panic!("{view}: {error}"));
    }
    let others = format!("{relations} ('r', 'p', 'S', 'v', 'm') AND relname NOT LIKE 'fettle%'");
    let others = reader.lines(&others).await.expect("the catalogue");
    assert!(others.len() > 15, "{others:?}");
    for other in others {
        let error = reader.lines(&format!("SELECT * FROM {other}")).await.expect_err(&other).to_string();
        assert!(error.contains("permission denied"), "{other}: {error}");
    }
    // Not even when it asks to: that a session is read-only is its own to change, what it may do is not.
    reader.lines("SET default_transaction_read_only = off").await.expect("its own setting");
    for change in [
        "INSERT INTO fettle_events (id) VALUES (gen_random_uuid())",
        "UPDATE fettle_audit SET rule = 'x'",
        "DELETE FROM fettle_pauses",
        "TRUNCATE actions",
        "CREATE TABLE mine (x int)",
        "CREATE VIEW fettle_mine AS SELECT 1",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE postgres",
    ] {
        let error = reader.lines(change).await.expect_err(change).to_string();
        assert!(error.contains("permission denied"), "{change}: {error}");
    }
}

#[tokio::test]
async fn the_role_reads_the_views_and_nothing_else_whether_it_or_fettle_comes_first() {
    let postgres = PrivatePostgres::start().await;
    as_owner(&postgres.url(), "CREATE ROLE fettle LOGIN").await;
    let (address, after) = (postgres.address(), database(&postgres, "after").await);
    migrate(&after).await;
    make_role(&after, "").expect("the role comes after fettle");
    reads_the_views_and_nothing_else(address, "after").await;
    let before = database(&postgres, "before").await;
    make_role(&before, "").expect("the role comes before fettle");
    migrate(&before).await;
    reads_the_views_and_nothing_else(address, "before").await;
    make_role(&before, "").expect("once more changes nothing");
    reads_the_views_and_nothing_else(address, "before").await;
}

#[tokio::test]
async fn a_password_file_that_cannot_be_read_is_named_and_no_role_is_made() {
    let postgres = PrivatePostgres::start().await;
    let said = make_role(&postgres.url(), "/nowhere/password").expect_err("it cannot be read");
    assert!(said.contains("GRAFANA_DB_PASSWORD_FILE"), "{said}");
    as_owner(&postgres.url(), "CREATE ROLE grafana").await;
}

#[tokio::test]
async fn the_role_has_the_password_of_the_file_and_keeps_it() {
    let postgres = with_role().await;
    make_role(&postgres.url(), "").expect("without a file");
    let is_set = "DO $$ BEGIN ASSERT (SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'grafana'); END $$";
    as_owner(&postgres.url(), is_set).await;
    let mut reader = Reader::connect(postgres.address(), "postgres").await;
    for (setting, value) in [("default_transaction_read_only", "on"), ("statement_timeout", "15s"), ("jit", "off")] {
        assert_eq!(reader.lines(&format!("SHOW {setting}")).await.expect("a setting"), [value], "{setting}");
    }
}
