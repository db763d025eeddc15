//! All guards at once: what each of them says, and by which numbers, whether or not one before it refuses.
//!
//! Always holds: asked from the same lists in the same order as [`before_look`](super::before_look),
//! [`after_look`](super::after_look) and [`admit`](super::admit), so the first that refuses here is the one that refuses
//! there. What is not known is said: [`Says::NotAsked`]. Decides nothing.

use serde::Serialize;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::{AFTER_LOOK, BEFORE_LOOK, Counted, Known, Request, Seen, UNDER_LOCK, storm, together, tripped};
use crate::remediation::refusal::{Guard, Refusal};
use crate::time::Timestamp;
use crate::words::words;

/// A guard that needs no look: its name, what it must know, what refuses, and what it goes by.
pub(super) type OfKnown = (Guard, Needs, fn(&Known<'_>) -> Option<Refusal>, fn(&Known<'_>) -> Option<Basis>);

/// One of what was seen.
pub(super) type OfSeen = (Guard, Needs, fn(&Seen<'_>) -> Option<Refusal>, fn(&Seen<'_>) -> Option<Basis>);

/// One that counts.
pub(super) type OfCounted = (Guard, Needs, fn(&Counted<'_>) -> Option<Refusal>, fn(&Counted<'_>) -> Option<Basis>);

/// What a guard must know besides rule, alert and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing more.
    Nothing,
    /// What is stored.
    Store,
    /// A look at the target.
    Look,
}

/// What a guard goes by, in words and in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// For people.
    pub why: String,
    /// The same in numbers.
    pub numbers: Value,
}

impl Basis {
    pub(super) fn new(why: impl Into<String>, numbers: Value) -> Self {
        Self { why: why.into(), numbers }
    }
}

words! {
    /// What a guard says.
    Says {
        /// Nothing against it.
        Passes = "passes",
        /// It may be done, but by a lower mode.
        Lowers = "lowers",
        /// Not now: it is asked again.
        Waits = "waits",
        /// No.
        Refuses = "refuses",
        /// What it would have to know is not known.
        NotAsked = "not_asked",
    }
}

/// One guard's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Which guard.
    pub guard: Guard,
    /// What it says.
    pub says: Says,
    /// Why, for people.
    pub why: String,
    /// When it could say otherwise, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The numbers it goes by.
    pub numbers: Value,
}

impl Answer {
    /// A guard's no.
    #[must_use]
    pub fn no(refusal: Refusal) -> Self {
        let Refusal { guard, until, why, detail } = refusal;
        let says = match guard {
            Guard::Expired | Guard::Resolved => Says::Refuses,
            guard if guard.is_final() => Says::Refuses,
            _ => Says::Waits,
        };
        Self { guard, says, why, until, numbers: detail }
    }

    /// It was not asked, and why not.
    #[must_use]
    pub fn not_asked(guard: Guard, why: &str) -> Self {
        Self { guard, says: Says::NotAsked, why: why.to_owned(), until: None, numbers: json!({}) }
    }

    /// Nothing against it.
    #[must_use]
    pub fn passes(guard: Guard, why: impl Into<String>, numbers: Value) -> Self {
        Self { guard, says: Says::Passes, why: why.into(), until: None, numbers }
    }

    /// Whether nothing is done because of it.
    #[must_use]
    pub fn stands_against(&self) -> bool {
        matches!(self.says, Says::Waits | Says::Refuses)
    }
}

/// What could be asked: the facts that are not there are no reason to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The database.
    pub store: bool,
    /// The target.
    pub look: bool,
}

fn ask(
    guard: Guard,
    needs: Needs,
    asked: Asked,
    check: impl FnOnce() -> Option<Refusal>,
    basis: impl FnOnce() -> Option<Basis>,
) -> Answer {
    match needs {
        Needs::Store if !asked.store => return Answer::not_asked(guard, "the database was not asked"),
        Needs::Look if !asked.look => return Answer::not_asked(guard, "the target was not looked at"),
        _ => {}
    }
    if let Some(refusal) = check() {
        return Answer::no(refusal);
    }
    match basis() {
        Some(Basis { why, numbers }) => Answer::passes(guard, why, numbers),
        None => Answer::not_asked(guard, "there is nothing to go by"),
    }
}

/// What every guard says that needs no look.
#[must_use]
pub fn before_look(known: &Known<'_>, asked: Asked) -> Vec<Answer> {
    let answer =
        |&(guard, needs, check, basis): &OfKnown| match ask(guard, needs, asked, || check(known), || basis(known)) {
            // Nothing need be known of other alerts by a rule that names none.
            answer if answer.guard == Guard::Unless && known.rule.is_some_and(|rule| rule.unless.is_empty()) => {
                Answer::passes(Guard::Unless, "the rule has none", answer.numbers)
            }
            answer if answer.guard == Guard::Silenced && answer.says == Says::NotAsked => {
                Answer::not_asked(Guard::Silenced, "Alertmanager was not asked")
            }
            answer => answer,
        };
    BEFORE_LOOK.iter().map(answer).collect()
}

/// What every guard says of what was seen; a storm or a breaker that lowers the mode says so.
#[must_use]
pub fn after_look(seen: &Seen<'_>, asked: Asked) -> Vec<Answer> {
    let lowers = |guard| {
        let ceiling = match guard {
            Guard::Storm => storm::ceiling(&seen.known),
            Guard::Tripped => tripped::ceiling(&seen.known),
            _ => None,
        };
        ceiling.is_some_and(|ceiling| ceiling < seen.known.base_mode)
    };
    let answer = |&(guard, needs, check, basis): &OfSeen| match ask(guard, needs, asked, || check(seen), || basis(seen))
    {
        answer if answer.says == Says::Passes && lowers(answer.guard) => Answer { says: Says::Lowers, ..answer },
        answer => answer,
    };
    AFTER_LOOK.iter().map(answer).collect()
}

/// What every guard says that counts: for the effect itself, then the noes for its dependents and for all of them together.
#[must_use]
pub fn under_lock(request: &Request, ledgers: &[Ledger]) -> Vec<Answer> {
    let asked = Asked { store: true, look: true };
    let mut answers = Vec::new();
    for (at, (ask_of, ledger)) in request.asks().into_iter().zip(ledgers).enumerate() {
        let counted = Counted { request, ask: ask_of, ledger };
        let of_one = UNDER_LOCK
            .iter()
            .map(|&(guard, needs, check, basis)| ask(guard, needs, asked, || check(&counted), || basis(&counted)));
        // The breaker, asked a second time, and dependents are worth a word only when they stand against it.
        answers.extend(of_one.filter(|it| it.stands_against() || (at == 0 && it.guard != Guard::Tripped)));
    }
    answers.extend(together::check(request, ledgers).map(Answer::no));
    answers
}

/// Those that count, when they could not be asked.
#[must_use]
pub fn uncounted(why: &str) -> Vec<Answer> {
    let others = UNDER_LOCK.iter().filter(|(guard, ..)| *guard != Guard::Tripped);
    others.map(|(guard, ..)| Answer::not_asked(*guard, why)).collect()
}
