//! One claimed remediation, driven until it has to wait or is closed, as `engine/{drive,execute}.rs` do.

use std::rc::Rc;
use std::time::Duration;

use fettle_core::action::{Action, CALL_MARGIN};
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Ask, Call, CallFailure, Decision, Event, Facts, IDS, Looked, Whose, begin, decide, late};
use fettle_core::guard::{Request, admit};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Attempt, Remediation, State};
use fettle_core::sight::Sight;
use fettle_core::surroundings::{Surroundings, Upstream, look_upstream};
use fettle_core::target::Target;
use fettle_core::time::{after, before};
use serde_json::json;

use super::receive::{ask_again, loaded};
use super::{Replica, Unavailable};
use crate::checks::{Deed, Read};
use crate::history::short;
use crate::mutants::Mutant;
use crate::store::{Admission, Claim, Commit, FactsAsk};
use crate::time::{Micros, SECOND, length};
use crate::world::{Sleep, Wake, World};

/// Slack between the end of the call's own deadline and the end of the lease.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// How old a stored intent may be when its call is made.
const INTENT_FRESH: Micros = 5 * SECOND;

/// What is known around one remediation.
struct Known {
    alerts: Vec<AlertState>,
    surroundings: Surroundings,
    /// Alerts whose end only Alertmanager told.
    ended: Vec<Record>,
    /// When it was read.
    read: Read,
}

/// Has a claimed remediation driven.
pub fn spawn(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: Claim,
    remediation: Remediation,
    alerts: Option<Vec<AlertState>>,
) {
    let (w, r) = (world.clone(), me.clone());
    world.spawn(me.number, async move {
        if let Ok(waiting) = drive(&w, &r, claim, remediation, alerts).await {
            ask_again(&w, &r, waiting).await;
        }
        w.wake_all();
    });
}

async fn read(
    world: &Rc<World>,
    me: &Rc<Replica>,
    remediation: &Remediation,
    given: Option<Vec<AlertState>>,
) -> Result<Known, Unavailable> {
    let now = me.now(world);
    let rule = loaded(world, &remediation.rule);
    let ask = FactsAsk {
        remediation: remediation.id,
        rule: remediation.rule.clone(),
        unproven_since: before(now, world.plan.settings.trip.map(|trip| trip.within).unwrap_or_default()),
        target: remediation.target.to_string(),
        key: remediation.key.clone(),
        unless: rule.is_some_and(|rule| !rule.unless.is_empty()),
        unless_since: before(now, world.plan.settings.freshness),
        now,
    };
    let mut at = 0;
    let clock = world.clone();
    let (mut alerts, mut surroundings) = me
        .ask(world, |store| {
            at = clock.now();
            store.facts(&ask)
        })
        .await?;
    if let Some(given) = given.filter(|_| !world.plan.settings.alertmanager) {
        alerts = given;
    }
    if world.forgets_answers()
        && let (Some(answer), State::AwaitingApproval { proposal, .. }) = (&mut surroundings.answer, &remediation.state)
    {
        (answer.plan, answer.at) = (Some(proposal.hash.clone()), proposal.asked_at);
    }
    let mut ended = Vec::new();
    if world.plan.settings.alertmanager {
        me.step(world, 300_000).await;
        (alerts, ended) = ask_upstream(world, me, remediation, alerts, &mut surroundings);
    }
    Ok(Known { alerts, surroundings, ended, read: Read { at } })
}

/// What Alertmanager says is laid over what was heard, as `engine/known.rs` does it.
fn ask_upstream(
    world: &World,
    me: &Replica,
    remediation: &Remediation,
    heard: Vec<AlertState>,
    surroundings: &mut Surroundings,
) -> (Vec<AlertState>, Vec<Record>) {
    let now = me.now(world);
    let Some(picture) = world.picture(now) else {
        surroundings.upstream = Upstream::Silent { error: "no peer answered".to_owned() };
        return (heard, Vec::new());
    };
    let working = remediation.announced_until.is_some();
    let (seen, said) = look_upstream(&heard, &picture, working, world.plan.settings.freshness, now);
    let gone = seen.iter().zip(&heard).filter(|(seen, heard)| heard.firing && !seen.firing);
    let ended = gone.map(|(seen, _)| Record::Ended(Box::new(seen.clone()))).collect();
    surroundings.upstream = said;
    (seen, ended)
}

fn think(world: &World, me: &Replica, mut remediation: Remediation, known: &Known, event: Event) -> Decision {
    if world.forgets_answers() {
        remediation.answered = None;
    }
    let mut settings = world.plan.settings.clone();
    if world.mutant == Some(Mutant::ProtectedIgnored) {
        settings.protected = fettle_core::settings::Protected::default();
    }
    let facts = Facts {
        rule: loaded(world, &remediation.rule),
        settings: &settings,
        alerts: &known.alerts,
        surroundings: &known.surroundings,
        now: me.now(world),
        new_ids: std::array::from_fn::<_, IDS, _>(|_| world.new_id()),
    };
    let retry = world.mutant == Some(Mutant::UnknownRetried) && matches!(event, Event::Looked(_));
    if retry && matches!(remediation.state, State::Running { .. }) {
        // As if nothing had been tried.
        remediation.state = State::Held { until: facts.now };
        return decide(remediation, &facts, Event::Due);
    }
    let mut decision = decide(remediation, &facts, event);
    if world.mutant == Some(Mutant::VerdictIgnored) {
        let climbs = |it: &Record| matches!(it, Record::Verdict { row, .. } if row.verdict.proves_nothing());
        if decision.records.iter().any(climbs) && decision.remediation.outcome().is_some() {
            decision.remediation.state = State::Held { until: facts.now };
        }
    }
    decision
}

fn told(world: &World, me: &Replica, remediation: &Remediation, records: &[Record]) {
    world.tell(|| {
        let lines: Vec<_> = records
            .iter()
            .filter_map(|it| match it {
                Record::Transition(row) => Some(row.what.clone()),
                Record::Action(row) => Some(format!("[{} {} {:?}]", row.action, short(row.id), row.result)),
                _ => None,
            })
            .collect();
        let state = remediation.state_name();
        let reason = remediation.reason().unwrap_or_default();
        format!(
            "r{} {} {}: {state} {reason} | {}",
            me.number,
            short(remediation.id),
            remediation.target,
            lines.join("; ")
        )
    });
}

/// Stores a decision; `None`: the claim was lost.
async fn commit(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: &Claim,
    commit: Commit<Remediation>,
) -> Result<Option<(Claim, Vec<AlertState>)>, Unavailable> {
    let (w, done) = (world.clone(), commit.clone());
    let stored = me
        .ask(world, move |store| {
            let (before, fenced) = store.held(claim);
            let stored = store.commit(claim, &commit);
            if stored.is_some() {
                w.checks.borrow_mut().push_stored(before, &commit.doc, &commit.records, fenced);
            }
            stored
        })
        .await?;
    if stored.is_some() {
        told(world, me, &done.doc, &done.records);
    } else {
        world.tell(|| format!("r{} {}: the claim was lost", me.number, short(claim.id)));
    }
    Ok(stored.map(|it| (it.claim, it.waiting)))
}

async fn drive(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: Claim,
    mut remediation: Remediation,
    alerts: Option<Vec<AlertState>>,
) -> Result<Vec<AlertState>, Unavailable> {
    let begun_at = world.now();
    let known = read(world, me, &remediation, alerts).await?;
    let (mut records, mut event) = (known.ended.clone(), Event::Due);
    loop {
        let decision = think(world, me, remediation, &known, event);
        remediation = decision.remediation;
        records.extend(decision.records);
        event = match decision.ask {
            Ask::Nothing => {
                let done = Commit { doc: remediation, records, keep_until: None };
                let stored = commit(world, me, &claim, done).await?;
                return Ok(stored.map(|it| it.1).unwrap_or_default());
            }
            Ask::Find(wanted) => {
                me.step(world, 300_000).await;
                let (docker, trouble) = (world.docker.borrow(), world.docker_trouble());
                Event::Found(docker.find(&mut world.rng.borrow_mut(), trouble, &remediation.target, wanted))
            }
            Ask::Look { target, pin, .. } => {
                me.step(world, 300_000).await;
                let (docker, trouble) = (world.docker.borrow(), world.docker_trouble());
                Event::Looked(Looked::from(docker.look(&mut world.rng.borrow_mut(), trouble, &target, &pin)))
            }
            Ask::Peek(request) => {
                let ledgers = me.ask(world, |store| store.ledgers(&request.asks())).await?;
                Event::Peeked(admit(&request, &ledgers).map(|_| request))
            }
            Ask::Perform => {
                let (keep_until, intended_at) = (call_keep(world, me, &remediation), world.now());
                let done = Commit { doc: remediation.clone(), records, keep_until };
                let Some((claim, _)) = commit(world, me, &claim, done).await? else { return Ok(Vec::new()) };
                return carry_out(world, me, claim, remediation, intended_at).await;
            }
            Ask::Admit(request) => {
                let intended_at = world.now();
                match admitted(world, me, &claim, &remediation, &request, &records, (known.read, begun_at)).await? {
                    Admission::Lost => return Ok(Vec::new()),
                    Admission::Refused(refusal) => Event::Refused(refusal),
                    Admission::Admitted(stored, commit) if commit.keep_until.is_some() => {
                        told(world, me, &commit.doc, &commit.records);
                        return carry_out(world, me, stored.claim, commit.doc, intended_at).await;
                    }
                    Admission::Admitted(stored, commit) => {
                        told(world, me, &commit.doc, &commit.records);
                        return Ok(stored.waiting);
                    }
                }
            }
        };
    }
}

/// How long the claim on an effect lasts.
pub fn call_lease(action: &Action) -> Duration {
    action.takes() + CALL_MARGIN + LEASE_MARGIN
}

fn call_keep(world: &World, me: &Replica, remediation: &Remediation) -> Option<fettle_core::time::Timestamp> {
    match &remediation.state {
        State::Running { attempt, .. } => Some(after(me.now(world), call_lease(&attempt.action))),
        _ => None,
    }
}

async fn admitted(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: &Claim,
    remediation: &Remediation,
    request: &Request,
    records: &[Record],
    (read, begun_at): (Read, Micros),
) -> Result<Admission<Remediation>, Unavailable> {
    let w = world.clone();
    me.ask(world, |store| {
        if w.now() - begun_at > length(super::DECISION_LEASE) {
            // The claim has run out, and the facts are from before.
            return Admission::Lost;
        }
        let (before, fenced) = store.held(claim);
        // Intended when it is admitted: whoever planned it may have stood still since.
        let now = me.now(world);
        let dated = request.clone().dated(now);
        let admission = store.admit(claim, &request.asks(), |ledgers| {
            let admitted = admit(&dated, ledgers)?;
            let (doc, rows) =
                begin(remediation.clone(), admitted, loaded(world, &remediation.rule), &world.plan.settings);
            let keep = matches!(doc.state, State::Running { .. });
            let keep_until = keep.then(|| after(now, call_lease(&request.plan.attempt.action)));
            Ok(Commit { doc, records: records.iter().cloned().chain(rows).collect(), keep_until })
        });
        if let Admission::Admitted(_, commit) = &admission {
            let mut checks = w.checks.borrow_mut();
            checks.push_stored(before, &commit.doc, &commit.records, fenced);
            checks.push_intent(&dated, &commit.doc, read, w.now());
        }
        admission
    })
    .await
}

/// The intent is stored: makes the call, and those of its dependents, one after the other. `intended_at` is from before it was
/// stored: a process that stood still while the database answered must find its intent old.
async fn carry_out(
    world: &Rc<World>,
    me: &Rc<Replica>,
    mut claim: Claim,
    mut remediation: Remediation,
    mut intended_at: Micros,
) -> Result<Vec<AlertState>, Unavailable> {
    loop {
        let State::Running { attempt, .. } = &remediation.state else { return Ok(Vec::new()) };
        let lease = length(call_lease(&attempt.action));
        let target = attempt.dependent.clone().unwrap_or_else(|| remediation.target.clone());
        let attempt = attempt.clone();
        let call = execute(world, me, &target, &attempt, intended_at).await;
        let event = Event::Returned(call.clone());
        match store_result(world, me, &claim, &remediation, event, intended_at + lease).await {
            Ok(Some((next, _, Some((running, at))))) => (claim, remediation, intended_at) = (next, running, at),
            Ok(Some((_, waiting, None))) => return Ok(waiting),
            lost => {
                let whose = Whose { remediation: remediation.id, rule: &remediation.rule, target: &target };
                told_late(world, me, &whose, &attempt, &call).await;
                return lost.map(|_| Vec::new());
            }
        }
    }
}

/// The next claim, who waits, and what is to be called next with when that was intended.
type Returned = Result<Option<(Claim, Vec<AlertState>, Option<(Remediation, Micros)>)>, Unavailable>;

async fn store_result(
    world: &Rc<World>,
    me: &Rc<Replica>,
    claim: &Claim,
    remediation: &Remediation,
    event: Event,
    until: Micros,
) -> Returned {
    loop {
        let stored = match read(world, me, remediation, None).await {
            Ok(known) => {
                let decision = think(world, me, remediation.clone(), &known, event.clone());
                let goes_on = decision.ask == Ask::Perform;
                let keep_until = goes_on.then(|| call_keep(world, me, &decision.remediation)).flatten();
                let next = goes_on.then(|| (decision.remediation.clone(), world.now()));
                let records = known.ended.into_iter().chain(decision.records).collect();
                let done = Commit { doc: decision.remediation, records, keep_until };
                let stored = commit(world, me, claim, done).await;
                stored.map(|it| it.map(|(claim, waiting)| (claim, waiting, next)))
            }
            Err(error) => Err(error),
        };
        match stored {
            Err(Unavailable) if world.now() < until => {
                Sleep::until(world, world.now() + SECOND / 20 + world.below(2 * SECOND)).await;
            }
            stored => return stored,
        }
    }
}

/// How long the store is asked to take what a late call says of itself.
const TOLD: Micros = 60 * SECOND;

/// The result of this call could not be stored under its claim: as `engine/late.rs` does it.
pub async fn told_late(world: &Rc<World>, me: &Rc<Replica>, whose: &Whose<'_>, attempt: &Attempt, call: &Call) {
    let Some(records) = late(whose, attempt, call, me.now(world)) else { return };
    let until = world.now() + TOLD;
    loop {
        match me.ask(world, |store| store.late(attempt.action_id, &records)).await {
            Err(Unavailable) if world.now() < until => {
                Sleep::until(world, world.now() + SECOND / 20 + world.below(2 * SECOND)).await;
            }
            told => {
                if told == Ok(true) {
                    world.checks.borrow_mut().count("late calls told");
                    world.tell(|| format!("r{} {}: a late call is told", me.number, short(attempt.action_id)));
                }
                return;
            }
        }
    }
}

/// Makes the call. The lease is looked at on a clock that nobody sets, right before.
pub async fn execute(
    world: &Rc<World>,
    me: &Rc<Replica>,
    target: &Target,
    attempt: &Attempt,
    stored_at: Micros,
) -> Call {
    me.step(world, 100_000).await;
    let started_at = me.now(world);
    let no = |reason: &'static str, nothing_sent: bool| CallFailure {
        reason,
        error: format!("docker: {reason}"),
        nothing_sent,
        is_answer: false,
    };
    if world.now() - stored_at > INTENT_FRESH {
        let answer = Err(no("lease_lost", true));
        return Call { started_at, detail: json!({}), answer, after: Ok(None), short: None };
    }
    let zombie = world.plan.weather.zombies && world.chance(30);
    if zombie {
        // The window that design §1 documents: stopped after the look at the clock, before the write of the request.
        me.stopped_until.set(world.now() + 60 * SECOND + world.below(200 * SECOND));
        world.tell(|| format!("replica {} stands still right before its call", me.number));
        Sleep::until(world, world.now() + 1).await;
    }
    let takes = length(attempt.action.takes());
    let call = (attempt.action_id, &attempt.effect, &attempt.pin);
    let sent = {
        let (mut docker, trouble) = (world.docker.borrow_mut(), world.docker_trouble());
        docker.send(&mut world.rng.borrow_mut(), trouble, world.now(), takes, call)
    };
    let answer = match sent {
        None => {
            me.step(world, 300_000).await;
            Err(no("docker_unreachable", true))
        }
        Some(mut sent) => {
            (sent.zombie, sent.by) = (zombie, me.owner.get());
            let number = world.send_call(attempt, &sent);
            if let Some(at) = sent.answers_at {
                Sleep::until(world, at + 1).await;
                me.step(world, 10_000).await;
                world.docker.borrow().answered(number)
            } else {
                Sleep::until(world, world.now() + takes + length(CALL_MARGIN)).await;
                Err(no("docker_timeout", false))
            }
        }
    };
    me.step(world, 50_000).await;
    let after: Result<Option<Box<Sight>>, _> = {
        let (docker, trouble) = (world.docker.borrow(), world.docker_trouble());
        docker.look(&mut world.rng.borrow_mut(), trouble, target, &attempt.pin)
    };
    Call { started_at, detail: json!({}), answer, after, short: None }
}

impl World {
    /// A call is on its way; its number.
    fn send_call(&self, attempt: &Attempt, sent: &crate::docker::Sent) -> u64 {
        self.tell(|| {
            format!("  docker: {} for {} on {:?}", attempt.action.name(), short(attempt.action_id), sent.touches)
        });
        self.deed(&Deed::Sent { attempt, sent });
        let mut docker = self.docker.borrow_mut();
        let number = docker.calls.len() as u64 + 1;
        docker.calls.insert(number, sent.clone());
        drop(docker);
        if let Some(at) = sent.lands_at {
            self.push(at, Wake::Land(number));
        }
        number
    }
}
