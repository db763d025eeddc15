//! What follows a verdict: the next rung, people, or the end.

use serde_json::json;

use super::waiting::refuse;
use super::{Decision, Turn, audit_row};
use crate::core::action::Action;
use crate::core::guard;
use crate::core::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::core::remediation::record::{EventRow, Record, Severity, VerdictRow};
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::remediation::state::State;
use crate::core::rule::model::Mode;
use crate::core::time::after;
use uuid::Uuid;

impl Turn<'_> {
    /// Closes with a reason that is also told.
    pub(super) fn close(&mut self, outcome: Outcome, reason: &str) {
        self.close_as(outcome, reason);
        self.tell(format!("closed {outcome}"), json!({"reason": reason}));
    }

    /// Closes; the story says why already.
    pub(super) fn close_as(&mut self, outcome: Outcome, reason: &str) {
        self.remediation.state = State::Closed { outcome, reason: reason.to_owned(), at: self.facts.now };
    }

    /// Tells people, once, that fettle goes no further, and which guard is why. Observing, it is only on record, like
    /// everything else that would be done.
    pub(super) fn gave_up(&mut self, refusal: &Refusal) {
        let told = std::mem::replace(&mut self.remediation.told, true);
        if told || self.mode() == Mode::Observe {
            return;
        }
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "gave_up",
            severity: Severity::Critical,
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "guard": refusal.guard, "why": refusal.why}),
        }));
    }

    /// The alert went away, and nobody has seen the target well: a warning.
    pub(super) fn cleared(&mut self, reason: &str) {
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "cleared_unproven",
            severity: Severity::Warning,
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "reason": reason}),
        }));
        self.close(Outcome::Cleared, reason);
    }

    /// Counts a refusal of a guard that leaves no audit row.
    pub(super) fn count(&mut self, guard: Guard) {
        self.records.push(Record::Refusal { rule: self.remediation.rule.clone(), guard });
    }

    /// Writes a refusal into the audit.
    pub(super) fn audit_refusal(&mut self, refusal: &Refusal) {
        let action = self.step_action();
        let id = self.new_id();
        let mut row = audit_row(&self.remediation, id, action, self.mode(), self.facts.now);
        row.result = Some(ActionResult::Refused);
        row.reason = Some(refusal.guard.as_str().to_owned());
        row.finished_at = Some(self.facts.now);
        row.detail = json!({"why": refusal.why, "numbers": refusal.detail});
        self.records.push(Record::Action(Box::new(row)));
    }

    /// The name of the action on the current rung.
    pub(super) fn step_action(&self) -> &'static str {
        let step = self.facts.rule.and_then(|rule| rule.steps.get(self.remediation.rung));
        step.map_or("escalate", |step| step.action.name())
    }

    /// Appends a verdict.
    pub(super) fn verdict(&mut self, action_id: Uuid, action: &'static str, verdict: Verdict, reason: &str) {
        let row = VerdictRow { action_id, at: self.facts.now, verdict, reason: reason.to_owned() };
        self.records.push(Record::Verdict { rule: self.remediation.rule.clone(), action, row });
        self.tell(format!("verdict {verdict}"), json!({"action_id": action_id, "reason": reason}));
    }

    /// The table of design §2: what follows each verdict on an effect that happened, or may have.
    pub(super) fn follow(mut self, verdict: Verdict, reason: &str) -> Decision {
        let outcome = match verdict {
            Verdict::Fixed => Outcome::Fixed,
            Verdict::Unconfirmed => Outcome::Unconfirmed,
            Verdict::Superseded => Outcome::Superseded,
            Verdict::Cleared => {
                self.cleared(reason);
                return self.done();
            }
            Verdict::StillFiring | Verdict::NotFixed => return self.next_rung(reason),
            // Nobody saw it unwell, so nothing more may be done to it; `regressed` is never given here.
            Verdict::Unknown | Verdict::Regressed => return self.escalate(reason),
        };
        self.close(outcome, reason);
        self.done()
    }

    /// Goes one rung up. An `escalate` that needs no pause happens at once.
    pub(super) fn next_rung(mut self, reason: &str) -> Decision {
        self.remediation.rung += 1;
        let step = self.facts.rule.and_then(|rule| rule.steps.get(self.remediation.rung));
        let pause = step.map(|step| step.after).unwrap_or_default();
        match step.map(|step| &step.action) {
            None => self.escalate_unless_gone(reason),
            Some(Action::Escalate { message }) if pause.is_zero() => {
                let message = message.clone().unwrap_or_else(|| reason.to_owned());
                self.escalate_unless_gone(&message)
            }
            Some(action) => {
                let detail = json!({"step": self.remediation.rung + 1, "action": action.name()});
                self.remediation.state = State::Held { until: after(self.facts.now, pause) };
                self.tell("next step", detail);
                self.done()
            }
        }
    }

    /// Escalates, unless the alert is gone. Whether the evidence is fresh is asked only when nothing was tried yet: an
    /// attempt that did not help must not end in silence because nobody repeated the alert.
    pub(super) fn escalate_unless_gone(self, message: &str) -> Decision {
        match guard::before_look(&self.known()) {
            Some(refusal) if refusal.guard == Guard::Resolved || self.remediation.attempts == 0 => {
                refuse(self, refusal)
            }
            _ => self.escalate(message),
        }
    }

    /// Tells people: an audit row, an event, the end.
    pub(super) fn escalate(mut self, message: &str) -> Decision {
        let observed = self.mode() == Mode::Observe;
        let id = self.new_id();
        let mut row = audit_row(&self.remediation, id, "escalate", self.mode(), self.facts.now);
        row.result = Some(if observed { ActionResult::Observed } else { ActionResult::Succeeded });
        row.started_at = Some(self.facts.now);
        row.finished_at = Some(self.facts.now);
        row.attempt = self.remediation.attempts + 1;
        row.detail = json!({"message": message});
        let action_id = row.id;
        self.records.push(Record::Action(Box::new(row)));
        if observed {
            self.close(Outcome::Observed, "would escalate, mode is observe");
            return self.done();
        }
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "escalated",
            severity: Severity::Critical,
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "action_id": action_id, "message": message}),
        }));
        self.close(Outcome::Escalated, message);
        self.done()
    }
}
