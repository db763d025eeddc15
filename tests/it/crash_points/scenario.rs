//! What happens up to a death and after it: the rule, what runs on the host, and what must then be true.

use fettle_core::ports::view::{ActionView, RemediationView};
use fettle_core::time::Timestamp;
use fettle_memory::physics::{Daemon, Spec};

use crate::support::model::Model;

/// One kind of remediation.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// For messages.
    pub name: &'static str,
    target: &'static str,
    step: &'static str,
    settle: fn(&mut Daemon, Timestamp),
    /// Fewer boundaries than this would mean that the fuse is not where the calls are.
    pub least_touches: usize,
    /// How many effects there are when nobody dies.
    pub effects: usize,
}

/// One container is restarted.
pub const RESTART: Scenario = Scenario {
    name: "restart",
    target: "{min_age: 0s, container: web}",
    step: "restart: {grace: 10s}",
    settle: |daemon, now| drop(daemon.run(Spec::named("web").enabled(), now)),
    // Append, receive, attached, find, admit, restart, look, commit, the looks of verification, each before and after.
    least_touches: 18,
    effects: 1,
};

/// What shares its network follows it.
pub const DEPENDENTS: Scenario = Scenario {
    name: "dependents",
    target: "{min_age: 0s, container: web}",
    step: "restart: {grace: 10s, dependents: {allow: [side]}}",
    settle: |daemon, now| {
        daemon.run(Spec::named("web").enabled(), now);
        daemon.run(Spec::named("side").enabled().network_of("web"), now);
    },
    least_touches: 22,
    effects: 2,
};

/// A person is asked before.
pub const APPROVAL: Scenario = Scenario {
    name: "approval",
    step: "restart: {grace: 10s}\n        approval: {within: 10m}",
    // The proposal is decided and stored besides.
    least_touches: 22,
    ..RESTART
};

/// A replica is stopped, and started again when the alert has stayed away.
pub const LOAN: Scenario = Scenario {
    name: "loan",
    target: "{min_age: 0s, compose: {project: shop, service: web}}",
    step: "scale_down: {by: 1, floor: 1}\n        restore: {after: 60s}",
    settle: |daemon, now| {
        for number in 1..=3 {
            daemon.run(Spec::named(format!("shop-web-{number}")).enabled().compose("shop", "web", number), now);
        }
    },
    // Facts, look, admit, start, look and commit of the return besides.
    least_touches: 26,
    effects: 2,
};

impl Scenario {
    /// The rule file.
    pub fn rules(&self) -> String {
        format!(
            "version: 1
rules:
  - name: mend
    match: ['alertname=\"Down\"']
    target: {}
    steps:
      - {}
        verify: {{settle: 5s, healthy_for: 30s, resolved_within: 2h}}
",
            self.target, self.step
        )
    }

    /// What runs there at the beginning.
    pub fn begin(&self, daemon: &mut Daemon, now: Timestamp) {
        (self.settle)(daemon, now);
    }

    /// Whether everything is over: also what was lent. `stopped` is from before the rows were read: what started since has an
    /// intent among them.
    pub fn is_over(stopped: &[String], remediations: &[RemediationView], actions: &[ActionView]) -> bool {
        let closed = !remediations.is_empty() && remediations.iter().all(|row| row.state == "closed");
        closed && actions.iter().all(|row| row.result.is_some()) && stopped.is_empty()
    }

    /// What is wrong now that everything is over; empty: nothing.
    pub fn wrong(&self, remediations: &[RemediationView], actions: &[ActionView], docker: &Model) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        let effects = docker.effects();
        let mut distinct = effects.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let done = |result: &str, reason: Option<&str>| {
            let fits = |it: &&ActionView| it.result.as_deref() == Some(result) && it.reason.as_deref() == reason;
            actions.iter().filter(|it| it.action != "escalate").filter(fits).count()
        };
        let succeeded =
            actions.iter().filter(|it| it.action != "escalate" && it.result.as_deref() == Some("succeeded")).count();
        expect(remediations.len() == 1, "one episode is one remediation");
        expect(distinct.len() == effects.len(), "no effect is doubled");
        expect(effects.len() <= self.effects, "no more effects than the rule asks for");
        expect(succeeded == effects.len(), "as many rows read succeeded as effects happened");
        let outcome = remediations.first().and_then(|it| it.outcome.as_deref());
        if effects.is_empty() {
            // The intent was stored and the call never made: looked at, waited out, and told to people.
            expect(done("failed", Some("not_executed")) >= 1, "what was not executed reads so");
            expect(outcome == Some("escalated"), "people are told of what was not done");
        } else if effects.len() == self.effects {
            expect(outcome == Some("fixed"), "what was done and helped is fixed");
        }
        wrong
    }
}
