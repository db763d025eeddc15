//! What would have been done beside what was: by rule, in all, and remediation by remediation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::effort::{Effort, Tally};
use super::run::Outcome;
use crate::core::time::{Timestamp, since};

/// A recorded and a replayed remediation of one target are the same effort when they were opened within this time.
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
    pub was: Option<Effort>,
    /// In the replay.
    pub would: Option<Effort>,
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
        self.would.as_ref().or(self.was.as_ref())
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
        let new = |it| Change { change: Kind::New, was: None, would: Some(it) };
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

/// Finds for each recorded remediation the replayed one of the same target and time. Both come in the order of opening.
fn pair_up(were: Vec<Effort>, would: Vec<Effort>) -> Vec<Change> {
    let mut open: HashMap<Arc<str>, Vec<Effort>> = HashMap::new();
    // Taken from the end, so the latest goes in first.
    for effort in were.into_iter().rev() {
        open.entry(effort.target.clone()).or_default().push(effort);
    }
    let far = |a: Timestamp, b: Timestamp| if a > b { since(a, b) } else { since(b, a) };
    let mut changes = Vec::new();
    let gone = |was| Change { change: Kind::Gone, was: Some(was), would: None };
    for effort in would {
        let earlier = open.get_mut(&effort.target);
        let mut found = None;
        if let Some(earlier) = earlier {
            while let Some(was) = earlier
                .pop_if(|was| was.opened_at <= effort.opened_at || far(was.opened_at, effort.opened_at) <= SAME_WITHIN)
            {
                if far(was.opened_at, effort.opened_at) <= SAME_WITHIN {
                    found = Some(was);
                    break;
                }
                changes.push(gone(was));
            }
        }
        let change = match &found {
            None => Kind::New,
            Some(was) if was.is_same(&effort) => Kind::Same,
            Some(_) => Kind::Different,
        };
        changes.push(Change { change, was: found, would: Some(effort) });
    }
    changes.extend(open.into_values().flatten().map(gone));
    let key = |it: &Change| it.either().map(|effort| (effort.opened_at, effort.target.clone()));
    changes.sort_by_cached_key(key);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::remediation::refusal::Guard;

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
        let were = vec![effort("a", 0), effort("b", 11), effort("a", 1000), effort("d", 5000)];
        let would = vec![effort("a", 1), blocked, effort("c", 500), effort("a", 2000)];
        let changes = pair_up(were, would);
        let expected = [
            (Kind::Same, "a", 1),
            (Kind::Different, "b", 10),
            (Kind::New, "c", 500),
            (Kind::Gone, "a", 1000),
            (Kind::New, "a", 2000),
            (Kind::Gone, "d", 5000),
        ];
        assert_eq!(told(&changes), expected.map(|(kind, target, at)| (kind, target.to_owned(), at)));
        assert_eq!(count(&changes), Compared { same: 1, different: 1, new: 2, gone: 2 });
    }

    #[test]
    fn the_numbers_of_a_rule_stand_beside_those_on_record() {
        let mut outcome = Outcome::default();
        outcome.efforts = vec![effort("a", 10)];
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
