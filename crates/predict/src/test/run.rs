//! A test is run: its timeline goes through a world of its own, and what happens is compared with what is expected.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::compare::{Difference, compare};
use super::docker::Docker;
use super::model::{Case, Entry, Input, TestFile};
use crate::world::{Clock, Deed, Happening, Setting, World, memory, virtually};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::alert::webhook::Alert;
use fettle_core::duration::show;
use fettle_core::time::{Timestamp, after};

/// How long a test goes on at most after its last entry, while something is still open.
const PATIENCE: Duration = Duration::from_hours(24);

/// Who the people of tests are.
const PERSON: &str = "somebody";

/// How a test ended.
#[derive(Debug)]
pub struct Outcome {
    /// What is not as expected; nothing: it passed.
    pub difference: Difference,
    /// Everything that happened.
    pub happened: Vec<Happening>,
}

/// Runs one test.
#[must_use]
pub fn run(file: &TestFile, case: &Case) -> Outcome {
    virtually(case.start, async |clock| play(file, case, clock).await)
}

async fn play(file: &TestFile, case: &Case, clock: Clock) -> Outcome {
    let memory = memory(clock);
    let docker = Docker::new(&case.docker, &file.hosts, clock, memory.clone());
    let world = World::begin(Setting {
        rules: file.rules.clone(),
        settings: file.settings.clone(),
        hosts: file.hosts.clone(),
        clock,
        memory,
        platform: docker.clone(),
        query: Some(docker.clone()),
        forgets: false,
        steady: false,
    });
    let alerts = Alerts { start: case.start, firing: HashMap::new() };
    let mut playing = Playing { world, docker, alerts, start: case.start };
    let mut complaints = Vec::new();
    for entry in &case.timeline {
        if let Err(complaint) = playing.happen(entry).await {
            complaints.push((entry.at, entry.line, complaint));
        }
    }
    let world = playing.world;
    let last = case.timeline.iter().map(|it| it.at).chain(case.expected.iter().map(|it| it.at)).max();
    let last = last.unwrap_or_default();
    let mut happened = world.advance(after(case.start, last)).await;
    happened.extend(match case.until {
        Some(until) => world.advance(after(case.start, until)).await,
        None => world.rest(after(case.start, last + PATIENCE)).await,
    });
    Outcome { difference: compare(case, &happened, complaints), happened }
}

/// A test under way.
struct Playing {
    world: World,
    docker: Arc<Docker>,
    alerts: Alerts,
    start: Timestamp,
}

impl Playing {
    async fn happen(&mut self, entry: &Entry) -> Result<(), String> {
        let at = after(self.start, entry.at);
        match &entry.input {
            Input::Alerts { firing, labels } => {
                let told = labels.iter().map(|labels| self.alerts.tell(labels, *firing, at)).collect();
                self.world.deliver(at, told).await;
            }
            Input::Person { deed, lasts } => {
                let mut deed = deed.clone();
                if let Deed::Pause { until, .. } = &mut deed {
                    *until = lasts.map(|lasts| after(at, lasts));
                }
                let who = show(entry.at);
                let done = self.world.person(at, PERSON, deed).await;
                return done.map_err(|not| format!("what a person does at {who} has no effect: {not}"));
            }
            Input::Alertmanager { answers } => self.world.alertmanager_answers(at, *answers).await,
            Input::Gone(labels) => {
                for labels in labels {
                    let alert = self.alerts.gone(labels).ok_or_else(|| {
                        format!("what is gone at {} did not fire: {}", show(entry.at), labels.get("alertname"))
                    })?;
                    self.world.gone(at, alert).await;
                }
            }
            Input::Rules(rules) => self.world.reload(at, rules.clone()).await,
            Input::Change(change) => {
                self.world.reach(at).await;
                self.docker.change(change);
            }
        }
        Ok(())
    }
}

/// What Alertmanager knows of the alerts: since when each fires.
struct Alerts {
    start: Timestamp,
    firing: HashMap<Fingerprint, Timestamp>,
}

impl Alerts {
    /// The one that fires and does not any more; `None`: it did not.
    fn gone(&mut self, labels: &Labels) -> Option<Fingerprint> {
        let fingerprint = Fingerprint::of(labels);
        self.firing.remove(&fingerprint).map(|_| fingerprint)
    }

    /// A repeat speaks of the same episode; a resolve of the one that ends.
    fn tell(&mut self, labels: &Labels, firing: bool, at: Timestamp) -> Alert {
        let fingerprint = Fingerprint::of(labels);
        let starts_at = if firing {
            *self.firing.entry(fingerprint).or_insert(at)
        } else {
            self.firing.remove(&fingerprint).unwrap_or(self.start)
        };
        Alert { fingerprint, labels: labels.clone(), firing, starts_at, ends_at: (!firing).then_some(at) }
    }
}
