//! The replay itself, on a thread of its own: deliveries, cures and people's deeds in one order of time, and what came of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use super::assume::{Assume, Assumed, Assumption, Cured};
use super::effort::{Act, Effort, Tally, Waits};
use super::record::{PastDeed, Record, in_order};
use super::sights;
use super::source::Delivery;
use crate::world::{Clock, Deed, Happening, Setting, What, World, here, memory};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::webhook::Alert;
use fettle_core::id::RemediationId;
use fettle_core::remediation::outcome::{ActionResult, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::target::{Disks, Hosts};
use fettle_core::time::Timestamp;

/// Notifications that may wait for the replay.
const AHEAD: usize = 64;

/// What a replay is made with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The service's limits.
    pub settings: Settings,
    /// The configured hosts.
    pub hosts: Hosts,
    /// Their disks.
    pub disks: Disks,
    /// What effects give.
    pub assume: Assume,
    /// When what is counted begins; what is delivered before only prepares the ledger.
    pub from: Timestamp,
    /// When the virtual clock begins.
    pub start: Timestamp,
    /// Whether every remediation is kept, or only counted.
    pub keeps: bool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Every remediation in the order in which they were opened, when they are kept.
    pub efforts: Vec<Effort>,
    /// Candidates that waited.
    pub waits: Waits,
    /// What would have been done, by rule.
    pub tallies: BTreeMap<Arc<str>, Tally>,
    /// What was delivered within what is counted.
    pub notifications: u64,
    /// Alerts in it.
    pub alerts: u64,
    /// Alerts that were passed over, because an effect that is assumed to have fixed them would have kept them from firing.
    pub passed_over: u64,
    /// Answers of people that nothing waited for.
    pub idle_answers: u64,
    /// What was on record.
    pub record: Record,
}

/// A replay under way, on a thread of its own: its time is virtual.
pub struct Replay {
    heard: SyncSender<Heard>,
    thread: JoinHandle<Outcome>,
}

/// What a replay is told.
enum Heard {
    Delivery(Delivery),
    End(Timestamp),
}

impl Heard {
    fn at(&self) -> Timestamp {
        match self {
            Self::Delivery(delivery) => delivery.at,
            Self::End(at) => *at,
        }
    }
}

impl Replay {
    /// A replay in which nothing has happened yet.
    #[must_use]
    pub fn new(setup: Setup, record: Record) -> Self {
        let (heard, told) = mpsc::sync_channel(AHEAD);
        Self { heard, thread: std::thread::spawn(move || live(setup, record, &told)) }
    }

    /// A notification is received; none may be earlier than the one before.
    pub fn deliver(&mut self, delivery: Delivery) {
        // It ends early only by a panic, which `finish` passes on.
        let _ = self.heard.send(Heard::Delivery(delivery));
    }

    /// Lets time pass until `to`; what is open then stays so.
    ///
    /// # Panics
    /// When the replay did, with the same.
    #[must_use]
    pub fn finish(self, to: Timestamp) -> Outcome {
        let _ = self.heard.send(Heard::End(to));
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn live(setup: Setup, mut record: Record, told: &Receiver<Heard>) -> Outcome {
    let Ok(first) = told.recv() else { return Outcome::default() };
    let deeds: VecDeque<_> = std::mem::take(&mut record.deeds).into();
    // Time begins with what happens: of files nobody knows the beginning.
    let begins = deeds.front().map_or(first.at(), |(at, ..)| first.at().min(*at)).max(setup.start);
    here(begins, async |clock| {
        let mut replaying = Replaying::new(setup, record, deeds, clock);
        let mut next = Ok(first);
        while let Ok(Heard::Delivery(delivery)) = next {
            replaying.deliver(delivery).await;
            next = told.recv();
        }
        match next {
            Ok(Heard::End(to)) => replaying.finish(to).await,
            // Whoever replays is gone.
            _ => Outcome::default(),
        }
    })
}

struct Replaying {
    world: World,
    assumed: Arc<Assumed>,
    from: Timestamp,
    keeps: bool,
    deeds: VecDeque<(Timestamp, String, PastDeed)>,
    cures: BinaryHeap<Reverse<(Timestamp, RemediationId)>>,
    /// Alerts that would not fire any more, and since when.
    cured: HashMap<Fingerprint, Timestamp>,
    efforts: HashMap<RemediationId, Effort>,
    outcome: Outcome,
}

impl Replaying {
    fn new(setup: Setup, record: Record, deeds: VecDeque<(Timestamp, String, PastDeed)>, clock: Clock) -> Self {
        let Setup { rules, mut settings, hosts, disks, assume, from, start: _, keeps } = setup;
        // What the record calls protected is known by an address that nothing else has.
        settings.protected.database.insert(sights::PROTECTED.to_owned());
        let memory = memory(clock);
        let of = Assumption { assume, record, rules: rules.clone(), disks };
        let assumed = Assumed::new(of, clock, memory.clone());
        let (platform, query) = (assumed.clone(), Some(assumed.clone() as _));
        let setting = Setting { rules, settings, hosts, clock, memory, platform, query, forgets: true, steady: true };
        Self {
            world: World::begin(setting),
            assumed,
            from,
            keeps,
            deeds,
            cures: BinaryHeap::new(),
            cured: HashMap::new(),
            efforts: HashMap::new(),
            outcome: Outcome::default(),
        }
    }

    async fn deliver(&mut self, delivery: Delivery) {
        self.until(delivery.at).await;
        if delivery.at >= self.from {
            self.outcome.notifications += 1;
            self.outcome.alerts += delivery.alerts.len() as u64;
        }
        let mut alerts = delivery.alerts;
        if !self.cured.is_empty() {
            let before = alerts.len();
            alerts.retain(|alert| !self.would_not_be_sent(alert));
            self.outcome.passed_over += (before - alerts.len()) as u64;
        }
        if !alerts.is_empty() {
            self.world.deliver(delivery.at, alerts).await;
        }
    }

    async fn finish(mut self, to: Timestamp) -> Outcome {
        self.until(to).await;
        let told = self.world.advance(to).await;
        self.note(told);
        for effort in in_order(std::mem::take(&mut self.efforts)) {
            self.keep(effort);
        }
        let mut outcome = self.outcome;
        outcome.efforts.sort_by(|a, b| (a.opened_at, &a.target).cmp(&(b.opened_at, &b.target)));
        outcome.record = self.assumed.take_record();
        outcome
    }

    /// Whether an effect that fixed it would have kept this alert from firing on. One that begins anew is another story.
    fn would_not_be_sent(&mut self, alert: &Alert) -> bool {
        match self.cured.get(&alert.fingerprint) {
            Some(cured_at) if alert.firing && alert.starts_at <= *cured_at => true,
            Some(_) => {
                self.cured.remove(&alert.fingerprint);
                false
            }
            None => false,
        }
    }

    /// Everything before `at`: what an effect cures is known before its target is judged.
    async fn until(&mut self, at: Timestamp) {
        loop {
            let deed = self.deeds.front().map(|(when, ..)| *when).filter(|when| *when <= at);
            let cure = self.cures.peek().map(|Reverse((when, _))| *when).filter(|when| *when <= at);
            let next = [deed, cure].into_iter().flatten().min();
            // Cancel safe: time that has passed has passed, and news that nobody took stays.
            tokio::select! {
                biased;
                () = self.assumed.news.notified() => {
                    self.hear_of_cures().await;
                    continue;
                }
                () = self.world.reach(next.unwrap_or(at)) => {}
            }
            let told = self.world.happened();
            self.note(told);
            if next.is_none() {
                return;
            }
            if deed == next {
                self.act().await;
            } else if let Some(at) = cure {
                self.cure(at).await;
            }
        }
    }

    async fn hear_of_cures(&mut self) {
        for Cured { remediation, effect_at, heard_at } in self.assumed.cured() {
            for alert in self.world.attached(remediation).await {
                self.cured.insert(alert.fingerprint, effect_at);
            }
            self.cures.push(Reverse((heard_at, remediation)));
        }
    }

    async fn act(&mut self) {
        let Some((at, by, deed)) = self.deeds.pop_front() else { return };
        let deed = match deed {
            PastDeed::Pause(scope, reason, until) => Deed::Pause { scope, reason, until },
            PastDeed::Resume(scope) => Deed::Resume { scope },
            PastDeed::Answer(kind, target) => Deed::Answer { kind, target },
        };
        let is_answer = matches!(deed, Deed::Answer { .. });
        if self.world.person(at, &by, deed).await.is_err() && is_answer && at >= self.from {
            self.outcome.idle_answers += 1;
        }
    }

    /// The alerts of a remediation are heard to be resolved.
    async fn cure(&mut self, at: Timestamp) {
        let Some(Reverse((_, remediation))) = self.cures.pop() else { return };
        let resolved = |it: fettle_core::alert::episode::AlertState| Alert {
            fingerprint: it.fingerprint,
            labels: it.labels,
            firing: false,
            starts_at: it.starts_at,
            ends_at: Some(at),
        };
        let firing = self.world.attached(remediation).await.into_iter().filter(|it| it.firing);
        let alerts: Vec<Alert> = firing.map(resolved).collect();
        if !alerts.is_empty() {
            self.world.deliver(at, alerts).await;
        }
    }

    fn note(&mut self, told: Vec<Happening>) {
        for it in told {
            self.note_one(it);
        }
    }

    fn note_one(&mut self, it: Happening) {
        if it.remediation.is_nil() {
            return;
        }
        let waits_for_another = match &it.what {
            What::Refused { guard, .. } => {
                let of = self.efforts.get(&it.remediation).map(|effort| *effort.rule == *it.rule);
                Guard::from_word(guard).filter(|_| of == Some(false))
            }
            _ => None,
        };
        if let Some(guard) = waits_for_another {
            if it.at >= self.from {
                self.outcome.waits.add(&it.rule, it.at, guard);
                self.outcome.tallies.entry(it.rule.as_str().into()).or_default().wait(guard);
            }
            return;
        }
        // Verdicts and loans outlive their remediation.
        let begins = matches!(it.what, What::Opened | What::Refused { .. });
        if begins {
            self.efforts.entry(it.remediation).or_insert_with(|| Effort::new(&it.rule, &it.target, it.at));
        }
        let Some(effort) = self.efforts.get_mut(&it.remediation) else { return };
        let mut act = |action, step, result| effort.acts.push(Act { at: it.at, action, step, result, verdict: None });
        match it.what {
            What::Began { action, step, .. } => act(action, step, None),
            What::Observed { action, step, .. } => act(action, step, Some(ActionResult::Observed)),
            What::Escalated { step, .. } => act("escalate", step, Some(ActionResult::Succeeded)),
            // Without one it was known to have failed before it began.
            What::Ended { result, .. } => {
                if let Some(act) = effort.acts.iter_mut().rev().find(|act| act.result.is_none()) {
                    act.result = Some(result);
                }
            }
            What::Verdict { verdict, .. } if verdict != Verdict::Regressed => {
                if let Some(act) = effort.acts.iter_mut().rev().find(|act| act.verdict.is_none()) {
                    act.verdict = Some(verdict);
                }
            }
            What::Blocked { guard, .. } => effort.block(guard),
            What::Awaiting { .. } => effort.asked += 1,
            What::Refused { guard, .. } => {
                let guard = Guard::from_word(&guard);
                effort.refused = guard.filter(|it| it.is_final() || *it == Guard::Approval).or(effort.refused);
                // What names alone refuse is closed as it is opened.
                if effort.refused.is_some_and(Guard::is_final) {
                    effort.outcome = Some(fettle_core::remediation::outcome::Outcome::Refused);
                }
            }
            What::Closed { outcome, .. } => {
                effort.outcome = Some(outcome);
                effort.closed_at = Some(it.at);
                // Another rule's remediation of it may be open by now, and has looked at it as it is.
                if !self.world.is_target_open(&it.target) {
                    self.assumed.settle(&it.target);
                }
            }
            _ => {}
        }
        let over = effort.closed_at.is_some() || (effort.outcome.is_some() && !self.world.is_open(it.remediation));
        if over && let Some(mut effort) = self.efforts.remove(&it.remediation) {
            effort.closed_at = effort.closed_at.or(Some(it.at));
            self.keep(effort);
        }
    }

    fn keep(&mut self, mut effort: Effort) {
        if effort.opened_at < self.from {
            return;
        }
        self.outcome.tallies.entry(effort.rule.clone()).or_default().add(&effort);
        if self.keeps {
            effort.acts.shrink_to_fit();
            self.outcome.efforts.push(effort);
        }
    }
}
