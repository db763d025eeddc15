//! Everything that would be asked about the current step, whether or not a guard before it refuses: for explanations.
//!
//! Always holds: the guards, the plan and the ledger's questions are those of a decision, made by the same functions in the
//! same order, so the first answer that stands against it is what a decision on the same facts refuses with. Decides
//! nothing and writes nothing down.

use serde_json::json;

use super::{Blind, Facts, Turn, approving, planning};
use crate::guard::survey::{self, Answer, Says};
use crate::guard::{self, Aim, Permits, Request};
use crate::remediation::refusal::Guard;
use crate::remediation::state::Remediation;
use crate::rule::model::{Mode, Rule, Step};
use crate::sight::{Found, Sight};

/// Everything that is said about one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// How far fettle may go now.
    pub mode: Mode,
    /// What sets that: the lowest counts.
    pub ceilings: Vec<Ceiling>,
    /// What the guards say, in the order in which they are asked; those that count are not among them.
    pub answers: Vec<Answer>,
    /// What would be done, when it can be told: whoever has its ledgers can ask the guards that count
    /// ([`survey::under_lock`]).
    pub request: Option<Box<Request>>,
    /// Why a person would be asked.
    pub consent: Option<approving::Consent>,
}

/// One limit of the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Ceiling {
    /// Whose: `service`, `rule`, `storm` or `breaker`.
    pub by: &'static str,
    /// How far it lets fettle go.
    pub mode: Mode,
}

/// Asks everything about the step on which `remediation` stands. `looked` is what a look at the target showed; `None` when
/// nobody looked. `store` tells whether the facts hold what is stored.
#[must_use]
pub fn survey(
    remediation: &Remediation,
    facts: &Facts<'_>,
    looked: Option<Result<&Found, &Blind>>,
    store: bool,
) -> Survey {
    let mut turn = Turn { remediation: remediation.clone(), records: Vec::new(), facts: *facts, ids_used: 0 };
    let mut survey = Survey {
        mode: turn.mode(),
        ceilings: ceilings(&turn),
        answers: survey::before_look(&turn.known(), store),
        request: None,
        consent: None,
    };
    let step = facts.rule.and_then(|rule| Some((rule, rule.steps.get(remediation.rung)?)));
    if let Some((rule, step)) = step.filter(|(_, step)| step.action.has_effect()) {
        of_step(&mut turn, rule, step, looked, store, &mut survey);
    }
    survey
}

fn ceilings(turn: &Turn<'_>) -> Vec<Ceiling> {
    let known = turn.known();
    let of = |by, mode: Option<Mode>| mode.map(|mode| Ceiling { by, mode });
    let all = [
        of("service", Some(turn.facts.settings.mode)),
        of("rule", turn.facts.rule.map(|rule| rule.mode)),
        of("storm", guard::storm_ceiling(&known)),
        of("breaker", guard::trip_ceiling(&known)),
    ];
    all.into_iter().flatten().collect()
}

fn of_step(
    turn: &mut Turn<'_>,
    rule: &Rule,
    step: &Step,
    looked: Option<Result<&Found, &Blind>>,
    store: bool,
    survey: &mut Survey,
) {
    let target = turn.remediation.target.clone();
    let (tried, ended) = (turn.remediation.tried.clone(), turn.remediation.ended.clone());
    let aim = Aim {
        known: turn.known(),
        permits: Permits::Rule(&rule.target),
        min_healthy: rule.target.min_healthy,
        settle: step.verify.settle,
        action: &step.action,
        target: &target,
        tried: tried.as_ref(),
        ended: ended.as_ref(),
    };
    survey.answers.extend(survey::after_look(&aim, looked, store));
    let sight = match looked {
        Some(Ok(Found::One(sight))) => Some(&**sight),
        _ => None,
    };
    survey.consent = approving::reason(turn, step, sight, survey.mode);
    match sight {
        None => survey.answers.push(Answer::not_asked(Guard::NotScalable, "the target was not looked at")),
        Some(sight) => of_sight(turn, rule, step, sight, survey),
    }
}

fn of_sight(turn: &mut Turn<'_>, rule: &Rule, step: &Step, sight: &Sight, survey: &mut Survey) {
    let effect = match planning::effect(step, sight) {
        Err(refusal) => return survey.answers.push(Answer::no(refusal)),
        Ok(effect) => effect,
    };
    let why = format!("{} applies: {}", step.action.name(), sight.describe());
    survey.answers.push(Answer::passes(Guard::NotScalable, why, json!({"effect": effect.describe()})));
    let dependents = match planning::dependents(turn, step, sight) {
        Err(refusal) => return survey.answers.push(Answer::no(refusal)),
        Ok(dependents) => dependents,
    };
    let request = planning::request(turn, rule, step, sight, effect, &dependents);
    survey.request = Some(Box::new(request));
}

impl Survey {
    /// The answer of `approval`, which is asked last: nobody is asked for what could not be done anyway.
    #[must_use]
    pub fn approval(&self, looked: bool) -> Answer {
        match self.consent {
            Some(why) => Answer {
                guard: Guard::Approval,
                says: Says::Waits,
                why: format!("a person must agree: {why}"),
                until: None,
                numbers: json!({"why": why.to_string()}),
            },
            None if self.mode == Mode::Observe => {
                Answer::passes(Guard::Approval, "nobody is asked: it is only observed", json!({}))
            }
            None if !looked => Answer::not_asked(Guard::Approval, "the target's own labels were not looked at"),
            None => Answer::passes(Guard::Approval, "nobody is asked", json!({})),
        }
    }
}
