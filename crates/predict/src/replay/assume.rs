//! The platform of a replay: nobody looks at Docker, so what a look shows and what an effect gives is assumed.
//!
//! A target is there, permits fettle, runs and fails its health check, unless the record says that it was refused; a service
//! has as many replicas as the step that scales it needs. An effect takes as long as on record, else `TAKES`, and gives
//! what [`Assume`] says. One that is assumed to have fixed it, without a record that says so, has also made its alert
//! resolve: the record cannot show that, because nothing was done then (`Cured`).
//! Dependents are not made up. Two spellings of one thing are two things here.
//!
//! What an effect changes about a target is for the model of Docker to say ([`touched`]); only whether it helps is assumed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::record::Record;
use super::sights;
use crate::world::{Clock, Memory};
use fettle_core::effect::Effect;
use fettle_core::id::RemediationId;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::ports::upstream::{Answer, Query, UpstreamError};
use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::remediation::record::ActionRow;
use fettle_core::rule::set::RuleSet;
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::{Disks, Target};
use fettle_core::time::{Timestamp, after};
use fettle_memory::physics::touched;

/// How long an effect takes that is not on record.
const TAKES: Duration = Duration::from_secs(1);

/// What errors name in place of a daemon.
const ENDPOINT: &str = "record";

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
pub(super) struct Assumed {
    clock: Clock,
    memory: Arc<Memory>,
    assume: Assume,
    rules: Arc<RuleSet>,
    disks: Disks,
    state: Mutex<State>,
    /// Somebody was cured.
    pub(super) news: Notify,
}

struct State {
    record: Record,
    /// By target as written, and whether all replicas were looked at.
    things: HashMap<(String, bool), Thing>,
    cured: Vec<Cured>,
}

/// Whose call it is.
struct Intent {
    remediation: RemediationId,
    rule: String,
    action: &'static str,
    step: u32,
}

impl Intent {
    fn of(row: &ActionRow) -> Self {
        Self { remediation: row.remediation_id, rule: row.rule.clone(), action: row.action, step: row.step }
    }
}

/// What is assumed, and about what.
pub(super) struct Assumption {
    pub(super) assume: Assume,
    pub(super) record: Record,
    pub(super) rules: Arc<RuleSet>,
    pub(super) disks: Disks,
}

impl Assumed {
    /// A platform that nothing has touched. Whose call is made is read in `memory`, where its intent is stored.
    pub(super) fn new(of: Assumption, clock: Clock, memory: Arc<Memory>) -> Arc<Self> {
        let Assumption { assume, record, rules, disks } = of;
        let state = Mutex::new(State { record, things: HashMap::new(), cured: Vec::new() });
        Arc::new(Self { clock, memory, assume, rules, disks, state, news: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Effects that made their alerts resolve, since the last time this was asked.
    pub(super) fn cured(&self) -> Vec<Cured> {
        std::mem::take(&mut self.lock().cured)
    }

    /// A remediation of this target is closed: the container is as any other when its next alert comes.
    pub(super) fn settle(&self, target: &str) {
        // Replicas stay as they were lent.
        self.lock().things.remove(&(target.to_owned(), false));
    }

    /// The record, once the replay is over.
    pub(super) fn take_record(&self) -> Record {
        std::mem::take(&mut self.lock().record)
    }

    /// What becomes of an effect on a target, and how long that takes.
    fn fate(&self, intent: Option<&Intent>, target: &str) -> (Fate, Duration) {
        let recorded = match self.assume {
            Assume::Fixed => return (Fate::Well { cures: true }, TAKES),
            Assume::NotFixed => return (Fate::Unwell, TAKES),
            Assume::AsRecorded => {
                intent.and_then(|it| self.lock().record.act(&it.rule, target, it.action, self.clock.now()))
            }
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

    async fn call(&self, target: &Target, pin: &Pin, effect: &Effect) -> Result<(), PlatformError> {
        let written = target.to_string();
        let intent = self.memory.rows(|rows| rows.under_way(&written).map(|it| Intent::of(&it.row)));
        let (fate, takes) = self.fate(intent.as_ref(), &written);
        tokio::time::sleep(takes).await;
        if fate == Fate::Failed {
            let (endpoint, message) = (ENDPOINT.to_owned(), "it failed on record".to_owned());
            return Err(PlatformError::Answered { endpoint, status: 500, message });
        }
        let (now, replicas) = (self.clock.now(), is_of_replicas(pin));
        let key = Self::key(target, replicas);
        let mut state = self.lock();
        let known = state.things.remove(&key).map(|thing| thing.sight);
        let Some(sight) = known.or_else(|| sights::sight(target, replicas, &self.rules, &self.disks)) else {
            return Ok(());
        };
        let helps = matches!(fate, Fate::Well { .. });
        let mut sight = touched(sight, target, effect, helps, now);
        sights::set_well(&mut sight, helps);
        state.things.insert(key, Thing { sight, fate, effect_at: now });
        if let (Fate::Well { cures: true }, Some(Intent { rule, step, remediation, .. })) = (fate, intent) {
            let rule = self.rules.get(&rule);
            let step = rule.and_then(|rule| rule.steps.get(usize::try_from(step).ok()?.checked_sub(1)?));
            let settle = step.map(|step| step.verify.settle).unwrap_or_default();
            state.cured.push(Cured { remediation, effect_at: now, heard_at: after(now, settle) });
            self.news.notify_one();
        }
        Ok(())
    }
}

/// All replicas of a service are identified by their ids, one container by its own.
fn is_of_replicas(pin: &Pin) -> bool {
    pin.id.contains(':')
}

#[async_trait]
impl Platform for Assumed {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        let state = self.lock();
        let refused = state.record.refused(&target.to_string(), self.clock.now());
        Ok(match state.things.get(&Self::key(target, wanted.replicas)) {
            Some(thing) if refused.is_none() => Found::one(thing.sight.clone()),
            _ => sights::find(target, wanted, refused, &self.rules, &self.disks),
        })
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let (now, replicas) = (self.clock.now(), is_of_replicas(pin));
        match self.lock().things.get(&Self::key(target, replicas)) {
            Some(thing) if now > thing.effect_at && thing.fate == Fate::Superseded => Ok(None),
            Some(thing) if now > thing.effect_at && thing.fate == Fate::Blind => {
                let cause = "the record does not say".to_owned();
                Err(PlatformError::Broken { endpoint: ENDPOINT.to_owned(), cause })
            }
            Some(thing) => Ok(Some(thing.sight.clone())),
            None => Ok(sights::sight(target, replicas, &self.rules, &self.disks)),
        }
    }

    /// A record of an effect that was not executed had its proof.
    async fn call_path(&self, _: &Target, _: &Pin, _: &Effect) -> CallPath {
        CallPath::Works
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        Performed { touched: json!({}), answer: self.call(target, pin, effect).await, short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        Vec::new()
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        Vec::new()
    }
}

#[async_trait]
impl Query for Assumed {
    async fn query(&self, _: &str, _: Option<Timestamp>) -> Result<Answer, UpstreamError> {
        Ok(Answer::Scalar(1.0))
    }
}
