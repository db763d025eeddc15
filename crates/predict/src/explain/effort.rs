//! One effort: everything that is asked about its next step, and what that comes to.

use serde_json::json;
use uuid::Uuid;

use super::dry::Known;
use super::foresee;
use super::sources::{Answered, Sources};
use super::{Effort, Next, Now, Plan, Standing};
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Blind, Facts, IDS, Survey, survey, wanted_by};
use fettle_core::guard::survey::{Answer, Says, uncounted, under_lock};
use fettle_core::id::RemediationId;
use fettle_core::ports::StoreError;
use fettle_core::receive::{Candidate, World};
use fettle_core::remediation::conclusion::Came;
use fettle_core::remediation::record::{ActionRow, Record};
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::rule::model::{Rule, Step};
use fettle_core::sight::Found;

/// What an open remediation is about to do; `None` when there is none of this id, or it is closed.
pub async fn explain_remediation(sources: &Sources, id: RemediationId) -> Result<Option<Now>, StoreError> {
    let Some(remediation) = sources.stored(id).await? else { return Ok(None) };
    if remediation.outcome().is_some() {
        return Ok(None);
    }
    let answered = Answered::default();
    answered.read_from_database();
    let effort = attached(sources, &remediation, false, Vec::new(), &answered).await;
    Ok(Some(Now { at: sources.now, asked: answered.told(sources.settings.alertmanager), effort }))
}

/// The effort of a remediation that is open, or would be opened (`new`). `fresh` are its alerts as they are heard now.
pub(super) async fn attached(
    sources: &Sources,
    remediation: &Remediation,
    new: bool,
    fresh: Vec<AlertState>,
    answered: &Answered,
) -> Effort {
    let mut effort = plain(remediation, if new { Standing::New } else { Standing::Attached });
    if !new {
        effort.remediation = Some(remediation.id);
        effort.state = Some(remediation.state_name().to_string());
    }
    let rule = remediation.rule_in(&sources.rules);
    let rule = rule.as_deref();
    if matches!(remediation.state, State::Running { .. } | State::Verifying { .. }) {
        effort.next = foresee::under_way(remediation, rule);
        return effort;
    }
    let mut around = sources.around(remediation, rule, fresh, answered).await;
    let facts = Facts {
        rule,
        settings: &sources.settings,
        alerts: &around.alerts,
        surroundings: &around.surroundings,
        now: sources.now,
        // Rows that are never stored need no ids of their own.
        new_ids: [Uuid::nil(); IDS],
    };
    let step = rule.and_then(|rule| rule.steps.get(remediation.rung).map(|step| (rule, step)));
    let looked = match step.filter(|(_, step)| step.action.has_effect()) {
        Some((rule, step)) => sources.look(&remediation.target, wanted_by(rule, step), answered).await,
        None => None,
    };
    let found = looked.as_ref().and_then(|looked| looked.as_ref().ok());
    let unseen = looked.as_ref().and_then(|looked| looked.as_ref().err()).map(Blind::from);
    let seen = found.map(Ok).or(unseen.as_ref().map(Err));
    let survey = survey(remediation, &facts, seen, around.stored);
    let ledgers = match &survey.request {
        Some(request) => sources.ledgers(request, answered).await,
        None => None,
    };
    effort.guards = guards(&survey, step.is_some(), found.is_some(), ledgers.as_deref());
    let first = effort.guards.iter().find(|answer| answer.stands_against()).map(|answer| answer.guard);
    // People are called about what was tried and did not help, whatever else stands against one more attempt.
    let calls = step.is_none() && remediation.attempts > 0;
    effort.stopped_by = first.filter(|guard| !calls || *guard == Guard::Resolved);
    effort.plan = rule.and_then(|rule| plan(remediation, rule, &survey, found));
    effort.mode = Some(survey.mode);
    effort.ceilings.clone_from(&survey.ceilings);
    let due = foresee::due(sources, remediation);
    // What was counted for now is something else when it is due.
    let ledgers = match &survey.request {
        Some(request) if due > sources.now => {
            let mut then = (**request).clone();
            then.ask.now = due;
            then.also.iter_mut().for_each(|(_, ask)| ask.now = due);
            sources.ledgers(&then, answered).await
        }
        _ => ledgers,
    };
    foresee::advance(&mut around, sources.settings.freshness, due);
    effort.next = foresee::next(sources, remediation, rule, Known { around, looked, ledgers }).await;
    effort
}

/// Every guard in the order in which they are asked.
fn guards(
    survey: &Survey,
    effect: bool,
    looked: bool,
    ledgers: Option<&[fettle_core::guard::ledger::Ledger]>,
) -> Vec<Answer> {
    let mut guards = survey.answers.clone();
    if !effect {
        return guards;
    }
    guards.extend(match (&survey.request, ledgers) {
        (Some(request), Some(ledgers)) => under_lock(request, ledgers),
        (Some(_), None) => uncounted("the database was not asked"),
        (None, _) => uncounted("nothing can be planned yet"),
    });
    guards.push(survey.approval(looked));
    guards
}

fn plan(remediation: &Remediation, rule: &Rule, survey: &Survey, found: Option<&Found>) -> Option<Plan> {
    let step: &Step = rule.steps.get(remediation.rung)?;
    let effect = survey.request.as_ref().map_or(json!({}), |it| it.plan.attempt.effect.describe());
    let seen = match found {
        Some(Found::One(sight)) => Some(sight.describe()),
        _ => None,
    };
    Some(Plan {
        step: remediation.rung + 1,
        steps: rule.steps.len(),
        action: step.action.name(),
        parameters: step.action.parameters(),
        effect,
        seen,
        approval: survey.consent.map(|why| why.to_string()),
    })
}

/// What names alone decide: the remediation would be closed in the transaction that takes the alert in.
pub(super) fn refused(sources: &Sources, remediation: &Remediation, records: &[Record]) -> Effort {
    let of = |record: &Record| match record {
        Record::Action(row) if row.remediation_id == remediation.id => Some((**row).clone()),
        _ => None,
    };
    let row: Option<ActionRow> = records.iter().find_map(of);
    let guard = row.as_ref().and_then(|row| Guard::from_word(row.reason.as_deref()?)).unwrap_or(Guard::NoTarget);
    let why = row.as_ref().and_then(|row| row.detail["why"].as_str().map(str::to_owned)).unwrap_or_default();
    let what = format!("closed refused: {guard}, as soon as it is taken in; nothing is looked up");
    Effort {
        mode: row.as_ref().map(|row| row.mode),
        guards: vec![Answer { guard, says: Says::Refuses, why, until: None, numbers: json!({}) }],
        stopped_by: Some(guard),
        next: vec![Next { at: Some(sources.now), what }],
        ..plain(remediation, Standing::Refused)
    }
}

/// Another rule's remediation of the same target is open.
pub(super) fn waiting(world: &World, candidate: &Candidate) -> Effort {
    let other = world.open.get(&candidate.target).map_or("another", |open| open.rule.as_str());
    let numbers = json!({"remediations": [candidate.remediation]});
    let why = format!("rule {other} is at work on it");
    Effort {
        remediation: candidate.remediation,
        guards: vec![Answer { guard: Guard::InFlight, says: Says::Waits, why, until: None, numbers }],
        stopped_by: Some(Guard::InFlight),
        next: vec![Next {
            at: None,
            what: format!("the rule is asked again when the remediation of {other} is closed"),
        }],
        ..of_candidate(candidate, Standing::Waiting)
    }
}

/// The episode's remediation is closed.
pub(super) fn spent(candidate: &Candidate, closed: Option<&Remediation>) -> Effort {
    let episode = candidate.episode;
    let state = closed.and_then(|it| Some(format!("closed {}: {}", it.outcome()?, it.reason().unwrap_or_default())));
    let what = match candidate.conclusion.as_ref().map(|it| it.came) {
        None => format!("nothing: episode {episode} of the alert is spent by an effect; the next one is decided"),
        Some(Came::Declined) => {
            format!("the target is looked at; episode {episode} is decided again after another run, or by another rule")
        }
        Some(Came::Unanswered) => format!("episode {episode} is decided again: a person is asked once more"),
        Some(came) => format!(
            "the target is looked at; episode {episode} is decided again if the answer is another one than `{}`",
            came.as_str()
        ),
    };
    Effort {
        remediation: candidate.remediation,
        state,
        next: vec![Next { at: candidate.again_at, what }],
        ..of_candidate(candidate, Standing::Spent)
    }
}

fn of_candidate(candidate: &Candidate, standing: Standing) -> Effort {
    empty(candidate.rule.clone(), candidate.target.clone(), standing)
}

fn plain(remediation: &Remediation, standing: Standing) -> Effort {
    empty(remediation.rule.clone(), remediation.target.to_string(), standing)
}

fn empty(rule: String, target: String, standing: Standing) -> Effort {
    Effort {
        rule,
        target,
        standing,
        remediation: None,
        state: None,
        mode: None,
        ceilings: Vec::new(),
        plan: None,
        guards: Vec::new(),
        stopped_by: None,
        next: Vec::new(),
    }
}
