//! Opening: what is wrong is said, and no secret with it; whose process is dead is known.

use fettle_core::ports::StoreError;
use fettle_store::{open, open_to_read};
use uuid::Uuid;

use super::Db;
use super::fixture::{at, commit, held, intent, notification, open_all, record, running};
use crate::support::postgres::free_port;
use crate::support::wait;

/// The error with all its causes.
fn said(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}

async fn refused(url: &str) -> (String, bool) {
    let error = open(url, Uuid::now_v7().into()).await.err().expect("it does not open");
    (said(&error), error.is_transient())
}

#[tokio::test]
async fn a_url_of_another_kind_names_those_that_work() {
    for url in ["mysql://root:secret@x/y", "fettle.db", ""] {
        let (text, transient) = refused(url).await;
        assert!(text.contains("sqlite://PATH") && !transient, "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite://x.db?mode=memory", "sqlite://", "sqlite:"] {
        let (text, transient) = refused(url).await;
        assert!(text.contains("memory") && !transient, "{url}: {text}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let (text, _) = refused("sqlite:///nowhere/at/all/fettle.db").await;
    assert!(text.contains("/nowhere/at/all/fettle.db.lock"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_by_who_only_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fettle.db");
    assert!(open_to_read(&format!("sqlite://{}", path.display())).await.is_err());
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was made");
    assert!(open_to_read("mysql://x/y").await.is_err());
}

#[tokio::test]
async fn a_sqlite_file_and_all_beside_it_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let db = Db::sqlite().await;
    open_all(&*db.store, &[held("web", at(1))]).await;
    let file = std::path::PathBuf::from(db.url().trim_start_matches("sqlite://"));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        found.push((entry.file_name().into_string().unwrap(), format!("{mode:o}")));
    }
    found.sort();
    let private = ["fettle.db", "fettle.db-shm", "fettle.db-wal", "fettle.db.lock"];
    assert_eq!(found, private.map(|name| (name.to_owned(), "600".to_owned())));
}

#[tokio::test]
async fn a_second_process_on_a_sqlite_file_is_told_so_by_whatever_name() {
    let db = Db::sqlite().await;
    let (text, transient) = refused(&db.url()).await;
    assert!(text.contains("another process has") && text.contains("fettle.db") && !transient, "{text}");

    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(db.url().trim_start_matches("sqlite://"), &link).unwrap();
    let (text, _) = refused(&format!("sqlite://{}", link.display())).await;
    assert!(text.contains("another process has"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database, and longer than a header of one hundred bytes ".repeat(4);
    std::fs::write(&path, &text).unwrap();
    let (said, transient) = refused(&format!("sqlite://{}", path.display())).await;
    assert!(said.contains("not a database") && !transient, "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_postgres_that_does_not_answer_may_answer_later_and_its_password_stays_secret() {
    let url = format!("postgres://fettle:hunter2@127.0.0.1:{}/fettle", free_port());
    let (text, transient) = refused(&url).await;
    assert!(text.contains("refused") && transient, "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let (text, _) = refused("postgres://fettle:hunter2@[::bad/x").await;
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_by_name() {
    let db = Db::postgres().await;
    let url = format!("{}-not-there", db.url());
    let (text, transient) = refused(&url).await;
    assert!(text.contains("does not exist") && !transient, "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_at_once_on_an_empty_postgres_all_start() {
    let database = crate::support::postgres::Database::create().await;
    let starting: Vec<_> = (0..4)
        .map(|_| {
            let url = database.url();
            tokio::spawn(async move { open(&url, Uuid::now_v7().into()).await })
        })
        .collect();
    for one in starting {
        one.await.unwrap().expect("opens").close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_of_a_dead_replica_are_adopted_and_those_of_the_living_are_not() {
    let db = Db::postgres().await;
    let other = Uuid::now_v7();
    let replica = open(&db.url(), other.into()).await.expect("open the store a second time");
    open_all(&*db.store, &[held("a", at(1)), held("b", at(2)), held("mine", at(3))]).await;
    let claimed = replica.claim(other.into(), at(2), at(9999), 9).await.unwrap();
    assert_eq!(claimed.len(), 2);
    let row = intent(&claimed[0].effort, at(2));
    let mut busy = commit(&running(claimed[0].effort.clone(), row.id, at(2)), vec![record(&row)]);
    busy.keep_until = Some(at(9999));
    replica.commit(&claimed[0].claim, &busy).await.unwrap().expect("claimed");
    db.store.work().claim(db.owner, at(3), at(9999), 9).await.unwrap();

    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 0, "it lives");
    replica.close().await;
    let adopted = async || match db.store.adopt(db.owner).await {
        Ok(0) => Err("nothing adopted yet".to_owned()),
        Ok(n) => Ok(n),
        Err(e) => Err(said(&e)),
    };
    // The server ends the dead one's session in its own time.
    let n = wait::until("the claims are adopted", std::time::Duration::from_secs(10), adopted).await;
    assert_eq!(n, 2, "the effect under way too, and not our own");
    let free = db.store.work().claim(db.owner, at(9998), at(9999), 9).await.unwrap();
    assert_eq!(free.len(), 2);
    // Should it live after all, it has lost.
    let back = commit(&claimed[1].effort, vec![]);
    let late = open(&db.url(), other.into()).await.unwrap();
    assert_eq!(late.commit(&claimed[1].claim, &back).await.unwrap(), None);
    late.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_owns_the_sqlite_file_adopts_everything() {
    let db = Db::sqlite().await;
    open_all(&*db.store, &[held("a", at(1)), held("b", at(1))]).await;
    let claimed = db.store.work().claim(db.owner, at(1), at(9999), 9).await.unwrap();
    let row = intent(&claimed[0].effort, at(2));
    let mut busy = commit(&running(claimed[0].effort.clone(), row.id, at(2)), vec![record(&row)]);
    busy.keep_until = Some(at(9999));
    db.store.work().commit(&claimed[0].claim, &busy).await.unwrap().expect("claimed");
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 0, "our own");

    let db = db.reopen().await;
    assert_eq!(db.store.adopt(db.owner).await.unwrap(), 2);
    assert_eq!(db.store.work().claim(db.owner, at(9000), at(9999), 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_sqlite_file_that_is_not_there_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, aside) = (folder.path().join("fettle.db"), folder.path().join("aside.db"));
    let url = format!("sqlite://{}", path.display());
    let store = open(&url, Uuid::now_v7().into()).await.expect("a new database");
    let appended = async |body| store.append(&[notification(at(1), body)]).await;
    appended("a").await.expect("it is there");
    for replaced in [false, true] {
        std::fs::rename(&path, &aside).expect("moved");
        if replaced {
            std::fs::copy(&aside, &path).expect("restored");
        }
        let error = appended("b").await.expect_err("it would be lost");
        assert!(said(&error).contains("fettle.db was deleted or replaced"), "{error}");
        assert!(store.backlog().await.is_err(), "and health knows");
        assert!(store.adopt(Uuid::now_v7().into()).await.is_err(), "upkeep does not call it well");
        std::fs::rename(&aside, &path).expect("moved back");
    }
    appended("c").await.expect("it is the same file again");
    assert_eq!(store.backlog().await.expect("readable"), 2);
}

#[tokio::test]
async fn a_folder_in_place_of_a_file_is_said_to_be_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, transient) = refused(&format!("sqlite://{}", folder.path().display())).await;
    assert!(text.contains("is a folder: write the path of a file") && !transient, "{text}");
}

async fn of_a_newer_fettle(db: Db) {
    let blob = if db.is_sqlite() { "x'00'" } else { "'\\x00'" };
    let newer = format!(
        "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
         VALUES (9999, 'newer', CURRENT_TIMESTAMP, true, {blob}, 1)"
    );
    db.sql(&newer).await.expect("as a newer one does");
    db.store.close().await;
    let (text, transient) = refused(&db.url()).await;
    assert!(text.contains("a newer fettle has used this database: it has migration 9999") && !transient, "{text}");
}

#[tokio::test]
async fn a_database_that_a_newer_fettle_has_used_is_left_alone_and_says_so() {
    of_a_newer_fettle(Db::sqlite().await).await;
    of_a_newer_fettle(Db::postgres().await).await;
}
