//! What would have been done beside what was: by rule, in all, and remediation by remediation.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::effort::{Effort, Tally};
use super::run::Outcome;
use fettle_core::time::{Timestamp, since};

/// A recorded and a replayed remediation of one target were opened by the same notification when they were within this time.
const SAME_NOTIFICATION: Duration = Duration::from_millis(100);

/// They are compared with each other when they were opened within this time.
const SAME_WITHIN: Duration = Duration::from_mins(2);

/// What a replay showed.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the notifications came from.
    pub source: String,
    /// The first instant that is counted.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// Notifications that were replayed.
    pub notifications: u64,
    /// Alerts in them.
    pub alerts: u64,
    /// By rule, in byte order of name: those of the replay, and those of the record.
    pub rules: Vec<OfRule>,
    /// All rules together.
    pub total: Pair,
    /// How the remediations compare; `None`: there is no record to compare with.
    pub compared: Option<Compared>,
    /// Remediations that differ, in the order in which they were opened; all of them when asked for.
    pub remediations: Vec<Change>,
    /// What this replay could not know.
    pub warnings: Vec<String>,
    /// Records that could not be read.
    pub unreadable: u64,
    /// The first of them, with their places.
    pub problems: Vec<String>,
}

/// The numbers of one rule.
#[derive(Debug, Serialize)]
pub struct OfRule {
    /// Its name.
    pub rule: Arc<str>,
    /// Its numbers.
    #[serde(flatten)]
    pub pair: Pair,
}

/// What would have been, and what was.
#[derive(Debug, Default, Serialize)]
pub struct Pair {
    /// In the replay.
    pub would: Tally,
    /// On record; `None`: there is none.
    pub was: Option<Tally>,
}

/// How many remediations compare how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// The same was done for the same reasons.
    pub same: u64,
    /// Something else.
    pub different: u64,
    /// Only in the replay.
    pub new: u64,
    /// Only on record.
    pub gone: u64,
}

/// How one remediation compares.
#[derive(Debug, Serialize)]
pub struct Change {
    /// How.
    pub change: Kind,
    /// On record.
    pub was: Option<Box<Effort>>,
    /// In the replay.
    pub would: Option<Box<Effort>>,
}

/// How two remediations compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The same was done for the same reasons.
    Same,
    /// Something else.
    Different,
    /// Only in the replay.
    New,
    /// Only on record.
    Gone,
}

impl Change {
    /// The one there is, the replayed one before the recorded one.
    #[must_use]
    pub fn either(&self) -> Option<&Effort> {
        self.would.as_deref().or(self.was.as_deref())
    }
}

/// What a report is made from, besides the outcome.
#[derive(Debug)]
pub struct About {
    /// Where the notifications came from.
    pub source: String,
    /// The first instant that is counted.
    pub from: Timestamp,
    /// The end.
    pub to: Timestamp,
    /// Whether there is a record to compare with.
    pub has_record: bool,
    /// Whether remediations that are the same are listed too.
    pub all: bool,
}

/// Puts it together.
#[must_use]
pub fn report(about: About, mut outcome: Outcome) -> Report {
    let record = std::mem::take(&mut outcome.record);
    let counted: Vec<Effort> = record.efforts.into_iter().filter(|it| it.opened_at >= about.from).collect();
    let mut were: BTreeMap<Arc<str>, Tally> = BTreeMap::new();
    for effort in &counted {
        were.entry(effort.rule.clone()).or_default().add(effort);
    }
    for (rule, at, guard) in record.waits.0 {
        if at >= about.from {
            were.entry(rule).or_default().wait(guard);
        }
    }
    let mut names: Vec<Arc<str>> = outcome.tallies.keys().chain(were.keys()).cloned().collect();
    names.sort_unstable();
    names.dedup();
    let mut total = Pair { was: about.has_record.then(Tally::default), ..Pair::default() };
    let mut rules = Vec::with_capacity(names.len());
    for rule in names {
        let would = outcome.tallies.remove(&rule).unwrap_or_default();
        let was = about.has_record.then(|| were.remove(&rule).unwrap_or_default());
        total.would.absorb(&would);
        if let (Some(total), Some(was)) = (&mut total.was, &was) {
            total.absorb(was);
        }
        rules.push(OfRule { rule, pair: Pair { would, was } });
    }
    let (mut compared, mut remediations) = (None, Vec::new());
    if about.has_record {
        remediations = pair_up(counted, outcome.efforts);
        compared = Some(count(&remediations));
    } else if about.all {
        let new = |it| Change { change: Kind::New, was: None, would: Some(Box::new(it)) };
        remediations = outcome.efforts.into_iter().map(new).collect();
    }
    if !about.all {
        remediations.retain(|it| it.change != Kind::Same);
    }
    Report {
        source: about.source,
        from: about.from,
        to: about.to,
        notifications: outcome.notifications,
        alerts: outcome.alerts,
        rules,
        total,
        compared,
        remediations,
        warnings: Vec::new(),
        unreadable: 0,
        problems: Vec::new(),
    }
}

fn count(changes: &[Change]) -> Compared {
    let mut compared = Compared::default();
    for change in changes {
        *match change.change {
            Kind::Same => &mut compared.same,
            Kind::Different => &mut compared.different,
            Kind::New => &mut compared.new,
            Kind::Gone => &mut compared.gone,
        } += 1;
    }
    compared
}

/// Finds for each recorded remediation the replayed one of the same target and time: first those that were opened by the same
/// notification, then those that were opened nearly then. Both come in the order of opening.
fn pair_up(were: Vec<Effort>, would: Vec<Effort>) -> Vec<Change> {
    let (mut changes, mut were, mut would) = (Vec::new(), were, would);
    for within in [SAME_NOTIFICATION, SAME_WITHIN] {
        (were, would) = pair_within(were, would, within, &mut changes);
    }
    changes.extend(were.into_iter().map(|was| Change { change: Kind::Gone, was: Some(Box::new(was)), would: None }));
    changes.extend(would.into_iter().map(|it| Change { change: Kind::New, was: None, would: Some(Box::new(it)) }));
    let key = |it: &Change| it.either().map(|effort| (effort.opened_at, effort.target.clone()));
    changes.sort_by_cached_key(key);
    changes
}

/// Pairs those that were opened within this time of each other; gives back the rest, in order.
fn pair_within(
    were: Vec<Effort>,
    would: Vec<Effort>,
    within: Duration,
    changes: &mut Vec<Change>,
) -> (Vec<Effort>, Vec<Effort>) {
    let mut open: HashMap<Arc<str>, VecDeque<Effort>> = HashMap::new();
    for was in were {
        open.entry(was.target.clone()).or_default().push_back(was);
    }
    let far = |a: &Effort, b: &Effort| {
        if a.opened_at > b.opened_at { since(a.opened_at, b.opened_at) } else { since(b.opened_at, a.opened_at) }
    };
    let (mut left, mut alone) = (Vec::new(), Vec::new());
    for effort in would {
        let Some(earlier) = open.get_mut(&effort.target) else {
            alone.push(effort);
            continue;
        };
        let is_over = |was: &mut Effort| was.opened_at < effort.opened_at && far(was, &effort) > within;
        while let Some(was) = earlier.pop_front_if(is_over) {
            left.push(was);
        }
        match earlier.pop_front_if(|was| far(was, &effort) <= within) {
            Some(was) => {
                let change = if was.is_same(&effort) { Kind::Same } else { Kind::Different };
                changes.push(Change { change, was: Some(Box::new(was)), would: Some(Box::new(effort)) });
            }
            None => alone.push(effort),
        }
    }
    left.extend(open.into_values().flatten());
    left.sort_by_key(|was| was.opened_at);
    (left, alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fettle_core::remediation::refusal::Guard;

    fn effort(target: &str, second: i64) -> Effort {
        Effort::new("web", target, Timestamp::from_second(1_800_000_000 + second).expect("in range"))
    }

    fn told(changes: &[Change]) -> Vec<(Kind, String, i64)> {
        let line = |it: &Change| {
            let effort = it.either().expect("one of them");
            (it.change, effort.target.to_string(), effort.opened_at.as_second() - 1_800_000_000)
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn remediations_are_compared_with_those_of_the_same_target_and_time() {
        let mut blocked = effort("b", 10);
        blocked.block(Guard::Budget);
        let were = vec![effort("a", 0), effort("b", 11), effort("e", 20), effort("a", 1000), effort("d", 5000)];
        let would = vec![effort("a", 1), effort("e", 9), blocked, effort("e", 20), effort("c", 500), effort("a", 2000)];
        let changes = pair_up(were, would);
        let expected = [
            (Kind::Same, "a", 1),
            (Kind::New, "e", 9),
            (Kind::Different, "b", 10),
            (Kind::Same, "e", 20),
            (Kind::New, "c", 500),
            (Kind::Gone, "a", 1000),
            (Kind::New, "a", 2000),
            (Kind::Gone, "d", 5000),
        ];
        assert_eq!(told(&changes), expected.map(|(kind, target, at)| (kind, target.to_owned(), at)));
        assert_eq!(count(&changes), Compared { same: 2, different: 1, new: 3, gone: 2 });
    }

    #[test]
    fn the_numbers_of_a_rule_stand_beside_those_on_record() {
        let mut outcome = Outcome { efforts: vec![effort("a", 10)], ..Outcome::default() };
        outcome.tallies.entry("web".into()).or_default().add(&outcome.efforts[0]);
        outcome.record.efforts = vec![effort("a", 10), effort("b", 20), effort("c", -5)];
        outcome.record.waits.add("disk", effort("a", 7).opened_at, Guard::InFlight);
        let from = effort("a", 0).opened_at;
        let about = About { source: "x".into(), from, to: from, has_record: true, all: false };
        let report = report(about, outcome);
        let rules: Vec<_> = report.rules.iter().map(|it| (&*it.rule, it.pair.would.opened)).collect();
        assert_eq!(rules, [("disk", 0), ("web", 1)]);
        let was = |at: usize| report.rules[at].pair.was.clone().expect("a record");
        assert_eq!((was(0).refused.get("in_flight"), was(1).opened), (Some(&1), 2), "what was before is not counted");
        assert_eq!((report.total.would.opened, report.compared.expect("compared").gone), (1, 1));
        assert_eq!(report.remediations.len(), 1, "the same is not listed");
    }
}
