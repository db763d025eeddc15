//! What is wrong at the start of a fettle in a stack: each is one problem that names the setting, and exit code 1.

use std::net::TcpListener;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::support::fettle::Setup;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::volume::Volume;

const RULES: &str = "version: 1
rules:
  - name: restart
    match: ['alertname=\"Down\"']
    target: {container: web}
    steps: [restart]
";

/// Starts it and waits for its end; what it said last.
fn fails(setup: Setup) -> String {
    let mut fettle = setup.launch();
    let (code, log) = (fettle.wait(), fettle.log());
    assert_eq!(code, Some(1), "{log}");
    log
}

#[test]
fn a_secret_file_that_is_missing_or_empty_is_named_with_its_setting() {
    let auth = "auth: {tokens: [{name: alertmanager, role: sender, token_file: /run/secrets/not_there}]}\n";
    let log = fails(Setup::new("unix:///nowhere", RULES).config(auth));
    assert!(log.contains("/run/secrets/not_there") && log.contains("fettle.yaml:6:"), "{log}");
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").expect("write");
    let log = fails(Setup::new("unix:///nowhere", RULES).config("").env("DATABASE_URL_FILE", &empty.to_string_lossy()));
    assert!(log.contains("DATABASE_URL_FILE") && log.contains("is empty"), "{log}");
}

#[test]
fn a_port_in_use_names_the_setting_and_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let log = fails(Setup::new("unix:///nowhere", RULES).env("FETTLE_LISTEN", &address));
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("`listen`") && last.contains(&address) && last.contains("in use"), "{log}");
}

#[tokio::test]
async fn a_wrong_password_of_the_database_names_the_setting_and_not_the_password() {
    let postgres = PrivatePostgres::start().await;
    let mut connection = PgConnection::connect(&postgres.url()).await.expect("connect");
    let hba: String = sqlx::query("SHOW hba_file").fetch_one(&mut connection).await.expect("a path").get(0);
    for sql in ["CREATE ROLE fettle LOGIN PASSWORD 'right'"] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("a role");
    }
    std::fs::write(hba, "host all fettle 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n")
        .expect("write");
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut connection).await.expect("reload");
    let url = postgres.url().replace("postgres@", "fettle:wrong-and-secret@");
    let log = tokio::task::spawn_blocking(move || fails(Setup::new("unix:///nowhere", RULES).database(&url)))
        .await
        .expect("it ends");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("`database`") && last.contains("password"), "{log}");
    assert!(!log.contains("wrong-and-secret"), "{log}");
}

#[test]
fn a_volume_that_cannot_be_written_names_the_setting() {
    let volume = Volume::of_megabytes(1);
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(volume.path()).status();
    assert!(remounted.is_ok_and(|it| it.success()), "mount needs root");
    let url = format!("sqlite://{}/fettle.db", volume.path().display());
    let log = fails(Setup::new("unix:///nowhere", RULES).database(&url));
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("`database`"), "{log}");
}
