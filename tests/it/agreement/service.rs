//! The service plays a scenario: the real engine and a real store, on a clock that moves to the next due instant as soon as
//! everything that was due is done.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use fettle::core::surroundings::{Answer, Pause, PauseScope};
use fettle::core::time::{Timestamp, after};
use fettle::engine::clock::Time;
use fettle::engine::intake::Intake;
use fettle::engine::readiness::Readiness;
use fettle::engine::run::{Running, build, recover};
use fettle::engine::shell::Shell;
use fettle::engine::upkeep::Retention;
use fettle::store::Store;
use fettle::store::model::Answered;
use fettle::store::view::{RemediationFilter, Story as Stored};
use fettle::telemetry::metrics::Metrics;
use uuid::Uuid;

use super::rig::{Hand, Really, Rig};
use super::scenario::{Event, Input, REST, Scenario, Story, Told, hosts, rules, settings};
use crate::support::fuse::{Fuse, FusedStore};
use crate::support::wait;

/// Nothing was asked of the store for this long: nobody is at work.
const QUIET: Duration = Duration::from_millis(60);

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
    let stories = service.stories().await;
    Told { stories, answers: service.answers }
}

impl Service {
    async fn begin(url: &str, scenario: &Scenario) -> Self {
        let owner = Uuid::now_v7();
        let fuse = Fuse::hiding_the_clock();
        let inner = fettle::store::open(url, owner).await.expect("the database opens");
        let store: Arc<dyn Store> = Arc::new(FusedStore { inner, fuse: fuse.clone() });
        let clock = Hand::at(scenario.start);
        let docker = Really::new(Rig::new(scenario.seed), clock.clone());
        let shell = Arc::new(Shell {
            store,
            platform: docker.clone(),
            time: Arc::new(Time::new(clock.clone())),
            rules: Arc::new(ArcSwap::from_pointee(rules())),
            hosts: hosts(),
            settings: settings(),
            metrics: Arc::new(Metrics::new()),
            owner,
            wake: tokio::sync::Notify::new(),
            announce: tokio::sync::Notify::new(),
            upstream: None,
            query: None,
        });
        let readiness = Arc::new(Readiness::default());
        recover(&shell, &readiness).await.expect("recovery");
        let day = Duration::from_hours(24);
        let (intake, engine) = build(shell.clone(), readiness, Retention { notifications: day, audit: day }, None);
        Self { shell, intake, _running: engine.start(), fuse, clock, docker, answers: Vec::new() }
    }

    /// Waits until nothing is due and nobody is at work; calls to the platform wait for the clock.
    async fn quiet(&self) -> Option<Timestamp> {
        let seen = Cell::new((usize::MAX, Instant::now()));
        wait::until("the service is quiet", SOON, async || {
            let touched = self.fuse.touched();
            if touched != seen.get().0 || self.fuse.under_way() > 0 {
                seen.set((touched, Instant::now()));
            }
            let now = self.shell.time.now();
            let due = self.shell.store.next_due(now).await.map_err(|error| error.to_string())?;
            if due.is_some_and(|due| due <= now) {
                self.shell.wake.notify_one();
                return Err(format!("due since {due:?}, now {now}"));
            }
            if self.docker.next_end().is_some_and(|end| end <= now) {
                return Err("a call is ending".to_owned());
            }
            if seen.get().1.elapsed() < QUIET {
                return Err(format!("{touched} touches"));
            }
            Ok(due)
        })
        .await
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
                        let answer = Answer { id: Uuid::now_v7(), kind: *kind, plan, by: "ann".into(), at: now };
                        store.answer(row.id, &answer).await.expect("stored") == Answered::Taken
                    }
                };
                self.answers.push(taken);
            }
            Input::Pause(true) => {
                let (id, reason, by) = (Uuid::now_v7(), "a test".to_owned(), "ann".to_owned());
                let pause = Pause { id, scope: PauseScope::All, reason, by, at: now, until: None };
                store.pause(&pause).await.expect("stored");
            }
            Input::Pause(false) => {
                for pause in store.pauses(now).await.expect("readable") {
                    assert!(store.resume(pause.id, "ann", now).await.expect("stored"));
                }
            }
            Input::Crash(name) => self.docker.change(|rig| rig.crash(name)),
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
        stories
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
