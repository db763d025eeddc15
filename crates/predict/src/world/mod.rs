//! The whole service on a virtual clock: notifications and people's deeds go in, what happened comes out, as data.
//!
//! The same core decides as live ([`receive`](fettle_core::receive), [`decide`](fettle_core::decide), the guards and their
//! ledger); around it stands, in memory and in one thread, what `engine` and `store` are live: alerts, candidates, open
//! remediations, the ledger, loans, pauses, breakers, the storm. Time goes from one due instant to the next, so a month is
//! as long as what happens in it.
//!
//! Always holds: a decision and what it writes are one step, with nothing between; a call to Docker takes its time, and
//! meanwhile others are decided. What is heard at an instant is known to everything that is due at it. The same inputs give
//! the same happenings, ids included.
//!
//! Does not do: leases, replicas, lost answers of the store, clocks that are set. What breaks there is `tests/sim`'s to find;
//! it drives the same core through a store of its own, which scans all it has and knows claims, where this one is indexed and
//! has none. `tests/it/agreement.rs` holds this one against the service on both databases.

mod agenda;
mod alerts;
mod around;
mod ask;
mod docker;
mod drive;
mod happening;
mod ledger;
mod loans;
mod people;
mod receive;
mod store;
mod upstream;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use docker::{Answered, Docker, Sent};
pub use happening::{Happening, What};
pub use people::{Deed, NotTaken};

use self::agenda::{Agenda, Wake};
use self::alerts::Alerts;
use self::ledger::Ledger;
use self::loans::Loans;
use self::store::Effort;
use self::upstream::Upstream;
use fettle_core::rule::model::Rule;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::surroundings::{Pause, Storm};
use fettle_core::target::Hosts;
use fettle_core::time::Timestamp;

/// How a world is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The configured hosts.
    pub hosts: Hosts,
    /// When it begins.
    pub start: Timestamp,
    /// Whether what can matter to nothing any more is forgotten. Off where containers may carry budgets of any length.
    pub forgets: bool,
}

/// The service, its platform and its clock.
pub struct World<D> {
    rules: Arc<RuleSet>,
    settings: Arc<Settings>,
    hosts: Hosts,
    docker: D,
    now: Timestamp,
    ids: u128,
    agenda: Agenda,
    alerts: Alerts,
    efforts: HashMap<Uuid, Effort>,
    /// The open remediation of each target as written.
    open: HashMap<Arc<str>, Uuid>,
    ledger: Ledger,
    loans: Loans,
    pauses: Vec<Pause>,
    upstream: Upstream,
    storm: Option<Storm>,
    /// What was opened lately, for the storm; those that were refused are left out.
    recent: VecDeque<(Timestamp, Arc<str>, Uuid)>,
    happened: Vec<Happening>,
    tells: bool,
}

impl<D: Docker> World<D> {
    /// A world in which nothing has happened.
    #[must_use]
    pub fn new(rules: Arc<RuleSet>, settings: Settings, docker: D, options: Options) -> Self {
        let needs = Needs::of(&rules, &settings);
        Self {
            rules,
            settings: Arc::new(settings),
            hosts: options.hosts,
            docker,
            now: options.start,
            ids: 0,
            agenda: Agenda::default(),
            alerts: Alerts::new(needs.related, needs.lends, options.forgets),
            efforts: HashMap::new(),
            open: HashMap::new(),
            ledger: Ledger::new(options.forgets.then_some(needs.keep), needs.regress),
            loans: Loans::default(),
            pauses: Vec::new(),
            upstream: Upstream::default(),
            storm: None,
            recent: VecDeque::new(),
            happened: Vec::new(),
            tells: false,
        }
    }

    /// The same, that tells its story too, line by line ([`What::Told`]).
    #[must_use]
    pub fn telling(self) -> Self {
        Self { tells: true, ..self }
    }

    /// Other rules are in force from `at` on, as after a reload: time passes until then, what is due at that very instant
    /// excepted. What the rules before had no use for and was forgotten stays so.
    pub fn reload(&mut self, at: Timestamp, rules: Arc<RuleSet>) {
        self.reach(at);
        let needs = Needs::of(&rules, &self.settings);
        self.alerts.need(needs.related, needs.lends);
        self.ledger.need(needs.keep, needs.regress);
        self.rules = rules;
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The platform, to change it by hand between two instants.
    pub fn docker(&mut self) -> &mut D {
        &mut self.docker
    }

    /// Lets time pass up to and including `to`, and gives everything that happened since the last time this was asked.
    pub fn advance(&mut self, to: Timestamp) -> Vec<Happening> {
        while let Some(wake) = self.agenda.next(|at| at <= to, &mut self.now) {
            self.rouse(wake);
        }
        self.now = self.now.max(to);
        std::mem::take(&mut self.happened)
    }

    /// Lets time pass up to `at`; what is due at that very instant is still to come. An instant that is over is now.
    pub fn reach(&mut self, at: Timestamp) {
        while let Some(wake) = self.agenda.next(|due| due < at, &mut self.now) {
            self.rouse(wake);
        }
        self.now = self.now.max(at);
    }

    /// When something is due next; `None`: nothing is open.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    /// How many remediations are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    fn rouse(&mut self, wake: Wake) {
        match wake {
            Wake::Begin(id) => self.decide(id),
            Wake::Due(id) => self.due(id),
            Wake::Answer(id) => self.answered(id),
            Wake::Loan(id) => self.loan_due(id),
            Wake::LoanAnswer(id) => self.loan_answered(id),
            Wake::Again(fingerprints) => self.ask_again(&fingerprints),
        }
    }

    fn new_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }
}

/// What rules make it worth to remember.
struct Needs {
    /// How long effects can matter.
    keep: Duration,
    /// How long fixes can.
    regress: Duration,
    /// Alerts are asked for by what they carry.
    related: bool,
    /// Alerts are asked for by the target they are about.
    lends: bool,
}

impl Needs {
    fn of(rules: &RuleSet, settings: &Settings) -> Self {
        Self {
            keep: longest(rules, settings),
            regress: rules.iter().map(|rule| rule.regress_window).max().unwrap_or_default(),
            related: rules.iter().any(|rule| !rule.unless.is_empty()),
            lends: rules.iter().any(|rule| rule.steps.iter().any(|step| step.restore.is_some())),
        }
    }
}

/// How long effects may matter: every window they are counted in, and every pause after them.
fn longest(rules: &RuleSet, settings: &Settings) -> Duration {
    let of = |rule: &Arc<Rule>| {
        let budgets = rule.budget.iter().chain(&rule.rule_budget).map(|it| it.per).max().unwrap_or_default();
        budgets.max(rule.cooldown).max(rule.regress_window)
    };
    let service = settings.budget.iter().chain(&settings.target_budget).map(|it| it.per).max().unwrap_or_default();
    // Windows are closed intervals, and a verdict comes some time after its effect.
    rules.iter().map(of).max().unwrap_or_default().max(service) + Duration::from_hours(1)
}

#[cfg(test)]
mod tests;
