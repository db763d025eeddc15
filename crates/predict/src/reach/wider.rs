//! Two sets of rules over the same things: what the new one may do and the old one may not. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::looser::looser;
use super::pairs::{allow, reach, written};
use super::{Ground, Inventory, RuleReach};
use fettle_core::rule::set::RuleSet;
use fettle_core::target::Target;

/// One way in which the reach is wider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Widening {
    /// The rule.
    pub rule: String,
    /// Where it is written.
    pub source: String,
    /// What of it: `rule`, `target`, `allow`, `mode`, `budget`, `approval`, `touches`, ….
    pub what: &'static str,
    /// How.
    pub how: String,
}

/// In which ways `new` reaches wider than `old`, in the order of the new rules: by what is written, and by what each may
/// touch of what is there. A rule of another name is another rule.
#[must_use]
pub fn wider(old: &RuleSet, new: &RuleSet, ground: &Ground, inventory: &Inventory) -> Vec<Widening> {
    let (was, is) = (reach(old, ground, inventory), reach(new, ground, inventory));
    let mut found = Vec::new();
    for (rule, reaches) in new.iter().zip(&is) {
        let mut tell = |what, how: String| {
            let (rule, source) = (rule.name.clone(), rule.source.clone());
            found.push(Widening { rule, source, what, how });
        };
        match old.get(&rule.name) {
            None => {
                let acts = rule.steps.iter().filter(|step| step.action.has_effect());
                let actions: Vec<&str> = acts.map(|step| step.action.name()).collect();
                let names = allow(&rule.target).join(", ");
                let (mode, target) = (rule.mode.as_str(), written(&rule.target));
                tell("rule", format!("is new: {} on {target} [{names}], mode {mode}", actions.join(", ")));
            }
            Some(before) => looser(before, rule, &ground.hosts).into_iter().for_each(|(what, how)| tell(what, how)),
        }
        let could = was.iter().find(|it| it.rule == rule.name).map(may).unwrap_or_default();
        for (target, action) in may(reaches).difference(&could) {
            tell("touches", format!("{action} of {target}"));
        }
    }
    found
}

/// What a rule may do to what.
fn may(it: &RuleReach) -> BTreeSet<(&Target, &'static str)> {
    it.touches.iter().filter(|touch| touch.may).map(|touch| (&touch.target, touch.action)).collect()
}
