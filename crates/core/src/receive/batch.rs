//! Taking a batch in. What the batch itself changed hides what is stored, so two copies of one notification in one batch
//! open one remediation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::names::{self, ByName};
use super::world::{Candidate, Changes, Finding, Heard, Notice, OpenTarget, PastFix, Standing, World};
use crate::alert::episode::{self, AlertState};
use crate::alert::fingerprint::Fingerprint;
use crate::decide::{Reconsidered, audit_row};
use crate::id::RemediationId;
use crate::remediation::conclusion::{Came, Conclusion};
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::record::{ActionRow, EventRow, Record, Severity, TransitionRow, VerdictRow};
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Opener, Remediation, State, StateName};
use crate::rule::model::Rule;
use crate::select::Selected;
use crate::settings::Settings;
use crate::surroundings::Storm;
use crate::target::Target;
use crate::time::{Timestamp, after, since};

/// Least time between two looks at the target of one candidate whose remediation had no effect, however often its alert is repeated.
pub const LOOK_LEAST: Duration = Duration::from_secs(30);

/// Takes notices in, in the order given. `new_id` gives ids that nothing carries yet.
#[must_use]
pub fn receive(world: &World, notices: &[Notice], settings: &Settings, new_id: &mut dyn FnMut() -> Uuid) -> Changes {
    let mut batch = Batch {
        world,
        settings,
        new_id,
        alerts: HashMap::new(),
        candidates: HashMap::new(),
        open: HashMap::new(),
        woken: HashSet::new(),
        changes: Changes::default(),
    };
    for notice in notices {
        if notice.notification.is_some_and(|id| !world.taken.contains(&id)) {
            continue;
        }
        for heard in &notice.alerts {
            batch.hear(heard, notice.received_at);
        }
    }
    batch.finish(notices.iter().map(|notice| notice.received_at).max())
}

/// What a batch knows and has changed so far; what it changed hides what is stored.
struct Batch<'a> {
    world: &'a World,
    settings: &'a Settings,
    new_id: &'a mut dyn FnMut() -> Uuid,
    alerts: HashMap<Fingerprint, AlertState>,
    /// By alert, then by rule: a body may hold a hundred thousand alerts, and none of them may cost a look at all others.
    candidates: HashMap<Fingerprint, BTreeMap<String, Candidate>>,
    open: HashMap<String, OpenTarget>,
    /// What is in `changes.woken`.
    woken: HashSet<RemediationId>,
    changes: Changes,
}

impl Batch<'_> {
    fn hear(&mut self, heard: &Heard, received_at: Timestamp) {
        let stored = || self.world.alerts.get(&heard.fingerprint);
        // The store gives alerts without their labels: whoever speaks of one has them.
        let known = self
            .alerts
            .remove(&heard.fingerprint)
            .or_else(|| stored().map(|known| AlertState { labels: heard.labels.clone(), ..known.clone() }));
        let (alert, change) = match (known, heard.word) {
            (Some(mut alert), Some(word)) => {
                let closed_at = self.closed_at(&alert);
                let change = alert.hear(word, received_at, closed_at);
                (alert, change)
            }
            (Some(alert), None) => {
                let change = if alert.firing { episode::Heard::Continued } else { episode::Heard::Stale };
                (alert, change)
            }
            (None, Some(word)) => AlertState::first(heard.fingerprint, heard.labels.clone(), word, received_at),
            (None, None) => return,
        };
        if heard.word.is_none() || matches!(change, episode::Heard::Began | episode::Heard::Continued) {
            self.let_go(heard);
        }
        match change {
            episode::Heard::Ended => self.wake(heard.fingerprint),
            episode::Heard::Began | episode::Heard::Continued => {
                for selected in &heard.selected {
                    self.consider(&alert, selected, heard, received_at);
                }
            }
            episode::Heard::Stale => {}
        }
        self.alerts.insert(heard.fingerprint, alert);
    }

    /// Everything attached to this alert looks again.
    fn wake(&mut self, fingerprint: Fingerprint) {
        let stored = self.world.candidates.get(&fingerprint).into_iter().flatten();
        let newer = self.candidates.get(&fingerprint).into_iter().flat_map(BTreeMap::values);
        for candidate in stored.chain(newer) {
            if let (Standing::Attached, Some(id)) = (candidate.standing, candidate.remediation)
                && self.woken.insert(id)
            {
                self.changes.woken.push(id);
            }
        }
    }

    /// A rule that was removed, or does not select the alert any more, waits for nothing: else it were asked for ever.
    fn let_go(&mut self, heard: &Heard) {
        let selects = |rule: &str| heard.selected.iter().any(|selected| selected.rule.name == rule);
        let stored = self.world.candidates.get(&heard.fingerprint).into_iter().flatten();
        for candidate in stored.filter(|it| it.standing == Standing::Waiting && !selects(&it.rule)) {
            let newer = self.candidates.entry(candidate.fingerprint).or_default();
            let free = || Candidate { standing: Standing::Free, ..candidate.clone() };
            newer.entry(candidate.rule.clone()).or_insert_with(free);
        }
    }

    fn candidate(&self, fingerprint: Fingerprint, rule: &str) -> Option<&Candidate> {
        let stored = || self.world.candidates.get(&fingerprint)?.iter().find(|candidate| candidate.rule == rule);
        self.candidates.get(&fingerprint).and_then(|newer| newer.get(rule)).or_else(stored)
    }

    /// When the last remediation of this episode of the alert was closed.
    fn closed_at(&self, alert: &AlertState) -> Option<Timestamp> {
        let newer = self.candidates.get(&alert.fingerprint);
        let is_newer = |it: &&Candidate| !newer.is_some_and(|newer| newer.contains_key(&it.rule));
        let stored = self.world.candidates.get(&alert.fingerprint).into_iter().flatten().filter(is_newer);
        let all = stored.chain(newer.into_iter().flat_map(BTreeMap::values));
        all.filter(|it| it.episode == alert.episode).filter_map(|it| it.closed_at).max()
    }

    fn consider(&mut self, alert: &AlertState, selected: &Selected, heard: &Heard, now: Timestamp) {
        let rule = &*selected.rule;
        // Not just heard: it is only asked again, because its target is free or its time has come.
        let spoken = heard.word.is_some();
        let known = self.candidate(alert.fingerprint, &rule.name).cloned();
        let known = known.filter(|it| it.episode == alert.episode || it.standing == Standing::Attached);
        if let Some(candidate) = &known {
            let finding = heard.reconsidered.iter().find(|it| it.rule == rule.name);
            match (candidate.standing, finding) {
                (Standing::Attached, _) if candidate.episode == alert.episode => return,
                (Standing::Attached, _) => {
                    // It resolved and fires again while its remediation is still open: the same effort goes on.
                    self.stand(Candidate { episode: alert.episode, ..candidate.clone() });
                    return;
                }
                (Standing::Spent | Standing::Free, Some(finding)) => {
                    if !self.take_finding(candidate, finding) {
                        return;
                    }
                }
                (Standing::Spent, None) if !spoken => return,
                (Standing::Spent, None) => {
                    if !self.is_other_rule(candidate, rule, now) {
                        let reason = candidate.conclusion.as_ref().map(|it| it.came).into();
                        self.changes.records.push(Record::NotOpened { rule: rule.name.clone(), reason });
                        return;
                    }
                }
                // It would expire at once, and then whoever waits for it would have it opened again, without end.
                (Standing::Free, None) if !spoken && self.is_stale(alert, now) => return,
                (Standing::Free | Standing::Waiting, _) => {}
            }
        }
        match names::by_name(selected, &alert.labels, self.settings) {
            ByName::Refused { target, guard, detail } => {
                self.refuse(alert, rule, known.as_ref(), target, guard, detail, now);
            }
            ByName::Target(target) => {
                let waited = known.is_some_and(|it| it.standing == Standing::Waiting);
                self.take_up(alert, rule, target, waited, now);
            }
        }
    }

    /// Takes in what was found about a candidate; whether its alert is decided again.
    fn take_finding(&mut self, candidate: &Candidate, finding: &Finding) -> bool {
        // Decided again by others meanwhile.
        if candidate.remediation != finding.of || candidate.conclusion.is_none() {
            return false;
        }
        let again_at = candidate.again_at.filter(|_| !finding.sleeps);
        match &finding.found {
            Reconsidered::Differs => return true,
            Reconsidered::Same(conclusion) => {
                // A person is asked again when it is time, however often it was looked at before.
                let asked_at = candidate.closed_at.filter(|_| conclusion.came == Came::Unanswered);
                let asked_at = asked_at.map(|at| after(at, self.settings.recheck));
                let again_at = again_at.map(|at| asked_at.map_or(at, |asked_at| asked_at.min(at)));
                self.stand(Candidate { conclusion: Some(conclusion.clone()), again_at, ..candidate.clone() });
            }
            Reconsidered::Unknown if finding.sleeps => self.stand(Candidate { again_at, ..candidate.clone() }),
            Reconsidered::Unknown => {}
        }
        false
    }

    /// A repeat: whether its rule is another than the one that came to the conclusion. If it is not, the target is looked at soon.
    fn is_other_rule(&mut self, candidate: &Candidate, rule: &Rule, now: Timestamp) -> bool {
        let Some(conclusion) = &candidate.conclusion else { return false };
        if *conclusion.rule != *rule.digest() {
            return true;
        }
        let soon = after(conclusion.looked_at, LOOK_LEAST.min(self.settings.recheck)).max(now);
        if candidate.again_at.is_none_or(|at| at > soon) {
            self.stand(Candidate { again_at: Some(soon), ..candidate.clone() });
        }
        false
    }

    /// Opens a remediation of a target that names alone permit, attaches the alert to the open one, or has it wait.
    fn take_up(&mut self, alert: &AlertState, rule: &Rule, target: &Target, waited: bool, now: Timestamp) {
        let written = target.to_string();
        let open = self.open.get(&written).or_else(|| self.world.open.get(&written)).cloned();
        match open {
            None => self.open(alert, rule, target, now),
            Some(open) if open.rule == rule.name => self.attach(alert, rule, written, &open, now),
            // On record already; it waits for whoever is at work now.
            Some(open) if waited => {
                self.stand(candidate(alert, rule, written, Standing::Waiting, open.id));
            }
            Some(open) => self.wait(alert, rule, target, &open, now),
        }
    }

    fn is_stale(&self, alert: &AlertState, now: Timestamp) -> bool {
        since(now, alert.evidence_at) > self.settings.freshness
    }

    fn stand(&mut self, candidate: Candidate) {
        self.candidates.entry(candidate.fingerprint).or_default().insert(candidate.rule.clone(), candidate);
    }

    fn attach(&mut self, alert: &AlertState, rule: &Rule, target: String, open: &OpenTarget, now: Timestamp) {
        let candidate = candidate(alert, rule, target, Standing::Attached, open.id);
        self.stand(candidate);
        self.changes.records.push(Record::Transition(TransitionRow {
            remediation_id: open.id,
            at: now,
            state: open.state,
            what: "alert attached".to_owned(),
            detail: json!({"fingerprint": alert.fingerprint}),
        }));
    }

    /// Another rule's remediation of the same target is open: on record, and asked again when that is closed.
    fn wait(&mut self, alert: &AlertState, rule: &Rule, target: &Target, open: &OpenTarget, now: Timestamp) {
        let would_be = fresh(open.id, alert, rule, target.clone(), now);
        let mut row = self.refusal_row(&would_be, rule, Guard::InFlight, now);
        row.detail = json!({"why": format!("rule {} is at work on it", open.rule), "remediation": open.id});
        self.changes.records.push(Record::Action(Box::new(row)));
        self.stand(candidate(alert, rule, target.to_string(), Standing::Waiting, open.id));
    }

    /// What names alone decide, no look is needed for: refused, in the transaction that took the alert in. The same answer as the
    /// last time is on record already.
    #[expect(clippy::too_many_arguments, reason = "one refusal has this many parts, and one caller")]
    fn refuse(
        &mut self,
        alert: &AlertState,
        rule: &Rule,
        known: Option<&Candidate>,
        target: &Target,
        guard: Guard,
        detail: Value,
        now: Timestamp,
    ) {
        let mut remediation = fresh((self.new_id)().into(), alert, rule, target.clone(), now);
        let reason = guard.as_str().to_owned();
        remediation.state = State::Closed { outcome: Outcome::Refused, reason, at: now };
        remediation.leave(Came::Refused { guard }, Some(rule), self.settings.recheck, now);
        let answer = |it: &Conclusion| (it.came, it.rule.clone());
        let (of, came) =
            (candidate(alert, rule, target.to_string(), Standing::Spent, remediation.id), &remediation.left);
        let same = |it: &&Candidate| {
            it.target == of.target
                && it.conclusion.is_some()
                && it.conclusion.as_ref().map(answer) == came.as_ref().map(|left| answer(&left.conclusion))
        };
        if let Some(known) = known.filter(same) {
            self.stand(Candidate { standing: Standing::Spent, ..known.clone() });
            return;
        }
        let mut row = self.refusal_row(&remediation, rule, guard, now);
        row.detail = detail;
        let (conclusion, again_at) = remediation.left.clone().map(|it| (it.conclusion, it.again_at)).unzip();
        self.stand(Candidate { closed_at: Some(now), conclusion, again_at, ..of });
        self.changes.opened.push(remediation);
        self.changes.records.push(Record::Action(Box::new(row)));
    }

    fn refusal_row(&mut self, remediation: &Remediation, rule: &Rule, guard: Guard, now: Timestamp) -> ActionRow {
        let action = rule.steps.first().map_or("escalate", |step| step.action.name());
        let mode = rule.mode.min(self.settings.mode);
        let mut row = audit_row(remediation, (self.new_id)().into(), action, mode, now);
        row.result = Some(ActionResult::Refused);
        row.reason = Some(guard.as_str().to_owned());
        row.finished_at = Some(now);
        row
    }

    fn open(&mut self, alert: &AlertState, rule: &Rule, target: &Target, now: Timestamp) {
        let written = target.to_string();
        let mut remediation = fresh((self.new_id)().into(), alert, rule, target.clone(), now);
        let id = remediation.id;
        let hold_until = after(alert.first_at, rule.hold);
        remediation.state = State::Held { until: hold_until.max(now) };
        let mut detail = json!({"fingerprint": alert.fingerprint, "episode": alert.episode, "until": hold_until});
        if let Some(at) = self.returned(rule, &written, now) {
            // Lending again would only swing to and fro: what is there is too little, and people must know.
            remediation.rung = rule.steps.len();
            detail["returned_at"] = json!(at);
        }
        if let Some(past) = self.regressed(rule, &written, now).filter(|_| remediation.rung == 0) {
            let next = past.rung + 1;
            let has_effect = rule.steps.get(next).is_some_and(|step| step.action.has_effect());
            remediation.rung = if has_effect { next } else { 0 };
            detail["regressed"] =
                json!({"action_id": past.action, "fixed_at": past.closed_at, "step": remediation.rung + 1});
            let told = std::iter::once(past.action).filter(|_| !past.regressed);
            self.changes.records.extend(told.map(|_| Record::Verdict {
                rule: rule.name.clone(),
                action: rule.steps.get(past.rung).map_or("escalate", |step| step.action.name()),
                row: VerdictRow {
                    action_id: past.action,
                    at: now,
                    verdict: Verdict::Regressed,
                    reason: format!("it came back after {} s", since(now, past.closed_at).as_secs()),
                },
            }));
        }
        self.changes.records.push(Record::Transition(TransitionRow {
            remediation_id: id,
            at: now,
            state: StateName::Held,
            what: "opened".to_owned(),
            detail,
        }));
        self.open.insert(written.clone(), OpenTarget { id, rule: rule.name.clone(), state: StateName::Held });
        self.stand(candidate(alert, rule, written, Standing::Attached, id));
        self.changes.opened.push(remediation);
    }

    fn regressed(&self, rule: &Rule, target: &str, now: Timestamp) -> Option<PastFix> {
        let past = self.world.past.fixed.get(&(rule.name.clone(), target.to_owned()))?;
        (since(now, past.closed_at) <= rule.regress_window).then(|| past.clone())
    }

    fn returned(&self, rule: &Rule, target: &str, now: Timestamp) -> Option<Timestamp> {
        let at = *self.world.past.returned.get(&(rule.name.clone(), target.to_owned()))?;
        (since(now, at) <= rule.regress_window).then_some(at)
    }

    /// How many distinct targets were opened lately, this batch among them, and whether that is a storm.
    fn weigh(&mut self, now: Timestamp) {
        let Some(limit) = self.settings.storm else { return };
        let open = |it: &&Remediation| it.outcome().is_none();
        let mut targets = self.world.past.recent.clone();
        let before = targets.len();
        targets.extend(self.changes.opened.iter().filter(open).map(|it| it.target.to_string()));
        if targets.len() == before || targets.len() < usize::try_from(limit.targets).unwrap_or(usize::MAX) {
            return;
        }
        let targets = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        let standing = self.world.past.storm.filter(|storm| now < after(storm.last_at, limit.quiet_for));
        if standing.is_none() {
            let details = json!({"targets": targets, "limit": limit.targets,
                "within_seconds": limit.within.as_secs(), "then": limit.then});
            self.changes.records.push(Record::Event(EventRow {
                at: now,
                event: "storm_began",
                severity: Severity::Critical,
                details,
            }));
        }
        let since = standing.map_or(now, |storm| storm.since);
        self.changes.storm = Some(Storm { since, last_at: now, targets });
    }

    fn finish(mut self, now: Option<Timestamp>) -> Changes {
        if let Some(now) = now {
            self.weigh(now);
        }
        self.changes.alerts = self.alerts.into_values().collect();
        // A fixed order of writing, so that two processes cannot wait for each other.
        self.changes.alerts.sort_by_key(|alert| alert.fingerprint);
        self.changes.candidates = self.candidates.into_values().flat_map(BTreeMap::into_values).collect();
        self.changes.candidates.sort_by(|a, b| (a.fingerprint, &a.rule).cmp(&(b.fingerprint, &b.rule)));
        self.changes
    }
}

fn candidate(alert: &AlertState, rule: &Rule, target: String, standing: Standing, id: RemediationId) -> Candidate {
    Candidate { standing, ..Candidate::new(alert.fingerprint, &rule.name, alert.episode, target, id) }
}

fn fresh(id: RemediationId, alert: &AlertState, rule: &Rule, target: Target, now: Timestamp) -> Remediation {
    let opener = Opener { fingerprint: alert.fingerprint, labels: alert.labels.clone() };
    Remediation::new(id, &rule.name, target, opener, now)
}
