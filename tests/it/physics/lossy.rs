//! A proxy in front of real daemons of both generations that loses the request of one restart, or its answer. The shipped engine
//! and adapter, in real time.
//!
//! Required: no effect twice, and the row agrees with what Docker did.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fettle_memory::physics::{Generation, Policy, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;

use super::daemon::Docker;
use super::shipped::{Fettle, name_of, started_at};
use super::world::World;
use crate::support::wait;

const STEP: &str = "      - restart: {grace: 1s}\n        verify: {settle: 1s, healthy_for: 2s, resolved_within: 4s}\n";

/// What gets lost of the first restart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loses {
    Request,
    Answer,
}

/// Relays one socket until it is dropped.
struct Lossy {
    path: PathBuf,
    has_lost: Arc<AtomicBool>,
    task: AbortHandle,
    _folder: tempfile::TempDir,
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lossy {
    fn start(upstream: &Path, loses: Loses) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).expect("bind");
        let has_lost = Arc::new(AtomicBool::new(false));
        let (upstream, lost) = (upstream.to_path_buf(), has_lost.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, lost) = (upstream.clone(), lost.clone());
                tokio::spawn(async move {
                    let daemon = UnixStream::connect(&upstream).await.expect("the daemon");
                    relay(client, daemon, loses, &lost).await;
                });
            }
        });
        Self { path, has_lost, task: task.abort_handle(), _folder: folder }
    }
}

/// Relays one connection. A client sends no request before the one before was answered, so a chunk begins with its first line.
async fn relay(client: UnixStream, daemon: UnixStream, loses: Loses, has_lost: &AtomicBool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_daemon, mut to_daemon) = daemon.into_split();
    let answers = tokio::spawn(async move { copy(&mut from_daemon, &mut to_client).await });
    let mut chunk = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
        let line = String::from_utf8_lossy(&chunk[..read.min(200)]);
        let is_restart = line.starts_with("POST ") && line.lines().next().is_some_and(|it| it.contains("/restart"));
        if is_restart && !has_lost.swap(true, Ordering::SeqCst) {
            // Both end the connection without an answer.
            answers.abort();
            if loses == Loses::Answer && to_daemon.write_all(&chunk[..read]).await.is_ok() {
                // A daemon that sees its client go may not begin.
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            return;
        }
        if to_daemon.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    let _ = to_daemon.shutdown().await;
    let _ = answers.await;
}

/// The row of the restart, and whether Docker restarted the container.
async fn restarted(generation: Generation, loses: Loses) -> (Vec<String>, bool) {
    let docker = Docker::private(generation, &[], false).await;
    let socket = docker.socket();
    let mut world = World::real(docker);
    let id = world.run(Spec::named("lossy").enabled().policy(Policy::No)).await;
    let (name, began) = (name_of(&socket, &id).await, started_at(&socket, &id).await);
    let proxy = Lossy::start(&socket, loses);
    let fettle = Fettle::with_alert(&proxy.path, &format!("{{container: {name}, min_age: 0s}}"), STEP).await;
    let rows = wait::until("the restart has a result", Duration::from_mins(3), async || {
        let rows = fettle.rows("restart").await;
        if rows.iter().any(|it| !it.starts_with('-')) { Ok(rows) } else { Err(format!("{rows:?}")) }
    })
    .await;
    assert!(proxy.has_lost.load(Ordering::SeqCst), "the restart went through the proxy");
    let was_restarted = started_at(&socket, &id).await > began;
    world.clear().await;
    (rows, was_restarted)
}

async fn lost_request(generation: Generation) {
    let (rows, was_restarted) = restarted(generation, Loses::Request).await;
    assert!(!was_restarted && rows.len() == 1 && rows[0].starts_with("failed not_executed"), "{rows:?}");
}

async fn lost_answer(generation: Generation) {
    let (rows, was_restarted) = restarted(generation, Loses::Answer).await;
    assert!(was_restarted && rows.len() == 1 && rows[0].starts_with("succeeded"), "{rows:?}");
}

on_both!(lost_request, lost_answer);
