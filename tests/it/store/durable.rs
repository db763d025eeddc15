//! What PostgreSQL acknowledges is on disk, whatever its settings say.

use fettle_store::open;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::fixture::{at, notification};
use crate::support::postgres::Database;

/// Notes the setting of the session that stores a notification.
const PROBE: &str = "
    CREATE TABLE probe (setting text);
    CREATE FUNCTION note_setting() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO probe VALUES (current_setting('synchronous_commit'));
        RETURN NEW;
    END $$;
    CREATE TRIGGER note_setting BEFORE INSERT ON notifications FOR EACH ROW EXECUTE FUNCTION note_setting();";

#[tokio::test]
async fn a_database_that_acknowledges_before_the_disk_is_overruled_and_other_choices_stay() {
    let database = Database::create().await;
    open(&database.url(), Uuid::now_v7().into()).await.expect("a store").close().await;
    let mut admin = PgConnection::connect(&database.url()).await.expect("a connection");
    let name: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut admin).await.expect("a name");
    sqlx::raw_sql(PROBE).execute(&mut admin).await.expect("a probe");
    for (set, used) in [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply"), ("on", "on")] {
        let change = format!("ALTER DATABASE \"{name}\" SET synchronous_commit = {set}");
        sqlx::raw_sql(AssertSqlSafe(change)).execute(&mut admin).await.expect("set it");
        let store = open(&database.url(), Uuid::now_v7().into()).await.expect("a store");
        store.append(&[notification(at(1), set)]).await.expect("stored");
        store.close().await;
        let seen: Vec<String> =
            sqlx::query_scalar("DELETE FROM probe RETURNING setting").fetch_all(&mut admin).await.expect("settings");
        assert_eq!(seen, [used], "{set}");
    }
}
