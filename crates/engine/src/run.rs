//! The engine's tasks, started together and stopped in order.
//!
//! Always holds: each task has a name and an owner; one that ends unasked is reported by [`Running::ended`], and whoever
//! runs the engine must end the process then: a fettle without its worker must not look alive. Dropping [`Running`] ends
//! everything at once, as a crash would; nothing acknowledged is lost by that.
//!
//! Order of stopping: the door first, so that nothing new comes in; then the writer, which stores what waits; the receiver,
//! which takes in what is in memory; the worker and the loans, which let effects under way end; the announcer, which tells
//! what they decided; last the claims, which are given back.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::follow::{Follower, Follows};
use crate::heartbeat::{Expected, Heartbeat};
use crate::intake::{Intake, Writer, intake};
use crate::pulse::Pulses;
use crate::readiness::{Condition, Readiness};
use crate::receive::Receiver;
use crate::recheck::Recheck;
use crate::seldom::Seldom;
use crate::shell::Shell;
use crate::tasks::{Tasks, Work};
use crate::upkeep::{Retention, Upkeep};
use crate::worker::{self, Worker};
use fettle_core::ports::chain;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::state::Remediation;

/// Notifications that wait in memory to be taken in; more are read back from the store.
const STORED: usize = 1024;

/// Alerts that wait to be asked again.
const AGAIN: usize = 256;

/// The tasks, in the order of stopping.
const TASKS: [&str; 9] =
    ["writer", "receiver", "worker", "loans", "announcer", "heartbeat", "recheck", "follower", "upkeep"];

/// The engine, built and not yet at work.
pub struct Engine {
    intake: Intake,
    shell: Arc<Shell>,
    writer: Writer,
    receiver: Receiver,
    worker: Worker<Remediation>,
    loans: Worker<Loan>,
    announcer: Announcer,
    heartbeat: Heartbeat,
    recheck: Recheck,
    follower: Follower,
    upkeep: Upkeep,
    pulses: Arc<Pulses>,
    enclosure: Arc<dyn Tasks>,
}

/// The engine at work.
pub struct Running {
    intake: Intake,
    shell: Arc<Shell>,
    tasks: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
    /// As [`TASKS`].
    stops: [CancellationToken; TASKS.len()],
    pulses: Arc<Pulses>,
}

/// Builds the engine. Its door refuses until it is started.
pub fn build(
    shell: Arc<Shell>,
    readiness: Arc<Readiness>,
    retention: Retention,
    expected: Option<Expected>,
) -> (Intake, Engine) {
    let (onward, stored) = mpsc::channel(STORED);
    let (again, asked) = mpsc::channel(AGAIN);
    let overflow = Arc::new(AtomicBool::new(false));
    let (intake, writer) = intake(shell.store.clone(), shell.time.clone(), onward, overflow.clone(), readiness.clone());
    let (queue, worker) = worker::remediations(shell.clone(), again.clone(), readiness.clone());
    let loans = worker::loans(shell.clone(), again.clone(), readiness.clone());
    let pulses = Pulses::of(&TASKS);
    let pulse = pulses.pulse(1);
    let receiver =
        Receiver { shell: shell.clone(), stored, overflow, again: asked, queue, pulse, readiness: readiness.clone() };
    let recheck = Recheck { shell: shell.clone(), readiness: readiness.clone() };
    let upkeep = Upkeep { shell: shell.clone(), again, readiness: readiness.clone(), retention };
    let announcer = Announcer { shell: shell.clone(), seldom: Seldom::default() };
    let heartbeat = Heartbeat { shell: shell.clone(), expected };
    let enclosure: Arc<dyn Tasks> = Arc::new(());
    let follower = Follower { shell: shell.clone(), readiness, follows: Arc::default(), enclosure: enclosure.clone() };
    let engine = Engine {
        intake,
        shell,
        writer,
        receiver,
        worker,
        loans,
        announcer,
        heartbeat,
        recheck,
        follower,
        upkeep,
        pulses,
        enclosure,
    };
    (engine.intake.clone(), engine)
}

impl Engine {
    /// Runs each task, and each effort's, in what `enclosure` makes of it.
    #[must_use]
    pub fn enclosed(mut self, enclosure: Arc<dyn Tasks>) -> Self {
        self.worker = self.worker.enclosed(enclosure.clone());
        self.loans = self.loans.enclosed(enclosure.clone());
        self.follower.enclosure = enclosure.clone();
        self.enclosure = enclosure;
        self
    }

    /// How following the events of each host goes.
    #[must_use]
    pub fn follows(&self) -> Arc<Follows> {
        self.follower.follows.clone()
    }

    /// Starts all tasks and opens the door. The store must be open and [`recover`] done.
    #[must_use]
    pub fn start(self) -> Running {
        let stops = TASKS.map(|_| CancellationToken::new());
        let [writer, receiver, worker, loans, announcer, heartbeat, recheck, follower, upkeep] = stops.clone();
        let pulse = |task| self.pulses.pulse(task);
        let mut tasks = JoinSet::new();
        let work: [Work; TASKS.len()] = [
            Box::pin(self.writer.run(writer, pulse(0))),
            Box::pin(self.receiver.run(receiver)),
            Box::pin(self.worker.run(worker, pulse(2))),
            Box::pin(self.loans.run(loans, pulse(3))),
            Box::pin(self.announcer.run(announcer, pulse(4))),
            Box::pin(self.heartbeat.run(heartbeat, pulse(5))),
            Box::pin(self.recheck.run(recheck, pulse(6))),
            Box::pin(self.follower.run(follower, pulse(7))),
            Box::pin(self.upkeep.run(upkeep, pulse(8))),
        ];
        let start = |(work, name)| (tasks.spawn(self.enclosure.enclose(name, work)).id(), name);
        let names = work.into_iter().zip(TASKS).map(start).collect();
        self.intake.open();
        Running { intake: self.intake, shell: self.shell, tasks, names, stops, pulses: self.pulses }
    }
}

impl Running {
    /// The tasks' signs of life.
    #[must_use]
    pub fn pulses(&self) -> Arc<Pulses> {
        self.pulses.clone()
    }

    /// The name of a task that ended unasked. Cancel safe.
    pub async fn ended(&mut self) -> &'static str {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.name(id),
            Some(Err(error)) => {
                tracing::error!(%error, "a task of the engine panicked");
                self.name(error.id())
            }
            None => "engine",
        }
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.iter().find(|(known, _)| *known == id).map_or("engine", |(_, name)| *name)
    }

    /// Stops in order and gives back what this process holds.
    pub async fn stop(mut self) {
        self.intake.close();
        // Each ends when it has done what it holds; one at a time, so that nothing is handed to a task that is gone.
        for stop in &self.stops {
            stop.cancel();
            let _ = self.tasks.join_next().await;
        }
        match self.shell.store.release(self.shell.owner).await {
            Ok(held) if held > 0 => tracing::info!(remediations = held, "gave back what was not finished"),
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %chain(&error), "claims could not be given back; their leases run out");
            }
        }
        self.shell.store.close().await;
    }
}

/// Sets the time by the store's clock and by what is stored, so that a clock stepped back between two runs is noticed; then
/// everything that an earlier process left behind may be decided.
pub async fn recover(shell: &Shell, readiness: &Readiness) -> Result<(), fettle_core::ports::StoreError> {
    crate::upkeep::follow(&*shell.store, &shell.time).await?;
    let latest = shell.store.latest().await?;
    crate::upkeep::retention::begin(&*shell.store, latest, shell.time.now()).await?;
    if let Some(latest) = latest {
        shell.time.not_before(latest);
    }
    let adopted = shell.store.adopt(shell.owner).await?;
    if adopted > 0 {
        tracing::info!(remediations = adopted, "took over what an earlier process left open");
    }
    readiness.met(Condition::Store);
    readiness.met(Condition::Recovery);
    Ok(())
}
