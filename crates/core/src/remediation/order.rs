//! What a person orders by hand, and the rule it goes by.
//!
//! An order is no way around the guards: it has a rule of its own, [`BY_HAND`], which no file can change, and the thing itself must
//! still permit it (its label `fettle.enable`, the disk's configuration). What differs from an alert's remediation: the person
//! is the reason and the consent, so nothing is asked of alerts and nobody is asked to approve; and the person waits for the
//! answer, so a guard that would wait refuses for good, and an order that was not begun within [`STANDS`] is not begun any
//! more. Nobody else is told through Alertmanager, and what an order scales stays scaled.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::rule::model::{BY_HAND, Budget, Evidence, Find, Mode, Rule, Step, TargetSpec, Verify, Word};
use crate::target::{Kind, Target};

/// How long an order stands that was not begun: who ordered it was told by then that it is not done, or came back to a
/// process that had died.
pub const STANDS: Duration = Duration::from_mins(1);

/// What was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The token's name.
    pub by: String,
    /// What is to be done.
    pub action: Action,
}

impl Order {
    /// The rule it goes by: the limits of a rule that says nothing of limits, and one step.
    #[must_use]
    pub fn rule(&self, target: &Target) -> Rule {
        Rule {
            name: BY_HAND.to_owned(),
            owner: None,
            matchers: Vec::new(),
            target: spec(target),
            hold: Duration::ZERO,
            steps: vec![Step {
                action: self.action.clone(),
                // There is no alert to wait for: this long it may take to be well.
                verify: Verify { resolved_within: Duration::from_mins(2), ..Verify::default() },
                after: Duration::ZERO,
                approval: None,
                restore: None,
            }],
            unless: Vec::new(),
            during: None,
            evidence: Evidence::default(),
            announce: None,
            budget: vec![Budget { max: 3, per: Duration::from_hours(1) }],
            rule_budget: Vec::new(),
            cooldown: Duration::from_mins(5),
            regress_window: Duration::from_mins(30),
            mode: Mode::Act,
            proceed: false,
            source: "an order by hand".to_owned(),
            digest: crate::rule::model::Digest::default(),
        }
    }
}

/// Exactly this target.
fn spec(target: &Target) -> TargetSpec {
    let word = |text: &String| Word::Literal(text.clone());
    let find = match target {
        Target::Container { name, .. } => Find::Container(word(name)),
        Target::Compose { project, service, .. } => Find::Compose { project: word(project), service: word(service) },
        Target::Swarm { service, .. } => Find::Swarm(word(service)),
        Target::Disk { name, .. } => Find::Disk(word(name)),
        // Names nothing, so it permits nothing; orders for such a target are not taken.
        Target::Unresolvable { kind: Kind::Disk, .. } => Find::Disk(Word::Literal(String::new())),
        Target::Unresolvable { .. } => Find::Container(Word::Literal(String::new())),
    };
    TargetSpec {
        find,
        host: Some(Word::Literal(target.host().to_owned())),
        allow: Vec::new(),
        min_healthy: 0,
        min_age: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::labels::Labels;
    use crate::rule::compile::{Context, SourceFile, compile};
    use crate::target::Hosts;

    #[test]
    fn no_rule_of_a_file_has_the_name_of_the_rule_for_orders() {
        let text =
            "version: 1\nrules:\n  - {name: by-hand, match: [a=b], target: {container: web}, steps: [restart]}\n";
        let file = SourceFile { path: "rules.yaml".into(), text: text.into() };
        let found = compile(&[file], &Context::default()).expect_err("refused");
        assert!(found.iter().any(|it| it.message.contains("by hand")), "{found:?}");
    }

    #[test]
    fn the_rule_of_an_order_means_its_target_and_permits_no_other() {
        let hosts = Hosts::new([("local", &[][..]), ("node-a", &[][..])]);
        let action = Action::Restart { grace: Duration::from_secs(10), dependents: None, start_stopped: false };
        let order = Order { by: "oncall".into(), action };
        for text in ["container:local/web", "compose:node-a/shop/web", "swarm:local/web", "disk:node-a/web"] {
            let target: Target = text.parse().expect(text);
            let rule = order.rule(&target);
            assert_eq!(rule.target.resolve(&Labels::default(), &hosts).expect(text), target);
            assert!(rule.target.permits("web") && !rule.target.permits("web-2"), "{text}");
        }
    }
}
