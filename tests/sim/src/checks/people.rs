//! Checks on what people said.

use fettle_core::matcher::all_match;
use fettle_core::rule::model::Mode;
use fettle_core::surroundings::{AnswerKind, Pause, PauseScope};

use super::book::Book;
use super::effects::rule;
use super::intent::Intent;
use super::{Deed, Truth};
use crate::history::short;
use crate::time::{Micros, SECOND};

/// Facts that are older than this are not acted on, whatever held the process up: a claim for deciding lasts 20 s.
const FACTS_LAST: Micros = 45 * SECOND;

/// Whether what was said at `said` (true time) had to be known to this effect.
fn known(intent: &Intent, said: Micros) -> bool {
    said < intent.read_at || (intent.returns.is_none() && said <= intent.at - FACTS_LAST)
}

/// Nothing is done to what a person had paused.
pub fn nothing_paused_is_touched(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    // A loan's facts are read before each question; its pauses are asked before the look.
    let slack = if intent.returns.is_some() { FACTS_LAST } else { 0 };
    let about = |pause: &Pause| match &pause.scope {
        PauseScope::All => true,
        PauseScope::Rule(name) => *name == intent.rule,
        PauseScope::Target(target) => *target == intent.target,
    };
    let standing = book.pauses.iter().find(|(pause, began, ended)| {
        let read = intent.read_at - slack;
        known(intent, *began + slack)
            && ended.is_none_or(|ended| ended > intent.at)
            && *began <= read.max(intent.at - FACTS_LAST)
            && pause.until.is_none_or(|until| until > intent.planned_at)
            && about(pause)
    });
    match standing.filter(|_| intent.mode == Mode::Act) {
        Some((pause, ..)) => Err(format!("{} {} though paused: {:?}", intent.name, short(intent.action), pause.scope)),
        None => Ok(()),
    }
}

/// What needs a person has one.
pub fn approvals_are_given(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.mode != Mode::Act || intent.returns.is_some() || intent.approved.is_some() || intent.ordered {
        return Ok(());
    }
    let id = short(intent.action);
    let labelled = |id: &String| truth.daemon.container(id).is_some_and(|it| it.labels.contains_key("fettle.approval"));
    if intent.touches.iter().any(labelled) {
        return Err(format!("{id} touches what asks for an approval, and has none"));
    }
    let Some(rule) = rule(truth, &intent.rule) else { return Ok(()) };
    if rule.mode.min(truth.plan.settings.mode) < Mode::Act {
        return Err(format!("{id} acts by itself in mode {:?}", rule.mode));
    }
    let opener = book.docs.get(&intent.remediation).map(|doc| doc.alert.labels.clone());
    let step = rule.steps.get(intent.rung);
    let asked = step.and_then(|step| step.approval.as_ref()).zip(opener);
    match asked {
        Some((approval, labels)) if all_match(&approval.when, &labels) => {
            Err(format!("{id} needs an approval by its rule, and has none"))
        }
        None if intent.does.asks_by_default() => Err(format!("{id} needs an approval by default, and has none")),
        _ => Ok(()),
    }
}

/// A yes counts for exactly what was asked, within its time, once.
pub fn approvals_are_used_once(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    // Dependents come with their step's own yes.
    let Some((answer, hash)) = intent.approved.as_ref().filter(|_| !intent.dependent) else { return Ok(()) };
    let id = short(intent.action);
    if book.used.contains(answer) {
        return Err(format!("{id} uses the answer {} again", short(*answer)));
    }
    let Some((remediation, given, _)) = book.answers.get(answer) else {
        return Err(format!("nobody gave the answer {} that {id} uses", short(*answer)));
    };
    let fits = *remediation == intent.remediation
        && given.kind == AnswerKind::Approve
        && given.plan.as_ref() == Some(hash)
        && given.at <= intent.planned_at;
    if fits { Ok(()) } else { Err(format!("{id} uses an answer to something else: {given:?}, plan {hash}")) }
}

/// What was rejected or cancelled is not done.
pub fn no_means_no(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.returns.is_some() {
        return Ok(());
    }
    let mut said = book.answers.values().filter(|(about, ..)| *about == intent.remediation);
    let no = said.find(|(_, answer, at)| answer.kind != AnswerKind::Approve && known(intent, *at));
    no.map_or(Ok(()), |(_, answer, _)| {
        Err(format!("{} though {} said {}", short(intent.action), answer.by, answer.kind))
    })
}
