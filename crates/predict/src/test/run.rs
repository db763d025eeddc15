//! A test is run: its timeline goes through a world of its own, and what happens is compared with what is expected.

use std::collections::HashMap;
use std::time::Duration;

use super::compare::{Difference, compare};
use super::model::{Case, Entry, Input, TestFile};
use crate::test::declared::Declared;
use crate::world::{Deed, Happening, Options, World};
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
    let options = Options { hosts: file.hosts.clone(), start: case.start, forgets: false };
    let mut world = World::new(file.rules.clone(), file.settings.clone(), case.docker.clone(), options);
    let mut alerts = Alerts { start: case.start, firing: HashMap::new() };
    let mut complaints = Vec::new();
    for entry in &case.timeline {
        if let Err(complaint) = happen(&mut world, &mut alerts, case.start, entry) {
            complaints.push((entry.at, entry.line, complaint));
        }
    }
    let last = case.timeline.iter().map(|it| it.at).chain(case.expected.iter().map(|it| it.at)).max();
    let last = last.unwrap_or_default();
    let mut happened = world.advance(after(case.start, last));
    if let Some(until) = case.until {
        happened.extend(world.advance(after(case.start, until)));
    } else {
        let limit = after(case.start, last + PATIENCE);
        while let Some(due) = world.next_due().filter(|due| *due <= limit) {
            happened.extend(world.advance(due));
        }
    }
    Outcome { difference: compare(case, &happened, complaints), happened }
}

fn happen(world: &mut World<Declared>, alerts: &mut Alerts, start: Timestamp, entry: &Entry) -> Result<(), String> {
    let at = after(start, entry.at);
    match &entry.input {
        Input::Alerts { firing, labels } => {
            let told = labels.iter().map(|labels| alerts.tell(labels, *firing, at)).collect();
            world.deliver(at, told);
            Ok(())
        }
        Input::Person { deed, lasts } => {
            let mut deed = deed.clone();
            if let Deed::Pause { until, .. } = &mut deed {
                *until = lasts.map(|lasts| after(at, lasts));
            }
            let who = show(entry.at);
            world.person(at, PERSON, deed).map_err(|not| format!("what a person does at {who} has no effect: {not}"))
        }
        Input::Alertmanager { answers } => {
            world.alertmanager_answers(at, *answers);
            Ok(())
        }
        Input::Gone(labels) => labels.iter().try_for_each(|labels| {
            let alert = alerts.gone(labels).ok_or_else(|| {
                format!("what is gone at {} did not fire: {}", show(entry.at), labels.get("alertname"))
            })?;
            world.gone(at, alert);
            Ok(())
        }),
        Input::Rules(rules) => {
            world.reload(at, rules.clone());
            Ok(())
        }
        Input::Change(change) => {
            world.reach(at);
            world.docker().change(change, at);
            Ok(())
        }
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
