//! The target was seen: what exactly is done, may it be, and who must agree?

use std::time::Duration;

use serde_json::json;

use super::ending::LADDER_ENDED;
use super::refusing::refuse;
use super::{Blind, DEPENDENTS_MAX, Decision, Turn, Wait, approving, audit_row, away, telling, transition};
use crate::action::Action;
use crate::effect::Effect;
use crate::guard::ledger::LedgerAsk;
use crate::guard::{self, Admitted, Aim, Permits, Request, docker_away};
use crate::remediation::conclusion::Came;
use crate::remediation::loan::{Loan, LoanState};
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::record::{BreakerRow, Record};
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::{Attempt, Awaiting, Plan, Remediation, Running, State};
use crate::rule::model::{Mode, Rule, Step};
use crate::settings::Settings;
use crate::sight::{Container, Found, Pin, Sight};
use crate::target::Target;
use crate::time::{Timestamp, after, before};

/// Looks that Docker may refuse in a row before the step counts as failed. With the pauses that is 7 s.
const BLIND_LOOKS: u32 = 4;

/// Pause after the first look that was refused; doubled after each further one, up to 16 s.
const BLIND_PAUSE: Duration = Duration::from_secs(1);

/// The target was looked up. `asked` is what a person was asked before.
pub(super) fn found_target(mut turn: Turn<'_>, rule: &Rule, asked: Option<&Awaiting>, found: &Found) -> Decision {
    turn.remediation.blind = 0;
    // Asked again: the alert may have gone while Docker was asked.
    if let Some(refusal) = guard::before_look(&turn.known()) {
        return refuse(turn, &refusal);
    }
    let Some(step) = rule.steps.get(turn.remediation.rung) else {
        return turn.escalate_unless_gone(LADDER_ENDED);
    };
    if let Some(pin) = &turn.remediation.pin
        && let Some((what, now)) = somebody_acted(pin, found)
    {
        turn.tell("somebody else acted", json!({"before": pin, "now": now}));
        turn.close(Outcome::Superseded, what);
        turn.leave(Came::Superseded);
        return turn.done();
    }
    if let Found::One(sight) = found {
        // From now on whoever acts before fettle does is seen, whatever makes it wait.
        turn.remediation.pin = Some(sight.pin());
    }
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
    let sight = match guard::after_look(&aim, found) {
        Err(refusal) => return refuse(turn, &refusal),
        Ok(sight) => sight,
    };
    let effect = match effect(step, sight) {
        Err(refusal) => return refuse(turn, &refusal),
        Ok(effect) => effect,
    };
    let dependents = match dependents(&turn, step, sight) {
        Err(refusal) => return refuse(turn, &refusal),
        Ok(dependents) => dependents,
    };
    turn.remediation.key = Some(sight.key());
    let request = request(&mut turn, rule, step, sight, effect, &dependents);
    approving::admit_or_propose(turn, asked, step, sight, request)
}

/// What the step means for what was seen; `not_scalable` when it means nothing.
pub(super) fn effect(step: &Step, sight: &Sight) -> Result<Effect, Refusal> {
    Effect::of(&step.action, sight).map_err(|not| {
        let detail = json!({"seen": sight.describe()});
        Refusal { guard: Guard::NotScalable, until: None, why: not.0, detail }
    })
}

/// What somebody else did since `pin` was noted, and what there is now.
fn somebody_acted(pin: &Pin, found: &Found) -> Option<(&'static str, Option<Pin>)> {
    match found {
        Found::Nothing => Some(("somebody else removed the target", None)),
        Found::One(sight) if same_kind(pin, sight) && pin.superseded_by(&sight.pin()) => {
            Some(("somebody else restarted, replaced or scaled the target", Some(sight.pin())))
        }
        Found::One(_) | Found::Many(_) => None,
    }
}

/// One rung may look at a service's one container, the next at all of its replicas: their pins say nothing of each other.
fn same_kind(pin: &Pin, sight: &Sight) -> bool {
    pin.id.contains(':') == matches!(sight, Sight::Replicas(_))
}

/// The containers that are restarted after it, each allowed twice by itself; else the whole step is refused.
pub(super) fn dependents<'s>(
    turn: &Turn<'_>,
    step: &Step,
    sight: &'s Sight,
) -> Result<Vec<(Target, &'s Container)>, Refusal> {
    let (Action::Restart { dependents: Some(wanted), .. }, Some(container)) = (&step.action, sight.container()) else {
        return Ok(Vec::new());
    };
    if container.dependents.len() > DEPENDENTS_MAX {
        let why =
            format!("{} containers depend on it, at most {DEPENDENTS_MAX} are restarted", container.dependents.len());
        return Err(Refusal { guard: Guard::AmbiguousTarget, until: None, why, detail: json!({}) });
    }
    let host = turn.remediation.target.host();
    let mut passed = Vec::new();
    for dependent in &container.dependents {
        let target = Target::Container { host: host.to_owned(), name: dependent.name.clone() };
        let found = Found::one(dependent.clone());
        let aim = Aim {
            known: turn.known(),
            permits: Permits::Patterns(&wanted.allow),
            min_healthy: 0,
            settle: step.verify.settle,
            action: &step.action,
            target: &target,
            tried: None,
            ended: None,
        };
        if let Err(refusal) = guard::after_look(&aim, &found) {
            let why = format!("dependent {}: {}", dependent.name, refusal.why);
            return Err(Refusal {
                why,
                detail: json!({"dependent": dependent.name, "numbers": refusal.detail}),
                ..refusal
            });
        }
        passed.push((target, dependent));
    }
    Ok(passed)
}

/// The effect as it is planned, with the limits that it must keep.
pub(super) fn request(
    turn: &mut Turn<'_>,
    rule: &Rule,
    step: &Step,
    sight: &Sight,
    effect: Effect,
    dependents: &[(Target, &Container)],
) -> Request {
    let mode = turn.mode();
    let target = turn.remediation.target.clone();
    let ends_run = effect.ends_run() && !sight.container().is_some_and(Container::is_over);
    let attempt = Attempt {
        action_id: turn.new_id(),
        rung: turn.remediation.rung,
        action: step.action.clone(),
        effect,
        dependent: None,
        verify: step.verify.clone(),
        pin: sight.pin(),
        intended_at: turn.facts.now,
    };
    let also: Vec<(Attempt, LedgerAsk)> = dependents
        .iter()
        .map(|(target, container)| {
            let attempt = Attempt {
                action_id: turn.new_id(),
                dependent: Some(target.clone()),
                pin: container.pin(),
                ..attempt.clone()
            };
            let sight = Sight::from((*container).clone());
            (attempt, ask(turn, rule, target, &sight, mode))
        })
        .collect();
    Request {
        ask: ask(turn, rule, &target, sight, mode),
        plan: Plan { attempt, key: sight.key(), ends_run, mode, approved: None, restore: step.restore },
        also,
        cooldown: rule.cooldown,
        in_flight: turn.facts.settings.in_flight,
        heeds_loans: true,
        trip: turn.facts.settings.trip,
        proposing: None,
    }
}

fn ask(turn: &Turn<'_>, rule: &Rule, target: &Target, sight: &Sight, mode: Mode) -> LedgerAsk {
    LedgerAsk {
        remediation: turn.remediation.id,
        rule: rule.name.clone(),
        target: target.to_string(),
        key: sight.key(),
        keys: sight.keys(),
        mode: if mode == Mode::Observe { Mode::Observe } else { Mode::Act },
        now: turn.facts.now,
        unproven_since: before(turn.facts.now, turn.facts.settings.trip.map(|trip| trip.within).unwrap_or_default()),
        scopes: guard::scopes(rule, turn.facts.settings, sight),
    }
}

/// The effect is admitted: the state and the rows that must be stored, in the admission's own transaction, before the call.
#[must_use]
pub fn begin(
    mut remediation: Remediation,
    admitted: Admitted,
    rule: Option<&Rule>,
    settings: &Settings,
) -> (Remediation, Vec<Record>) {
    let (plan, also, breaker) = admitted.into_parts();
    let now = plan.attempt.intended_at;
    remediation.attempts += 1;
    remediation.last_action = Some(plan.attempt.action_id);
    if let Some(approved) = &plan.approved {
        remediation.answered = Some(approved.id);
    }
    let mut records: Vec<Record> = Vec::new();
    away::end(&mut remediation, &mut records, rule, settings, now);
    for attempt in std::iter::once(&plan.attempt).chain(&also) {
        records.push(Record::Action(Box::new(intent(&remediation, &plan, attempt))));
    }
    let name = plan.attempt.action.name();
    if plan.mode == Mode::Observe {
        remediation.state =
            State::Closed { outcome: Outcome::Observed, reason: format!("would {name}, mode is observe"), at: now };
        let told = json!({"action_id": plan.attempt.action_id, "dependents": also.len()});
        remediation.leave(Came::Observed, rule, settings.recheck, now);
        records.push(transition(&remediation, now, format!("would {name}"), told));
        return (remediation, records);
    }
    if let Some(opened_at) = breaker {
        records.push(Record::Breaker(BreakerRow {
            rule: remediation.rule.clone(),
            at: now,
            opened_at: Some(opened_at),
            probe: Some(plan.attempt.action_id),
            by: None,
        }));
    }
    if let Some(after) = plan.restore {
        records.push(Record::Loan(Box::new(lend(&remediation, &plan, after))));
    }
    let told_detail = json!({"action_id": plan.attempt.action_id, "container": plan.attempt.pin.id,
        "attempt": remediation.attempts, "dependents": also.iter().map(|it| it.action_id).collect::<Vec<_>>(),
        "approved_by": plan.approved.as_ref().map(|it| &it.by)});
    remediation.tried = Some(plan.attempt.pin.clone());
    if plan.ends_run {
        remediation.ended = Some(plan.attempt.pin.clone());
    }
    // Due at once: as long as the claim lasts nobody asks, and whoever takes it over looks at once.
    remediation.state = State::Running(Running {
        attempt: Box::new(plan.attempt),
        queue: also,
        done: Vec::new(),
        path_since: None,
        until: now,
        unsent: false,
        removal: None,
    });
    records.push(transition(&remediation, now, format!("{name} intended"), told_detail));
    telling::follow(&mut remediation, &mut records, rule, settings, now);
    (remediation, records)
}

/// The audit row of an intent; of what would be done, when nothing is done.
fn intent(remediation: &Remediation, plan: &Plan, attempt: &Attempt) -> crate::remediation::record::ActionRow {
    let now = attempt.intended_at;
    let mut row = audit_row(remediation, attempt.action_id, attempt.action.name(), plan.mode, now);
    row.attempt = remediation.attempts;
    row.spends = true;
    // What a person agreed to is an act like any other: budgets and cooldowns are counted from such rows.
    row.mode = if plan.mode == Mode::Observe { Mode::Observe } else { Mode::Act };
    if let Some(target) = &attempt.dependent {
        row.target = target.to_string();
    }
    row.key = Some(if attempt.dependent.is_some() { daemon_of(&plan.key, &attempt.pin.id) } else { plan.key.clone() });
    row.detail = json!({"container": attempt.pin.id, "parameters": attempt.action.parameters(),
        "started_at_before": attempt.pin.started_at, "effect": attempt.effect.describe()});
    if let Some(approved) = &plan.approved {
        row.actor.clone_from(&approved.by);
        row.detail["approved_by"] = json!(approved.by);
        row.detail["plan"] = json!(approved.hash);
    }
    if plan.mode == Mode::Observe {
        row.result = Some(ActionResult::Observed);
        row.finished_at = Some(now);
    }
    row
}

/// The key of another container of the same daemon.
fn daemon_of(key: &str, id: &str) -> String {
    let daemon = key.split('/').next().unwrap_or_default();
    format!("{daemon}/{id}")
}

fn lend(remediation: &Remediation, plan: &Plan, pause: Duration) -> Loan {
    let now = plan.attempt.intended_at;
    // Before a look is conclusive it could show a loan that has not begun, which would read as somebody else's change.
    let pause = pause.max(plan.attempt.action.conclusive_after());
    let members = match &plan.attempt.effect {
        Effect::StopReplicas { replicas, .. } | Effect::StartReplicas { replicas, .. } => replicas.clone(),
        _ => Vec::new(),
    };
    let keys = std::iter::once(plan.key.clone()).chain(members.iter().map(|it| daemon_of(&plan.key, &it.id)));
    Loan {
        id: plan.attempt.action_id.into(),
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        target: remediation.target.clone(),
        key: plan.key.clone(),
        keys: keys.collect(),
        alert: remediation.alert.clone(),
        step: u32::try_from(plan.attempt.rung + 1).unwrap_or(u32::MAX),
        effect: plan.attempt.effect.clone(),
        after: pause,
        opened_at: now,
        attempts: 0,
        blind: 0,
        state: LoanState::Lent { until: after(now, pause) },
    }
}

/// The target could not be seen. A Docker that is away is waited for. One that answers and refuses is asked again soon, by the
/// wait that the remediation was in; too often in a row, the step failed.
pub(super) fn blind_target(mut turn: Turn<'_>, wait: &Wait, blind: Blind) -> Decision {
    if docker_away::hides_target(blind.reason) {
        return away::block(turn, wait, &blind);
    }
    turn.remediation.blind += 1;
    let now = turn.facts.now;
    let detail = json!({"reason": blind.reason, "error": blind.error, "looks": turn.remediation.blind});
    // Whoever agreed is not asked again for the same plan as long as the answer counts.
    let agreed = wait.asked().map(|asked| asked.until).filter(|until| now < *until);
    if turn.remediation.blind < BLIND_LOOKS || agreed.is_some() {
        let pause = BLIND_PAUSE * (1 << (turn.remediation.blind - 1).min(4));
        let until = after(now, pause).min(agreed.unwrap_or(Timestamp::MAX));
        turn.remediation.state = match wait {
            Wait::Time => State::Held { until },
            Wait::Guard(reason) => State::Blocked { reason: *reason, until },
            Wait::Person(asked) => State::AwaitingApproval(Awaiting { look_at: Some(until), ..asked.clone() }),
        };
        turn.tell("target could not be seen", detail);
        return turn.done();
    }
    // Nothing was sent, so nothing is spent.
    turn.remediation.blind = 0;
    turn.remediation.attempts += 1;
    let action = turn.step_action();
    let id = turn.new_id();
    let mut row = audit_row(&turn.remediation, id, action, turn.mode(), turn.facts.now);
    row.result = Some(ActionResult::Failed);
    row.reason = Some(blind.reason.to_owned());
    row.error = Some(blind.error);
    row.finished_at = Some(turn.facts.now);
    row.attempt = turn.remediation.attempts;
    row.detail = detail.clone();
    turn.records.push(Record::Action(Box::new(row)));
    turn.tell(format!("{action} failed"), detail);
    turn.verdict(id, action, Verdict::NotFixed, "the target could not be seen, nothing was sent");
    turn.next_rung("the target could not be seen")
}
