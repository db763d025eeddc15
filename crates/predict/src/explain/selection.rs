//! From alerts to efforts: which rules select them, and what taking them in would open.

use uuid::Uuid;

use super::effort::{attached, refused, spent, waiting};
use super::sources::{Answered, Sources};
use super::{AlertSaid, Effort, Explanation, RuleSaid, Selects};
use fettle_core::alert::episode::{AlertState, Word};
use fettle_core::alert::webhook::Alert;
use fettle_core::id::RemediationId;
use fettle_core::matcher::Matcher;
use fettle_core::receive::{Candidate, Changes, Heard, Notice, Standing, World, receive};
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::Rule;
use fettle_core::select::select;
use fettle_core::time::Timestamp;
use fettle_core::upstream::OWN;

/// Alerts that are explained at once: each may cost a look at Docker.
const ALERTS: usize = 20;

/// Rules that are told of per alert when they do not select it: ten thousand are no answer to read.
const RULES: usize = 1000;

/// The start of an alert of which only the labels are given: it fires since when it is known to fire, else from now on. Go's zero
/// time, as Alertmanager writes a time that is not known.
pub const UNKNOWN_START: Timestamp = Timestamp::constant(-62_135_596_800, 0);

/// Explains what would be done if these alerts were taken in now.
pub async fn explain_alerts(sources: &Sources, alerts: &[Alert]) -> Explanation {
    let answered = Answered::default();
    let shown = alerts.get(..ALERTS).unwrap_or(alerts);
    let mut notices = [notice(sources, shown)];
    let world = sources.world(&notices, &answered).await;
    for heard in notices.iter_mut().flat_map(|notice| &mut notice.alerts) {
        if let Some(Word::Firing { starts_at }) = &mut heard.word
            && *starts_at == UNKNOWN_START
        {
            let known = world.alerts.get(&heard.fingerprint).filter(|known| known.firing);
            *starts_at = known.map_or(sources.now, |known| known.starts_at);
        }
    }
    let mut ids = 0;
    let mut new_id = || {
        ids += 1;
        Uuid::from_u128(ids)
    };
    let changes = receive(&world, &notices, &sources.settings, &mut new_id);
    let [notice] = &notices;
    let mut said = Vec::new();
    for (alert, heard) in shown.iter().zip(&notice.alerts) {
        said.push(one(sources, &world, &changes, alert, heard, &answered).await);
    }
    let alerts_left_out = alerts.len() - shown.len();
    Explanation { at: sources.now, asked: answered.told(sources.settings.alertmanager), alerts: said, alerts_left_out }
}

fn notice(sources: &Sources, alerts: &[Alert]) -> Notice {
    let heard = |alert: &Alert| Heard {
        fingerprint: alert.fingerprint,
        word: Some(alert.word(sources.now)),
        selected: if alert.firing { select(&sources.rules, &sources.hosts, &alert.labels) } else { Vec::new() },
        labels: alert.labels.clone(),
        reconsidered: Vec::new(),
    };
    Notice { notification: None, received_at: sources.now, alerts: alerts.iter().map(heard).collect() }
}

async fn one(
    sources: &Sources,
    world: &World,
    changes: &Changes,
    alert: &Alert,
    heard: &Heard,
    answered: &Answered,
) -> AlertSaid {
    let mut efforts = Vec::new();
    for selected in &heard.selected {
        efforts.extend(effort(sources, world, changes, alert, &selected.rule.name, answered).await);
    }
    let selected: Vec<&str> = heard.selected.iter().map(|it| it.rule.name.as_str()).collect();
    let own = alert.labels.get(OWN.0) == OWN.1;
    let note = if own {
        Some("fettle posted this alert itself: it selects no rule".to_owned())
    } else if !alert.firing {
        Some("it is resolved: what is attached to it looks again, and nothing is opened".to_owned())
    } else if !selected.is_empty() && efforts.is_empty() {
        Some("it tells nothing new: its end was heard already".to_owned())
    } else {
        None
    };
    let asked = alert.firing && !own;
    let all: Vec<RuleSaid> = rules(sources.rules.iter().map(|rule| &**rule), alert, &selected, asked);
    let total = all.len();
    let mut room = RULES;
    let told = |it: &RuleSaid| {
        room = room.saturating_sub(usize::from(it.says != Selects::Yes));
        it.says == Selects::Yes || room > 0
    };
    let rules: Vec<RuleSaid> = all.into_iter().filter(told).collect();
    AlertSaid {
        labels: alert.labels.clone(),
        fingerprint: alert.fingerprint,
        firing: alert.firing,
        note,
        rules_left_out: total - rules.len(),
        rules,
        efforts,
    }
}

/// What every rule says, in order. `selected` are those that the rule set gave.
fn rules<'r>(rules: impl Iterator<Item = &'r Rule>, alert: &Alert, selected: &[&str], asked: bool) -> Vec<RuleSaid> {
    let mut ended: Option<&str> = None;
    let mut said = Vec::new();
    for rule in rules {
        let no: Option<&Matcher> = rule.matchers.iter().find(|matcher| !matcher.matches(&alert.labels));
        let says = match no {
            _ if !asked => Selects::NotAsked,
            Some(_) => Selects::No,
            None if selected.contains(&rule.name.as_str()) => Selects::Yes,
            None => Selects::Behind,
        };
        said.push(RuleSaid {
            rule: rule.name.clone(),
            source: rule.source.clone(),
            says,
            matcher: no.filter(|_| asked).map(ToString::to_string),
            saw: no.filter(|_| asked).map(|matcher| alert.labels.get(matcher.name()).to_owned()),
            behind: ended.filter(|_| says == Selects::Behind).map(str::to_owned),
            proceed: rule.proceed,
        });
        if says == Selects::Yes && !rule.proceed {
            ended = ended.or(Some(&rule.name));
        }
    }
    said
}

/// What comes of the alert for one rule that selects it.
async fn effort(
    sources: &Sources,
    world: &World,
    changes: &Changes,
    alert: &Alert,
    rule: &str,
    answered: &Answered,
) -> Option<Effort> {
    let of = |it: &&Candidate| it.fingerprint == alert.fingerprint && it.rule == rule;
    let known = || world.candidates.get(&alert.fingerprint).into_iter().flatten().find(of);
    let candidate = changes.candidates.iter().find(of).or_else(known)?;
    let opened: Option<&Remediation> = changes.opened.iter().find(|it| Some(it.id) == candidate.remediation);
    Some(match (opened, candidate.standing) {
        (Some(opened), _) if opened.outcome().is_some() => refused(sources, opened, &changes.records),
        (Some(opened), _) => attached(sources, opened, true, heard(world, changes, opened.id), answered).await,
        (None, Standing::Attached) => match of_store(sources, candidate).await {
            Some(stored) => attached(sources, &stored, false, heard(world, changes, stored.id), answered).await,
            None => spent(candidate, None),
        },
        (None, Standing::Waiting) => waiting(world, candidate),
        (None, Standing::Spent | Standing::Free) => spent(candidate, of_store(sources, candidate).await.as_ref()),
    })
}

async fn of_store(sources: &Sources, candidate: &Candidate) -> Option<Remediation> {
    sources.stored(candidate.remediation?).await.ok().flatten()
}

/// The alerts that are attached to a remediation, as they are once this was heard.
fn heard(world: &World, changes: &Changes, remediation: RemediationId) -> Vec<AlertState> {
    let attached = |alert: &&AlertState| {
        let of = |it: &Candidate| it.fingerprint == alert.fingerprint && it.remediation == Some(remediation);
        let known = world.candidates.get(&alert.fingerprint);
        changes.candidates.iter().chain(known.into_iter().flatten()).any(of)
    };
    changes.alerts.iter().filter(attached).cloned().collect()
}
