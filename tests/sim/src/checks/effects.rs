//! Checks on what is done to Docker.

use fettle_core::action::Action;
use fettle_core::remediation::loan::LoanState;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::rule::model::{Mode, Rule};
use fettle_core::sight::{ImageLabel, Sight};

use super::book::{Book, Intent};
use super::{Deed, Truth};
use crate::docker::{hands_off, touched};
use crate::history::short;

/// The rule of a name, loaded or not.
pub fn rule<'t>(truth: &'t Truth<'_>, name: &str) -> Option<&'t Rule> {
    truth.plan.rules.iter().find(|rule| rule.name == name).map(|rule| &**rule)
}

/// A call is made for an intent that is stored and open, and never twice.
pub fn an_effect_has_its_intent(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Sent { attempt, sent } = deed else { return Ok(()) };
    let id = short(attempt.action_id);
    let Some(row) = truth.store.actions.get(&attempt.action_id) else {
        return Err(format!("the call for {id} has no stored intent"));
    };
    if row.result.is_some() && !sent.zombie {
        return Err(format!("the call for {id} is made after its result {:?}", row.result));
    }
    match book.intents.get(&attempt.action_id) {
        Some(intent) if intent.calls == 0 => Ok(()),
        Some(_) => Err(format!("a second call for {id}")),
        None => Err(format!("nobody admitted {id}")),
    }
}

/// What counts as failed is not done afterwards: the daemon cannot still be at it.
pub fn a_failure_stays_one(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Landed { action, zombie: false } = deed else { return Ok(()) };
    let failed = book.intents.get(action).is_some_and(|it| matches!(it.result, Some((ActionResult::Failed, _))));
    if failed && !truth.plan.weather.wild_clock {
        return Err(format!("{} counts as failed, and is done now", short(*action)));
    }
    Ok(())
}

/// Nothing that an effect touches is touched by another meanwhile. A process that was stopped in the window of design §1
/// may act late: that call is left out.
pub fn one_effect_at_a_time(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    match deed {
        Deed::Intended(intent) if intent.mode == Mode::Act => {
            let other = book.under_way().find(|it| {
                let same_step =
                    it.remediation == intent.remediation && it.dependent != intent.dependent && it.at == intent.at;
                !same_step && it.action != intent.action && !it.touches.is_disjoint(&intent.touches)
            });
            other.map_or(Ok(()), |it| {
                Err(format!(
                    "{} {} is intended while {} {} is under way",
                    intent.name,
                    short(intent.action),
                    it.name,
                    short(it.action)
                ))
            })
        }
        Deed::Sent { sent, .. } if !sent.zombie && !truth.plan.weather.wild_clock => {
            let other = truth
                .docker
                .under_way(truth.now)
                .find(|it| !it.zombie && it.action != sent.action && !it.touches.is_disjoint(&sent.touches));
            other.map_or(Ok(()), |it| {
                Err(format!("the daemon is still at {} when {} is sent", short(it.action), short(sent.action)))
            })
        }
        _ => Ok(()),
    }
}

/// Allowed by the rule and by the thing itself, not protected, not held.
pub fn only_what_is_allowed_is_touched(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Sent { attempt, sent } = deed else { return Ok(()) };
    let Some(intent) = book.intents.get(&attempt.action_id) else { return Ok(()) };
    let rule = rule(truth, &intent.rule);
    for id in &sent.touches {
        let real = truth.docker.containers.get(id).map(|it| Sight::from(it.seen.clone()));
        let service = truth.docker.service.as_ref().filter(|it| it.id == *id).map(|it| Sight::Service(it.clone()));
        let Some(sight) = real.or(service) else { continue };
        if let Some(why) = hands_off(&sight, &truth.plan.settings.protected) {
            return Err(format!("{} touches what {why}", short(intent.action)));
        }
        if intent.returns.is_some() {
            continue;
        }
        for part in sight.parts() {
            let label = |name: &str| part.labels.get(name).map(String::as_str);
            let narrowed =
                label("fettle.actions").is_some_and(|it| !it.split(',').any(|word| word.trim() == intent.name));
            if label("fettle.enable") != Some("true") || part.image_label != ImageLabel::Absent || narrowed {
                return Err(format!(
                    "{} {} touches {}, which does not permit it",
                    intent.name,
                    short(intent.action),
                    part.name
                ));
            }
        }
        let name = sight.parts().first().map(|part| part.name.to_owned()).unwrap_or_default();
        if !permitted(rule, intent, attempt.dependent.is_some(), &name) {
            return Err(format!("{} touches {name}, which rule {} does not allow", short(intent.action), intent.rule));
        }
    }
    Ok(())
}

fn permitted(rule: Option<&Rule>, intent: &Intent, dependent: bool, name: &str) -> bool {
    let Some(rule) = rule else { return false };
    if !dependent {
        return intent.target.name().is_some_and(|name| rule.target.permits(name));
    }
    match rule.steps.get(intent.rung).map(|step| &step.action) {
        Some(Action::Restart { dependents: Some(it), .. }) => it.allow.iter().any(|pattern| pattern.permits(name)),
        _ => false,
    }
}

/// What another remediation lent is not touched until it is back.
pub fn nothing_lent_is_touched(_: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.mode != Mode::Act || intent.returns.is_some() {
        return Ok(());
    }
    for row in truth.store.loans.values() {
        let loan = &row.doc;
        let open = !matches!(loan.state, LoanState::Closed { .. }) && loan.remediation != intent.remediation;
        // Lent when the facts were read: a loan that began since excludes by what it does.
        let before = crate::time::micros(loan.opened_at) < intent.read.at;
        let pin = fettle_core::sight::Pin { id: intent.key.clone(), started_at: None, restart_count: 0, size: None };
        let lent = touched(&loan.effect, &pin);
        let same = lent.iter().any(|id| intent.touches.contains(id)) || loan.key == intent.key;
        if open && before && same {
            return Err(format!("{} {} touches what loan {} lent", intent.name, short(intent.action), short(loan.id)));
        }
    }
    Ok(())
}

/// While nobody knows what became of an effect there is no other, and after "unknown" there is none at all.
pub fn unknown_is_never_repeated(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.mode != Mode::Act || intent.returns.is_some() {
        return Ok(());
    }
    let own = book.intents.values().filter(|it| it.remediation == intent.remediation && it.returns.is_none());
    for it in own.filter(|it| it.at != intent.at) {
        match it.result {
            None => {
                return Err(format!("{} is intended while nobody knows of {}", short(intent.action), short(it.action)));
            }
            Some((ActionResult::Unknown, _)) => {
                return Err(format!("{} follows {}, which is unknown", short(intent.action), short(it.action)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
