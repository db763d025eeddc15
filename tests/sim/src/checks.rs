//! What must always hold. Each check is a named function that sees every deed as it happens and knows nothing of how the core,
//! the ledger or the guards are written: it counts for itself.

mod book;
mod effects;
mod ending;
mod limits;
mod people;
mod records;

use std::collections::BTreeMap;

use fettle_core::alert::episode::Word;
use fettle_core::guard::Request;
use fettle_core::receive::Changes;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::record::{BreakerRow, Record};
use fettle_core::remediation::state::{Attempt, Remediation};
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::time::Timestamp;
use uuid::Uuid;

use self::book::Book;
pub use self::book::Intent;
use crate::docker::{Docker, Sent};
use crate::plan::Plan;
use crate::store::Store;
use crate::time::{Micros, micros};

/// When the facts of a decision were read, by true time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// When.
    pub at: Micros,
}

/// What was done.
#[derive(Debug)]
pub enum Deed<'a> {
    /// Nothing besides what transactions left behind.
    Settle,
    /// A notification was acknowledged.
    Accepted {
        /// The stored body.
        notification: Uuid,
    },
    /// Notifications were taken in.
    Received {
        /// What was written.
        changes: &'a Changes,
    },
    /// A decision was stored.
    Stored {
        /// The state before.
        before: Option<&'a Remediation>,
        /// The state after.
        after: &'a Remediation,
        /// The rows beside it.
        records: &'a [Record],
        /// Whether the claim was the row's own.
        fenced: bool,
    },
    /// An effect was admitted.
    Intended(&'a Intent),
    /// A decision about a loan was stored.
    Lent {
        /// The loan.
        loan: &'a Loan,
        /// The rows beside it.
        records: &'a [Record],
    },
    /// A call is about to be sent.
    Sent {
        /// The attempt.
        attempt: &'a Attempt,
        /// The call.
        sent: &'a Sent,
    },
    /// The daemon did it.
    Landed {
        /// For which row.
        action: Uuid,
        /// See [`Sent::zombie`].
        zombie: bool,
    },
    /// Rules were taken out or put back.
    Reloaded,
    /// A person answered, and it was taken.
    Answered {
        /// About what.
        remediation: Uuid,
        /// What.
        answer: &'a Answer,
    },
    /// A person paused.
    Paused {
        /// What.
        pause: &'a Pause,
    },
    /// A person ended a pause.
    Resumed {
        /// Which.
        pause: Uuid,
    },
    /// A person reset a breaker.
    BreakerReset {
        /// How.
        row: &'a BreakerRow,
    },
}

/// How things really are.
pub struct Truth<'a> {
    /// True time.
    pub now: Micros,
    /// What this schedule is about.
    pub plan: &'a Plan,
    /// The database.
    pub store: &'a Store,
    /// The daemon.
    pub docker: &'a Docker,
    /// The processes that run.
    pub running: Vec<Uuid>,
}

/// A check: what is wrong, or nothing.
pub type Check = fn(&Book, &Deed<'_>, &Truth<'_>) -> Result<(), String>;

/// Every check, by name.
pub const CHECKS: &[(&str, Check)] = &[
    ("claims_are_fenced", records::claims_are_fenced),
    ("closed_stays_closed", records::closed_stays_closed),
    ("one_open_remediation_per_target", records::one_open_remediation_per_target),
    ("everything_open_is_due", records::everything_open_is_due),
    ("every_effect_has_one_result", records::every_effect_has_one_result),
    ("verdicts_are_followed", records::verdicts_are_followed),
    ("what_is_lent_is_on_record", records::what_is_lent_is_on_record),
    ("a_loan_is_judged_when_it_began", records::a_loan_is_judged_when_it_began),
    ("a_loan_is_returned_for_real", records::a_loan_is_returned_for_real),
    ("what_is_accepted_is_stored", records::what_is_accepted_is_stored),
    ("accepted_alerts_are_decided", records::accepted_alerts_are_decided),
    ("working_stands_while_working", records::working_stands_while_working),
    ("an_effect_has_its_intent", effects::an_effect_has_its_intent),
    ("a_failure_stays_one", effects::a_failure_stays_one),
    ("one_effect_at_a_time", effects::one_effect_at_a_time),
    ("only_what_is_allowed_is_touched", effects::only_what_is_allowed_is_touched),
    ("nothing_lent_is_touched", effects::nothing_lent_is_touched),
    ("unknown_is_never_repeated", effects::unknown_is_never_repeated),
    ("budgets_hold", limits::budgets_hold),
    ("a_storm_holds_back", limits::a_storm_holds_back),
    ("an_open_breaker_holds_back", limits::an_open_breaker_holds_back),
    ("nothing_paused_is_touched", people::nothing_paused_is_touched),
    ("approvals_are_given", people::approvals_are_given),
    ("approvals_are_used_once", people::approvals_are_used_once),
    ("no_means_no", people::no_means_no),
];

/// What a transaction did; looked at once the step is over.
#[derive(Debug)]
enum Left {
    Stored(Box<(Option<Remediation>, Remediation)>, Vec<Record>, bool),
    Intended(Box<Intent>),
    Lent(Box<Loan>, Vec<Record>),
    Received(Box<Changes>),
}

/// The checks, and what they remember.
#[derive(Debug)]
pub struct Checks {
    /// The first that failed.
    pub violation: Option<(&'static str, String)>,
    /// What was seen.
    pub counts: BTreeMap<&'static str, u64>,
    left: Vec<Left>,
    book: Book,
    notifications: BTreeMap<Uuid, (Timestamp, Vec<(usize, Word)>)>,
    hash: u64,
}

impl Checks {
    /// Nothing happened yet.
    pub fn new(_: &Plan) -> Self {
        Self {
            violation: None,
            counts: BTreeMap::new(),
            left: Vec::new(),
            book: Book::default(),
            notifications: BTreeMap::new(),
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Counts something worth knowing about a schedule.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// How far a process's time was off.
    pub fn skew(&mut self, off: Micros) {
        self.book.skew = self.book.skew.max(off.abs());
    }

    /// A body that was received.
    pub fn notified(&mut self, id: Uuid, at: Timestamp, words: &[(usize, Word)]) {
        self.notifications.insert(id, (at, words.to_vec()));
    }

    /// What a stored body says.
    pub fn notification(&self, id: Uuid) -> (Timestamp, Vec<(usize, Word)>) {
        self.notifications.get(&id).cloned().unwrap_or_default()
    }

    /// A decision was stored.
    pub fn push_stored(&mut self, before: Option<Remediation>, after: &Remediation, records: &[Record], fenced: bool) {
        self.left.push(Left::Stored(Box::new((before, after.clone())), records.to_vec(), fenced));
    }

    /// A decision about a loan was stored.
    pub fn push_loan(&mut self, loan: &Loan, records: &[Record]) {
        self.left.push(Left::Lent(Box::new(loan.clone()), records.to_vec()));
    }

    /// Notifications were taken in.
    pub fn push_received(&mut self, changes: &Changes) {
        self.left.push(Left::Received(Box::new(changes.clone())));
    }

    /// An effect was admitted, with its dependents.
    pub fn push_intent(&mut self, request: &Request, doc: &Remediation, read: Read, now: Micros) {
        for intent in book::intents(request, doc, read, now) {
            self.left.push(Left::Intended(Box::new(intent)));
        }
    }

    /// The return of a loan was admitted.
    pub fn push_return(&mut self, request: &Request, loan: &Loan, now: Micros) {
        self.left.push(Left::Intended(Box::new(book::restore(request, loan, now))));
    }

    /// Looks at what was done.
    pub fn look(&mut self, deed: &Deed<'_>, truth: &Truth<'_>) {
        for left in std::mem::take(&mut self.left) {
            match &left {
                Left::Stored(docs, records, fenced) => {
                    let (before, after) = (docs.0.as_ref(), &docs.1);
                    self.ask(&Deed::Stored { before, after, records, fenced: *fenced }, truth);
                }
                Left::Intended(intent) => self.ask(&Deed::Intended(intent), truth),
                Left::Lent(loan, records) => self.ask(&Deed::Lent { loan, records }, truth),
                Left::Received(changes) => self.ask(&Deed::Received { changes }, truth),
            }
        }
        if !matches!(deed, Deed::Settle) {
            self.ask(deed, truth);
        }
    }

    fn ask(&mut self, deed: &Deed<'_>, truth: &Truth<'_>) {
        if self.violation.is_some() {
            return;
        }
        for (name, check) in CHECKS {
            if let Err(what) = check(&self.book, deed, truth) {
                self.violation = Some((name, what));
                return;
            }
        }
        self.book.learn(deed, truth);
        self.tally(deed);
    }

    /// Everything is over.
    pub fn end(&mut self, truth: &Truth<'_>) {
        for (name, check) in ending::ENDING {
            if let Err(what) = check(&self.book, truth) {
                self.violation = Some((name, what));
                return;
            }
        }
    }

    /// The same for the same history.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn tally(&mut self, deed: &Deed<'_>) {
        match deed {
            Deed::Stored { after, records, .. } => {
                self.mix(u64::try_from(after.id.as_u128()).unwrap_or(0));
                self.mix(after.state_name() as u64);
                self.mix(after.due().map_or(0, |at| micros(at).unsigned_abs()));
                self.mix(records.len() as u64);
                if let Some(outcome) = after.outcome() {
                    self.count(outcome.as_str());
                }
                for record in *records {
                    match record {
                        Record::Refusal { guard, .. } => self.count(guard.as_str()),
                        Record::Breaker(row) if row.opened_at.is_none() => self.count("breaker closed"),
                        Record::Breaker(row) if row.probe.is_some() => self.count("breaker probe"),
                        Record::Breaker(_) => self.count("breaker opened"),
                        Record::Loan(loan) => self.count(loan.word()),
                        _ => {}
                    }
                }
            }
            Deed::Intended(intent) => {
                self.count(intent.name);
                if intent.approved.is_some() {
                    self.count("approved");
                }
                if intent.dependent {
                    self.count("dependent");
                }
            }
            Deed::Lent { loan, .. } => {
                self.mix(u64::try_from(loan.id.as_u128()).unwrap_or(0));
                self.mix(loan.due().map_or(0, |at| micros(at).unsigned_abs()));
                self.count(loan.word());
            }
            Deed::Sent { sent, .. } => {
                self.count("calls");
                if sent.zombie {
                    self.count("zombies");
                }
            }
            Deed::Received { changes } => {
                self.mix(changes.opened.len() as u64);
                if changes.storm.is_some() {
                    self.count("storms");
                }
            }
            Deed::Accepted { .. } => self.count("notifications"),
            _ => {}
        }
    }
}
