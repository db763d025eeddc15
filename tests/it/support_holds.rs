//! The support itself holds: what the other tests lean on does what it says.

use std::time::Duration;

use bollard::query_parameters::RestartContainerOptionsBuilder;
use sqlx::{Connection, PgConnection};

use crate::support::container::Run;
use crate::support::docker::{self, Daemon};
use crate::support::image;
use crate::support::postgres::Database;
use crate::support::private_postgres::PrivatePostgres;
use crate::support::proxy::{Fault, Proxy};
use crate::support::wait;

const SOON: Duration = Duration::from_secs(10);

async fn select_one(url: &str) -> sqlx::Result<i32> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await
}

#[tokio::test]
async fn each_test_has_an_empty_database_of_its_own_with_fsync_on() {
    let (one, other) = (Database::create().await, Database::create().await);
    let mut connection = PgConnection::connect(&one.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (n int)").execute(&mut connection).await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");

    let mut connection = PgConnection::connect(&other.url()).await.unwrap();
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE tablename = 't'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, 0);
}

#[tokio::test]
async fn terminated_connections_are_dead_and_new_ones_work() {
    let database = Database::create().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    database.terminate_connections().await;
    assert!(connection.ping().await.is_err());
    assert_eq!(select_one(&database.url()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_killed_private_postgres_keeps_what_was_committed() {
    let postgres = PrivatePostgres::start().await;
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t AS SELECT 7 AS n").execute(&mut connection).await.unwrap();

    postgres.kill();
    assert!(connection.ping().await.is_err());
    assert!(select_one(&postgres.url()).await.is_err());

    postgres.restart().await;
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    let n: i32 = sqlx::query_scalar("SELECT n FROM t").fetch_one(&mut connection).await.unwrap();
    assert_eq!(n, 7);
}

#[tokio::test]
async fn a_cut_database_comes_back_and_a_stalled_one_flows_on() {
    let database = Database::create().await;
    let proxy = Proxy::tcp(database.address()).await;
    let url = database.url_through(proxy.address());
    let mut connection = PgConnection::connect(&url).await.unwrap();

    proxy.fail(Fault::Stalled);
    assert!(tokio::time::timeout(Duration::from_millis(200), connection.ping()).await.is_err());
    proxy.restore();
    wait::until("a new connection answers", SOON, async || select_one(&url).await.map_err(|e| e.to_string())).await;

    proxy.fail(Fault::Cut);
    assert!(connection.ping().await.is_err());
    assert!(select_one(&url).await.is_err());
    proxy.restore();
    assert_eq!(select_one(&url).await.unwrap(), 1);
}

#[tokio::test]
async fn a_container_runs_restarts_and_goes_when_dropped() {
    let daemon = Daemon::shared().await;
    let container = Run::named("web").enabled().compose("shop", "web", 1).start(&daemon).await;
    let seen = container.inspect().await;
    assert_eq!(seen.name.as_deref(), Some(format!("/{}", container.name).as_str()));
    let labels = seen.config.and_then(|config| config.labels).unwrap();
    assert_eq!(labels["fettle.enable"], "true");
    assert_eq!(labels["com.docker.compose.service"], "web");

    let before = container.started_at().await;
    let grace = RestartContainerOptionsBuilder::default().t(30).build();
    let restart = daemon.client.restart_container(&container.id, Some(grace));
    tokio::time::timeout(Duration::from_secs(25), restart).await.expect("it heeds SIGTERM").unwrap();
    assert_ne!(container.started_at().await, before);

    let id = container.id.clone();
    drop(container);
    let gone = docker::connect(daemon.socket()).inspect_container(&id, None).await;
    assert!(
        matches!(gone, Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. })),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_health_check_and_a_baked_in_label_are_real() {
    let daemon = Daemon::shared().await;
    let container = Run::named("sick").image(image::LABELLED).health("test -e /well").start(&daemon).await;
    wait::until("the container is unhealthy", SOON, async || {
        let state = container.inspect().await.state.unwrap();
        let health = state.health.and_then(|health| health.status).map(|status| status.to_string());
        if health.as_deref() == Some("unhealthy") { Ok(()) } else { Err(format!("{health:?}")) }
    })
    .await;
    let baked = daemon.client.inspect_image(image::LABELLED).await.unwrap().config.and_then(|c| c.labels).unwrap();
    assert_eq!(baked["fettle.enable"], "true");
    let created = Run::named("idle").shell("true").create(&daemon).await;
    assert_eq!(created.inspect().await.state.and_then(|s| s.running), Some(false));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect_and_a_cut_socket_fails_at_once() {
    let daemon = Daemon::shared().await;
    let container = Run::named("lost").start(&daemon).await;
    let before = container.started_at().await;
    let proxy = Proxy::unix(daemon.socket());
    assert!(proxy.url().ends_with(proxy.path().to_str().unwrap()));
    assert!(daemon.url().starts_with("unix:///"));
    let client = docker::connect(proxy.path());
    client.ping().await.unwrap();

    proxy.fail(Fault::AnswersLost);
    let restart = tokio::spawn({
        let (client, id) = (client.clone(), container.id.clone());
        async move { client.restart_container(&id, None).await }
    });
    wait::until("the container was restarted", SOON, async || {
        let now = container.started_at().await;
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
    assert!(!restart.is_finished());

    proxy.fail(Fault::Cut);
    assert!(restart.await.unwrap().is_err());
    assert!(client.ping().await.is_err());
    proxy.restore();
    client.ping().await.unwrap();
}
