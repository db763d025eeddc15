//! The service's record goes through `fettle replay`, with the rules and settings of then: what was done must come of it again.
//!
//! A replay knows notifications, people and what is on record. What it cannot know (`predict::replay` says so) is left out
//! here: reloads, dependents, what Alertmanager's API alone told, and what changed in Docker by itself.

use std::sync::Arc;

use fettle_core::ports::history::Period;
use fettle_core::remediation::outcome::{ActionResult, Outcome, Verdict};
use fettle_core::remediation::refusal::Guard;
use fettle_core::time::{Timestamp, after};
use fettle_memory::store::Memory;
use fettle_predict::replay::assume::Assume;
use fettle_predict::replay::effort::{Act, Effort};
use fettle_predict::replay::record::Record;
use fettle_predict::replay::report::{About, Change, Kind, Report, report};
use fettle_predict::replay::run::{Replay, Setup};
use fettle_predict::replay::source::{channel, database};
use fettle_sim::time::instant;

use crate::compare::{Difference, Tool};
use crate::scenario::{Input, Scenario};
use crate::service::{disks, hosts, rules};

/// Whether a replay can know everything that this scenario's decisions rest on.
pub fn is_known(scenario: &Scenario) -> bool {
    let unknown = |what: &Input| {
        matches!(
            what,
            Input::Reload(_)
                | Input::Silence(..)
                | Input::Answers(_)
                | Input::Gone(_)
                | Input::Container(..)
                | Input::Service { .. }
                | Input::Disk(_)
                | Input::Restarted(_)
                | Input::Removed(_)
                | Input::Docker(_)
                | Input::Reset(_)
        )
    };
    !scenario.has(unknown) && !scenario.rules[0].to_string().contains("dependents")
}

/// The first difference.
pub fn first(scenario: &Scenario, memory: &Arc<Memory>) -> Option<Difference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let report = runtime.expect("a runtime without I/O needs nothing").block_on(replay(scenario, memory));
    // Of one target at one instant the report pairs those of the record with those of the replay in no order.
    let all = &report.remediations;
    let place = |it: &Change| it.either().map(|it| (it.target.clone(), it.opened_at));
    let is_alone = |it: &Change| all.iter().filter(|other| place(other) == place(it)).count() == 1;
    let changed = all.iter().filter(|it| it.change != Kind::Same && is_alone(it));
    let at = |it: &Effort| it.opened_at;
    let first = changed.min_by_key(|it| it.either().map(at))?;
    let words = |it: Option<&Effort>| it.map_or("nothing of the kind".to_owned(), say);
    let class = format!("{:?}: {}", first.change, what_differs(first.was.as_deref(), first.would.as_deref()));
    Some(Difference {
        tool: Tool::Replay,
        class: class.to_lowercase(),
        at: first.either().map_or(Timestamp::UNIX_EPOCH, at),
        foretold: words(first.would.as_deref()),
        really: words(first.was.as_deref()),
    })
}

async fn replay(scenario: &Scenario, memory: &Arc<Memory>) -> Report {
    let history = memory.history();
    let period = Period { from: instant(0), to: after(instant(0), scenario.until) };
    let record = Record::read(&history, period).await.expect("the store in memory reads");
    let setup = Setup {
        rules: rules(scenario, false),
        settings: scenario.settings.clone(),
        hosts: hosts(),
        disks: disks(),
        assume: Assume::AsRecorded,
        from: period.from,
        start: period.from,
        keeps: true,
    };
    let mut replay = Replay::new(setup, record);
    let (into, mut batches) = channel();
    let (read, ()) = tokio::join!(database::run(&history, period, into), async {
        while let Some(batch) = batches.recv().await {
            batch.deliveries.into_iter().for_each(|delivery| replay.deliver(delivery));
        }
    });
    read.expect("the notifications read");
    let about = About { source: "a scenario".into(), from: period.from, to: period.to, has_record: true, all: true };
    report(about, replay.finish(period.to))
}

fn say(it: &Effort) -> String {
    let acts: Vec<String> = it
        .acts
        .iter()
        .map(|act| {
            let word = |it: Option<&'static str>| it.unwrap_or("?");
            let (result, verdict) = (act.result.map(ActionResult::as_str), act.verdict.map(Verdict::as_str));
            format!("{} (step {}, {}, {})", act.action, act.step, word(result), word(verdict))
        })
        .collect();
    let blocked: Vec<&str> = it.blocked.iter().map(|guard| guard.as_str()).collect();
    let outcome = it.outcome.map_or("open", Outcome::as_str);
    let refused = it.refused.map_or(String::new(), |guard| format!(", refused by {guard}"));
    format!(
        "{}, rule {}: {outcome}{refused}; acts [{}], blocked by [{}], asked {} times",
        it.target,
        it.rule,
        acts.join(", "),
        blocked.join(", "),
        it.asked
    )
}

/// In what two remediations differ first.
fn what_differs(was: Option<&Effort>, would: Option<&Effort>) -> String {
    let (Some(was), Some(would)) = (was, would) else {
        let outcome = was.or(would).and_then(|it| it.outcome).map_or("open", Outcome::as_str);
        return format!("a whole remediation, {outcome}");
    };
    let word = |it: Option<&'static str>| it.unwrap_or("nothing");
    let longest = was.acts.len().max(would.acts.len());
    for (mine, theirs) in (0..longest).map(|at| (would.acts.get(at), was.acts.get(at))) {
        let name = |it: Option<&Act>| word(it.map(|act| act.action));
        let result = |it: Option<&Act>| word(it.and_then(|act| act.result).map(ActionResult::as_str));
        let verdict = |it: Option<&Act>| word(it.and_then(|act| act.verdict).map(Verdict::as_str));
        for (what, mine, theirs) in [
            ("action", name(mine), name(theirs)),
            ("result", result(mine), result(theirs)),
            ("verdict", verdict(mine), verdict(theirs)),
        ] {
            if mine != theirs {
                return format!("{what} {mine} was {theirs}");
            }
        }
    }
    let outcome = |it: &Effort| it.outcome.map_or("open", Outcome::as_str);
    let refused = |it: &Effort| it.refused.map_or("nothing", Guard::as_str);
    if outcome(was) != outcome(would) {
        format!("outcome {} was {}, refused by {}", outcome(would), outcome(was), refused(was))
    } else if refused(was) != refused(would) {
        format!("refused by {} was {}", refused(would), refused(was))
    } else if was.asked != would.asked {
        "how often people are asked".to_owned()
    } else {
        let without = |of: &Effort, other: &Effort| of.blocked.iter().copied().find(|it| !other.blocked.contains(it));
        let (mine, theirs) = (without(would, was), without(was, would));
        format!("blocked by {} was {}", word(mine.map(Guard::as_str)), word(theirs.map(Guard::as_str)))
    }
}
