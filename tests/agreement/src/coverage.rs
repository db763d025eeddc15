//! What scenarios came to show: a run proves nothing about a guard, a verdict, an outcome or an action that did not occur.

use std::collections::BTreeMap;

use fettle_core::action::NAMES;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;

/// Each must occur so often in a run of a thousand.
pub const ENOUGH: u64 = 20;

/// What cannot occur in a scenario, and why.
pub const EXCEPTIONS: &[(&str, &str)] = &[
    ("guard other_host", "a scenario has one host, without `instances`"),
    ("guard starting", "what a scenario declares runs for long, and who restarts it supersedes what is open"),
    ("guard earlier_run", "what a scenario declares runs for long, and who restarts it supersedes what is open"),
];

/// The action of a loan's return: never written in a rule, so it is not among [`NAMES`].
const RESTORE: &str = "restore";

/// How often each was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    seen: BTreeMap<String, u64>,
}

impl Coverage {
    fn count(&mut self, kind: &str, word: &str) {
        *self.seen.entry(format!("{kind} {word}")).or_default() += 1;
    }

    /// A guard said no.
    pub fn guard(&mut self, guard: Guard) {
        self.count("guard", guard.as_str());
    }

    /// A verdict was given.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.count("verdict", verdict.as_str());
    }

    /// A remediation ended. The guard `resolved` leaves no other trace.
    pub fn outcome(&mut self, outcome: Outcome, reason: &str) {
        self.count("outcome", outcome.as_str());
        if outcome == Outcome::Cancelled && !reason.starts_with("cancelled by") {
            self.guard(Guard::Resolved);
        }
    }

    /// There is an audit row of this action.
    pub fn action(&mut self, action: &str) {
        self.count("action", action);
    }

    /// An action has this result.
    pub fn result(&mut self, result: ActionResult) {
        self.count("result", result.as_str());
    }

    /// Adds what another one saw.
    pub fn absorb(&mut self, other: &Self) {
        for (what, times) in &other.seen {
            *self.seen.entry(what.clone()).or_default() += times;
        }
    }

    /// Everything that can occur, by the lists of the core, with how often it did.
    pub fn all(&self) -> Vec<(String, u64)> {
        let guards = Guard::ALL.iter().map(|it| ("guard", it.as_str()));
        let verdicts = Verdict::ALL.iter().map(|it| ("verdict", it.as_str()));
        let outcomes = Outcome::ALL.iter().map(|it| ("outcome", it.as_str()));
        let results = ActionResult::ALL.iter().map(|it| ("result", it.as_str()));
        let actions = NAMES.iter().copied().chain([RESTORE]).map(|it| ("action", it));
        let all = guards.chain(verdicts).chain(outcomes).chain(results).chain(actions);
        let named = all.map(|(kind, word)| format!("{kind} {word}"));
        named.map(|name| (name.clone(), self.seen.get(&name).copied().unwrap_or_default())).collect()
    }

    /// What occurred less than [`ENOUGH`] times and is no exception.
    pub fn missing(&self) -> Vec<(String, u64)> {
        let excepted = |name: &str| EXCEPTIONS.iter().any(|(it, _)| *it == name);
        self.all().into_iter().filter(|(name, times)| *times < ENOUGH && !excepted(name)).collect()
    }
}
