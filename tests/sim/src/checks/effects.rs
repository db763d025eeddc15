//! Checks on what is done to Docker.

use fettle_core::action::Action;
use fettle_core::remediation::loan::Loan;
use fettle_core::remediation::loan::LoanState;
use fettle_core::remediation::outcome::ActionResult;
use fettle_core::rule::budget;
use fettle_core::rule::model::{Mode, Rule};
use fettle_core::settings::Protected;
use fettle_core::sight::{Found, ImageLabel, Sight, Wanted};
use fettle_memory::physics::Daemon;

use super::book::Book;
use super::intent::{Intent, touched};
use super::oncall::is_under_way;
use super::{Deed, Truth};
use crate::history::short;
use crate::time::{Micros, SECOND, length};

/// The rule of a name, loaded or not.
pub fn rule<'t>(truth: &'t Truth<'_>, name: &str) -> Option<&'t Rule> {
    truth.plan.rules.iter().find(|rule| rule.name == name).map(|rule| &**rule)
}

/// A call is made for an intent that is stored and open, and never twice.
pub fn an_effect_has_its_intent(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Called { pin, effect, target, zombie, .. } = deed else { return Ok(()) };
    let Some(intent) = book.intent_of(pin, effect) else {
        return Err(format!("{effect:?} of {target}, which was not admitted"));
    };
    let id = short(intent.action);
    let Some(row) = book.rows.get(&intent.action) else {
        return Err(format!("the call for {id} has no stored intent"));
    };
    if row.result.is_some() && !zombie {
        return Err(format!("the call for {id} is made after its result {:?}", row.result));
    }
    if intent.calls.is_empty() { Ok(()) } else { Err(format!("a second call for {id}")) }
}

/// How old a stored intent may be when its call is made, and the facts when an intent is stored: as the engine has it.
pub const CALLED_WITHIN: Micros = 5 * SECOND;
const DECIDED_WITHIN: Micros = 20 * SECOND;

/// A process that stood still between an intent and its call does not call, and one that stood still over its facts decides
/// nothing on them.
pub fn nothing_is_done_on_what_is_old(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    match deed {
        Deed::Called { pin, effect, zombie: false, .. } => match book.intent_of(pin, effect) {
            Some(it) if truth.now - it.counts_from > CALLED_WITHIN => {
                let age = (truth.now - it.counts_from) / SECOND;
                Err(format!("the call for {} is made {age} s after its intent", short(it.action)))
            }
            _ => Ok(()),
        },
        Deed::Intended(it) if it.at - it.read_at > DECIDED_WITHIN => {
            Err(format!("{} rests on facts of {} s ago", short(it.action), (it.at - it.read_at) / SECOND))
        }
        _ => Ok(()),
    }
}

/// Nothing that an effect touches is intended to be touched by another meanwhile.
pub fn one_effect_at_a_time(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
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
        _ => Ok(()),
    }
}

/// No call is made while the daemon is still at another that touches the same, and that may take as long as that.
pub fn no_call_while_docker_is_at_another(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    still_at_another(book, deed, truth, false)
}

/// The same where the other one takes longer than a daemon may take that does not hang.
pub fn no_call_while_a_hung_docker_has_another(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    still_at_another(book, deed, truth, true)
}

/// A process that was stopped in the window of design §1 may call late: that call is left out.
fn still_at_another(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, hung: bool) -> Result<(), String> {
    match deed {
        Deed::Called { pin, effect, zombie: false, .. } => {
            let touches = touched(effect, pin);
            let own = book.intent_of(pin, effect).map(|it| it.action);
            let other = (0..truth.calls.len()).find(|at| {
                let (call, made) = (&truth.calls[*at], book.calls.get(*at));
                let other = made.is_some_and(|it| !it.zombie && it.action != own) && hung == hangs(book, truth, *at);
                other && is_under_way(truth, *at) && !touched(&call.effect, &call.pin).is_disjoint(&touches)
            });
            other.map_or(Ok(()), |at| {
                let action = book.calls[at].action.map(short);
                Err(format!("the daemon is still at {action:?} when {:?} is called", own.map(short)))
            })
        }
        _ => Ok(()),
    }
}

/// Whether the daemon is at this call for longer than it may take.
pub fn hangs(book: &Book, truth: &Truth<'_>, call: usize) -> bool {
    let intent = book.calls.get(call).and_then(|it| it.action).and_then(|id| book.intents.get(&id));
    intent.is_some_and(|it| truth.now > overdue_at(book, it))
}

/// When a call can no longer be under way, unless the daemon hangs; clocks that are somewhat off are allowed for.
pub fn overdue_at(book: &Book, intent: &Intent) -> Micros {
    intent.counts_from + length(intent.does.conclusive_after()) - 2 * book.skew
}

/// Allowed by the rule and by the thing itself, not protected, not held.
pub fn only_what_is_allowed_is_touched(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Called { pin, effect, .. } = deed else { return Ok(()) };
    let Some(intent) = book.intent_of(pin, effect) else { return Ok(()) };
    let rule = rule(truth, &intent.rule);
    for id in &touched(effect, pin) {
        let real = truth.daemon.container(id).map(|it| Sight::from(it.clone()));
        let service = || match truth.daemon.find(&intent.target, Wanted::default()) {
            Ok(Found::One(sight)) if matches!(*sight, Sight::Service(_)) => Some(*sight),
            _ => None,
        };
        let Some(sight) = real.or_else(service) else { continue };
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
        if !intent.ordered && !permitted(rule, intent, intent.dependent, &name) {
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
pub fn nothing_lent_is_touched(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    lent_and_touched(book, deed, truth, false)
}

/// The same under another name: a container of a service whose replicas are lent.
pub fn nothing_lent_is_touched_by_another_name(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    lent_and_touched(book, deed, truth, true)
}

fn lent_and_touched(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>, renamed: bool) -> Result<(), String> {
    let Deed::Intended(intent) = deed else { return Ok(()) };
    if intent.mode != Mode::Act || intent.returns.is_some() {
        return Ok(());
    }
    for loan in book.loans.values() {
        let open = !matches!(loan.state, LoanState::Closed { .. }) && loan.remediation != intent.remediation;
        // Lent when the facts were read: a loan that began since excludes by what it does.
        let before = crate::time::micros(loan.opened_at) < intent.read_at && !truth.wild();
        let pin = fettle_core::sight::Pin { id: intent.key.clone(), started_at: None, restart_count: 0, size: None };
        let lent = touched(&loan.effect, &pin);
        let same = lent.iter().any(|id| intent.touches.contains(id)) || loan.key == intent.key;
        if open && before && same && renamed == (loan.target != intent.target) {
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
        match it.result.as_ref().map(|row| row.result) {
            None => {
                return Err(format!("{} is intended while nobody knows of {}", short(intent.action), short(it.action)));
            }
            Some(ActionResult::Unknown) => {
                return Err(format!("{} follows {}, which is unknown", short(intent.action), short(it.action)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Why nothing may be done to what was seen: it is protected, or a person holds it back by a label.
fn hands_off(sight: &Sight, protected: &Protected) -> Option<String> {
    sight.parts().into_iter().find_map(|part| {
        let label = |name: &str| part.labels.get(name).map(String::as_str);
        let project = label("com.docker.compose.project").is_some_and(|it| protected.compose_projects.contains(it));
        let known_as = [Some(part.name), label("com.docker.compose.service")];
        let database = known_as.iter().flatten().any(|it| protected.database.contains(*it));
        let garbled = label("fettle.budget").is_some_and(|it| it.split(',').any(|one| budget::parse(one).is_err()));
        let why = match () {
            () if protected.containers.contains(part.name) || project || database => "is protected",
            () if label("fettle.hold").is_some() => "carries fettle.hold",
            () if garbled => "carries a budget that does not read",
            () => return None,
        };
        Some(format!("{why}: {}", part.name))
    })
}

/// Whether a loan is never returned, because what it is about is held back.
pub fn is_held_back(daemon: &Daemon, loan: &Loan, protected: &Protected) -> bool {
    let wanted = Wanted { replicas: true, ..Wanted::default() };
    match daemon.find(&loan.target, wanted) {
        Ok(Found::One(sight)) => hands_off(&sight, protected).is_some(),
        _ => false,
    }
}
