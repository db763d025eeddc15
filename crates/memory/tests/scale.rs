//! Much passes through a store that forgets, and it stays as small as what is of late. `SCALE=1000000` makes it a
//! measurement: run it with `--release --nocapture`.

use std::time::{Duration, Instant};

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::id::{ActionId, ReplicaId};
use fettle_core::ports::model::{
    Candidate, Changes, Commit, Judged, Ledger, LedgerAsk, ReceiveAsk, Scope, ScopeKind, Standing, World,
};
use fettle_core::ports::{Receiving, Work};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, Record, ResultRow, VerdictRow};
use fettle_core::remediation::state::{Opener, Remediation, State};
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::target::Target;
use fettle_core::time::{Timestamp, after, before};
use fettle_memory::store::{Memory, Process};
use serde_json::json;
use uuid::Uuid;

/// Alerts of one notification, and how far apart those come.
const BATCH: usize = 50;
const APART: Duration = Duration::from_secs(2);
/// So long anything matters.
const KEEP: Duration = Duration::from_mins(2);
/// Notifications between two times that it forgets.
const EVERY: usize = 40;

const RULES: usize = 1000;
const TARGETS: usize = 20_000;

fn alert(number: usize, now: Timestamp) -> AlertState {
    let target = number % TARGETS;
    let labels = Labels::from_iter([
        ("alertname", format!("Alert{}", target % RULES)),
        ("instance", format!("node-{}:9100", target % 300)),
        ("service", format!("service-{target}")),
        ("severity", "critical".to_owned()),
    ]);
    AlertState::first(Fingerprint::of(&labels), labels, Word::Firing { starts_at: now }, now).0
}

/// Everything that is heard opens something, where nothing is open; half of it ends with the next word.
fn think(world: &World, heard: &[(usize, AlertState)], now: Timestamp, id: &dyn Fn() -> Uuid) -> Changes {
    let mut changes = Changes::default();
    for (number, alert) in heard {
        let mut alert = alert.clone();
        if let Some(known) = world.alerts.get(&alert.fingerprint) {
            alert = AlertState { labels: alert.labels, ..known.clone() };
            alert.hear(Word::Firing { starts_at: now }, now, None);
        }
        let name = format!("service-{}", number % TARGETS);
        let target = Target::Container { host: "local".into(), name };
        let written = target.to_string();
        if !world.open.contains_key(&written) && !world.past.recent.contains(&written) {
            let opener = Opener { fingerprint: alert.fingerprint, labels: alert.labels.clone() };
            let it = Remediation::new(id().into(), &format!("rule-{}", number % RULES), target, opener, now);
            changes.candidates.push(Candidate {
                fingerprint: alert.fingerprint,
                rule: it.rule.clone(),
                episode: alert.episode,
                target: written,
                standing: Standing::Attached,
                remediation: Some(it.id),
                closed_at: None,
                conclusion: None,
                again_at: None,
            });
            changes.opened.push(it);
        }
        changes.alerts.push(alert);
    }
    changes
}

fn intent(it: &Remediation, id: ActionId, now: Timestamp) -> ActionRow {
    ActionRow {
        id,
        remediation_id: it.id,
        rule: it.rule.clone(),
        action: "restart",
        target: it.target.to_string(),
        key: Some(format!("daemon/{}", it.target.name().unwrap_or_default())),
        host: "local".into(),
        mode: Mode::Act,
        result: None,
        reason: None,
        actor: "fettle".into(),
        fingerprint: it.alert.fingerprint,
        labels: it.alert.labels.clone(),
        planned_at: now,
        started_at: None,
        finished_at: None,
        attempt: 1,
        step: 1,
        detail: json!({"grace": "10s"}),
        error: None,
        spends: true,
    }
}

async fn work(process: &Process, owner: ReplicaId, now: Timestamp, id: &dyn Fn() -> Uuid) -> usize {
    let until = after(now, Duration::from_secs(30));
    let claimed = Work::<Remediation>::claim(process, owner, now, until, 1000).await.expect("claimed");
    let count = claimed.len();
    for claimed in claimed {
        let mut it = claimed.effort;
        let row = intent(&it, id().into(), now);
        let kinds = [ScopeKind::RuleTarget, ScopeKind::Rule, ScopeKind::Target, ScopeKind::Fleet];
        let scope = |kind| Scope { kind, budget: Budget { max: 20, per: Duration::from_mins(10) } };
        let ask = LedgerAsk {
            remediation: it.id,
            rule: it.rule.clone(),
            target: row.target.clone(),
            key: row.key.clone().expect("one"),
            keys: row.key.iter().cloned().collect(),
            mode: Mode::Act,
            now,
            unproven_since: before(now, KEEP),
            scopes: kinds.map(scope).into(),
        };
        it.last_action = Some(row.id);
        let records = vec![Record::Action(Box::new(row.clone()))];
        let commit = Commit { effort: it.clone(), records, keep_until: Some(until) };
        let mut judge = |_: &[Ledger]| Judged::Store(Box::new(commit.clone()));
        let admitted = Work::<Remediation>::admit(process, &claimed.claim, &[&ask], &mut judge).await;
        let fettle_core::ports::model::Admission::Admitted { stored, .. } = admitted.expect("asked") else {
            panic!("admitted")
        };
        let result = ResultRow {
            action_id: row.id,
            result: ActionResult::Succeeded,
            reason: None,
            started_at: Some(now),
            finished_at: now,
            error: None,
            detail: json!({}),
            spends: true,
        };
        let judged = VerdictRow { action_id: row.id, at: now, verdict: Verdict::Fixed, reason: "well".into() };
        let verdict = Record::Verdict { rule: it.rule.clone(), action: "restart", row: judged };
        it.state = State::Closed { outcome: Outcome::Fixed, reason: "fixed".into(), at: now };
        let commit = Commit { effort: it, records: vec![Record::Result(result), verdict], keep_until: None };
        process.commit(&stored.claim, &commit).await.expect("stored").expect("claimed");
    }
    count
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_forgotten_makes_room() {
    let alerts: usize = std::env::var("SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let memory = Memory::alone();
    let owner = Uuid::from_u128(1);
    let process = memory.process(owner.into());
    let last = std::cell::Cell::new(1_u128);
    let id = || {
        last.set(last.get() + 1);
        Uuid::from_u128(last.get())
    };
    let (begun, mut now, mut done, mut most) = (Instant::now(), Timestamp::UNIX_EPOCH, 0, 0);
    for batch in 0..alerts / BATCH {
        now = after(now, APART);
        let heard: Vec<(usize, AlertState)> =
            (batch * BATCH..(batch + 1) * BATCH).map(|number| (number, alert(number, now))).collect();
        let mut ask = ReceiveAsk::new(owner.into(), now);
        ask.fingerprints = heard.iter().map(|(_, alert)| alert.fingerprint).collect();
        ask.targets = heard.iter().map(|(number, _)| format!("container:local/service-{}", number % TARGETS)).collect();
        ask.fixed_since = Some(before(now, KEEP));
        let numbers = std::sync::atomic::AtomicU64::new(u64::try_from(last.get()).expect("few"));
        let new = || Uuid::from_u128(u128::from(numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) + 1);
        process.receive(&ask, &|world| think(world, &heard, now, &new)).await.expect("taken in");
        last.set(u128::from(numbers.into_inner()));
        done += work(&process, owner.into(), now, &id).await;
        if batch % EVERY == 0 {
            memory.forget(before(now, KEEP), before(now, KEEP));
            most = most.max(memory.rows(|rows| rows.actions().count()));
        }
    }
    let took = begun.elapsed();
    #[expect(clippy::print_stdout, reason = "a measurement is read by a person")]
    {
        println!("{alerts} alerts, {done} remediations in {took:?}; at most {most} audit rows");
    }
    assert!(done >= alerts / 2, "{done}");
    let window = usize::try_from(KEEP.as_secs() / APART.as_secs() * BATCH as u64).expect("few");
    assert!(most <= window + 2 * EVERY * BATCH, "{most} rows of {window} that may matter");
}
