//! Random calls, one after the other: the store in memory gives every answer that SQLite gives.
//!
//! Ids that the stores make are left out, and so is what no store promises: which rows a limit keeps where no order is said.

mod op;

use std::collections::BTreeMap;
use std::fmt::Debug;

use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::labels::Labels;
use fettle_core::announcement::{Announcement, AnnouncementName};
use fettle_core::id::{ActionId, NotificationId, PauseId, RemediationId, ReplicaId};
use fettle_core::ports::model::{
    Admission, Candidate, Changes, Claimed, Commit, FactsAsk, Judged, Ledger, LedgerAsk, LoanFactsAsk, Outgoing,
    ReceiveAsk, Standing, World,
};
use fettle_core::ports::view::{ActionFilter, AlertFilter, EventFilter, RemediationFilter};
use fettle_core::ports::{Effort, Store, StoreError};
use fettle_core::remediation::loan::{Loan, LoanEnd};
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::record::{ActionRow, BreakerRow, EventRow, Record, ResultRow, Severity, TransitionRow};
use fettle_core::remediation::state::{Remediation, State};
use fettle_core::rule::model::{Budget, Mode};
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope, Storm};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use self::op::{Next, Op, RULES, SERVICES, op};
use crate::store::Db;
use crate::store::fixture::{
    at, attached, awaiting, closed, ended, firing, held, intent, loan, notification, record, refused, returning,
    running, succeeded, target, verdict,
};
use crate::store::ledger::{no, scope};
use fettle_core::ports::model::ScopeKind;

/// The services of which a target can be made.
fn service(number: usize) -> &'static str {
    SERVICES[number % SERVICES.len()].trim_end_matches('\0')
}

/// The alert about a service, with text in it that not every database takes.
fn alert(number: usize, now: i64) -> AlertState {
    let mut labels = firing(service(number), at(0)).labels;
    labels.set("odd", SERVICES[number % SERVICES.len()]);
    let word = Word::Firing { starts_at: at(now) };
    AlertState::first(fettle_core::alert::fingerprint::Fingerprint::of(&labels), labels, word, at(now)).0
}

/// Both stores, and what was made in them.
struct Pair {
    dbs: [Db; 2],
    owners: [ReplicaId; 3],
    now: i64,
    sent: Vec<NotificationId>,
    remediations: Vec<RemediationId>,
    actions: Vec<(ActionId, RemediationId)>,
    claims: Vec<Claimed<Remediation>>,
    loans: Vec<Claimed<Loan>>,
    pauses: Vec<PauseId>,
}

/// Asks both the same and gives the answer, which is the same.
macro_rules! both {
    ($pair:expr, |$store:ident| $call:expr) => {{
        let mut answers = Vec::new();
        for db in &$pair.dbs {
            let $store: &dyn Store = &*db.store;
            answers.push($call);
        }
        same(answers)
    }};
}

/// Errors are the same when they are of one kind.
fn same<T: PartialEq + Debug>(answers: Vec<Result<T, StoreError>>) -> Result<T, &'static str> {
    let mut answers = answers.into_iter().map(|answer| answer.map_err(|error| error.reason()));
    let (one, other) = (answers.next().expect("one"), answers.next().expect("the other"));
    assert_eq!(one, other, "SQLite left, memory right");
    one
}

/// One of the last few, so that most of what is asked for is still there.
fn pick<T: Clone>(from: &[T], number: usize) -> Option<T> {
    from.iter().rev().nth(number % from.len().clamp(1, 3)).cloned()
}

impl Pair {
    async fn new() -> Self {
        let dbs = [Db::sqlite().await, Db::memory().await];
        Self {
            dbs,
            owners: [0; 3].map(|_| Uuid::now_v7().into()),
            now: 0,
            sent: Vec::new(),
            remediations: Vec::new(),
            actions: Vec::new(),
            claims: Vec::new(),
            loans: Vec::new(),
            pauses: Vec::new(),
        }
    }

    fn owner(&self, number: usize) -> ReplicaId {
        self.owners[number % self.owners.len()]
    }

    fn ask(&self) -> ReceiveAsk {
        let mut ask = ReceiveAsk::new(self.owners[0], at(self.now));
        ask.take.clone_from(&self.sent);
        ask.fingerprints = (0..SERVICES.len()).map(|number| alert(number, 0).fingerprint).collect();
        ask.targets = (0..SERVICES.len()).map(|number| target(service(number))).collect();
        ask.fixed_since = Some(at(self.now - 300));
        ask.recent_since = Some(at(self.now - 100));
        ask.recent_limit = 1000;
        ask
    }

    async fn receive(&self, ask: &ReceiveAsk, changes: Changes) -> Result<Changes, &'static str> {
        let seen = std::sync::Mutex::new(Vec::new());
        let think = |world: &World| {
            seen.lock().expect("whole").push(format!("{:?}", sorted(world)));
            changes.clone()
        };
        let answer = both!(self, |store| store.receive(ask, &think).await);
        let seen = seen.into_inner().expect("whole");
        let (one, other) = seen.split_at(seen.len() / 2);
        assert_eq!(one, other, "what is known");
        answer
    }

    #[expect(clippy::cognitive_complexity, reason = "one arm for each call")]
    async fn run(&mut self, op: Op) {
        self.now += 7;
        let now = at(self.now);
        match op {
            Op::Append => {
                let sent = notification(now, "{}");
                self.sent.push(sent.id);
                let _ = both!(self, |store| store.append(std::slice::from_ref(&sent)).await);
            }
            Op::TakeIn => {
                let _ = self.receive(&self.ask(), Changes::default()).await;
                let _ = both!(self, |store| store.backlog().await);
            }
            Op::Hear { service, fires } => self.hear(service, fires).await,
            Op::Open { service, rule, leased, refused } => self.open(service, rule, leased, refused).await,
            Op::Wait { service: number, target: of } => {
                let heard = alert(number, self.now);
                let known = self.known(&heard).await;
                let candidate = Candidate {
                    fingerprint: heard.fingerprint,
                    rule: RULES[1].into(),
                    episode: known.episode,
                    target: target(service(of)),
                    standing: Standing::Waiting,
                    remediation: pick(&self.remediations, of),
                    closed_at: None,
                    conclusion: None,
                    again_at: None,
                };
                let changes = Changes { alerts: vec![known], candidates: vec![candidate], ..Changes::default() };
                let _ = self.receive(&self.ask(), changes).await;
            }
            Op::Claim { owner, limit } => {
                let (owner, until) = (self.owner(owner), at(self.now + 30));
                let claimed = both!(self, |store| store.work().claim(owner, now, until, limit).await);
                self.claims.extend(claimed.expect("claimed"));
            }
            Op::Commit { claim, next, keep, admit } => self.commit(claim, next, keep, admit).await,
            Op::Release { owner } => {
                let owner = self.owner(owner);
                let _ = both!(self, |store| store.release(owner).await);
            }
            Op::Adopt { owner } => {
                let owner = self.owner(owner);
                let _ = both!(self, |store| store.adopt(owner).await);
            }
            Op::Answer { remediation, kind, plan } => {
                let Some(of) = pick(&self.remediations, remediation) else { return };
                let kind = AnswerKind::ALL[kind % AnswerKind::ALL.len()];
                let plan = plan.then(|| "plan".to_owned()).or(Some("another".to_owned()));
                let answer = Answer { id: Uuid::now_v7().into(), kind, plan, by: "me\0".into(), at: now };
                let _ = both!(self, |store| store.answer(of, &answer).await);
            }
            Op::Pause { scope, length } => {
                let scope = match scope % 3 {
                    0 => PauseScope::All,
                    1 => PauseScope::Rule("web".into()),
                    _ => PauseScope::Target(target("a").parse::<Target>().expect("a target")),
                };
                let until = (length > 100).then(|| at(self.now + length));
                let id = Uuid::now_v7().into();
                let pause = Pause { id, scope, reason: "why\0".into(), by: "me".into(), at: now, until };
                self.pauses.push(pause.id);
                let _ = both!(self, |store| store.pause(&pause).await);
            }
            Op::Resume { pause } => {
                let Some(id) = pick(&self.pauses, pause) else { return };
                let _ = both!(self, |store| store.resume(id, "me", now).await);
            }
            Op::Breaker { rule, opens } => {
                let rule = RULES[rule % RULES.len()].to_owned();
                let opened_at = opens.then_some(now);
                let row = BreakerRow { rule, at: now, opened_at, probe: Some(Uuid::now_v7().into()), by: None };
                let records = [Record::Breaker(row)];
                let _ = both!(self, |store| store.record(&records).await);
            }
            Op::Reset { rule } => {
                let rule = RULES[rule % RULES.len()];
                let _ = both!(self, |store| store.reset_breaker(rule, "me", now).await);
            }
            Op::Announce { remediation, name, length } => {
                let about = pick(&self.remediations, remediation).unwrap_or_default();
                let records = [self.announcement(about, name, length)];
                let _ = both!(self, |store| store.record(&records).await);
            }
            Op::Deliver { loses } => self.deliver(loses).await,
            Op::ClaimLoans { owner } => {
                let (owner, until) = (self.owner(owner), at(self.now + 30));
                let claimed = both!(self, |store| store.loans().claim(owner, now, until, 3).await);
                self.loans.extend(claimed.expect("claimed"));
            }
            Op::Loan { claim, next, keep, admit } => self.commit_loan(claim, next, keep, admit).await,
            Op::Late { action } => {
                let Some((id, _)) = pick(&self.actions, action) else { return };
                let records = [verdict(id, Verdict::Superseded, now)];
                let _ = both!(self, |store| store.late(id, &records).await);
            }
            Op::Storm { lasts } => {
                let storm = Storm { since: at(self.now - lasts), last_at: at(self.now - lasts / 2), targets: 5 };
                let _ = self.receive(&self.ask(), Changes { storm: Some(storm), ..Changes::default() }).await;
            }
            Op::Again { limit } => {
                let next = both!(self, |store| store.next_again().await);
                let _ = next.expect("read");
                let until = at(self.now + 60);
                let taken = both!(self, |store| store.take_again(now, until, limit).await);
                let _ = taken.expect("taken");
            }
            Op::Ended { service } => {
                let mut seen = self.known(&alert(service, self.now)).await;
                (seen.firing, seen.ended_at, seen.end_heard_at) = (false, Some(now), Some(now));
                let records = [Record::Ended(Box::new(seen))];
                let _ = both!(self, |store| store.record(&records).await);
            }
            Op::Event => {
                let details = json!({"a\0": [1.5, null, "\0"]});
                let records = [Record::Event(EventRow { at: now, event: "noon", severity: Severity::Info, details })];
                let _ = both!(self, |store| store.record(&records).await);
            }
            Op::Prune { days } => {
                // Everything but its last day may go once something happened days later.
                self.now += days * 86_400;
                let before = at(self.now - 86_400);
                let details = json!(null);
                let event = EventRow { at: at(self.now), event: "noon", severity: Severity::Info, details };
                let records = [Record::Event(event)];
                let _ = both!(self, |store| store.record(&records).await);
                let _ = both!(self, |store| store.prune(before, before).await);
            }
        }
    }

    /// As it is known, or as it is now heard first.
    async fn known(&self, heard: &AlertState) -> AlertState {
        let world = both!(self, |store| store.foresee(&self.ask()).await.map(|world| world.alerts));
        let known = world.expect("read").remove(&heard.fingerprint);
        known.map_or_else(|| heard.clone(), |known| AlertState { labels: heard.labels.clone(), ..known })
    }

    async fn hear(&mut self, number: usize, fires: bool) {
        let heard = alert(number, self.now);
        let mut known = self.known(&heard).await;
        let starts_at = known.starts_at;
        let word = if fires {
            Word::Firing { starts_at: at(self.now) }
        } else {
            Word::Resolved { starts_at, ends_at: at(self.now) }
        };
        known.hear(word, at(self.now), None);
        let woken = if fires { Vec::new() } else { self.remediations.clone() };
        let _ = self.receive(&self.ask(), Changes { alerts: vec![known], woken, ..Changes::default() }).await;
    }

    async fn open(&mut self, number: usize, rule: usize, leased: bool, refuse: bool) {
        let heard = alert(number, self.now);
        let known = self.known(&heard).await;
        let mut it = held(service(number), at(self.now + 5));
        it.rule = RULES[rule % RULES.len()].into();
        it.opened_at = at(self.now);
        (it.alert.fingerprint, it.alert.labels) = (heard.fingerprint, heard.labels.clone());
        if refuse {
            it = refused(it, at(self.now), at(self.now + 9));
        }
        let standing = if refuse { Standing::Spent } else { Standing::Attached };
        let (conclusion, again_at) = it.left.clone().map(|left| (left.conclusion, left.again_at)).unzip();
        let left = Candidate { closed_at: it.closed_at(), conclusion, again_at, ..attached(&it) };
        let candidate = Candidate { episode: known.episode, standing, ..left };
        let mut ask = self.ask();
        ask.lease_until = leased.then(|| at(self.now + 20));
        let changes = Changes {
            alerts: vec![known],
            candidates: vec![candidate],
            opened: vec![it.clone()],
            ..Changes::default()
        };
        if self.receive(&ask, changes).await.is_ok() {
            self.remediations.push(it.id);
        }
    }

    fn announcement(&self, about: RemediationId, name: usize, length: i64) -> Record {
        let name = AnnouncementName::ALL[name % AnnouncementName::ALL.len()];
        Record::Announce(Box::new(Announcement {
            name,
            remediation: about,
            labels: Labels::from_iter([("alertname", name.as_str()), ("odd", "\0")]),
            annotations: BTreeMap::from([("length".to_owned(), (length / 100).to_string())]),
            at: at(self.now),
            until: at(self.now + length),
        }))
    }

    async fn deliver(&mut self, loses: bool) {
        let (now, owner) = (at(self.now), self.owners[0]);
        let mut all: Vec<Vec<Outgoing>> = Vec::new();
        for db in &self.dbs {
            let due = db.store.announcements(owner, now, at(self.now - 40), at(self.now + 9), 100).await;
            all.push(due.expect("read"));
        }
        let told = |all: &Vec<Outgoing>| {
            let told = |it: &Outgoing| format!("{:?}", (it.version, it.starts_at, &it.announcement));
            let mut told: Vec<_> = all.iter().map(told).collect();
            told.sort();
            told
        };
        assert_eq!(told(&all[0]), told(&all[1]), "SQLite left, memory right");
        for (db, due) in self.dbs.iter().zip(&all) {
            for outgoing in due.iter().filter(|_| !loses) {
                db.store.announced(outgoing, now).await.expect("noted");
            }
        }
    }

    async fn commit(&mut self, number: usize, next: Next, keep: bool, admit: Option<u32>) {
        let Some(claimed) = pick(&self.claims, number) else { return };
        let (it, now) = (claimed.effort.clone(), at(self.now));
        let mut records = vec![Record::Transition(TransitionRow {
            remediation_id: it.id,
            at: now,
            state: it.state_name(),
            what: "blocked by\0".into(),
            detail: json!({"next": format!("{next:?}")}),
        })];
        let after = match next {
            Next::Held => Remediation { state: State::Held { until: at(self.now + 20) }, ..it },
            Next::Blocked(reason) => Remediation { state: State::Blocked { reason, until: at(self.now + 50) }, ..it },
            Next::Awaiting => awaiting(it, "plan", at(self.now + 60)),
            Next::Running { lends, dependent } => {
                let row = intent(&it, now);
                self.actions.push((row.id, it.id));
                records.push(record(&row));
                if dependent {
                    let side = ActionRow {
                        id: Uuid::now_v7().into(),
                        target: target("side"),
                        key: Some("key:a".into()),
                        ..row.clone()
                    };
                    self.actions.push((side.id, it.id));
                    records.push(record(&side));
                }
                if lends {
                    let lent = Loan { id: row.id.into(), opened_at: now, ..loan(&it, at(self.now + 20)) };
                    records.push(Record::Loan(Box::new(lent)));
                }
                running(it, row.id, now)
            }
            Next::Result(result) => {
                let spends = result != ActionResult::Failed;
                let row = |id| ResultRow { result, spends, ..succeeded(id, now, at(self.now + 1)) };
                let own = self.actions.iter().filter(|(_, of)| *of == it.id).map(|(id, _)| *id);
                records.extend(own.take(1).map(row).map(Record::Result));
                Remediation { state: State::Held { until: at(self.now + 20) }, ..it }
            }
            Next::Closed(outcome, judged) => {
                records.extend(it.last_action.map(|id| verdict(id, judged, now)));
                records.push(self.announcement(it.id, 1, 300));
                match outcome {
                    Outcome::Refused | Outcome::Expired | Outcome::Observed => refused(it, now, at(self.now + 30)),
                    _ => closed(it, outcome, now),
                }
            }
            Next::Nonsense => {
                records.push(Record::Result(succeeded(Uuid::now_v7().into(), now, now)));
                it
            }
        };
        let keep_until = keep.then(|| at(self.now + 25));
        let commit = Commit { effort: after, records, keep_until };
        let stored = match admit {
            None => both!(self, |store| store.work().commit(&claimed.claim, &commit).await),
            Some(max) => self.admit(&claimed, &commit, max).await,
        };
        if let Ok(Some(stored)) = stored {
            self.claims.push(Claimed { claim: stored.claim, effort: commit.effort });
        }
    }

    async fn admit<T: Effort>(
        &self,
        claimed: &Claimed<T>,
        commit: &Commit<T>,
        max: u32,
    ) -> Result<Option<fettle_core::ports::model::Stored>, &'static str> {
        let mut seen: Vec<Ledger> = Vec::new();
        let asks = self.ledger_asks(RemediationId(claimed.claim.id.0), max);
        let asks: Vec<&LedgerAsk> = asks.iter().collect();
        let mut judge = |ledgers: &[Ledger]| {
            seen.extend_from_slice(ledgers);
            let full = ledgers.iter().any(|ledger| ledger.full_since.iter().any(Option::is_some));
            if full { Judged::Refuse(no()) } else { Judged::Store(Box::new(commit.clone())) }
        };
        let admission = both!(self, |store| T::work(store).admit(&claimed.claim, &asks, &mut judge).await);
        let (one, other) = seen.split_at(seen.len() / 2);
        assert_eq!(one, other, "SQLite left, memory right");
        admission.map(|admission| match admission {
            Admission::Admitted { stored, .. } => Some(stored),
            Admission::Refused(_) | Admission::Abandoned | Admission::Lost => None,
        })
    }

    fn ledger_asks(&self, remediation: RemediationId, max: u32) -> Vec<LedgerAsk> {
        let kinds = [ScopeKind::RuleTarget, ScopeKind::Rule, ScopeKind::Target, ScopeKind::Fleet];
        let ask = |number: usize, mode| LedgerAsk {
            remediation,
            rule: RULES[number % RULES.len()].into(),
            target: target(service(number)),
            key: format!("key:{}", service(number)),
            keys: vec![format!("key:{}", service(number)), "key:a".into()],
            mode,
            now: at(self.now),
            unproven_since: at(self.now - 500),
            scopes: kinds
                .map(|kind| {
                    let budget = Budget { per: std::time::Duration::from_secs(200), ..scope(kind, max).budget };
                    fettle_core::ports::model::Scope { kind, budget }
                })
                .into(),
        };
        vec![ask(0, Mode::Act), ask(1, Mode::Act), ask(3, Mode::Observe)]
    }

    async fn commit_loan(&mut self, number: usize, next: usize, keep: bool, admit: bool) {
        let Some(claimed) = pick(&self.loans, number) else { return };
        let (it, now) = (claimed.effort.clone(), at(self.now));
        let after = match next % 4 {
            0 => Loan { state: fettle_core::remediation::loan::LoanState::Lent { until: at(self.now + 30) }, ..it },
            1 | 2 => returning(&it, now),
            _ => ended(it, LoanEnd::ALL[next % LoanEnd::ALL.len()], now),
        };
        let commit = Commit { effort: after, records: Vec::new(), keep_until: keep.then(|| at(self.now + 25)) };
        let stored = if admit {
            self.admit(&claimed, &commit, 3).await
        } else {
            both!(self, |store| store.loans().commit(&claimed.claim, &commit).await)
        };
        if let Ok(Some(stored)) = stored {
            self.loans.push(Claimed { claim: stored.claim, effort: commit.effort });
        }
    }

    /// Everything that can be asked gets the same answer.
    async fn compare(&self) {
        let now = at(self.now);
        let _ = both!(self, |store| store.work().next_due(now).await);
        let _ = both!(self, |store| store.loans().next_due(now).await);
        let _ = both!(self, |store| store.waiting(9).await);
        let _ = both!(self, |store| store.unattended(None, 9).await);
        let _ = both!(self, |store| store.foresee(&self.ask()).await.map(|world| format!("{:?}", sorted(&world))));
        let asks = self.ledger_asks(self.remediations.last().copied().unwrap_or_default(), 3);
        let asks: Vec<&LedgerAsk> = asks.iter().collect();
        let _ = both!(self, |store| store.peek(&asks).await);
        let _ = both!(self, |store| store.spent(at(self.now - 400)).await);
        let _ = both!(self, |store| store.breakers(at(self.now - 400)).await);
        let _ = both!(self, |store| store.storm().await);
        let _ = both!(self, |store| store.pauses(now).await);
        let _ = both!(self, |store| store.open_by_state().await);
        let _ = both!(self, |store| store.last_heard("ServiceDown").await);
        let _ = both!(self, |store| store
            .pending(now, 9)
            .await
            .map(|all| all.into_iter().map(|it| it.id).collect::<Vec<_>>()));
        let unless = vec![Labels::from_iter([("alertname", "ServiceDown")]), Labels::from_iter([("odd", "d\0")])];
        for id in &self.remediations {
            let ask = FactsAsk {
                remediation: *id,
                rule: "web".into(),
                unproven_since: at(self.now - 400),
                target: target("a"),
                key: Some("key:b".into()),
                unless: unless.clone(),
                unless_since: at(self.now - 400),
                now,
            };
            let _ = both!(self, |store| store.work().facts(&ask).await);
            let _ = both!(self, |store| store.story(*id).await);
            let _ = both!(self, |store| store.remediation(*id).await);
        }
        for rule in RULES {
            let ask = LoanFactsAsk { rule: rule.into(), target: target("a"), now };
            let _ = both!(self, |store| store.loans().facts(&ask).await.map(|it| format!("{it:?}")));
        }
        for target in [None, Some(target("a"))] {
            let filter = RemediationFilter { target: target.clone(), limit: 5, ..RemediationFilter::default() };
            let _ = both!(self, |store| store.remediations(&filter).await);
            let filter = ActionFilter { target, limit: 5, ..ActionFilter::default() };
            let _ = both!(self, |store| store.actions(&filter).await);
        }
        let _ = both!(self, |store| store.alerts(&AlertFilter { limit: 3, ..AlertFilter::default() }).await);
        let events = EventFilter { limit: 9, ..EventFilter::default() };
        let _ = both!(self, |store| store
            .events(&events)
            .await
            .map(|all| { all.into_iter().map(|it| (it.at, it.event, it.severity, it.details)).collect::<Vec<_>>() }));
    }
}

/// In an order that two equal ones share.
fn sorted(world: &World) -> impl Debug {
    let taken: std::collections::BTreeSet<_> = world.taken.iter().copied().collect();
    let alerts: BTreeMap<_, _> = world.alerts.iter().map(|(id, it)| (*id, it.clone())).collect();
    let candidates: BTreeMap<_, _> = world.candidates.iter().map(|(id, it)| (*id, it.clone())).collect();
    let open: BTreeMap<_, _> = world.open.iter().map(|(id, it)| (id.clone(), it.clone())).collect();
    let fixed: BTreeMap<_, _> = world.past.fixed.iter().map(|(id, it)| (id.clone(), it.clone())).collect();
    let returned: BTreeMap<_, Timestamp> = world.past.returned.iter().map(|(id, it)| (id.clone(), *it)).collect();
    let recent: std::collections::BTreeSet<_> = world.past.recent.iter().cloned().collect();
    (taken, alerts, candidates, open, fixed, returned, recent, world.past.storm)
}

/// Calls between two comparisons of everything that can be asked.
const EVERY: usize = 6;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_answers_as_sqlite_does(ops in prop::collection::vec(op(), 1..80)) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut pair = Pair::new().await;
            for ops in ops.chunks(EVERY) {
                for op in ops {
                    pair.run(op.clone()).await;
                }
                pair.compare().await;
            }
        });
    }
}
