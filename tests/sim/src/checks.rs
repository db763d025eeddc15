//! What must always hold. Each check is a named function that sees every deed as it happens; what it compares with is the
//! simulated world: the daemon's own runs and requests, the bodies that were posted, the deeds of people. It counts for
//! itself and does not ask the engine's tables.

mod audit;
mod book;
mod effects;
mod ending;
mod intent;
mod learning;
mod limits;
mod oncall;
mod people;
mod records;
mod telling;

use std::collections::BTreeMap;

use fettle_core::effect::Effect;
use fettle_core::id::{EffortId, LoanId, NotificationId, PauseId, RemediationId, ReplicaId};
use fettle_core::ports::model::{Claim, Commit, LedgerAsk, NewNotification, ReceiveAsk};
use fettle_core::receive::Changes;
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::sight::Pin;
use fettle_core::surroundings::{Answer, Pause};
use fettle_core::target::Target;
use fettle_memory::physics::{Call, Daemon};

use self::book::Book;
pub use self::intent::Intent;
use crate::alerts::Shown;
use crate::daemon::Faults;
use crate::plan::{Clocks, Plan};
use crate::time::{Micros, micros};
use crate::world::World;

/// What was done.
#[derive(Debug)]
pub enum Deed<'a> {
    /// Nothing: some time has passed.
    Tick,
    /// Bodies are stored.
    Appended {
        /// Which.
        batch: &'a [NewNotification],
    },
    /// A notification was acknowledged.
    Accepted {
        /// The stored body.
        notification: NotificationId,
    },
    /// Notifications were taken in.
    Received {
        /// By which process.
        owner: ReplicaId,
        /// What was asked.
        ask: &'a ReceiveAsk,
        /// What was written.
        changes: &'a Changes,
    },
    /// A remediation or loan was claimed.
    Claimed {
        /// The proof.
        claim: &'a Claim,
    },
    /// The facts of a decision were read.
    Read {
        /// By which process.
        owner: ReplicaId,
        /// About which remediation.
        of: RemediationId,
    },
    /// A decision was stored.
    Stored {
        /// The claim it was stored under.
        claim: &'a Claim,
        /// The state after.
        after: &'a Remediation,
        /// The rows beside it.
        records: &'a [Record],
        /// The claim that was kept.
        kept: Option<&'a Claim>,
        /// Whether the claim was the row's own.
        fenced: bool,
    },
    /// Effects were admitted.
    Admitted {
        /// By which process.
        owner: ReplicaId,
        /// What the ledger was asked.
        asks: &'a [&'a LedgerAsk],
        /// What was stored.
        commit: &'a Commit<Remediation>,
    },
    /// The return of a loan was admitted.
    Returning {
        /// The loan.
        loan: &'a Loan,
    },
    /// One effect was admitted; follows each of the two above.
    Intended(&'a Intent),
    /// A decision about a loan was stored.
    Lent {
        /// The loan.
        loan: &'a Loan,
        /// The rows beside it.
        records: &'a [Record],
    },
    /// A call is about to be made.
    Called {
        /// By which process.
        owner: ReplicaId,
        /// On what.
        target: &'a Target,
        /// The run that was decided about.
        pin: &'a Pin,
        /// What.
        effect: &'a Effect,
        /// The process stood still after the check of its lease.
        zombie: bool,
    },
    /// A late call was reported.
    Late {
        /// How.
        records: &'a [Record],
    },
    /// Rules were taken out or put back.
    Reloaded,
    /// A person answered, and it was taken.
    Answered {
        /// About what.
        remediation: RemediationId,
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
        pause: PauseId,
    },
    /// A person reset a breaker.
    BreakerReset {
        /// Of which rule.
        rule: &'a str,
    },
}

/// How things really are.
pub struct Truth<'a> {
    /// True time.
    pub now: Micros,
    /// What this schedule is about.
    pub plan: &'a Plan,
    /// Everything.
    pub world: &'a World,
    /// The daemon.
    pub daemon: &'a Daemon,
    /// The calls that were made to it.
    pub calls: &'a [Call],
    /// What is wrong with it.
    pub faults: &'a Faults,
}

impl Truth<'_> {
    /// Whether a machine's clock may be far off.
    pub fn wild(&self) -> bool {
        self.plan.weather.clocks == Clocks::Wild
    }
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
    ("who_waits_is_asked_again", records::who_waits_is_asked_again),
    ("working_stands_while_working", records::working_stands_while_working),
    ("an_effect_has_its_intent", effects::an_effect_has_its_intent),
    ("nothing_is_done_on_what_is_old", effects::nothing_is_done_on_what_is_old),
    ("one_effect_at_a_time", effects::one_effect_at_a_time),
    ("no_call_while_docker_is_at_another", effects::no_call_while_docker_is_at_another),
    ("no_call_while_a_hung_docker_has_another", effects::no_call_while_a_hung_docker_has_another),
    ("only_what_is_allowed_is_touched", effects::only_what_is_allowed_is_touched),
    ("nothing_lent_is_touched", effects::nothing_lent_is_touched),
    ("nothing_lent_is_touched_by_another_name", effects::nothing_lent_is_touched_by_another_name),
    ("unknown_is_never_repeated", effects::unknown_is_never_repeated),
    ("budgets_hold", limits::budgets_hold),
    ("budgets_hold_at_docker", limits::budgets_hold_at_docker),
    ("a_storm_holds_back", limits::a_storm_holds_back),
    ("an_open_breaker_holds_back", limits::an_open_breaker_holds_back),
    ("an_unreachable_host_opens_no_breaker", limits::an_unreachable_host_opens_no_breaker),
    ("nothing_paused_is_touched", people::nothing_paused_is_touched),
    ("approvals_are_given", people::approvals_are_given),
    ("approvals_are_used_once", people::approvals_are_used_once),
    ("no_means_no", people::no_means_no),
    ("a_crash_loop_is_not_superseded", oncall::a_crash_loop_is_not_superseded),
    ("superseded_means_another_acted", oncall::superseded_means_another_acted),
    ("what_was_given_up_is_no_other", oncall::what_was_given_up_is_no_other),
    ("what_a_person_stopped_stays_stopped", oncall::what_a_person_stopped_stays_stopped),
    ("what_a_person_stopped_between_steps_stays_stopped", oncall::what_a_person_stopped_between_steps_stays_stopped),
    ("what_docker_forgot_was_stopped_stays_stopped", oncall::what_docker_forgot_was_stopped_stays_stopped),
    ("one_intent_has_one_effect", oncall::one_intent_has_one_effect),
    ("not_executed_was_not_executed", audit::not_executed_was_not_executed),
    ("what_a_hung_docker_still_has_is_not_given_up", audit::what_a_hung_docker_still_has_is_not_given_up),
    ("what_was_undone_was_executed", audit::what_was_undone_was_executed),
    ("what_another_did_is_no_success", audit::what_another_did_is_no_success),
    ("what_was_so_already_is_no_success", audit::what_was_so_already_is_no_success),
    ("what_succeeded_reached_docker", audit::what_succeeded_reached_docker),
    ("a_start_by_policy_is_no_success", audit::a_start_by_policy_is_no_success),
    ("an_effect_has_an_alert_that_fires", oncall::an_effect_has_an_alert_that_fires),
    ("an_effect_has_fresh_evidence", oncall::an_effect_has_fresh_evidence),
    ("a_newer_run_is_left_alone", oncall::a_newer_run_is_left_alone),
    ("an_alert_heard_lately_does_not_expire", oncall::an_alert_heard_lately_does_not_expire),
    ("a_person_has_time_to_answer", oncall::a_person_has_time_to_answer),
    ("a_proposal_stored_late_leaves_time_to_answer", oncall::a_proposal_stored_late_leaves_time_to_answer),
    ("an_alert_that_fires_is_decided_again", oncall::an_alert_that_fires_is_decided_again),
];

/// A check that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The check.
    pub check: &'static str,
    /// Whether a machine's clock was far off in this schedule.
    pub wild: bool,
    /// What is wrong.
    pub what: String,
}

/// The checks, and what they remember.
pub struct Checks {
    /// What is wrong with the daemon.
    pub faults: Faults,
    violations: Vec<Violation>,
    counts: BTreeMap<&'static str, u64>,
    book: Book,
    hash: u64,
    /// Deeds since the last tick.
    busy: u32,
}

/// Deeds between two ticks, at most: what takes more never comes to rest.
const BUSY_MAX: u32 = 3_000;

impl Checks {
    /// Nothing happened yet.
    pub fn new(_: &Plan) -> Self {
        Self {
            faults: Faults::default(),
            violations: Vec::new(),
            counts: BTreeMap::new(),
            book: Book::default(),
            hash: 0xcbf2_9ce4_8422_2325,
            busy: 0,
        }
    }

    /// Counts something worth knowing about a schedule.
    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Whether a check failed that is not in the list of known faults.
    pub fn is_broken(&self) -> bool {
        self.violations.iter().any(|it| !crate::known::is_known(it.check, it.wild))
    }

    /// Whether the processes do not come to rest: then nothing more is done for them.
    pub fn is_stuck(&self) -> bool {
        self.busy >= BUSY_MAX
    }

    /// A body is on its way: what it reports firing, and when that was true last.
    pub fn sent(&mut self, text: &bytes::Bytes, evidence: &[Shown]) {
        self.book.bodies.insert(text.clone(), evidence.to_vec());
    }

    /// Alertmanager's API was read.
    pub fn heard(&mut self, evidence: &[Shown], now: Micros) {
        self.book.hear(evidence, now);
    }

    /// The claim on an effort, as the store has it.
    pub fn claim_of(&self, id: EffortId) -> Option<Claim> {
        self.book.claims.get(&id).cloned()
    }

    /// A remediation as it was stored last.
    pub fn doc(&self, id: RemediationId) -> Option<&Remediation> {
        self.book.docs.get(&id)
    }

    /// Every remediation as it was stored last.
    pub fn docs(&self) -> impl Iterator<Item = &Remediation> {
        self.book.docs.values()
    }

    /// Loans that are open, and that nothing holds back.
    pub fn open_loans(&self, daemon: &Daemon, protected: &fettle_core::settings::Protected) -> Vec<LoanId> {
        let open = self.book.loans.values().filter(|loan| !matches!(loan.state, LoanState::Closed { .. }));
        open.filter(|loan| !effects::is_held_back(daemon, loan, protected)).map(|loan| loan.id).collect()
    }

    /// Looks at what was done.
    pub fn look(&mut self, deed: &Deed<'_>, world: &World, daemon: &Daemon, calls: &[Call]) {
        let now = world.now();
        self.busy = if matches!(deed, Deed::Tick) { 0 } else { self.busy + 1 };
        if self.busy == BUSY_MAX {
            self.violate("work_comes_to_rest", format!("{BUSY_MAX} deeds within 5 s, and no end"), world);
        }
        for replica in &world.replicas {
            if let Some(time) = replica.time() {
                self.book.skew = self.book.skew.max((micros(time) - now).abs());
            }
        }
        let faults = std::mem::take(&mut self.faults);
        let truth = Truth { now, plan: &world.plan, world, daemon, calls, faults: &faults };
        self.ask(deed, &truth);
        match deed {
            Deed::Admitted { owner, asks, commit } => {
                for intent in self.book.intents_of(*owner, asks, commit, now) {
                    self.ask(&Deed::Intended(&intent), &truth);
                }
            }
            Deed::Returning { loan } => {
                for intent in Book::returns_of(loan, now) {
                    self.ask(&Deed::Intended(&intent), &truth);
                }
            }
            _ => {}
        }
        self.faults = faults;
    }

    fn ask(&mut self, deed: &Deed<'_>, truth: &Truth<'_>) {
        truth.world.tell(|| telling::tell(deed));
        for (name, check) in CHECKS {
            if let Err(what) = check(&self.book, deed, truth) {
                self.violate(name, what, truth.world);
            }
        }
        self.book.learn(deed, truth);
        self.tally(deed);
    }

    fn violate(&mut self, check: &'static str, what: String, world: &World) {
        if self.violations.iter().all(|it| it.check != check) {
            world.note(|| format!("VIOLATION {check}: {what}"));
            let wild = world.plan.weather.clocks == Clocks::Wild;
            self.violations.push(Violation { check, wild, what });
        }
    }

    /// Everything is over; `left` is what the store has left open.
    pub fn end(&mut self, left: &[String], world: &World, daemon: &Daemon, calls: &[Call]) {
        let faults = std::mem::take(&mut self.faults);
        let truth = Truth { now: world.now(), plan: &world.plan, world, daemon, calls, faults: &faults };
        if let Some(left) = left.first() {
            self.violate("nothing_is_left_open", format!("{left} is left open"), world);
        }
        for (name, check) in ending::ENDING {
            if let Err(what) = check(&self.book, &truth) {
                self.violate(name, what, world);
            }
        }
        self.faults = faults;
    }

    /// What came of it.
    pub fn close(&mut self) -> (Vec<Violation>, u64, BTreeMap<&'static str, u64>) {
        (std::mem::take(&mut self.violations), self.hash, std::mem::take(&mut self.counts))
    }

    fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn tally(&mut self, deed: &Deed<'_>) {
        match deed {
            Deed::Stored { after, records, .. } => {
                self.mix(after.id.0.as_u64_pair().1);
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
                self.mix(loan.id.0.as_u64_pair().1);
                self.mix(loan.due().map_or(0, |at| micros(at).unsigned_abs()));
                self.count(loan.word());
            }
            Deed::Called { .. } => self.count("calls"),
            Deed::Received { changes, .. } => {
                self.mix(changes.opened.len() as u64);
                if changes.storm.is_some() {
                    self.count("storms");
                }
            }
            Deed::Late { .. } => self.count("late calls"),
            Deed::Accepted { .. } => self.count("notifications"),
            _ => {}
        }
    }
}
