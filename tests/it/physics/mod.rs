//! The model of Docker against Docker: each trait is one scenario, which runs on the model and on real daemons of both
//! generations, and what an observer sees must be the same.
//!
//! What is compared are sequences of states (status, `RestartCount`, which run by `StartedAt`, exit code, OOM, health),
//! orders of events, and which requests are answered. Lengths of time are compared only where they are the trait, with the
//! tolerance named there.

/// Each scenario on a real daemon of both generations.
macro_rules! on_both {
    ($($run:ident),* $(,)?) => {
        mod docker_20 {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $run() { super::$run(Generation::V20).await; })*
        }
        mod docker_28 {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $run() { super::$run(Generation::V28).await; })*
        }
    };
}

mod away;
mod client;
mod compose;
mod daemon;
mod followed;
mod hangs;
mod http;
mod looks;
mod lossy;
mod shell;
mod shipped;
mod starts;
mod stops;
mod swarm;
mod wire;
mod world;
mod world_swarm;

use fettle_memory::physics::{Generation, Trait};

use self::daemon::Docker;
use self::world::World;

/// What a scenario saw.
type Seen = Vec<String>;

/// The daemon that a scenario needs.
enum Needs {
    /// One that others use too: it is not stopped, and no part of it hangs.
    Shared,
    /// One of its own, with these flags.
    Own(&'static [&'static str]),
    /// One of its own with a network of its own, for Swarm.
    Network,
}

/// One entry per trait, in the order of the list: the daemon it needs and its scenario. A trait that is missing here does not
/// build: `needs` matches without a wildcard.
macro_rules! conformance {
    ($($test:ident: $trait:ident in $needs:expr => $scenario:path;)*) => {
        fn needs(of: Trait) -> Needs {
            match of { $(Trait::$trait => $needs,)* }
        }

        async fn observe(of: Trait, world: &mut World) -> Seen {
            match of { $(Trait::$trait => Box::pin($scenario(world)).await,)* }
        }

        /// Against Docker 20.10.
        mod docker_20 {
            $(#[tokio::test] async fn $test() { super::compare(super::Trait::$trait, super::Generation::V20).await; })*
        }

        /// Against Docker 28.
        mod docker_28 {
            $(#[tokio::test] async fn $test() { super::compare(super::Trait::$trait, super::Generation::V28).await; })*
        }
    };
}

conformance! {
    crash_loop: CrashLoop in Needs::Shared => starts::crash_loop;
    back_off: BackOff in Needs::Shared => starts::back_off;
    back_off_reset: BackOffReset in Needs::Shared => starts::back_off_reset;
    on_failure_gives_up: OnFailureGivesUp in Needs::Shared => starts::on_failure_gives_up;
    on_failure_zero: OnFailureZero in Needs::Shared => starts::on_failure_zero;
    no_policy: NoPolicy in Needs::Shared => starts::no_policy;
    stop_ends_policy: StopEndsPolicy in Needs::Shared => stops::stop_ends_policy;
    kill_ends_policy: KillEndsPolicy in Needs::Shared => stops::kill_ends_policy;
    kill_term: KillTerm in Needs::Shared => stops::kill_term;
    kill_reload: KillReload in Needs::Shared => stops::kill_reload;
    stop_while_restarting: StopWhileRestarting in Needs::Shared => stops::stop_while_restarting;
    stop_ignored: StopIgnored in Needs::Shared => stops::stop_ignored;
    stop_twice: StopTwice in Needs::Shared => stops::stop_twice;
    restart_running: RestartRunning in Needs::Shared => stops::restart_running;
    restart_while_restarting: RestartWhileRestarting in Needs::Shared => stops::restart_while_restarting;
    restart_stopped: RestartStopped in Needs::Shared => stops::restart_stopped;
    two_restarts: TwoRestarts in Needs::Shared => stops::two_restarts;
    out_of_memory: OutOfMemory in Needs::Shared => starts::out_of_memory;
    health_passes: HealthPasses in Needs::Shared => starts::health_passes;
    health_at_start: HealthAtStart in Needs::Shared => starts::health_at_start;
    health_fails: HealthFails in Needs::Shared => starts::health_fails;
    health_start_period: HealthStartPeriod in Needs::Shared => starts::health_start_period;
    health_at_exit: HealthAtExit in Needs::Shared => starts::health_at_exit;
    recreate_same_name: RecreateSameName in Needs::Shared => stops::recreate_same_name;
    remove_running: RemoveRunning in Needs::Shared => stops::remove_running;
    remove_during_restart: RemoveDuringRestart in Needs::Shared => stops::remove_during_restart;
    events_forgotten: EventsForgotten in Needs::Own(&[]) => hangs::events_forgotten;
    update_limits: UpdateLimits in Needs::Shared => stops::update_limits;
    hang_dockerd: HangDockerd in Needs::Own(&[]) => hangs::dockerd;
    hang_containerd: HangContainerd in Needs::Own(&[]) => hangs::containerd;
    hang_shim: HangShim in Needs::Own(&[]) => hangs::shim;
    hang_exit: HangExit in Needs::Own(&[]) => hangs::exit;
    daemon_restart: DaemonRestart in Needs::Own(&[]) => hangs::daemon_restart;
    start_fails: StartFails in Needs::Shared => stops::start_fails;
    daemon_away: DaemonAway in Needs::Shared => client::daemon_away;
    host_silent: HostSilent in Needs::Shared => client::host_silent;
    compose_deploy: ComposeDeploy in Needs::Own(&[]) => swarm::compose_deploy;
    swarm_task_killed: SwarmTaskKilled in Needs::Network => swarm::task_killed;
    swarm_task_restarted: SwarmTaskRestarted in Needs::Network => swarm::task_restarted;
    swarm_scale: SwarmScale in Needs::Network => swarm::scale;
    swarm_force: SwarmForce in Needs::Network => swarm::force;
    stopped_by_hand: StoppedByHand in Needs::Shared => looks::stopped_by_hand;
    events_denied: EventsDenied in Needs::Shared => looks::events_denied;
    compose_members: ComposeMembers in Needs::Shared => looks::compose_members;
    dependents: Dependents in Needs::Shared => looks::dependents;
    looks: Looks in Needs::Shared => looks::health_seen;
    live_restore: LiveRestore in Needs::Own(LIVE_RESTORE) => hangs::live_restore;
}

const LIVE_RESTORE: &[&str] = &["--live-restore"];

async fn compare(of: Trait, generation: Generation) {
    let live_restore = matches!(needs(of), Needs::Own(flags) if flags == LIVE_RESTORE);
    let mut model = World::model(generation, live_restore);
    let docker = match needs(of) {
        Needs::Shared => Docker::shared(generation).await,
        Needs::Own(flags) => Docker::private(generation, flags, false).await,
        Needs::Network => Docker::private(generation, &[], true).await,
    };
    let mut real = World::real(docker);
    // At the same time: a few scenarios take real time on the model, too.
    let (expected, seen) = tokio::join!(observe(of, &mut model), observe(of, &mut real));
    real.clear().await;
    assert_eq!(seen, expected, "left: Docker, right: the model, {generation:?}, {}: {}", of.name(), of.claim());
}

async fn until_ok<F, L>(what: &str, look: L)
where
    L: FnMut() -> F,
    F: Future<Output = Result<(), String>>,
{
    crate::support::wait::until(what, world::SOON, look).await;
}
