//! Checks on what is written down.

use std::collections::BTreeSet;

use fettle_core::alert::labels::Labels;
use fettle_core::announcement::AnnouncementName;
use fettle_core::effect::Effect;
use fettle_core::id::EffortId;
use fettle_core::receive::{Candidate, Standing};
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::remediation::outcome::{Outcome, Verdict};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::State;
use fettle_core::rule::model::Mode;
use fettle_core::sight::{Found, Sight, Status, Wanted};

use super::book::Book;
use super::effects::rule;
use super::oncall::was_executed;
use super::{Deed, Truth};
use crate::history::short;
use crate::time::{MINUTE, Micros, SECOND, length, micros};

/// A claim that was lost stores nothing.
pub fn claims_are_fenced(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Stored { claim, after, fenced, .. } = deed else { return Ok(()) };
    let newer = book.claims.get(&after.id.into()).filter(|it| it.version > claim.version);
    if *fenced && newer.is_none() {
        return Ok(());
    }
    Err(format!("{} was stored under a claim that was lost", short(after.id)))
}

/// What is closed is over.
pub fn closed_stays_closed(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    match deed {
        Deed::Stored { after, .. } if book.closed.contains_key(&after.id) => {
            Err(format!("{} was closed already", short(after.id)))
        }
        _ => Ok(()),
    }
}

/// One open remediation per target.
pub fn one_open_remediation_per_target(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Received { changes, .. } = deed else { return Ok(()) };
    let mut seen = BTreeSet::new();
    for doc in book.docs.values().chain(&changes.opened).filter(|doc| doc.outcome().is_none()) {
        if !seen.insert(doc.target.to_string()) {
            return Err(format!("two open remediations of {}", doc.target));
        }
    }
    Ok(())
}

/// Whatever is open is due some time, and not in some other year.
pub fn everything_open_is_due(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let (id, due, open) = match deed {
        Deed::Stored { after, .. } => (EffortId::from(after.id), after.due(), after.outcome().is_none()),
        Deed::Lent { loan, .. } => (loan.id.into(), loan.due(), !matches!(loan.state, LoanState::Closed { .. })),
        _ => return Ok(()),
    };
    // The longest time that anything waits is a person's day; its end is dated by a clock that may be ahead.
    let soon = due.is_some_and(|due| micros(due) < truth.now + 25 * 60 * MINUTE + book.skew);
    if open && !soon { Err(format!("{} is open and due {due:?}", short(id))) } else { Ok(()) }
}

/// One result for each effect, and none for what was never intended.
pub fn every_effect_has_one_result(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let (Deed::Stored { records, .. } | Deed::Lent { records, .. }) = deed else { return Ok(()) };
    let mut given = BTreeSet::new();
    for record in *records {
        let Record::Result(row) = record else { continue };
        let id = short(row.action_id);
        match book.intents.get(&row.action_id) {
            None => return Err(format!("a result for {id}, which nobody intended")),
            Some(intent) if intent.result.is_some() || !given.insert(row.action_id) => {
                return Err(format!("a second result for {id}: {:?} after {:?}", row.result, intent.result));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The table of design §2: what follows each verdict.
pub fn verdicts_are_followed(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Stored { after, records, .. } = deed else { return Ok(()) };
    let Some(before) = book.docs.get(&after.id) else { return Ok(()) };
    let own = |it: &&Record| match it {
        Record::Verdict { row, .. } => !book.intents.get(&row.action_id).is_some_and(|it| it.dependent),
        _ => false,
    };
    let Some(Record::Verdict { row, .. }) = records.iter().find(own) else { return Ok(()) };
    let climbed = after.rung == before.rung + 1;
    let fits = match (row.verdict, after.outcome()) {
        (Verdict::Fixed, Some(Outcome::Fixed))
        | (Verdict::Unconfirmed, Some(Outcome::Unconfirmed))
        | (Verdict::Cleared, Some(Outcome::Cleared))
        | (Verdict::Superseded, Some(Outcome::Superseded | Outcome::Cancelled))
        | (Verdict::Unknown, Some(Outcome::Escalated | Outcome::Observed)) => true,
        (Verdict::StillFiring | Verdict::NotFixed, None) => climbed && matches!(after.state, State::Held { .. }),
        (Verdict::StillFiring | Verdict::NotFixed, Some(outcome)) => {
            climbed && matches!(outcome, Outcome::Escalated | Outcome::Cleared | Outcome::Observed)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{}: {} is followed by {:?}", short(after.id), row.verdict, after.state)) }
}

/// What is lent is on record with the intent that lends it.
pub fn what_is_lent_is_on_record(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    match deed {
        Deed::Intended(intent) if intent.lends && intent.mode == Mode::Act => {
            if book.loans.contains_key(&intent.action.into()) || book.lent_now.contains(&intent.action.into()) {
                return Ok(());
            }
            Err(format!("{} {} has no loan", intent.name, short(intent.action)))
        }
        _ => Ok(()),
    }
}

/// Whether somebody changed what was lent cannot be told before it was lent.
pub fn a_loan_is_judged_when_it_began(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Lent { loan, .. } = deed else { return Ok(()) };
    let LoanState::Closed { end: LoanEnd::Superseded | LoanEnd::Returned, reason, .. } = &loan.state else {
        return Ok(());
    };
    let early = book.intents.get(&loan.id.into()).is_some_and(|it| {
        it.result.is_none() && truth.now < it.at + length(it.does.conclusive_after()) - 2 * book.skew
    });
    if early { Err(format!("loan {} is over ({reason}) before it began", short(loan.id))) } else { Ok(()) }
}

/// A loan that is said to be returned is.
pub fn a_loan_is_returned_for_real(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Lent { loan, .. } = deed else { return Ok(()) };
    let LoanState::Closed { end: LoanEnd::Returned, reason, .. } = &loan.state else { return Ok(()) };
    let tries = book.intents.values().filter(|it| it.returns == Some(loan.id));
    let executed = tries.flat_map(|it| &it.calls).any(|call| was_executed(truth, *call));
    if executed || is_back(loan, truth) {
        return Ok(());
    }
    Err(format!("loan {} counts as returned ({reason}), and nothing was brought back", short(loan.id)))
}

fn is_back(loan: &Loan, truth: &Truth<'_>) -> bool {
    let runs = |id: &str| truth.daemon.container(id).is_some_and(|it| it.status == Status::Running);
    match &loan.effect {
        Effect::StopReplicas { replicas, .. } => replicas.iter().all(|it| runs(&it.id)),
        Effect::StartReplicas { replicas, .. } => replicas.iter().all(|it| !runs(&it.id)),
        Effect::SetReplicas { from, .. } => match truth.daemon.find(&loan.target, Wanted::default()) {
            Ok(Found::One(sight)) => matches!(&*sight, Sight::Service(it) if it.replicas == Some(*from)),
            // Nothing answers, so it cannot be seen here either.
            _ => true,
        },
        _ => false,
    }
}

/// Nothing is acknowledged into memory: it is pending, or taken in already.
pub fn what_is_accepted_is_stored(book: &Book, deed: &Deed<'_>, _: &Truth<'_>) -> Result<(), String> {
    let Deed::Accepted { notification } = deed else { return Ok(()) };
    if book.appended.contains_key(notification) {
        Ok(())
    } else {
        Err(format!("{} was acknowledged and is not stored", short(*notification)))
    }
}

/// Every alert that was accepted firing has a decision on record for each rule that selects it.
pub fn accepted_alerts_are_decided(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Received { changes, .. } = deed else { return Ok(()) };
    let newly = |fingerprint, rule: &str| {
        changes.candidates.iter().rev().find(|it| it.fingerprint == fingerprint && it.rule == rule)
    };
    let doc = |id| changes.opened.iter().find(|it| it.id == id).or_else(|| book.docs.get(&id));
    for alert in changes.alerts.iter().filter(|it| it.firing) {
        for rule in selecting(truth, &alert.labels) {
            let key = (alert.fingerprint, rule.clone());
            let known = book.candidates.contains_key(&key) || newly(alert.fingerprint, &rule).is_some();
            if !known && !book.reloaded {
                return Err(format!("nothing is on record of {} for rule {rule}", alert.fingerprint));
            }
        }
        for candidate in changes.candidates.iter().filter(|it| it.fingerprint == alert.fingerprint) {
            let open = candidate.remediation.and_then(doc).is_some_and(|doc| doc.outcome().is_none());
            let written = changes.records.iter().filter_map(|it| match it {
                Record::Action(row) => Some(&**row),
                _ => None,
            });
            let on_record = book.rows.values().chain(written).any(|row| {
                row.fingerprint == alert.fingerprint
                    && row.rule == candidate.rule
                    && row.reason.as_deref() == Some("in_flight")
            });
            let fits = match candidate.standing {
                Standing::Attached => open && candidate.episode == alert.episode,
                Standing::Spent => candidate.remediation.and_then(doc).is_some() && !open,
                // It waits no more: the other remediation may be at work still.
                Standing::Free => true,
                Standing::Waiting => on_record,
            };
            if !fits {
                let (fingerprint, rule, standing) = (alert.fingerprint, &candidate.rule, candidate.standing);
                return Err(format!("{fingerprint} for rule {rule} is {standing}: {candidate:?}"));
            }
        }
    }
    Ok(())
}

/// Upkeep asks each 10 s who waits, and what it finds is asked again at once.
const ASKED_WITHIN: Micros = 45 * SECOND;

/// An alert that waits for a target is asked again when that is free, whoever else has lost the wake-up. Where the store
/// fails, this may take longer.
pub fn who_waits_is_asked_again(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let weather = &truth.plan.weather;
    let steady = || truth.world.replicas.iter().any(|it| it.steady_for(truth.now) > ASKED_WITHIN);
    if !matches!(deed, Deed::Tick) || weather.store > 0 || weather.outages > 0 || truth.wild() || !steady() {
        return Ok(());
    }
    let waits = |it: &&Candidate| it.standing == Standing::Waiting && !book.ended.contains_key(&it.fingerprint);
    for it in book.candidates.values().filter(waits) {
        let on_it = || book.docs.values().filter(|doc| doc.target.to_string() == it.target);
        let closed = on_it().map(|doc| book.closed.get(&doc.id).copied());
        let Some(free_since) = closed.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max()) else {
            continue;
        };
        // What ended meanwhile waited for nothing until it fired again.
        let free_since = free_since.max(book.refired.get(&it.fingerprint).copied().unwrap_or(0));
        if truth.now - free_since > ASKED_WITHIN {
            let (ago, alert, rule) = ((truth.now - free_since) / SECOND, it.fingerprint, &it.rule);
            return Err(format!("{alert} waits for {} for rule {rule}, and that is free since {ago} s", it.target));
        }
    }
    Ok(())
}

/// The rules that select an alert, by their matchers and `continue`.
fn selecting(truth: &Truth<'_>, labels: &Labels) -> Vec<String> {
    let mut names = Vec::new();
    for rule in truth.plan.rules.iter().filter(|rule| rule.matchers.iter().all(|it| it.matches(labels))) {
        names.push(rule.name.clone());
        if !rule.proceed {
            break;
        }
    }
    names
}

/// `FettleWorking` stands while fettle works, and only then.
pub fn working_stands_while_working(book: &Book, deed: &Deed<'_>, truth: &Truth<'_>) -> Result<(), String> {
    let Deed::Stored { after, records, .. } = deed else { return Ok(()) };
    if !truth.plan.settings.alertmanager || after.order.is_some() {
        return Ok(());
    }
    let working = AnnouncementName::Working;
    let now = records.iter().rev().find_map(|it| match it {
        Record::Announce(it) if it.name == working && it.remediation == after.id => Some(&**it),
        _ => None,
    });
    let row = now.or_else(|| book.outbox.get(&(after.id, working.as_str())));
    let stands = row.is_some_and(|it| it.until > it.at);
    let works = matches!(after.state, State::Running(_) | State::Verifying(_));
    let between = matches!(after.state, State::Held { .. }) && after.attempts > 0;
    let observes = rule(truth, &after.rule).is_none_or(|rule| rule.mode.min(truth.plan.settings.mode) == Mode::Observe);
    let id = short(after.id);
    match (works, stands) {
        (false, true) if !between => Err(format!("FettleWorking stands while {id} is {}", after.state_name())),
        (true, false) if !observes => Err(format!("no FettleWorking while {id} is {}", after.state_name())),
        _ => Ok(()),
    }
}
