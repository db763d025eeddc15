//! Remediations that wait for a person, as the engine would leave them in the store.

use std::time::Duration;

use fettle_core::action::Action;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::ports::model::{Changes, ReceiveAsk};
use fettle_core::remediation::plan;
use fettle_core::remediation::record::{Record, TransitionRow};
use fettle_core::remediation::state::{Awaiting, Opener, Proposal, Remediation, State};
use fettle_core::sight::Pin;
use fettle_core::time::{Timestamp, after, before};
use serde_json::json;
use uuid::Uuid;

use crate::support::edge::Edge;

/// One that waits for an answer about `container:local/SERVICE` until `within` from now.
pub async fn waiting(edge: &Edge, service: &str, within: Duration) -> Remediation {
    let now = edge.time.now();
    proposed(edge, service, before(now, Duration::from_mins(1)), after(now, within)).await
}

/// One whose time for an answer is over, and which nobody has closed yet.
pub async fn late(edge: &Edge, service: &str) -> Remediation {
    let now = edge.time.now();
    proposed(edge, service, before(now, Duration::from_mins(1)), before(now, Duration::from_secs(1))).await
}

/// The plan it waits for.
pub fn plan_of(remediation: &Remediation) -> String {
    match &remediation.state {
        State::AwaitingApproval(Awaiting { proposal, .. }) => proposal.hash.clone(),
        other => panic!("it waits for nobody: {other:?}"),
    }
}

async fn proposed(edge: &Edge, service: &str, asked_at: Timestamp, until: Timestamp) -> Remediation {
    let labels = Labels::from_iter([("alertname", "ServiceDown"), ("service", service), ("severity", "critical")]);
    let target = format!("container:local/{service}");
    let action = Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false };
    let pin = Pin { id: "c0ffee".into(), started_at: Some(asked_at), restart_count: 0, size: None };
    let proposal = Proposal {
        hash: plan::hash(&target, &pin, 0, &action),
        rung: 0,
        action: action.clone(),
        pin: pin.clone(),
        asked_at,
        why: "mode is propose".into(),
    };
    let detail = json!({"plan": proposal.hash, "action": action.name(), "why": proposal.why,
        "parameters": action.parameters(), "effect": {}, "until": until});
    let remediation = Remediation {
        id: edge.time.new_id(),
        rule: "web".into(),
        target: target.parse().expect("a target"),
        alert: Opener { fingerprint: Fingerprint::of(&labels), labels },
        order: None,
        opened_at: asked_at,
        rung: 0,
        attempts: 0,
        blind: 0,
        away: None,
        pin: Some(pin),
        tried: None,
        ended: None,
        key: None,
        told: false,
        announced_until: None,
        answered: None,
        last_action: None,
        left: None,
        state: State::AwaitingApproval(Awaiting { proposal: Box::new(proposal), until, look_at: None }),
    };
    let told = Record::Transition(TransitionRow {
        remediation_id: remediation.id,
        at: asked_at,
        state: remediation.state_name(),
        what: "approval asked for".into(),
        detail,
    });
    let changes = Changes { opened: vec![remediation.clone()], records: vec![told], ..Changes::default() };
    let ask = ReceiveAsk::new(Uuid::now_v7().into(), asked_at);
    edge.store.receive(&ask, &move |_| changes.clone()).await.expect("it is stored");
    remediation
}
