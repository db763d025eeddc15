//! The platform of a replay: nobody looks at Docker, so what a look shows and what an effect gives is assumed.
//!
//! A target is there, permits fettle, runs and fails its health check, unless the record says that it was refused; a service
//! has as many replicas as the step that scales it needs. An effect takes as long as on record, else `TAKES`, and gives
//! what [`Assume`] says. One that is assumed to have fixed it, without a record that says so, has also made its alert
//! resolve: the record cannot show that, because nothing was done then (`Cured`).
//! Dependents are not made up. Two spellings of one thing are two things here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::record::Record;
use super::sights;
use crate::world::{Answered, Docker, Sent};
use fettle_core::decide::{Blind, CallFailure};
use fettle_core::effect::Effect;
use fettle_core::id::RemediationId;
use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::rule::set::RuleSet;
use fettle_core::sight::{Found, Pin, Sight, Status, Wanted};
use fettle_core::target::{Disks, Target};
use fettle_core::time::{Timestamp, after};

/// How long an effect takes that is not on record.
const TAKES: Duration = Duration::from_secs(1);

/// What an effect gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Assume {
    /// It fixes its target, and the alert resolves.
    Fixed,
    /// It happens and does not help.
    NotFixed,
    /// What it gave on record, where the same rule did the same to the same target near that time; else it fixes.
    #[default]
    AsRecorded,
}

/// An effect that made alerts resolve which the record shows firing on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cured {
    /// Whose alerts.
    pub(super) remediation: RemediationId,
    /// When the effect was over.
    pub(super) effect_at: Timestamp,
    /// When the alerts are heard to be resolved.
    pub(super) heard_at: Timestamp,
}

/// What becomes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It fixes; `cures`: and nothing on record says that the alert resolves.
    Well {
        cures: bool,
    },
    Unwell,
    Failed,
    /// Nobody can tell, from then on.
    Blind,
    /// Somebody else acts right after it.
    Superseded,
}

/// A target that was touched.
#[derive(Debug)]
struct Thing {
    sight: Sight,
    fate: Fate,
    effect_at: Timestamp,
}

/// The platform.
#[derive(Debug)]
pub struct Assumed {
    assume: Assume,
    record: Record,
    rules: Arc<RuleSet>,
    disks: Disks,
    /// By target as written, and whether all replicas were looked at.
    things: HashMap<(String, bool), Thing>,
    under_way: HashMap<Uuid, Fate>,
    cured: Vec<Cured>,
}

impl Assumed {
    /// A platform that nothing has touched.
    #[must_use]
    pub fn new(assume: Assume, record: Record, rules: Arc<RuleSet>, disks: Disks) -> Self {
        let (things, under_way, cured) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { assume, record, rules, disks, things, under_way, cured }
    }

    /// Effects that made their alerts resolve, since the last time this was asked.
    pub(super) fn cured(&mut self) -> Vec<Cured> {
        std::mem::take(&mut self.cured)
    }

    /// A remediation of this target is closed: the container is as any other when its next alert comes.
    pub(super) fn settle(&mut self, target: &str) {
        // Replicas stay as they were lent.
        self.things.remove(&(target.to_owned(), false));
    }

    /// The record, once the replay is over.
    pub(super) fn into_record(self) -> Record {
        self.record
    }

    fn fate(&mut self, sent: &Sent<'_>, now: Timestamp) -> (Fate, Duration) {
        let recorded = match self.assume {
            Assume::Fixed => return (Fate::Well { cures: true }, TAKES),
            Assume::NotFixed => return (Fate::Unwell, TAKES),
            Assume::AsRecorded => self.record.act(sent.rule, &sent.target.to_string(), sent.attempt.action.name(), now),
        };
        let Some(act) = recorded else { return (Fate::Well { cures: true }, TAKES) };
        let fate = match (act.result, act.verdict) {
            (ActionResult::Failed, _) => Fate::Failed,
            (ActionResult::Unknown, _) | (_, Some(Verdict::Unknown)) => Fate::Blind,
            // A stopped container's alert clears by itself: the record says when.
            (_, Some(Verdict::NotFixed | Verdict::Cleared)) => Fate::Unwell,
            (_, Some(Verdict::Superseded)) => Fate::Superseded,
            _ => Fate::Well { cures: false },
        };
        (fate, act.took)
    }

    fn key(target: &Target, replicas: bool) -> (String, bool) {
        (target.to_string(), replicas && matches!(target, Target::Compose { .. }))
    }
}

impl Docker for Assumed {
    fn find(&mut self, target: &Target, wanted: Wanted, now: Timestamp) -> Result<Found, Blind> {
        let written = target.to_string();
        let refused = self.record.refused(&written, now);
        match self.things.get(&Self::key(target, wanted.replicas)) {
            Some(thing) if refused.is_none() => Ok(Found::one(thing.sight.clone())),
            _ => Ok(sights::find(target, wanted, refused, &self.rules, &self.disks)),
        }
    }

    fn look(&mut self, target: &Target, pin: &Pin, now: Timestamp) -> Result<Option<Box<Sight>>, Blind> {
        // All replicas of a service are identified by their ids, one container by its own.
        let replicas = pin.id.contains(':');
        match self.things.get(&Self::key(target, replicas)) {
            Some(thing) if now > thing.effect_at && thing.fate == Fate::Superseded => Ok(None),
            Some(thing) if now > thing.effect_at && thing.fate == Fate::Blind => {
                Err(Blind { reason: "as_recorded", error: "the record does not say".to_owned() })
            }
            Some(thing) => Ok(Some(Box::new(thing.sight.clone()))),
            None => Ok(sights::sight(target, replicas, &self.rules, &self.disks).map(Box::new)),
        }
    }

    fn send(&mut self, sent: Sent<'_>, now: Timestamp) -> Duration {
        let (fate, takes) = self.fate(&sent, now);
        self.under_way.insert(sent.attempt.action_id.into(), fate);
        takes
    }

    fn answer(&mut self, sent: Sent<'_>, now: Timestamp) -> Answered {
        let fate = self.under_way.remove(&sent.attempt.action_id.into()).unwrap_or(Fate::Well { cures: false });
        if fate == Fate::Failed {
            let error = "it failed on record".to_owned();
            let failure = CallFailure { reason: "as_recorded", error, nothing_sent: false, is_answer: true };
            return Answered { answer: Err(failure), ..Answered::done() };
        }
        let replicas = sent.attempt.pin.id.contains(':');
        let key = Self::key(sent.target, replicas);
        let known = self.things.remove(&key).map(|thing| thing.sight);
        let Some(mut sight) = known.or_else(|| sights::sight(sent.target, replicas, &self.rules, &self.disks)) else {
            return Answered::done();
        };
        touch(&mut sight, &sent.attempt.effect, now);
        sights::set_well(&mut sight, matches!(fate, Fate::Well { .. }));
        self.things.insert(key, Thing { sight, fate, effect_at: now });
        if fate == (Fate::Well { cures: true }) {
            let heard_at = after(now, sent.attempt.verify.settle);
            self.cured.push(Cured { remediation: sent.about.into(), effect_at: now, heard_at });
        }
        Answered::done()
    }

    fn metric(&mut self, _: &str, _: Timestamp) -> Result<bool, Blind> {
        Ok(true)
    }

    fn is_steady(&self) -> bool {
        true
    }
}

/// What an effect changes.
fn touch(sight: &mut Sight, effect: &Effect, now: Timestamp) {
    match (sight, effect) {
        (Sight::Container(it), Effect::Restart { .. }) => {
            it.status = Status::Running;
            it.started_at = Some(now);
        }
        (Sight::Container(it), Effect::Stop { .. }) => it.status = Status::Exited,
        (Sight::Container(it), Effect::SetLimits { memory, nano_cpus }) => {
            it.memory_limit = memory.or(it.memory_limit);
            it.nano_cpus = nano_cpus.or(it.nano_cpus);
        }
        (Sight::Replicas(it), Effect::StopReplicas { replicas, .. }) => {
            let named = it.members.iter_mut().filter(|member| replicas.iter().any(|one| one.id == member.id));
            named.for_each(|member| member.status = Status::Exited);
        }
        (Sight::Replicas(it), Effect::StartReplicas { replicas, .. }) => {
            let named = it.members.iter_mut().filter(|member| replicas.iter().any(|one| one.id == member.id));
            named.for_each(|member| member.status = Status::Running);
        }
        (Sight::Service(it), Effect::SetReplicas { to, .. }) => {
            it.version += 1;
            it.replicas = Some(*to);
        }
        (Sight::Service(it), Effect::ForceUpdate { .. }) => it.version += 1,
        _ => {}
    }
}
