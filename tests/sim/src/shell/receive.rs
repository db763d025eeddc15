//! Taking notifications in, as `engine/{intake,receive}.rs` do.

use std::rc::Rc;
use std::time::Duration;

use fettle_core::alert::episode::AlertState;
use fettle_core::alert::labels::Labels;
use fettle_core::receive::{Heard, Notice, receive};
use fettle_core::remediation::outcome::Outcome;
use fettle_core::rule::model::Rule;
use fettle_core::select::Selected;
use fettle_core::settings::Settings;
use fettle_core::target::Hosts;
use fettle_core::time::{after, before};
use uuid::Uuid;

use super::{DECISION_LEASE, Replica, drive};
use crate::alerts::Body;
use crate::plan::HOST;
use crate::store::{Claim, ReceiveAsk};
use crate::world::World;

/// How old a pending notification is before anybody takes it.
const ORPHAN: Duration = Duration::from_secs(5);

/// A body is stored, acknowledged, and taken in.
pub async fn intake(world: Rc<World>, me: Rc<Replica>, number: u64, body: Body) {
    let received_at = me.now(&world);
    let id = world.new_id();
    world.checks.borrow_mut().notified(id, received_at, &body.words);
    if me.ask(&world, |store| store.append(id, received_at)).await.is_err() {
        return;
    }
    world.accepted(number, id);
    let notice = notice(&world, id);
    write(&world, &me, vec![notice]).await;
}

/// Reads back what is pending: of the dead, of an error.
pub async fn catch_up(world: &Rc<World>, me: &Rc<Replica>) {
    let until = before(me.now(world), ORPHAN);
    let pending = me
        .ask(world, |store| store.pending.iter().filter(|(_, at)| **at < until).map(|(id, _)| *id).collect::<Vec<_>>());
    let Ok(pending) = pending.await else { return };
    let notices: Vec<_> = pending.into_iter().map(|id| notice(world, id)).collect();
    if !notices.is_empty() {
        write(world, me, notices).await;
    }
}

/// Candidates that waited are asked again.
pub async fn ask_again(world: &Rc<World>, me: &Rc<Replica>, alerts: Vec<AlertState>) {
    if alerts.is_empty() {
        return;
    }
    let heard = alerts.into_iter().map(|alert| Heard {
        fingerprint: alert.fingerprint,
        selected: select(world, &alert.labels),
        labels: alert.labels,
        word: None,
    });
    let notice = Notice { notification: None, received_at: me.now(world), alerts: heard.collect() };
    write(world, me, vec![notice]).await;
}

fn notice(world: &World, id: Uuid) -> Notice {
    let (received_at, words) = world.checks.borrow().notification(id);
    let heard = words.into_iter().map(|(at, word)| {
        let alert = &world.plan.alerts[at];
        let firing = matches!(word, fettle_core::alert::episode::Word::Firing { .. });
        Heard {
            fingerprint: alert.fingerprint,
            labels: alert.labels.clone(),
            word: Some(word),
            selected: if firing { select(world, &alert.labels) } else { Vec::new() },
        }
    });
    Notice { notification: Some(id), received_at, alerts: heard.collect() }
}

/// The rules that select an alert, in order.
pub fn select(world: &World, labels: &Labels) -> Vec<Selected> {
    let hosts = Hosts::new([(HOST, &[][..])]);
    let mut selected = Vec::new();
    for (at, rule) in world.plan.rules.iter().enumerate() {
        if world.unloaded.get() == Some(at) || !rule.matchers.iter().all(|it| it.matches(labels)) {
            continue;
        }
        selected.push(Selected { rule: rule.clone(), target: rule.target.resolve(labels, &hosts) });
        if !rule.proceed {
            break;
        }
    }
    selected
}

/// The rule of this name, as loaded now.
pub fn loaded<'w>(world: &'w World, name: &str) -> Option<&'w Rule> {
    let at = world.plan.rules.iter().position(|rule| rule.name == name)?;
    (world.unloaded.get() != Some(at)).then(|| &*world.plan.rules[at])
}

async fn write(world: &Rc<World>, me: &Rc<Replica>, notices: Vec<Notice>) {
    let now = me.now(world);
    let alerts = || notices.iter().flat_map(|notice| &notice.alerts);
    let selected = || alerts().flat_map(|heard| &heard.selected);
    let regress = selected().map(|it| it.rule.regress_window).max();
    let ask = ReceiveAsk {
        take: notices.iter().filter_map(|notice| notice.notification).collect(),
        fingerprints: alerts().map(|heard| heard.fingerprint).collect(),
        targets: selected().filter_map(|it| it.target.as_ref().ok()).map(ToString::to_string).collect(),
        fixed_since: regress.map(|window| before(now, window)),
        owner: me.owner.get(),
        recent_since: world.plan.settings.storm.map(|storm| before(now, storm.within)),
        lease_until: world.rng.borrow_mut().chance(800).then(|| after(now, DECISION_LEASE)),
        now,
    };
    let settings: Settings = world.plan.settings.clone();
    let ids = world.clone();
    let done = me.ask(world, |store| {
        let changes = store.receive(&ask, |known| receive(known, &notices, &settings, &mut || ids.new_id()));
        ids.checks.borrow_mut().push_received(&changes);
        changes
    });
    // What is not taken in now is found pending, or waiting, by upkeep.
    let Ok(changes) = done.await else { return };
    for remediation in &changes.opened {
        world.tell(|| {
            let it = remediation;
            format!("{}: opened for {} by {} ({:?})", crate::history::short(it.id), it.target, it.rule, it.state_name())
        });
    }
    for remediation in changes.opened {
        if remediation.outcome() == Some(Outcome::Refused) || ask.lease_until.is_none() {
            continue;
        }
        let claim = Claim { id: remediation.id, owner: ask.owner, version: 1, wakes: 0 };
        let attached = changes.candidates.iter().filter(|it| it.remediation == Some(remediation.id));
        let fingerprints: Vec<_> = attached.map(|it| it.fingerprint).collect();
        let alerts = changes.alerts.iter().filter(|it| fingerprints.contains(&it.fingerprint)).cloned().collect();
        drive::spawn(world, me, claim, remediation, Some(alerts));
    }
    world.wake_all();
}
