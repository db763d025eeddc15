//! The service plays a scenario: the real engine and a real store, on a clock that moves to the next due instant as soon as
//! everything that was due is done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use fettle::telemetry::metrics::Metrics;
use fettle_core::ports::model::Answered;
use fettle_core::ports::upstream::Upstream;
use fettle_core::ports::view::{RemediationFilter, Story as Stored};
use fettle_core::ports::{Store, StoreError};
use fettle_core::surroundings::{Answer, Pause, PauseScope};
use fettle_core::time::{Timestamp, after};
use fettle_engine::clock::Time;
use fettle_engine::intake::Intake;
use fettle_engine::readiness::Readiness;
use fettle_engine::run::{Running, build, recover};
use fettle_engine::shell::Shell;
use fettle_engine::upkeep::Retention;
use uuid::Uuid;

use super::rig::{Hand, Really, Rig};
use super::scenario::{Event, Input, Kind, REST, Scenario, Story, Told, hosts, in_order, rules, settings};
use super::tables::{Open, Tables};
use super::upstream::Scripted;
use crate::support::fuse::{Fuse, FusedStore};
use crate::support::wait;

/// Nothing was asked of the store for this long, and nothing is left to do: nobody is at work.
const QUIET: Duration = Duration::from_millis(4);

/// Between two looks whether it is quiet.
const LOOK: Duration = Duration::from_millis(2);

const SOON: Duration = Duration::from_mins(1);

/// The longest step of the clock.
const STEP: Duration = Duration::from_mins(1);

struct Service {
    shell: Arc<Shell>,
    intake: Intake,
    _running: Running,
    fuse: Arc<Fuse>,
    clock: Arc<Hand>,
    docker: Arc<Really>,
    upstream: Arc<Scripted>,
    tables: Tables,
    kind: Kind,
    answers: Vec<bool>,
}

/// Plays it on the database at `url`.
pub async fn play(url: &str, scenario: &Scenario) -> Told {
    let mut service = Service::begin(url, scenario).await;
    for event in &scenario.events {
        service.until(event.at).await;
        service.happen(event).await;
    }
    let end = after(scenario.events.last().map_or(scenario.start, |it| it.at), REST);
    service.until(end).await;
    service.quiet().await;
    service.told_upstream(&scenario.foretold.given_up).await;
    let (stories, given_up) = (service.stories().await, service.upstream.given_up());
    Told { stories, answers: service.answers, given_up }
}

impl Service {
    async fn begin(url: &str, scenario: &Scenario) -> Self {
        let owner = Uuid::now_v7();
        let fuse = Fuse::fireproof();
        let inner = fettle_store::open(url, owner.into()).await.expect("the database opens");
        let store: Arc<dyn Store> = Arc::new(FusedStore { inner, fuse: fuse.clone() });
        let clock = Hand::at(scenario.start);
        let docker = Really::new(Rig::new(scenario.seed), clock.clone());
        let (kind, upstream) = (scenario.kind, Arc::new(Scripted::default()));
        let shell = Arc::new(Shell {
            store,
            platform: docker.clone(),
            time: Arc::new(Time::new(clock.clone())),
            rules: Arc::new(ArcSwap::new(rules(kind, false))),
            hosts: hosts(),
            settings: settings(kind),
            telemetry: Arc::new(Metrics::new()),
            owner: owner.into(),
            wake: tokio::sync::Notify::new(),
            recheck: tokio::sync::Notify::new(),
            announce: tokio::sync::Notify::new(),
            upstream: kind.asked.then(|| upstream.clone() as Arc<dyn Upstream>),
            query: None,
        });
        let readiness = Arc::new(Readiness::fulfilled());
        recover(&shell, &readiness).await.expect("recovery");
        let day = Duration::from_hours(24);
        let (intake, engine) = build(shell.clone(), readiness, Retention { notifications: day, audit: day }, None);
        let (running, tables) = (engine.start(), Tables::of(url).await);
        Self { shell, intake, _running: running, fuse, clock, docker, upstream, tables, kind, answers: Vec::new() }
    }

    /// Waits until nothing is due and nobody is at work; calls to the platform wait for the clock. Gives when something is
    /// due next.
    async fn quiet(&self) -> Option<Timestamp> {
        let began = Instant::now();
        let mut seen = (usize::MAX, Instant::now());
        loop {
            let touched = self.fuse.touched();
            if touched != seen.0 || self.fuse.under_way() > 0 {
                seen = (touched, Instant::now());
            }
            let due = self.due().await;
            // What was read belongs together only if nobody wrote meanwhile.
            let untouched = self.fuse.touched() == touched && self.fuse.under_way() == 0;
            let left = match due {
                Ok(due) if untouched && seen.1.elapsed() >= QUIET => return due,
                Ok(_) => format!("{touched} touches"),
                Err(left) => left,
            };
            assert!(began.elapsed() < SOON, "the service is not quiet: {left}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// When something is due next; what is left to do now is an error.
    async fn due(&self) -> Result<Option<Timestamp>, String> {
        let (store, now) = (&self.shell.store, self.shell.time.now());
        let fault = |error: StoreError| error.to_string();
        let backlog = store.backlog().await.map_err(fault)?;
        if backlog > 0 {
            return Err(format!("{backlog} notifications are not taken in"));
        }
        let waiting = store.waiting(9).await.map_err(fault)?;
        if !waiting.is_empty() {
            return Err(format!("nobody asked again about {waiting:?}"));
        }
        let again = store.next_again().await.map_err(fault)?;
        if let Some(at) = again.filter(|at| *at <= now) {
            self.shell.recheck.notify_one();
            return Err(format!("an episode is decided again since {at}, now {now}"));
        }
        // What was claimed and is not yet decided is not done, whenever it is due.
        let Open { claimed, due } = self.tables.open().await;
        let (overdue, calls) = (due.iter().filter(|due| **due <= now).count(), self.docker.under_way(now));
        if overdue.max(claimed) > calls {
            self.shell.wake.notify_one();
            return Err(format!("{overdue} due, {claimed} claimed, {calls} called, now {now}"));
        }
        Ok(due.into_iter().chain(again).filter(|due| *due > now).min())
    }

    /// Waits until people were called for all of these: the outbox is emptied when it can be, not on the clock.
    async fn told_upstream(&self, targets: &BTreeSet<String>) {
        wait::until("people are called", SOON, async || {
            let given_up = self.upstream.given_up();
            if self.kind.asked && !given_up.is_superset(targets) { Err(format!("{given_up:?}")) } else { Ok(()) }
        })
        .await;
    }

    /// Moves the clock to `at`, with a stop at everything that is due on the way.
    async fn until(&self, at: Timestamp) {
        loop {
            let due = self.quiet().await;
            let now = self.shell.time.now();
            if now >= at {
                return;
            }
            let stops = [due, self.docker.next_end(), Some(after(now, STEP)), Some(at)];
            let next = stops.into_iter().flatten().min().unwrap_or(at).max(now);
            self.clock.set(next);
            self.shell.wake.notify_one();
            if next == at {
                return;
            }
        }
    }

    async fn happen(&mut self, event: &Event) {
        let store = &self.shell.store;
        let now = self.shell.time.now();
        match &event.what {
            Input::Post(body) => {
                self.upstream.sends(body);
                self.intake.submit("test", Bytes::from(body.to_string())).await.expect("accepted");
            }
            Input::Answer(kind, target) => {
                let (target, state) = (Some(target.clone()), Some("open".to_owned()));
                let filter = RemediationFilter { target, state, limit: 1, ..RemediationFilter::default() };
                let newest = store.remediations(&filter).await.expect("readable").into_iter().next();
                let taken = match newest {
                    None => false,
                    Some(row) => {
                        let plan = proposed(&store.story(row.id).await.expect("readable").expect("there"));
                        let answer = Answer { id: Uuid::now_v7().into(), kind: *kind, plan, by: "ann".into(), at: now };
                        store.answer(row.id, &answer).await.expect("stored") == Answered::Taken
                    }
                };
                self.answers.push(taken);
            }
            Input::Pause(true) => {
                let (id, reason, by) = (Uuid::now_v7(), "a test".to_owned(), "ann".to_owned());
                let pause = Pause { id: id.into(), scope: PauseScope::All, reason, by, at: now, until: None };
                store.pause(&pause).await.expect("stored");
            }
            Input::Pause(false) => {
                for pause in store.pauses(now).await.expect("readable") {
                    assert!(store.resume(pause.id, "ann", now).await.expect("stored"));
                }
            }
            Input::Crash(name) => self.docker.change(|rig| rig.crash(name)),
            Input::Reload(reloaded) => self.shell.rules.store(rules(self.kind, *reloaded)),
            Input::Answers(answers) => {
                self.upstream.answers(*answers);
                self.shell.announce.notify_one();
            }
            Input::Gone(alert) => self.upstream.gone(*alert),
            Input::Silence(alert, silenced) => self.upstream.silence(*alert, *silenced),
        }
        self.shell.wake.notify_one();
    }

    async fn stories(&self) -> Vec<Story> {
        let store = &self.shell.store;
        let filter = RemediationFilter { limit: 1000, ..RemediationFilter::default() };
        let mut rows = store.remediations(&filter).await.expect("readable");
        rows.sort_by_key(|row| (row.opened_at, row.id));
        let mut stories = Vec::new();
        for row in rows {
            stories.push(told(&store.story(row.id).await.expect("readable").expect("there")));
        }
        in_order(stories)
    }
}

/// The plan that is proposed, from the story.
fn proposed(story: &Stored) -> Option<String> {
    let asked = story.timeline.iter().rev().find(|it| it.what == "approval asked for")?;
    asked.detail["plan"].as_str().map(str::to_owned)
}

fn told(stored: &Stored) -> Story {
    let mut rows = stored.actions.clone();
    rows.sort_by_key(|row| row.id);
    let or = |text: &Option<String>| text.clone().unwrap_or_default();
    Story {
        target: stored.remediation.target.clone(),
        rule: stored.remediation.rule.clone(),
        lines: stored.timeline.iter().map(|it| (it.at, it.what.clone())).collect(),
        rows: rows.iter().map(|it| (it.action.clone(), or(&it.result), or(&it.reason), or(&it.verdict))).collect(),
    }
}
