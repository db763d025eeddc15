//! `compose/secrets.sh`: every secret once, the same for both who share it, readable for its reader alone.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use sqlx::{Connection, PgConnection};

use super::root;
use crate::support::private_postgres::PrivatePostgres;

const READERS: [(&str, u32); 6] = [
    ("fettle", 65532),
    ("alertmanager", 65534),
    ("prometheus", 65534),
    ("postgres", 70),
    ("grafana", 472),
    ("exporter", 65534),
];

fn secrets(folder: &Path, word: &str) -> String {
    let script = root().join("compose/secrets.sh");
    let output = Command::new("sh").arg(script).arg(word).env("SECRETS", folder).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn all(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (reader, _) in READERS {
        for entry in std::fs::read_dir(folder.join(reader)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = format!("{reader}/{}", path.file_name().expect("a name").to_string_lossy());
            found.insert(name, std::fs::read_to_string(path).expect("a secret"));
        }
    }
    found
}

#[test]
fn they_are_made_once_shared_where_they_must_be_and_for_their_reader_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for (reader, _) in READERS {
        std::fs::create_dir(folder.path().join(reader)).expect("a folder");
    }
    // What somebody brought is kept, and given to whoever shares it.
    std::fs::write(folder.path().join("fettle/sender_token"), "brought along").expect("write");
    secrets(folder.path(), "make");
    let first = all(folder.path());
    secrets(folder.path(), "make");
    assert_eq!(all(folder.path()), first, "the second start changes nothing");

    for (one, other) in [
        ("fettle/sender_token", "alertmanager/fettle_sender_token"),
        ("fettle/metrics_token", "prometheus/fettle_metrics_token"),
        ("postgres/grafana_db_password", "grafana/grafana_db_password"),
        ("postgres/exporter_db_password", "exporter/exporter_db_password"),
    ] {
        assert_eq!(first[one], first[other], "{one} and {other}");
    }
    assert_eq!(first["fettle/sender_token"], "brought along");
    assert!(first["fettle/database"].contains(&first["postgres/fettle_db_password"]));
    let random: Vec<_> =
        ["fettle/admin_token", "fettle/metrics_token", "postgres/postgres_password", "grafana/admin_password"]
            .map(|name| &first[name])
            .into();
    assert!(random.iter().all(|it| it.len() == 64 && it.bytes().all(|b| b.is_ascii_hexdigit())), "{random:?}");
    assert!(random.iter().enumerate().all(|(n, it)| !random[..n].contains(it)), "none is like another");

    for name in first.keys() {
        let meta = std::fs::metadata(folder.path().join(name)).expect("a file");
        let reader = READERS.iter().find(|(reader, _)| name.starts_with(reader)).expect("a reader");
        assert_eq!((meta.mode() & 0o777, meta.uid()), (0o400, reader.1), "{name}");
    }
    let shown = secrets(folder.path(), "show");
    assert!(shown.contains(&first["fettle/admin_token"]) && shown.contains(&first["grafana/admin_password"]));
    assert!(!shown.contains(&first["postgres/postgres_password"]), "and nothing that people do not need");
}

#[tokio::test]
async fn with_them_the_database_gets_its_roles_and_fettle_owns_what_it_makes() {
    let (folder, postgres) = (tempfile::tempdir().expect("a folder"), PrivatePostgres::start().await);
    for (reader, _) in READERS {
        std::fs::create_dir(folder.path().join(reader)).expect("a folder");
    }
    secrets(folder.path(), "make");
    let address = postgres.address();
    let output = Command::new("sh")
        .arg(root().join("compose/postgres-roles.sh"))
        .env("SECRETS", folder.path().join("postgres"))
        .envs([("POSTGRES_USER", "postgres"), ("POSTGRES_DB", "postgres")])
        .envs([("PGHOST", address.ip().to_string()), ("PGPORT", address.port().to_string())])
        .output()
        .expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fettle =
        PgConnection::connect(&postgres.url().replace("postgres@", "fettle@")).await.expect("fettle logs in");
    sqlx::raw_sql("CREATE TABLE of_fettle (id int)").execute(&mut fettle).await.expect("the database is its own");
    let mut exporter =
        PgConnection::connect(&postgres.url().replace("postgres@", "exporter@")).await.expect("it logs in");
    sqlx::raw_sql("SELECT * FROM pg_stat_activity").execute(&mut exporter).await.expect("statistics");
    let read = sqlx::raw_sql("SELECT * FROM of_fettle").execute(&mut exporter).await;
    assert!(read.is_err(), "and nothing of fettle's");
}
