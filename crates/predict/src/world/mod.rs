//! The service in virtual time: notifications and people's deeds go in, what happened comes out, as data.
//!
//! It is the engine that ships: its receiver takes in, its workers claim, its driver decides and calls, its announcer tells,
//! its upkeep looks after the rest. The database is [`Memory`], the platform is what the caller gives, Alertmanager is in
//! `upstream`, and what happened is read off what the engine reports (`telling`). Left out is what there is nobody for: the
//! HTTP door and the writer behind it, because notifications come in parsed, and the heartbeat.
//!
//! Always holds: everything runs on one thread, in [virtual time](virtually). What is heard or done at an instant is known to
//! everything that is due at it. The same inputs give the same happenings, ids included.
//!
//! Does not do: several processes, lost answers of the store, clocks that are set. What breaks there is `tests/sim`'s to find.
//! `tests/it/agreement` holds this against the service on both databases.

mod forget;
mod happening;
mod people;
mod receive;
mod steady;
mod telling;
mod time;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use fettle_memory::physics::Clock;
pub use fettle_memory::store::{Memory, Rows};
pub use happening::{Happening, What};
pub use people::{Deed, NotTaken};
pub(crate) use time::here;
pub use time::virtually;

use self::forget::Forgetting;
use self::steady::Steady;
use self::telling::Teller;
use self::time::{Machine, TICK, skip};
use self::upstream::Alertmanager;
use fettle_core::alert::episode::AlertState;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::id::RemediationId;
use fettle_core::ports::Store;
use fettle_core::ports::platform::Platform;
use fettle_core::ports::upstream::Query;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::Hosts;
use fettle_core::time::{Timestamp, after, since};
use fettle_engine::announce::Announcer;
use fettle_engine::clock::Time;
use fettle_engine::pulse::Pulses;
use fettle_engine::readiness::Readiness;
use fettle_engine::receive::Receiver;
use fettle_engine::recheck::Recheck;
use fettle_engine::seldom::Seldom;
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::{Retention, Upkeep};
use fettle_engine::worker;

/// Alerts that wait to be asked again; what does not fit upkeep finds, as in the service.
const AGAIN: usize = 256;

/// Retention of a world that does not forget: longer than any prediction.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 100);

/// Idle time that is worth skipping.
const IDLE: Duration = Duration::from_secs(10);

/// How often it is looked whether there is some.
const STEP: Duration = Duration::from_secs(30);

/// What a world is made with. All of it lives in the virtual time that `clock` shows.
pub struct Setting {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The service's limits.
    pub settings: Settings,
    /// The configured hosts.
    pub hosts: Hosts,
    /// The clock of [`virtually`].
    pub clock: Clock,
    /// An empty database.
    pub memory: Arc<Memory>,
    /// Where targets live.
    pub platform: Arc<dyn Platform>,
    /// What answers metric queries.
    pub query: Option<Arc<dyn Query>>,
    /// Whether what can matter to nothing any more is forgotten. Off where containers may carry budgets of any length.
    pub forgets: bool,
    /// Whether nothing changes on the platform but by calls: then nobody looks in vain while an effect is judged.
    pub steady: bool,
}

/// The service, and who talks to it. Dropping it ends everything.
pub struct World {
    clock: Clock,
    memory: Arc<Memory>,
    shell: Arc<Shell>,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
    upstream: Option<Arc<Alertmanager>>,
    teller: Arc<Teller>,
    forgetting: Option<Forgetting>,
    pulses: Arc<Pulses>,
    again: mpsc::Sender<Vec<AlertState>>,
    lends: bool,
    tasks: JoinSet<()>,
}

/// A database for [`Setting::memory`], on this clock.
#[must_use]
pub fn memory(clock: Clock) -> Arc<Memory> {
    Memory::shared(move || clock.now())
}

impl World {
    /// A world in which nothing has happened; it begins at once.
    #[must_use]
    pub fn begin(setting: Setting) -> Self {
        let Setting { rules, settings, hosts, clock, memory, platform, query, forgets, steady } = setting;
        let owner = Uuid::from_u128(1).into();
        let teller = Teller::new(clock, memory.clone());
        let upstream = settings.alertmanager.then(|| Alertmanager::new(teller.clone()));
        let forgetting = forgets.then(|| Forgetting::new(&rules, &settings));
        let process = memory.process(owner);
        let store: Arc<dyn Store> = if steady { Steady::new(clock, process) } else { Arc::new(process) };
        let shell = Arc::new(Shell {
            store,
            platform,
            time: Arc::new(Time::new(Arc::new(Machine::new(clock)))),
            rules: Arc::new(ArcSwap::new(rules)),
            hosts,
            settings,
            upstream: upstream.clone().map(|it| it as _),
            query,
            telemetry: teller.clone(),
            owner,
            wake: Notify::new(),
            recheck: Notify::new(),
            announce: Notify::new(),
        });
        let pulses = Pulses::of(&["receiver", "worker", "announcer", "upkeep", "loans", "recheck"]);
        let (again, mut asked) = mpsc::channel(AGAIN);
        let readiness = Arc::new(Readiness::fulfilled());
        let (queue, worker) = worker::remediations(shell.clone(), again.clone(), readiness.clone());
        // Nothing comes through these: what is heard is handed over directly, at its very instant.
        let (_, stored) = mpsc::channel(1);
        let (_, unasked) = mpsc::channel(1);
        let (overflow, pulse) = (Arc::default(), pulses.pulse(0));
        let receiver = Receiver {
            shell: shell.clone(),
            stored,
            overflow,
            again: unasked,
            queue,
            pulse,
            readiness: readiness.clone(),
        };
        let receiver = Arc::new(receiver);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let asking = receiver.clone();
        tasks.spawn(async move {
            while let Some(alerts) = asked.recv().await {
                asking.ask_again(alerts).await;
            }
        });
        tasks.spawn(worker.eager().run(stop.clone(), pulses.pulse(1)));
        if upstream.is_some() {
            let announcer = Announcer { shell: shell.clone(), seldom: Seldom::default() };
            tasks.spawn(announcer.run(stop.clone(), pulses.pulse(2)));
        }
        let recheck = Recheck { shell: shell.clone(), readiness: readiness.clone() };
        tasks.spawn(recheck.run(stop.clone(), pulses.pulse(5)));
        let retention = Retention { notifications: FOREVER, audit: FOREVER };
        let upkeep = Upkeep { shell: shell.clone(), again: again.clone(), readiness, retention };
        tasks.spawn(upkeep.run(stop.clone(), pulses.pulse(3)));
        let mut world = Self {
            clock,
            memory,
            shell,
            receiver,
            stop,
            upstream,
            teller,
            forgetting,
            pulses,
            again,
            lends: false,
            tasks,
        };
        world.may_lend();
        world
    }

    /// The same, that tells its story too, line by line ([`What::Told`]).
    #[must_use]
    pub fn telling(self) -> Self {
        self.teller.tell_story();
        self
    }

    /// Loans are looked at every second, so only where there can be some.
    fn may_lend(&mut self) {
        let rules = self.shell.rules.load();
        let lends = || rules.iter().any(|rule| rule.steps.iter().any(|step| step.restore.is_some()));
        if !self.lends && lends() {
            self.lends = true;
            let loans = worker::loans(self.shell.clone(), self.again.clone(), Arc::new(Readiness::fulfilled()));
            self.tasks.spawn(loans.eager().run(self.stop.clone(), self.pulses.pulse(4)));
        }
    }

    /// Other rules are in force from `at` on, as after a reload: time passes until then, what is due at that very instant
    /// excepted. What the rules before had no use for and was forgotten stays so.
    pub async fn reload(&mut self, at: Timestamp, rules: Arc<RuleSet>) {
        self.reach(at).await;
        if let Some(forgetting) = &mut self.forgetting {
            forgetting.need(&rules, &self.shell.settings);
        }
        self.shell.rules.store(rules);
        self.may_lend();
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass up to `at`; what is due at that very instant is still to come. An instant that is over is now.
    pub async fn reach(&self, at: Timestamp) {
        while at > self.now() {
            if self.idle(at).is_some() {
                // Whatever is still to be done at this instant is done when the next tick comes.
                tokio::time::sleep(TICK).await;
                if let Some(idle) = self.idle(at) {
                    skip(idle.saturating_sub(TICK)).await;
                }
            }
            sleep_until(self.clock.instant(at.min(after(self.now(), STEP)))).await;
        }
    }

    /// How long nothing is due and nobody is at work, if that is long.
    fn idle(&self, at: Timestamp) -> Option<Duration> {
        let next = self.next_due().map_or(at, |due| due.min(at));
        Some(since(next, self.now())).filter(|idle| *idle > IDLE && !self.is_busy())
    }

    /// Lets time pass up to and including `to`, and gives everything that happened since the last time this was asked.
    pub async fn advance(&self, to: Timestamp) -> Vec<Happening> {
        self.reach(to).await;
        // The next tick comes when nothing is left to be done at this instant.
        tokio::time::sleep(TICK).await;
        self.happened()
    }

    /// Lets time pass until nothing is open any more, or up to `limit`.
    pub async fn rest(&self, limit: Timestamp) -> Vec<Happening> {
        while !self.is_over() && self.now() < limit {
            let due = self.next_due().unwrap_or(limit).min(after(self.now(), STEP)).min(limit);
            self.reach(due).await;
            tokio::time::sleep(TICK).await;
        }
        self.happened()
    }

    /// What happened since the last time this was asked.
    pub fn happened(&self) -> Vec<Happening> {
        self.teller.take()
    }

    /// When something is due next that nobody is at work on.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.memory.rows(Rows::first_free)
    }

    /// Whether somebody is at work: then time goes step by step.
    fn is_busy(&self) -> bool {
        self.memory.rows(Rows::has_held)
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.memory.rows(Rows::is_over)
    }

    /// Whether a remediation is open.
    #[must_use]
    pub fn is_open(&self, remediation: RemediationId) -> bool {
        self.memory.rows(|rows| rows.remediation(remediation).is_some_and(|row| row.due.is_some()))
    }

    /// Whether a remediation of this target, as written, is open.
    #[must_use]
    pub fn is_target_open(&self, target: &str) -> bool {
        self.memory.rows(|rows| rows.open_on(target).is_some())
    }

    /// The alerts attached to an open remediation, as they are now.
    pub async fn attached(&self, remediation: RemediationId) -> Vec<AlertState> {
        self.shell.store.attached(remediation).await.unwrap_or_default()
    }

    /// From `at` on Alertmanager answers, or does not: time passes until then, what is due at that very instant excepted.
    pub async fn alertmanager_answers(&self, at: Timestamp, answers: bool) {
        self.reach(at).await;
        if let Some(upstream) = &self.upstream {
            upstream.answer(answers);
            // What could not be told is told as soon as it can be.
            self.shell.announce.notify_one();
        }
    }

    /// From `at` on Alertmanager does not list this alert any more, though nobody is told, until it is heard of again.
    pub async fn gone(&self, at: Timestamp, alert: Fingerprint) {
        self.reach(at).await;
        if let Some(upstream) = &self.upstream {
            upstream.gone(alert);
        }
    }
}

#[cfg(test)]
mod tests;
