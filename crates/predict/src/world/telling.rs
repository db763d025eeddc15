//! What happened, read off what the engine reports right after it was stored.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::happening::{Happening, Stage, What, of, of_row, told};
use fettle_core::announcement::AnnouncementName;
use fettle_core::id::RemediationId;
use fettle_core::ports::Telemetry;
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::time::Timestamp;
use fettle_core::upstream::Announcement;
use fettle_memory::physics::Clock;
use fettle_memory::store::Memory;

/// Keeps what happened until somebody asks.
pub(super) struct Teller {
    clock: Clock,
    memory: Arc<Memory>,
    tells_story: AtomicBool,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    happened: Vec<Happening>,
    /// Where each open remediation stood when it was last decided.
    open: HashMap<RemediationId, Open>,
    /// Who last wanted to tell Alertmanager about a rule and a target.
    speakers: HashMap<(AnnouncementName, String, String), RemediationId>,
    /// What Alertmanager was told: which, about whom, and since when.
    standing: HashSet<(AnnouncementName, RemediationId, Timestamp)>,
}

struct Open {
    rule: String,
    target: String,
    stage: Stage,
}

impl Teller {
    pub(super) fn new(clock: Clock, memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { clock, memory, tells_story: AtomicBool::new(false), told: Mutex::default() })
    }

    /// From now on each line of a story is told.
    pub(super) fn tell_story(&self) {
        self.tells_story.store(true, Ordering::Relaxed);
    }

    /// What happened since this was last asked.
    pub(super) fn take(&self) -> Vec<Happening> {
        std::mem::take(&mut self.lock().happened)
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What taking in wrote: openings, refusals by name, `in_flight`, `regressed`, the storm.
    fn received(&self, told: &mut Told, opened: &[Remediation], records: &[Record]) {
        let at = self.clock.now();
        for it in opened.iter().filter(|it| it.outcome().is_none()) {
            let (rule, target) = (it.rule.clone(), it.target.to_string());
            let open = Open { rule: rule.clone(), target: target.clone(), stage: Stage::of(it) };
            told.open.insert(it.id, open);
            let what = What::Opened;
            told.happened.push(Happening { at: it.opened_at, remediation: it.id, rule, target, what });
        }
        for record in records {
            let nobody = || (RemediationId::nil(), String::new(), String::new());
            let about = match record {
                Record::Action(row) => Some(((row.remediation_id, row.rule.clone(), row.target.clone()), of_row(row))),
                Record::Verdict { rule, row, .. } => {
                    let target = self.memory.rows(|rows| rows.action(row.action_id).map(|it| it.row.target.clone()));
                    of(record).map(|what| ((RemediationId::nil(), rule.clone(), target.unwrap_or_default()), what))
                }
                Record::Transition(row) if self.tells_story.load(Ordering::Relaxed) => {
                    told.open.get(&row.remediation_id).map(|it| {
                        let about = (row.remediation_id, it.rule.clone(), it.target.clone());
                        (about, What::Told { what: row.what.clone() })
                    })
                }
                record => of(record).map(|what| (nobody(), what)),
            };
            if let Some(((remediation, rule, target), what)) = about {
                told.happened.push(Happening { at, remediation, rule, target, what });
            }
        }
    }

    fn decided(&self, told: &mut Told, remediation: &Remediation, records: &[Record]) {
        let stage = Stage::of(remediation);
        let Some(open) = told.open.get_mut(&remediation.id) else { return };
        let before = std::mem::replace(&mut open.stage, stage);
        for record in records {
            if let Record::Announce(it) = record {
                let about = (it.name, remediation.rule.clone(), remediation.target.to_string());
                told.speakers.insert(about, remediation.id);
            }
        }
        let story = self.tells_story.load(Ordering::Relaxed);
        told.happened.extend(self::told(before, remediation, records, self.clock.now(), story));
        // What turns out not to have been lent ends with the decision of the remediation that would have lent it, if it was
        // ever opened.
        let at = self.clock.now();
        told.happened.extend(records.iter().filter_map(|record| match record {
            Record::Loan(loan) if self.memory.rows(|rows| rows.loan(loan.id).is_some()) => loan_ended(loan, at),
            _ => None,
        }));
        if remediation.outcome().is_some() {
            told.open.remove(&remediation.id);
        }
    }

    /// Alertmanager took these: told once, and once more when it ends.
    pub(super) fn announced(&self, announcements: &[Announcement]) {
        let (at, told) = (self.clock.now(), &mut *self.lock());
        for it in announcements {
            let label = |name: &str| it.labels.get(name).to_owned();
            let (rule, target) = (label("fettle_rule"), label("fettle_target"));
            let Some(name) = AnnouncementName::ALL.iter().find(|name| name.as_str() == it.labels.get("alertname"))
            else {
                continue;
            };
            let about = (*name, rule.clone(), target.clone());
            let Some(remediation) = told.speakers.get(&about).copied() else { continue };
            let stands = it.ends_at > at;
            let which = (*name, remediation, it.starts_at);
            // Of a call for people only the first word is news, be it that it is over already.
            let calls = *name == AnnouncementName::GaveUp;
            let news = if stands || calls { told.standing.insert(which) } else { told.standing.remove(&which) };
            if news {
                let what = What::Announced { name: *name, until: stands.then_some(it.ends_at) };
                told.happened.push(Happening { at, remediation, rule, target, what });
            }
        }
    }
}

/// The end of a loan, if it is over.
fn loan_ended(loan: &Loan, at: Timestamp) -> Option<Happening> {
    let LoanState::Closed { end, reason, .. } = &loan.state else { return None };
    let (rule, target) = (loan.rule.clone(), loan.target.to_string());
    let what = What::LoanEnded { end: *end, reason: reason.clone() };
    Some(Happening { at, remediation: loan.remediation, rule, target, what })
}

impl Telemetry for Teller {
    fn recorded(&self, remediations: &[Remediation], records: &[Record]) {
        let told = &mut *self.lock();
        match remediations {
            [one] if told.open.contains_key(&one.id) => self.decided(told, one, records),
            opened => self.received(told, opened, records),
        }
    }

    fn loan(&self, loan: &Loan, records: &[Record]) {
        let mut whats: Vec<What> = Vec::new();
        for record in records {
            match record {
                Record::Action(row) => whats.push(of_row(row)),
                record => whats.extend(of(record)),
            }
        }
        let (at, told) = (self.clock.now(), &mut *self.lock());
        let happening = |what| {
            let (rule, target) = (loan.rule.clone(), loan.target.to_string());
            Happening { at, remediation: loan.remediation, rule, target, what }
        };
        told.happened.extend(whats.into_iter().map(happening));
        told.happened.extend(loan_ended(loan, at));
    }

    /// One process that never stands still makes no late call.
    fn late(&self, _: &[Record]) {}

    fn reaction(&self, _: Duration) {}

    fn announced(&self, _: AnnouncementName, _: bool) {}

    fn heartbeat(&self, _: Timestamp) {}
}
