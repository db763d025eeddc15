//! Two versions of one rule, by what is written: in which ways the new one is looser. Pure; no container is needed.
//!
//! Always holds: what is not seen to be as strict counts as looser. So a change that cannot be compared (a clean-up with
//! other folders, another window of time) is told, and a person decides.

use std::time::Duration;

use super::pairs::{allow, written};
use fettle_core::action::{Action, Dependents};
use fettle_core::duration::show;
use fettle_core::matcher::Matcher;
use fettle_core::rule::model::{Approval, Budget, Find, Pattern, Rule, Step, TargetSpec, Unless, Word};
use fettle_core::target::Hosts;

/// One way in which a rule is looser: what of it, and how.
pub(super) type Looser = (&'static str, String);

/// In which ways `new` is looser than `old`.
pub(super) fn looser(old: &Rule, new: &Rule, hosts: &Hosts) -> Vec<Looser> {
    let mut found = Vec::new();
    target(old, new, hosts, &mut found);
    let mut tell = |what, looser: bool, how: String| {
        if looser {
            found.push((what, how));
        }
    };
    tell("mode", new.mode > old.mode, format!("{} instead of {}", new.mode.as_str(), old.mode.as_str()));
    let (was, is) = (matchers(&old.matchers), matchers(&new.matchers));
    tell("match", !was.iter().all(|it| is.contains(it)), format!("{} instead of {}", is.join(", "), was.join(", ")));
    let (was, is) = (unless(&old.unless), unless(&new.unless));
    tell(
        "unless",
        !was.iter().all(|it| is.contains(it)),
        format!("[{}] instead of [{}]", is.join("; "), was.join("; ")),
    );
    let window = |rule: &Rule| rule.during.as_ref().map(|it| serde_json::to_value(it).unwrap_or_default());
    let during = old.during.is_some() && window(old) != window(new);
    tell("during", during, "the rule acts at other times than before".to_owned());
    for (what, was, is) in [("budget", &old.budget, &new.budget), ("rule_budget", &old.rule_budget, &new.rule_budget)] {
        let lost: Vec<&Budget> = was.iter().filter(|was| !is.iter().any(|is| implies(is, was))).collect();
        tell(what, !lost.is_empty(), format!("[{}] instead of [{}]", budgets(is), budgets(was)));
    }
    let cooldown = format!("{} instead of {}", show(new.cooldown), show(old.cooldown));
    tell("cooldown", new.cooldown < old.cooldown, cooldown);
    steps(old, new, &mut found);
    found
}

fn target(old: &Rule, new: &Rule, hosts: &Hosts, found: &mut Vec<Looser>) {
    let (was, is) = (&old.target, &new.target);
    if was.kind() != is.kind() {
        found.push(("target", format!("{} instead of {}", written(is), written(was))));
        return;
    }
    let projects = match (&was.find, &is.find) {
        (Find::Compose { project: was, .. }, Find::Compose { project: is, .. }) => covers(was, is),
        _ => true,
    };
    if !projects || !on_hosts(is.host.as_ref(), hosts).iter().all(|it| on_hosts(was.host.as_ref(), hosts).contains(it))
    {
        found.push(("target", format!("{} instead of {}", written(is), written(was))));
    }
    let (was, is) = (allow(was), allow(is));
    let more: Vec<&str> = uncovered(&was, &is);
    if !more.is_empty() {
        found.push(("allow", format!("{} is permitted, which [{}] did not cover", more.join(", "), was.join(", "))));
    }
    if new.target.min_healthy < old.target.min_healthy {
        let how = format!("{} instead of {}", new.target.min_healthy, old.target.min_healthy);
        found.push(("min_healthy", how));
    }
    let ages = |target: &TargetSpec| [false, true].map(|checked| target.min_age(checked));
    let (was, is) = (ages(&old.target), ages(&new.target));
    if was.iter().zip(&is).any(|(was, is)| is < was) {
        let age = |target: &TargetSpec| target.min_age.map_or("the default".to_owned(), show);
        found.push(("min_age", format!("{} instead of {}", age(&new.target), age(&old.target))));
    }
}

/// Whether whatever `is` can say, `was` could, too.
fn covers(was: &Word, is: &Word) -> bool {
    match (was, is) {
        (Word::Label(_), _) => true,
        (Word::Literal(was), Word::Literal(is)) => was == is,
        (Word::Literal(_), Word::Label(_)) => false,
    }
}

/// The hosts that a rule can mean.
fn on_hosts(word: Option<&Word>, hosts: &Hosts) -> Vec<String> {
    match word {
        None => hosts.only().into_iter().map(str::to_owned).collect(),
        Some(Word::Literal(name)) => vec![hosts.find(name).unwrap_or(name).to_owned()],
        Some(Word::Label(_)) => hosts.names().into_iter().map(str::to_owned).collect(),
    }
}

/// The patterns of `is` that none of `was` covers. A pattern read as a name is covered only by a star in the place of its
/// own star, so whatever it permits the other permits, too.
fn uncovered<'n>(was: &[String], is: &'n [String]) -> Vec<&'n str> {
    let covered = |new: &str| was.iter().any(|old| Pattern(old.clone()).permits(new));
    is.iter().map(String::as_str).filter(|new| !covered(new)).collect()
}

/// Whether whoever keeps `is` keeps `was`.
fn implies(is: &Budget, was: &Budget) -> bool {
    is.max <= was.max && is.per >= was.per
}

fn budgets(all: &[Budget]) -> String {
    all.iter().map(|it| format!("{} per {}", it.max, show(it.per))).collect::<Vec<_>>().join(", ")
}

fn matchers(all: &[Matcher]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn unless(all: &[Unless]) -> Vec<String> {
    all.iter().map(|it| format!("{} equal {}", matchers(&it.matchers).join(", "), it.equal.join(", "))).collect()
}

fn steps(old: &Rule, new: &Rule, found: &mut Vec<Looser>) {
    let effects = |rule: &Rule| rule.steps.iter().filter(|step| step.action.has_effect()).cloned().collect::<Vec<_>>();
    let (was, is) = (effects(old), effects(new));
    if is.len() > was.len() {
        found.push(("steps", format!("{} that act instead of {}", is.len(), was.len())));
    }
    for (rung, step) in is.iter().enumerate() {
        // The same rung if it does the same, else whichever did it.
        let same = |it: &&Step| it.action.name() == step.action.name();
        match was.get(rung).filter(same).or_else(|| was.iter().find(same)) {
            None => found.push(("action", format!("{} in step {}", step.action.name(), rung + 1))),
            Some(before) => of_step(before, step, rung + 1, found),
        }
    }
}

fn of_step(old: &Step, new: &Step, number: usize, found: &mut Vec<Looser>) {
    let name = new.action.name();
    if let Some(how) = asks_less(old, new) {
        found.push(("approval", format!("{name} in step {number}: {how}")));
    }
    if does_more(&old.action, &new.action) {
        let how = format!("{} instead of {}", new.action.parameters(), old.action.parameters());
        found.push(("parameters", format!("{name} in step {number}: {how}")));
    }
    let shorter = |was: Option<Duration>, is: Option<Duration>| match (was, is) {
        (Some(was), Some(is)) => is > was,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if shorter(old.restore, new.restore) {
        found.push(("restore", format!("{name} in step {number} is returned later, or never")));
    }
}

/// How a person is asked less often than before.
fn asks_less(old: &Step, new: &Step) -> Option<String> {
    let said = |it: Option<&Approval>| match it {
        None => "nobody is asked".to_owned(),
        Some(it) if it.when.is_empty() => "always".to_owned(),
        Some(it) => format!("when {}", matchers(&it.when).join(", ")),
    };
    let less = match (&old.approval, &new.approval) {
        (None, None) => false,
        // What is a last resort is asked about unless the step says otherwise.
        (None, Some(it)) => new.action.asks_by_default() && !it.when.is_empty(),
        (Some(_), None) => !new.action.asks_by_default(),
        // Fewer conditions ask more often.
        (Some(was), Some(is)) => {
            let was = matchers(&was.when);
            !matchers(&is.when).iter().all(|it| was.contains(it))
        }
    };
    less.then(|| format!("{} instead of {}", said(new.approval.as_ref()), said(old.approval.as_ref())))
}

/// Whether the action does more than before, or something that cannot be compared.
fn does_more(old: &Action, new: &Action) -> bool {
    match (old, new) {
        (
            Action::Restart { dependents: was, start_stopped: before, .. },
            Action::Restart { dependents: is, start_stopped: now, .. },
        ) => {
            let names = |it: &Option<Dependents>| {
                it.iter().flat_map(|it| it.allow.iter().map(|pattern| pattern.0.clone())).collect::<Vec<_>>()
            };
            (*now && !before) || !uncovered(&names(was), &names(is)).is_empty()
        }
        (Action::Stop { .. }, Action::Stop { .. }) | (Action::Escalate { .. }, Action::Escalate { .. }) => false,
        (Action::ScaleDown { by: was, floor: low }, Action::ScaleDown { by: is, floor }) => is > was || floor < low,
        (Action::ScaleUp { by: was, ceiling: high }, Action::ScaleUp { by: is, ceiling }) => is > was || ceiling > high,
        (old, new) => old != new,
    }
}
