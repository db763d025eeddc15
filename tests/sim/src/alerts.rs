//! Prometheus and Alertmanager: alerts that are pending and fire, groups that wait, repeat and try again, and bodies that are
//! lost, doubled or late.
//!
//! A group is flushed each `group_interval`. It is notified when an alert is new in it or resolved, or after
//! `repeat_interval`; a body that nobody takes is tried again until the next flush, and then made again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::checks::Deed;
use crate::plan::Plan;
use crate::time::{Micros, SECOND, instant};
use crate::trouble::is_wrong;
use crate::world::{Wake, World};

/// The alert that always fires.
pub const WATCHDOG: &str = "Watchdog";

/// Prometheus' evaluation interval.
const EVALUATION: Micros = 5 * SECOND;

/// How long Alertmanager waits for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Longest pause between two tries.
const PAUSE_MAX: Micros = 30 * SECOND;

/// One alert as Prometheus and Alertmanager have it.
#[derive(Debug, Clone, Default)]
pub struct One {
    /// Whether it fires.
    pub firing: bool,
    /// When its expression was found true last.
    pub seen_true_at: Micros,
    /// Since when it fires.
    pub starts_at: Micros,
    /// Fires, or does not, whatever is the case.
    forced: Option<bool>,
    ends_at: Micros,
    pending_since: Option<Micros>,
    /// Whether its group has it: it fires, or its end was not sent yet.
    grouped: bool,
}

/// One group.
#[derive(Debug, Clone, Default)]
struct Group {
    scheduled: bool,
    /// When it was notified last, of which alerts that fire and which that do not.
    sent: Option<(Micros, BTreeSet<usize>, BTreeSet<usize>)>,
}

/// An alert that fettle posted.
#[derive(Debug, Clone)]
struct Own {
    labels: Labels,
    ends_at: Timestamp,
}

/// Prometheus and Alertmanager.
#[derive(Debug)]
pub struct Alerts {
    /// By number.
    pub all: Vec<One>,
    groups: Vec<Group>,
    /// By fingerprint.
    own: BTreeMap<String, Own>,
    /// Bodies on their way.
    under_way: u64,
}

/// What fettle is shown of an alert that fires.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Which.
    pub alert: usize,
    /// When it was true last.
    pub true_at: Micros,
    /// Its `startsAt` as sent: Alertmanager may move it to later.
    pub starts_at: Micros,
}

/// A body, and what it rests on.
#[derive(Debug, Clone)]
struct Body {
    text: Bytes,
    /// For each alert that it reports firing: when that was true last.
    evidence: Vec<Shown>,
}

impl One {
    /// It does not fire, and nothing more will be said of it.
    pub fn is_over(&self) -> bool {
        !self.firing && !self.grouped
    }
}

impl Alerts {
    /// Nothing fires yet.
    pub fn new(plan: &Plan) -> Self {
        let (alerts, groups) = (plan.alerts.len(), plan.groups.len());
        Self {
            all: vec![One::default(); alerts],
            groups: vec![Group::default(); groups],
            own: BTreeMap::new(),
            under_way: 0,
        }
    }

    /// Nothing fires, everything was sent, and nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.under_way == 0 && self.all.iter().all(One::is_over)
    }

    /// The number of an alert.
    pub fn by_fingerprint(plan: &Plan, fingerprint: Fingerprint) -> Option<usize> {
        plan.alerts.iter().position(|it| it.fingerprint == fingerprint)
    }

    /// Takes an alert of fettle's own.
    pub fn post(&mut self, labels: &Labels, ends_at: Timestamp) {
        self.own.insert(Fingerprint::of(labels).to_string(), Own { labels: labels.clone(), ends_at });
    }

    /// Whether `FettleWorking` inhibits this alert.
    pub fn is_inhibited(&self, plan: &Plan, at: usize, now: Timestamp) -> bool {
        let about = plan.alerts[at].labels.get("instance");
        plan.inhibits
            && self.own.values().any(|own| {
                own.ends_at > now
                    && own.labels.get("alertname") == "FettleWorking"
                    && own.labels.get("instance") == about
            })
    }
}

impl World {
    /// Prometheus evaluates all alerting rules.
    pub fn evaluate(&self) {
        let now = self.now();
        self.push(now + EVALUATION, Wake::Evaluate);
        let wrong: Vec<bool> = self.docker(|docker| {
            let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            self.plan.alerts.iter().map(|it| is_wrong(&docker.daemon, &troubles.ailing, &it.about, now)).collect()
        });
        let (calm, force) =
            (self.is_calm(), self.chance(30).then(|| (self.below(self.plan.alerts.len() as u64), self.below(4))));
        let mut flushes = Vec::new();
        {
            let mut alerts = self.alerts();
            if let Some((at, how)) = force {
                let at = usize::try_from(at).unwrap_or(0);
                alerts.all[at].forced = [None, Some(true), Some(true), Some(false)][usize::try_from(how).unwrap_or(0)];
            }
            for (at, wrong) in wrong.into_iter().enumerate() {
                let plan = &self.plan.alerts[at];
                let one = &mut alerts.all[at];
                let is_true = !calm && one.forced.unwrap_or(wrong);
                if is_true {
                    one.seen_true_at = now;
                    let since = *one.pending_since.get_or_insert(now);
                    if !one.firing && now - since >= plan.pending {
                        (one.firing, one.starts_at, one.grouped) = (true, now, true);
                        self.note(|| format!("alert {at} {} of {} fires", plan.labels.get("alertname"), plan.about));
                        flushes.push(plan.group);
                    }
                } else {
                    one.pending_since = None;
                    if one.firing {
                        (one.firing, one.ends_at) = (false, now);
                        self.note(|| format!("alert {at} {} of {} ends", plan.labels.get("alertname"), plan.about));
                    }
                }
            }
        }
        for group in flushes {
            let scheduled = std::mem::replace(&mut self.alerts().groups[group].scheduled, true);
            if !scheduled {
                self.push(now + self.plan.groups[group].wait, Wake::Flush(group));
            }
        }
    }

    /// Alertmanager flushes a group.
    pub fn flush(self: &Arc<Self>, group: usize) {
        let now = self.now();
        let mut alerts = self.alerts();
        let mine = |at: &usize| self.plan.alerts[*at].group == group;
        let members: Vec<usize> = (0..alerts.all.len()).filter(mine).filter(|at| alerts.all[*at].grouped).collect();
        if members.is_empty() {
            alerts.groups[group].scheduled = false;
            return;
        }
        self.push(now + self.plan.groups[group].interval, Wake::Flush(group));
        let silenced = self.people().silences;
        let muted = |at: &usize| silenced || alerts.is_inhibited(&self.plan, *at, instant(now));
        let members: Vec<usize> = members.into_iter().filter(|at| !muted(at)).collect();
        let (firing, resolved): (BTreeSet<usize>, BTreeSet<usize>) =
            members.iter().partition(|at| alerts.all[**at].firing);
        let due = match &alerts.groups[group].sent {
            None => !firing.is_empty(),
            Some((at, before, ended)) => {
                !firing.is_subset(before)
                    || resolved.iter().any(|it| before.contains(it) && !ended.contains(it))
                    || (!firing.is_empty() && now - at >= self.plan.groups[group].repeat)
            }
        };
        let body = due.then(|| self.body(&alerts, group, &firing, &resolved));
        if !due {
            // What ended and was never reported firing is dropped; and so is what was muted, once it is over.
            let over = |at: &usize| mine(at) && !alerts.all[*at].firing && !muted(at);
            let over: Vec<usize> = (0..alerts.all.len()).filter(over).collect();
            for at in over {
                alerts.all[at].grouped = false;
            }
        }
        drop(alerts);
        if let Some(body) = body {
            self.alerts().under_way += 1;
            let world = self.clone();
            tokio::spawn(async move { world.notify(group, body, firing, resolved).await });
        }
    }

    fn body(&self, alerts: &Alerts, group: usize, firing: &BTreeSet<usize>, resolved: &BTreeSet<usize>) -> Body {
        let moved = if self.chance(60) { self.within(20) } else { 0 };
        let jumped = if self.chance(15) { 360 * SECOND } else { 0 };
        let starts_at = |at: usize| alerts.all[at].starts_at + moved + jumped;
        let alert = |at: usize| {
            let (plan, one) = (&self.plan.alerts[at], &alerts.all[at]);
            let labels: BTreeMap<&str, &str> = plan.labels.iter().collect();
            let ends_at = if one.firing { "0001-01-01T00:00:00Z".to_owned() } else { instant(one.ends_at).to_string() };
            json!({"status": if one.firing { "firing" } else { "resolved" }, "labels": labels, "annotations": {},
                "startsAt": instant(starts_at(at)).to_string(), "endsAt": ends_at})
        };
        let all: Vec<_> = firing.iter().chain(resolved).map(|at| alert(*at)).collect();
        let status = if firing.is_empty() { "resolved" } else { "firing" };
        let text = json!({"version": "4", "groupKey": format!("{{}}:{{group=\"{group}\"}}"), "status": status,
            "receiver": "fettle", "alerts": all});
        let shown = |at: &usize| Shown { alert: *at, true_at: alerts.all[*at].seen_true_at, starts_at: starts_at(*at) };
        let evidence = firing.iter().map(shown).collect();
        Body { text: text.to_string().into(), evidence }
    }

    /// Sends a body until it is taken, or until the next flush makes another.
    async fn notify(self: Arc<Self>, group: usize, body: Body, firing: BTreeSet<usize>, resolved: BTreeSet<usize>) {
        let until = self.now() + self.plan.groups[group].interval.max(20 * SECOND);
        self.checks().sent(&body.text, &body.evidence);
        let mut pause = SECOND;
        let mut sent = self.chance(30);
        if sent {
            self.note(|| format!("group {group}: a notification is lost on the way"));
        }
        while !sent && (self.now() < until || self.is_calm()) {
            sent = self.post_once(&body).await;
            if !sent {
                tokio::time::sleep_until(self.at(self.now() + pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
        if sent {
            let mut alerts = self.alerts();
            for at in &resolved {
                let one = &mut alerts.all[*at];
                one.grouped = one.firing;
            }
            alerts.groups[group].sent = Some((self.now(), firing, resolved));
        }
        if self.chance(100) {
            tokio::time::sleep_until(self.at(self.now() + self.within(8))).await;
            self.post_once(&body).await;
        }
        if self.chance(30) {
            tokio::time::sleep_until(self.at(self.now() + self.within(480))).await;
            if !self.is_calm() {
                self.post_once(&body).await;
            }
        }
        self.alerts().under_way -= 1;
    }

    /// Posts a body to one of the processes; whether it was acknowledged.
    async fn post_once(&self, body: &Body) -> bool {
        let up: Vec<_> = self.replicas.iter().filter(|it| it.is_up()).collect();
        if up.is_empty() {
            return false;
        }
        let chosen = usize::try_from(self.below(up.len() as u64)).unwrap_or(0);
        let Some(posted) = up[chosen].post(body.text.clone()) else { return false };
        match tokio::time::timeout(ANSWER, posted).await {
            Ok(Ok(Ok(accepted))) => {
                self.deed(&Deed::Accepted { notification: accepted.id });
                // A proxy may lose the answer: then it is sent again.
                !self.chance(20)
            }
            _ => false,
        }
    }

    /// An id that nothing carries yet: of a process, a pause or an answer.
    pub fn new_id<T: From<Uuid>>(&self) -> T {
        let mut rng = self.rng();
        let (high, low) = (rng.below(u64::MAX), rng.below(u64::MAX));
        Uuid::from_u64_pair(high, low).into()
    }
}
