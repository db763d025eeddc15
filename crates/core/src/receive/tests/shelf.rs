//! What a store does with changes, and a sender that can say anything.

use std::collections::HashMap;
use std::sync::Arc;

use crate::alert::episode::Word;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::labels::Labels;
use crate::decide::Reconsidered;
use crate::id::RemediationId;
use crate::receive::{Candidate, Changes, Finding, Heard, Notice, OpenTarget, Past, PastFix, Standing, World, receive};
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::{Outcome, Verdict};
use crate::remediation::record::Record;
use crate::remediation::state::{Remediation, State};
use crate::rule::model::Rule;
use crate::select::Selected;
use crate::settings::Settings;
use crate::target::Hosts;
use crate::testing::{at, id, labels, settings};
use crate::time::Timestamp;

/// The store and the loaded rules, all of which select every alert.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) rules: Vec<Arc<Rule>>,
    pub(super) world: World,
    pub(super) remediations: Vec<Remediation>,
    /// What was opened: rule, target, opening alert, and its episode (0 when it was refused at once).
    pub(super) opened: Vec<(String, String, Fingerprint, i64)>,
    pub(super) records: Vec<Record>,
    pub(super) woken: Vec<RemediationId>,
    pub(super) settings: Settings,
    ids: u128,
}

pub(super) fn shelf(rules: impl IntoIterator<Item = Rule>) -> Shelf {
    Shelf {
        rules: rules.into_iter().map(Arc::new).collect(),
        world: World::default(),
        remediations: Vec::new(),
        opened: Vec::new(),
        records: Vec::new(),
        woken: Vec::new(),
        settings: settings(),
        ids: 0,
    }
}

/// The alert `name` of the service `web` fires since `since`.
pub(super) fn fires(name: &str, since: i64) -> (Labels, Word) {
    (labels(name), Word::Firing { starts_at: at(since) })
}

/// The alert `name` of the service `web` fired from `since` until `until`.
pub(super) fn resolves(name: &str, since: i64, until: i64) -> (Labels, Word) {
    (labels(name), Word::Resolved { starts_at: at(since), ends_at: at(until) })
}

/// A store reads the past only for what opens: all else must be the same without it.
fn the_past_opens_nothing(with: &Changes, without: &Changes) {
    if !with.opens() {
        assert_eq!(with, without);
    }
    let opened = |changes: &Changes| {
        let told = |it: &Remediation| (it.id, it.rule.clone(), it.target.clone(), it.state.clone());
        changes.opened.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(opened(with), opened(without));
    assert_eq!((&with.alerts, &with.candidates, &with.woken), (&without.alerts, &without.candidates, &without.woken));
}

impl Shelf {
    /// One notification, taken in as a batch of its own.
    pub(super) fn hears(&mut self, second: i64, alerts: &[(Labels, Word)]) -> &mut Self {
        let notice = self.notice(at(second), alerts);
        self.take(&[notice])
    }

    pub(super) fn notice(&mut self, received_at: Timestamp, alerts: &[(Labels, Word)]) -> Notice {
        self.ids += 1;
        let heard = |(labels, word): &(Labels, Word)| self.heard(labels, Some(*word));
        Notice { notification: Some(id(self.ids)), received_at, alerts: alerts.iter().map(heard).collect() }
    }

    fn heard(&self, labels: &Labels, word: Option<Word>) -> Heard {
        let hosts = Hosts::new([("local", &[][..])]);
        let select = |rule: &Arc<Rule>| Selected { rule: rule.clone(), target: rule.target.resolve(labels, &hosts) };
        let selected = self.rules.iter().map(select).collect();
        Heard { fingerprint: Fingerprint::of(labels), labels: labels.clone(), word, selected, reconsidered: Vec::new() }
    }

    /// What waited for a target is asked again.
    pub(super) fn ask_again(&mut self, second: i64) -> &mut Self {
        let waits = |it: &Candidate| it.standing == Standing::Waiting && !self.world.open.contains_key(&it.target);
        let waiting = self.world.candidates.values().flatten().filter(|it| waits(it));
        let known = waiting.filter_map(|it| self.world.alerts.get(&it.fingerprint)).filter(|alert| alert.firing);
        let alerts: Vec<_> = known.map(|alert| self.heard(&alert.labels, None)).collect();
        self.take(&[Notice { notification: None, received_at: at(second), alerts }])
    }

    /// What was found about the alert `name` and `rule`, which were reconsidered.
    pub(super) fn finds(&mut self, second: i64, name: &str, rule: &str, found: &Reconsidered) -> &mut Self {
        let of = self.candidate(name, rule).remediation;
        let finding = Finding { rule: rule.to_owned(), of, found: found.clone(), sleeps: false };
        let heard = Heard { reconsidered: vec![finding], ..self.heard(&labels(name), None) };
        self.take(&[Notice { notification: None, received_at: at(second), alerts: vec![heard] }])
    }

    /// One batch.
    pub(super) fn take(&mut self, notices: &[Notice]) -> &mut Self {
        self.world.taken = notices.iter().filter_map(|it| it.notification).collect();
        self.take_as_it_is(notices)
    }

    pub(super) fn take_as_it_is(&mut self, notices: &[Notice]) -> &mut Self {
        let (changes, ids) = self.think(&self.world, notices);
        let (without_past, _) = self.think(&World { past: Past::default(), ..self.world.clone() }, notices);
        the_past_opens_nothing(&changes, &without_past);
        self.ids = ids;
        self.apply(changes);
        self
    }

    fn think(&self, world: &World, notices: &[Notice]) -> (Changes, u128) {
        let mut ids = self.ids;
        let changes = receive(world, notices, &self.settings, &mut || {
            ids += 1;
            id(1_000_000 + ids)
        });
        (changes, ids)
    }

    fn apply(&mut self, changes: Changes) {
        for alert in changes.alerts {
            self.world.alerts.insert(alert.fingerprint, alert);
        }
        for remediation in changes.opened {
            let told = changes.records.iter().find_map(|it| match it {
                Record::Transition(row) if row.remediation_id == remediation.id => row.detail["episode"].as_i64(),
                _ => None,
            });
            let opener = remediation.alert.fingerprint;
            let target = remediation.target.to_string();
            self.opened.push((remediation.rule.clone(), target, opener, told.unwrap_or(0)));
            if remediation.outcome().is_none() {
                let state = remediation.state_name();
                let open = OpenTarget { id: remediation.id, rule: remediation.rule.clone(), state };
                let before = self.world.open.insert(remediation.target.to_string(), open);
                assert_eq!(before, None, "one open remediation per target");
            }
            self.remediations.push(remediation);
        }
        for candidate in changes.candidates {
            let of = self.world.candidates.entry(candidate.fingerprint).or_default();
            of.retain(|it| it.rule != candidate.rule);
            of.push(candidate);
        }
        let regressed = |it: &Record| matches!(it, Record::Verdict { row, .. } if row.verdict == Verdict::Regressed);
        if changes.records.iter().any(regressed) {
            self.world.past.fixed.values_mut().for_each(|it| it.regressed = true);
        }
        self.records.extend(changes.records);
        self.woken.extend(changes.woken);
    }

    /// The open remediation of `rule` ends after an effect.
    pub(super) fn closes(&mut self, second: i64, rule: &str, outcome: Outcome) -> &mut Self {
        self.ends(second, rule, outcome, None)
    }

    /// The open remediation of `rule` ends without an effect, and comes to this.
    pub(super) fn comes_to(&mut self, second: i64, rule: &str, outcome: Outcome, came: Came) -> &mut Self {
        self.ends(second, rule, outcome, Some(came))
    }

    fn ends(&mut self, second: i64, rule: &str, outcome: Outcome, came: Option<Came>) -> &mut Self {
        let open = self.remediations.iter_mut().find(|it| it.rule == rule && it.outcome().is_none());
        let remediation = open.expect("an open remediation of this rule");
        remediation.state = State::Closed { outcome, reason: String::new(), at: at(second) };
        if let Some(came) = came {
            let rule = self.rules.iter().find(|it| it.name == rule).map(|it| &**it);
            remediation.leave(came, rule, self.settings.recheck, at(second));
        }
        let (closed, target, rung) = (remediation.id, remediation.target.to_string(), remediation.rung);
        self.world.open.remove(&target);
        let left = remediation.left.clone();
        let standing = if remediation.leaves_episode_open() { Standing::Free } else { Standing::Spent };
        for candidate in self.world.candidates.values_mut().flatten() {
            if candidate.remediation == Some(closed) && candidate.standing == Standing::Attached {
                candidate.standing = standing;
                candidate.closed_at = Some(at(second));
                candidate.conclusion = left.as_ref().map(|left| left.conclusion.clone());
                candidate.again_at = left.as_ref().map(|left| left.again_at);
            }
        }
        if outcome == Outcome::Fixed {
            let past = PastFix { regressed: false, action: id(77), rung, closed_at: at(second) };
            self.world.past.fixed.insert((rule.to_owned(), target), past);
        }
        self
    }

    /// Where the alert `name` stands with `rule`, and in which episode.
    pub(super) fn stands(&self, name: &str, rule: &str) -> Option<(Standing, i64)> {
        let of = self.world.candidates.get(&Fingerprint::of(&labels(name)))?;
        of.iter().find(|it| it.rule == rule).map(|it| (it.standing, it.episode))
    }

    pub(super) fn candidate(&self, name: &str, rule: &str) -> &Candidate {
        let of = &self.world.candidates[&Fingerprint::of(&labels(name))];
        of.iter().find(|it| it.rule == rule).expect("a candidate")
    }

    /// The refusals on record: rule and guard.
    pub(super) fn refused(&self) -> Vec<String> {
        let row = |it: &Record| match it {
            Record::Action(row) => Some(format!("{} {}", row.rule, row.reason.as_deref().unwrap_or("?"))),
            _ => None,
        };
        self.records.iter().filter_map(row).collect()
    }

    pub(super) fn regressed(&self) -> usize {
        let regressed = |it: &&Record| matches!(it, Record::Verdict { row, .. } if row.verdict == Verdict::Regressed);
        self.records.iter().filter(regressed).count()
    }

    /// The lines of the story.
    pub(super) fn told(&self) -> Vec<String> {
        let line = |it: &Record| {
            if let Record::Transition(row) = it { Some(format!("{} {}", row.state, row.what)) } else { None }
        };
        self.records.iter().filter_map(line).collect()
    }

    pub(super) fn by_rule(&self) -> HashMap<String, usize> {
        let mut count = HashMap::new();
        for (rule, ..) in &self.opened {
            *count.entry(rule.clone()).or_default() += 1;
        }
        count
    }
}
