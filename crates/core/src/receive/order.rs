//! What people ask for beside what alerts ask for: one action by hand, and another look at what fires and was given up.

use serde_json::json;

use super::world::{Changes, Standing, World};
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::decide::audit_row;
use crate::id::{ActionId, RemediationId};
use crate::remediation::order::Order;
use crate::remediation::outcome::{ActionResult, Outcome};
use crate::remediation::record::{Record, TransitionRow};
use crate::remediation::refusal::Guard;
use crate::remediation::state::{Opener, Remediation, State};
use crate::rule::model::BY_HAND;
use crate::settings::Settings;
use crate::target::Target;
use crate::time::Timestamp;

/// Takes an order: a remediation that is due at once, or, while another one is at work on the target, one that was refused.
/// Either way it is on record who ordered what. `ids`: two that nothing carries yet.
#[must_use]
pub fn take(
    world: &World,
    target: &Target,
    order: &Order,
    settings: &Settings,
    now: Timestamp,
    (id, row_id): (RemediationId, ActionId),
) -> Changes {
    let labels = Labels::default();
    let opener = Opener { fingerprint: Fingerprint::of(&labels), labels };
    let mut remediation = Remediation::new(id, BY_HAND, target.clone(), opener, now);
    remediation.order = Some(order.clone());
    let action = order.action.name();
    let mut records = Vec::new();
    let busy = world.open.get(&target.to_string());
    if let Some(open) = busy {
        let reason = Guard::InFlight.as_str();
        remediation.state = State::Closed { outcome: Outcome::Refused, reason: reason.to_owned(), at: now };
        let mut row = audit_row(&remediation, row_id, action, settings.mode, now);
        row.result = Some(ActionResult::Refused);
        row.reason = Some(reason.to_owned());
        row.finished_at = Some(now);
        row.detail = json!({"why": format!("rule {} is at work on it", open.rule), "remediation": open.id});
        records.push(Record::Action(Box::new(row)));
    }
    records.push(Record::Transition(TransitionRow {
        remediation_id: id,
        at: now,
        state: remediation.state_name(),
        what: format!("{action} ordered by {}", order.by),
        detail: json!({"action": action, "parameters": order.action.parameters(), "busy": busy.map(|it| it.id)}),
    }));
    Changes { opened: vec![remediation], records, ..Changes::default() }
}

/// The same world, in which nothing was given up yet: what is over is forgotten, so that every episode may open another
/// remediation. What is open stays as it is.
#[must_use]
pub fn again(world: &World) -> World {
    let mut world = world.clone();
    for candidates in world.candidates.values_mut() {
        candidates.retain(|it| matches!(it.standing, Standing::Attached | Standing::Waiting));
    }
    world
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::world::OpenTarget;
    use super::*;
    use crate::action::Action;
    use crate::remediation::state::StateName;
    use crate::testing::{id, settings};

    fn order() -> Order {
        let action = Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false };
        Order { by: "oncall".into(), action }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn ids() -> (RemediationId, ActionId) {
        (id(1), id(2))
    }

    #[test]
    fn an_order_is_due_at_once_and_stands_for_a_minute() {
        let target: Target = "container:local/web".parse().expect("a target");
        let changes = take(&World::default(), &target, &order(), &settings(), at(100), ids());
        let [it] = &changes.opened[..] else { panic!("one remediation: {changes:?}") };
        assert_eq!((it.due(), &*it.rule), (Some(at(100)), BY_HAND));
        assert!(!it.order_lapsed(at(160)) && it.order_lapsed(at(161)));
        let [Record::Transition(told)] = &changes.records[..] else { panic!("told: {changes:?}") };
        assert_eq!(told.what, "restart ordered by oncall");
    }

    #[test]
    fn while_another_is_at_work_an_order_is_refused_on_record() {
        let target: Target = "container:local/web".parse().expect("a target");
        let open = OpenTarget { id: id(9), rule: "web".into(), state: StateName::Running };
        let world = World { open: [(target.to_string(), open)].into(), ..World::default() };
        let changes = take(&world, &target, &order(), &settings(), at(100), ids());
        assert_eq!(changes.opened[0].outcome(), Some(Outcome::Refused));
        let Record::Action(row) = &changes.records[0] else { panic!("audited: {changes:?}") };
        assert_eq!((row.reason.as_deref(), &*row.actor), (Some("in_flight"), "oncall"));
    }
}
