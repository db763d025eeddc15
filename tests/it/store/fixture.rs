//! Small worlds: alerts, remediations and audit rows in as few words as a test needs.

use std::time::Duration;

use bytes::Bytes;
use fettle_core::action::Action;
use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::effect::Effect;
use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{Candidate, Changes, Claim, Commit, NewNotification, ReceiveAsk, Standing};
use fettle_core::ports::{Store, StoreError};
use fettle_core::remediation::conclusion::{Came, Conclusion, Left};
use fettle_core::remediation::loan::{Loan, LoanEnd, LoanState};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, Record, ResultRow, VerdictRow};
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Attempt, Awaiting, Opener, Proposal, Remediation, Running, State};
use fettle_core::rule::model::{Mode, Verify};
use fettle_core::sight::Pin;
use fettle_core::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// So many seconds after the tests' beginning of time.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// A firing notification with this body.
pub fn notification(received_at: Timestamp, body: &str) -> NewNotification {
    NewNotification {
        id: Uuid::now_v7().into(),
        received_at,
        sender: "alertmanager".into(),
        receiver: "fettle".into(),
        group_key: "{}:{}".into(),
        status: "firing",
        alerts: 1,
        truncated: 0,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// The labels of an alert about `service`.
pub fn labels(service: &str) -> Labels {
    Labels::from_iter([("alertname", "ServiceDown"), ("service", service), ("severity", "critical")])
}

/// An alert about `service` that began to fire.
pub fn firing(service: &str, since: Timestamp) -> AlertState {
    let labels = labels(service);
    AlertState::first(Fingerprint::of(&labels), labels, Word::Firing { starts_at: since }, since).0
}

/// What is written of the target that alerts about `service` are about.
pub fn target(service: &str) -> String {
    format!("container:local/{service}")
}

/// A remediation of rule `web`, opened by the alert about `service`, to be decided at `until`.
pub fn held(service: &str, until: Timestamp) -> Remediation {
    let labels = labels(service);
    Remediation {
        id: Uuid::now_v7().into(),
        rule: "web".into(),
        target: target(service).parse().expect("a target"),
        alert: Opener { fingerprint: Fingerprint::of(&labels), labels },
        order: None,
        opened_at: at(0),
        rung: 0,
        attempts: 0,
        blind: 0,
        away: None,
        pin: None,
        tried: None,
        ended: None,
        key: None,
        told: false,
        announced_until: None,
        answered: None,
        last_action: None,
        left: None,
        state: State::Held { until },
    }
}

/// What tells one run of `service`'s container from another.
pub fn pin(service: &str) -> Pin {
    Pin { id: format!("id-of-{service}"), started_at: Some(at(-3600)), restart_count: 0, size: None }
}

/// The same remediation with its effect under way; its key is `key:SERVICE`.
pub fn running(mut it: Remediation, action_id: ActionId, intended_at: Timestamp) -> Remediation {
    let name = it.target.name().unwrap_or_default().to_owned();
    it.key = Some(format!("key:{name}"));
    it.attempts += 1;
    it.last_action = Some(action_id);
    it.state = State::Running(Running {
        attempt: Box::new(Attempt {
            action_id,
            rung: 0,
            action: Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false },
            effect: Effect::Restart { grace: Duration::from_secs(10) },
            dependent: None,
            verify: Verify::default(),
            pin: pin(&name),
            intended_at,
        }),
        queue: Vec::new(),
        done: Vec::new(),
        path_since: None,
        until: fettle_core::time::after(intended_at, Duration::from_secs(40)),
        unsent: false,
        removal: None,
    });
    it
}

/// The same remediation, over.
pub fn closed(mut it: Remediation, outcome: Outcome, when: Timestamp) -> Remediation {
    it.state = State::Closed { outcome, reason: "in a test".into(), at: when };
    it
}

/// The same remediation, over without an effect: a person stopped its target. It is decided again at `again_at`.
pub fn refused(it: Remediation, when: Timestamp, again_at: Timestamp) -> Remediation {
    let mut it = closed(it, Outcome::Refused, when);
    let came = Came::Refused { guard: Guard::Stopped };
    let conclusion = Conclusion { came, rule: "digest\"".into(), seen: Some(pin("web")), looked_at: when };
    it.left = Some(Left { conclusion, again_at });
    it
}

/// The intent of an effect by `remediation`.
pub fn intent(remediation: &Remediation, planned_at: Timestamp) -> ActionRow {
    ActionRow {
        id: Uuid::now_v7().into(),
        remediation_id: remediation.id,
        rule: remediation.rule.clone(),
        action: "restart",
        target: remediation.target.to_string(),
        key: Some(format!("key:{}", remediation.target.name().unwrap_or_default())),
        host: "local".into(),
        mode: Mode::Act,
        result: None,
        reason: None,
        actor: "fettle".into(),
        fingerprint: remediation.alert.fingerprint,
        labels: remediation.alert.labels.clone(),
        planned_at,
        started_at: None,
        finished_at: None,
        attempt: 1,
        step: 1,
        detail: json!({"grace": "10s", "seen": "exited (1)"}),
        error: None,
        spends: true,
    }
}

/// It worked, and took from `started` to `finished`.
pub fn succeeded(action_id: ActionId, started: Timestamp, finished: Timestamp) -> ResultRow {
    ResultRow {
        action_id,
        result: ActionResult::Succeeded,
        reason: None,
        started_at: Some(started),
        finished_at: finished,
        error: None,
        detail: json!({"seen": "running"}),
        spends: true,
    }
}

/// An audit row as a record.
pub fn record(row: &ActionRow) -> Record {
    Record::Action(Box::new(row.clone()))
}

/// A verdict as a record.
pub fn verdict(action_id: ActionId, verdict: Verdict, at: Timestamp) -> Record {
    let row = VerdictRow { action_id, at, verdict, reason: "seen".into() };
    Record::Verdict { rule: "web".into(), action: "restart", row }
}

/// The alert of `remediation` for its rule, attached to it.
pub fn attached(remediation: &Remediation) -> Candidate {
    Candidate {
        fingerprint: remediation.alert.fingerprint,
        rule: remediation.rule.clone(),
        episode: 1,
        target: remediation.target.to_string(),
        standing: Standing::Attached,
        remediation: Some(remediation.id),
        closed_at: None,
        conclusion: None,
        again_at: None,
    }
}

/// Writes changes as `receive` does, whatever is known.
pub async fn write(store: &dyn Store, ask: &ReceiveAsk, changes: Changes) -> Result<Changes, StoreError> {
    store.receive(ask, &move |_| changes.clone()).await
}

/// Opens remediations with their alerts, claimed by nobody.
pub async fn open_all(store: &dyn Store, remediations: &[Remediation]) {
    let changes = Changes {
        alerts: remediations
            .iter()
            .map(|r| {
                AlertState::first(r.alert.fingerprint, r.alert.labels.clone(), Word::Firing { starts_at: at(0) }, at(0))
                    .0
            })
            .collect(),
        candidates: remediations.iter().map(attached).collect(),
        opened: remediations.to_vec(),
        ..Changes::default()
    };
    write(store, &ReceiveAsk::new(Uuid::now_v7().into(), at(0)), changes).await.expect("open remediations");
}

/// Opens one remediation and claims it.
pub async fn open_claimed(store: &dyn Store, owner: ReplicaId, remediation: &Remediation) -> Claim {
    open_all(store, std::slice::from_ref(remediation)).await;
    let due = remediation.due().expect("open");
    let claimed = store.work().claim(owner, due, at(10_000), 100).await.expect("claim");
    claimed.into_iter().map(|c| c.claim).find(|c| c.id == remediation.id.into()).expect("it was due")
}

/// A commit that gives the claim back.
pub fn commit(remediation: &Remediation, records: Vec<Record>) -> Commit<Remediation> {
    Commit { effort: remediation.clone(), records, keep_until: None }
}

/// The same remediation with a person asked to agree to the plan of this hash.
pub fn awaiting(mut it: Remediation, hash: &str, until: Timestamp) -> Remediation {
    let proposal = Proposal {
        hash: hash.to_owned(),
        rung: 0,
        action: Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false },
        pin: pin(it.target.name().unwrap_or_default()),
        asked_at: at(1),
        why: "the rule asks for it".into(),
    };
    it.state = State::AwaitingApproval(Awaiting { proposal: Box::new(proposal), until, look_at: None });
    it
}

/// What `remediation` lent: one replica stopped, to be returned at `until`.
pub fn loan(remediation: &Remediation, until: Timestamp) -> Loan {
    let key = format!("key:{}", remediation.target.name().unwrap_or_default());
    Loan {
        id: Uuid::now_v7().into(),
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        target: remediation.target.clone(),
        key: key.clone(),
        keys: vec![key],
        alert: remediation.alert.clone(),
        step: 1,
        effect: Effect::SetReplicas { version: 7, from: 3, to: 2 },
        after: Duration::from_mins(10),
        opened_at: at(1),
        attempts: 0,
        blind: 0,
        state: LoanState::Lent { until },
    }
}

/// The same loan while it is brought back.
pub fn returning(loan: &Loan, intended_at: Timestamp) -> Loan {
    let attempt = Attempt {
        action_id: Uuid::now_v7().into(),
        rung: 0,
        action: Action::Restore,
        effect: Effect::SetReplicas { version: 8, from: 2, to: 3 },
        dependent: None,
        verify: Verify::default(),
        pin: pin("web"),
        intended_at,
    };
    let state = LoanState::Returning { attempt: Box::new(attempt), until: intended_at };
    Loan { attempts: 1, state, ..loan.clone() }
}

/// The same loan, over.
pub fn ended(loan: Loan, end: LoanEnd, when: Timestamp) -> Loan {
    Loan { state: LoanState::Closed { end, reason: "in a test".into(), at: when }, ..loan }
}

/// Opens `lender`, which lends and is closed; and claims the loan, which must be due before 100.
pub async fn lend(db: &super::Db, lender: &Remediation, lent: &Loan, outcome: Outcome) -> Claim {
    let claim = open_claimed(&*db.store, db.owner, lender).await;
    let over = commit(&closed(lender.clone(), outcome, at(2)), vec![Record::Loan(Box::new(lent.clone()))]);
    db.store.work().commit(&claim, &over).await.expect("lend").expect("claimed");
    let claimed = db.store.loans().claim(db.owner, at(100), at(10_000), 10).await.expect("claim the loan");
    claimed.into_iter().map(|c| c.claim).find(|c| c.id == lent.id.into()).expect("it was due")
}
