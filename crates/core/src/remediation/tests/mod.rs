//! The stored form of a remediation: documents written by earlier versions are read, and written again byte for byte.

use super::order::Order;
use super::outcome::Outcome;
use super::refusal::Guard;
use super::state::{Attempt, Awaiting, Proposal, Remediation, Running, State, Verifying};
use crate::action::{Action, Dependents};
use crate::effect::{Effect, Replica};
use crate::rule::model::Verify;
use crate::sight::Pin;
use crate::target::{Pattern, Target};
use crate::testing::{at, container, id, opened, rule, secs};

/// One document per line, one for each state.
const STORED: &str = include_str!("stored.jsonl");

/// Documents of an earlier version, which stored fewer fields.
const OLDER: &str = include_str!("older.jsonl");

fn attempt(number: u128) -> Attempt {
    Attempt {
        action_id: id(number),
        rung: 1,
        action: Action::Restart {
            grace: secs(10),
            dependents: Some(Dependents { allow: vec![Pattern("web-*".into())] }),
            start_stopped: true,
        },
        effect: Effect::Restart { grace: secs(10) },
        dependent: None,
        verify: Verify { query: Some("up == 1".into()), ..Verify::default() },
        pin: container().pin(),
        intended_at: at(7),
    }
}

fn dependent(number: u128) -> Attempt {
    let target = Target::Container { host: "local".into(), name: "web-1".into() };
    Attempt { dependent: Some(target), ..attempt(number) }
}

/// The states of [`STORED`], in its order.
fn states() -> [State; 6] {
    let proposal = Proposal {
        hash: "0123abcd".into(),
        rung: 0,
        action: Action::Stop { grace: secs(30) },
        pin: container().pin(),
        asked_at: at(3),
        why: "mode is propose".into(),
    };
    let scaled = Attempt {
        action: Action::ScaleDown { by: 1, floor: 1 },
        effect: Effect::StopReplicas {
            replicas: vec![Replica { id: "b".repeat(64), name: "shop-web-2".into(), started_at: None }],
            grace: secs(10),
            from: 2,
        },
        ..attempt(12)
    };
    [
        State::Held { until: at(1) },
        State::Blocked { reason: Guard::OutsideWindow, until: at(2) },
        State::AwaitingApproval(Awaiting { proposal: Box::new(proposal), until: at(3600), look_at: Some(at(20)) }),
        State::Running(Running {
            attempt: Box::new(attempt(10)),
            queue: vec![dependent(11)],
            done: vec![dependent(13)],
            path_since: Some(at(8)),
            until: at(9),
            unsent: false,
            removal: None,
        }),
        State::Verifying(Verifying {
            attempt: Box::new(scaled),
            also: vec![dependent(14)],
            effect_at: at(30),
            first: Some(container().pin()),
            well_since: Some(at(31)),
            until: at(40),
        }),
        State::Closed { outcome: Outcome::Unconfirmed, reason: "well, nothing heard".into(), at: at(50) },
    ]
}

/// A remediation with every field set, in the given state.
fn in_state(state: State) -> Remediation {
    Remediation {
        order: Some(Order { by: "oncall".into(), action: Action::ScaleUp { by: 2, ceiling: 4 } }),
        rung: 1,
        attempts: 2,
        blind: 1,
        away: None,
        pin: Some(Pin { size: Some(2), ..container().pin() }),
        tried: Some(container().pin()),
        ended: None,
        key: Some("DAEMON/aaaa".into()),
        told: true,
        announced_until: Some(at(99)),
        answered: Some(id(2)),
        last_action: Some(id(3)),
        left: None,
        state,
        ..opened(&rule("r"))
    }
}

#[test]
fn a_stored_document_of_each_state_is_read_and_written_byte_for_byte() {
    let lines: Vec<&str> = STORED.lines().collect();
    assert_eq!(lines.len(), states().len());
    for (line, state) in lines.into_iter().zip(states()) {
        let expected = in_state(state);
        let read: Remediation = serde_json::from_str(line).expect("a stored document is read");
        assert_eq!(read, expected);
        assert_eq!(serde_json::to_string(&expected).expect("it is written"), line);
    }
}

#[test]
fn a_document_of_an_older_version_is_read_with_defaults_for_new_fields() {
    let plain = || Attempt { effect: Effect::of_old(), pin: container().pin(), ..attempt(10) };
    let older = |state| Remediation {
        order: None,
        pin: Some(container().pin()),
        tried: None,
        ended: None,
        announced_until: None,
        answered: None,
        ..in_state(state)
    };
    let [_, _, mut asked, ..] = states();
    if let State::AwaitingApproval(asked) = &mut asked {
        asked.look_at = None;
    }
    let expected = [
        older(asked),
        older(State::Running(Running {
            attempt: Box::new(plain()),
            queue: Vec::new(),
            done: Vec::new(),
            path_since: None,
            until: at(9),
            unsent: false,
            removal: None,
        })),
        older(State::Verifying(Verifying {
            attempt: Box::new(plain()),
            also: Vec::new(),
            effect_at: at(30),
            first: None,
            well_since: None,
            until: at(40),
        })),
    ];
    let read = OLDER.lines().map(|line| serde_json::from_str::<Remediation>(line).expect("an older document is read"));
    assert_eq!(read.collect::<Vec<_>>(), expected);
}
