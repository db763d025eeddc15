//! All guards at once: what each of them says, and by which numbers, whether or not one before it refuses.
//!
//! Always holds: asked from the same lists in the same order as [`before_look`](super::before_look),
//! [`after_look`](super::after_look) and [`admit`](super::admit), so the first that refuses here is the one that refuses
//! there. What is not known is said: [`Says::NotAsked`]. Decides nothing.

use serde_json::json;

pub use super::answer::{Answer, Says};
use super::facts::{Aim, Counted, Known, Request};
use super::ledger::Ledger;
use super::ruling::Ruling;
use super::{
    AFTER_LOOK, BEFORE_LOOK, Needs, OfAim, OfKnown, UNDER_LOCK, docker_away, is_asked_again, storm, together, tripped,
};
use crate::remediation::refusal::Guard;
use crate::sight::{Blind, Found};

/// What every guard answers that needs no look. `store` tells whether the facts hold what is stored: facts that are missing
/// are no reason to pass.
#[must_use]
pub fn before_look(known: &Known<'_>, store: bool) -> Vec<Answer> {
    let answer = |&(guard, needs, ask): &OfKnown| match guard {
        // A rule that names no other alerts needs to know of none.
        Guard::Unless if known.rule.is_some_and(|rule| rule.unless.is_empty()) => {
            let numbers = if store { json!({"unless": 0}) } else { json!({}) };
            Answer::passes(guard, "the rule has none", numbers)
        }
        _ if needs == Needs::Store && !store => not_stored(guard),
        _ => match ask(known) {
            Ruling::Unknown if guard == Guard::Silenced => Answer::not_asked(guard, "Alertmanager was not asked"),
            ruling => ruling.answer(guard),
        },
    };
    BEFORE_LOOK.iter().map(answer).collect()
}

/// What every guard answers about what a look showed; `None` when nobody looked. A storm or a breaker that lowers the mode is
/// reported so. `store`: see [`before_look`].
#[must_use]
pub fn after_look(aim: &Aim<'_>, looked: Option<Result<&Found, &Blind>>, store: bool) -> Vec<Answer> {
    let found = looked.and_then(Result::ok);
    let since = aim.known.remediation.away.map(|away| away.since);
    let answer = |(guard, ask): &(Guard, OfAim)| match (ask, found) {
        (OfAim::Stored(_), _) if !store => not_stored(*guard),
        (OfAim::Answered, _) => docker_away::answer(looked.map(|it| it.map(drop)), since, aim.known.now),
        (OfAim::Plain(ask) | OfAim::Stored(ask), _) => ask(aim).answer(*guard),
        (OfAim::Seen(_) | OfAim::Found(_), None) => not_looked(*guard),
        (_, Some(found)) => ask.of(aim, found).answer(*guard),
    };
    let lowers = |guard| {
        let ceiling = match guard {
            Guard::Storm => storm::ceiling(&aim.known),
            Guard::Tripped => tripped::ceiling(&aim.known),
            _ => None,
        };
        ceiling.is_some_and(|ceiling| ceiling < aim.known.base_mode)
    };
    let lower = |answer: Answer| match answer.says {
        Says::Passes if lowers(answer.guard) => Answer { says: Says::Lowers, ..answer },
        _ => answer,
    };
    AFTER_LOOK.iter().map(answer).map(lower).collect()
}

fn not_stored(guard: Guard) -> Answer {
    Answer::not_asked(guard, "the database was not asked")
}

fn not_looked(guard: Guard) -> Answer {
    Answer::not_asked(guard, "the target was not looked at")
}

/// What every guard answers that counts: for the effect itself, then the refusals for its dependents and for all of them
/// together.
#[must_use]
pub fn under_lock(request: &Request, ledgers: &[Ledger]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (at, (ask_of, ledger)) in request.asks().into_iter().zip(ledgers).enumerate() {
        let counted = Counted { request, ask: ask_of, ledger };
        let of_one = UNDER_LOCK.iter().map(|(guard, ask)| ask(&counted).answer(*guard));
        // Guards that are asked a second time, and dependents, are reported only when they object.
        answers.extend(of_one.filter(|it| it.stands_against() || (at == 0 && !is_asked_again(it.guard))));
    }
    answers.extend(together::check(request, ledgers).map(Answer::no));
    answers
}

/// Those that count, when they could not be asked.
#[must_use]
pub fn uncounted(why: &str) -> Vec<Answer> {
    let others = UNDER_LOCK.iter().filter(|(guard, _)| !is_asked_again(*guard));
    others.map(|(guard, _)| Answer::not_asked(*guard, why)).collect()
}
