//! Real daemons of both generations that are away: stopped, started again with and without live-restore, and behind a socket
//! that is gone. The shipped engine and adapter, in real time.
//!
//! Required: no effect twice, no row that says what Docker did not do, no verdict that counts against the rule for a wait.

use std::path::PathBuf;
use std::time::Duration;

use fettle_core::time::Timestamp;
use fettle_memory::physics::{Generation, Policy, Program, Spec, Term};

use super::daemon::Docker;
use super::http;
use super::shipped::{Fettle, name_of, started_at};
use super::world::World;
use crate::support::wait;

const STEP: &str = "      - restart: {grace: 5s}\n        verify: {settle: 1s, healthy_for: 2s, resolved_within: 4s}\n";

/// How long Docker is away.
const AWAY: Duration = Duration::from_secs(20);

/// One container on a daemon of its own.
struct Case {
    world: World,
    socket: PathBuf,
    id: String,
    target: String,
    began: Timestamp,
}

impl Case {
    async fn start(generation: Generation, flags: &'static [&'static str], policy: Policy) -> Self {
        let docker = Docker::private(generation, flags, false).await;
        let socket = docker.socket();
        let mut world = World::real(docker);
        // Ignores SIGTERM: a restart is under way for its whole grace.
        let deaf = Program::default().on_term(Term::Ignores);
        let id = world.run(Spec::named("away").enabled().policy(policy).runs(deaf)).await;
        // The container is seconds old, and this is not about that.
        let target = format!("{{container: {}, min_age: 0s}}", name_of(&socket, &id).await);
        let began = started_at(&socket, &id).await;
        Self { world, socket, id, target, began }
    }

    /// The container was restarted once, there is one row, it says so, and nothing counts against the rule.
    async fn was_restarted_once(self, fettle: &Fettle) {
        let rows = wait::until("the restart is on record", Duration::from_mins(2), async || {
            let rows = fettle.rows("restart").await;
            if rows.iter().any(|it| it.starts_with("succeeded")) { Ok(rows) } else { Err(format!("{rows:?}")) }
        })
        .await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        let counts = ["not_fixed", "unknown", "still_firing"].iter().any(|verdict| rows[0].ends_with(verdict));
        assert!(!counts, "{rows:?}");
        assert!(started_at(&self.socket, &self.id).await > self.began, "Docker has restarted it");
        self.world.clear().await;
    }
}

/// The alert comes while dockerd is stopped; the containers run on.
async fn stopped_with_live_restore(generation: Generation) {
    let mut case = Case::start(generation, &["--live-restore"], Policy::No).await;
    case.world.stop_daemon().await;
    let fettle = Fettle::with_alert(&case.socket, &case.target, STEP).await;
    fettle.waits_for("docker_away").await;
    tokio::time::sleep(AWAY).await;
    assert_eq!(fettle.actions().await.len(), 0, "a wait, not a failure");
    case.world.start_daemon().await;
    case.was_restarted_once(&fettle).await;
}

/// The daemon's stop ended the container, and its start began a run. The alert is about the earlier one, until it is sent
/// again.
async fn stopped_without_live_restore(generation: Generation) {
    let mut case = Case::start(generation, &[], Policy::Always).await;
    case.world.stop_daemon().await;
    let fettle = Fettle::with_alert(&case.socket, &case.target, STEP).await;
    fettle.waits_for("docker_away").await;
    case.world.start_daemon().await;
    case.world.until("it is back", &case.id.clone(), |it| it.status == "running").await;
    case.began = started_at(&case.socket, &case.id).await;
    // Longer than the step's `settle` after the start.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fettle.alert().await;
    case.was_restarted_once(&fettle).await;
}

/// dockerd is stopped while the restart waits for the container's end; the container runs on.
async fn stopped_during_a_restart(generation: Generation) {
    let mut case = Case::start(generation, &["--live-restore"], Policy::No).await;
    let fettle = Fettle::with_alert(&case.socket, &case.target, STEP).await;
    case.world.until_event("the restart has begun", &case.id.clone(), "kill 15").await;
    case.world.stop_daemon().await;
    tokio::time::sleep(AWAY).await;
    case.world.start_daemon().await;
    let row = wait::until("the restart has a result", Duration::from_mins(2), async || {
        let rows = fettle.rows("restart").await;
        rows.first().filter(|it| !it.starts_with('-')).cloned().ok_or_else(|| format!("{rows:?}"))
    })
    .await;
    let seen =
        http::ask(&case.socket, "GET", &format!("/containers/{}/json", case.id), None).await.expect("an inspect");
    let is_running = seen.json()["State"]["Running"] == true;
    let was_restarted = started_at(&case.socket, &case.id).await > case.began;
    // What Docker did with it differs by generation and by how far it was; the row must not say anything else.
    let is_true = match (was_restarted, is_running) {
        (true, _) => row.starts_with("succeeded") || row.starts_with("unknown"),
        (false, true) => row.starts_with("failed not_executed") || row.starts_with("unknown"),
        (false, false) => row.starts_with("failed") || row.starts_with("unknown"),
    };
    assert!(is_true, "{row}; restarted: {was_restarted}, running: {is_running}");
    assert_eq!(fettle.rows("restart").await.len(), 1, "one step, one action");
    case.world.clear().await;
}

/// The socket is gone for a while, as during an upgrade; the daemon works on.
async fn renamed_socket(generation: Generation) {
    let case = Case::start(generation, &[], Policy::No).await;
    let hidden = case.socket.with_extension("hidden");
    std::fs::rename(&case.socket, &hidden).expect("hide the socket");
    let fettle = Fettle::with_alert(&case.socket, &case.target, STEP).await;
    fettle.waits_for("docker_away").await;
    tokio::time::sleep(AWAY).await;
    assert_eq!(fettle.actions().await.len(), 0, "a wait, not a failure");
    std::fs::rename(&hidden, &case.socket).expect("show the socket");
    case.was_restarted_once(&fettle).await;
}

on_both!(stopped_with_live_restore, stopped_without_live_restore, stopped_during_a_restart, renamed_socket);
