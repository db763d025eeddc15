//! What follows a verdict: the next rung, people, or the end.

use serde_json::json;

use super::refusing::refuse;
use super::{Decision, Turn, audit_row, telling};
use crate::action::Action;
use crate::guard;
use crate::id::ActionId;
use crate::remediation::conclusion::Came;
use crate::remediation::outcome::{ActionResult, Outcome, Verdict};
use crate::remediation::record::{BreakerRow, EventRow, Record, Severity, VerdictRow};
use crate::remediation::refusal::{Guard, Refusal};
use crate::remediation::state::State;
use crate::rule::model::Mode;
use crate::time::{Timestamp, after, since};

/// Why people are called when there is no rung left.
pub(super) const LADDER_ENDED: &str = "nothing on the ladder helped";

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

    /// What it came to without an effect, for the decision that is made when its alerts are asked again.
    pub(super) fn leave(&mut self, came: Came) {
        let (rule, recheck, now) = (self.facts.rule, self.facts.settings.recheck, self.facts.now);
        self.remediation.leave(came, rule, recheck, now);
    }

    /// Tells people, once, that fettle goes no further, and which guard is why. Observing, it is only on record, like
    /// everything else that would be done.
    pub(super) fn gave_up(&mut self, refusal: &Refusal) {
        if !std::mem::replace(&mut self.remediation.told, true) {
            self.report_guard(refusal);
        }
    }

    /// Reports to people that a guard holds fettle back, unless fettle only observes.
    pub(super) fn report_guard(&mut self, refusal: &Refusal) {
        if self.base_mode() == Mode::Observe {
            return;
        }
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "gave_up",
            severity: Severity::Critical,
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "guard": refusal.guard, "why": refusal.why}),
        }));
        self.announce_gave_up(refusal.guard.as_str(), &refusal.why);
    }

    fn announce_gave_up(&mut self, reason: &str, why: &str) {
        if self.facts.settings.alertmanager && self.remediation.order.is_none() {
            let (remediation, rule) = (&self.remediation, self.facts.rule);
            let record = telling::gave_up(remediation, rule, reason, why, self.facts.now);
            self.records.push(record);
        }
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

    /// The target is well, and it is not known whether the alert is gone: the ladder ends here, so people can see it.
    fn unconfirmed(&mut self, reason: &str) {
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "unconfirmed",
            severity: Severity::Warning,
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "reason": reason}),
        }));
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

    /// Appends a verdict, which the rule's breaker takes note of.
    pub(super) fn verdict(&mut self, action_id: ActionId, action: &'static str, verdict: Verdict, reason: &str) {
        let row = VerdictRow { action_id, at: self.facts.now, verdict, reason: reason.to_owned() };
        self.records.push(Record::Verdict { rule: self.remediation.rule.clone(), action, row });
        self.tell(format!("verdict {verdict}"), json!({"action_id": action_id, "reason": reason}));
        self.note_breaker(action_id, verdict);
    }

    /// The verdict on a dependent: its own row, and not one more strike against the rule.
    pub(super) fn shared_verdict(&mut self, action_id: ActionId, action: &'static str, verdict: Verdict, reason: &str) {
        let row = VerdictRow { action_id, at: self.facts.now, verdict, reason: reason.to_owned() };
        self.records.push(Record::Verdict { rule: self.remediation.rule.clone(), action, row });
    }

    /// Opens the breaker when too many verdicts proved nothing, closes it when the act that was tried fixed it.
    fn note_breaker(&mut self, action_id: ActionId, verdict: Verdict) {
        let Some(limit) = self.facts.settings.trip else { return };
        let (breaker, now) = (&self.facts.surroundings.breaker, self.facts.now);
        // A dependent that fails ends the probe it belongs to.
        let own = [Some(action_id), self.remediation.last_action];
        let probed = breaker.probe.is_some() && own.contains(&breaker.probe);
        let opened_at = if verdict == Verdict::Fixed && probed {
            None
        } else if !verdict.proves_nothing() {
            if probed {
                self.next_probe(breaker.opened_at.unwrap_or(now));
            }
            return;
        } else {
            let recent = breaker.unproven.iter().filter(|at| since(now, **at) <= limit.within).count() + 1;
            let full = recent >= usize::try_from(limit.unproven).unwrap_or(usize::MAX);
            if !probed && (!full || breaker.opened_at.is_some()) {
                return;
            }
            Some(now)
        };
        let rule = self.remediation.rule.clone();
        let (event, severity) = match opened_at {
            Some(_) => ("breaker_opened", Severity::Warning),
            None => ("breaker_closed", Severity::Info),
        };
        self.records.push(Record::Breaker(BreakerRow {
            rule: rule.clone(),
            at: now,
            opened_at,
            probe: None,
            by: None,
        }));
        let details = json!({"rule": rule, "remediation_id": self.remediation.id, "action_id": action_id,
            "verdict": verdict, "unproven": limit.unproven, "within_seconds": limit.within.as_secs()});
        self.records.push(Record::Event(EventRow { at: now, event, severity, details }));
    }

    /// The act that was tried while the breaker was half open says nothing of the rule.
    pub(super) fn release_probe(&mut self, action_id: ActionId) {
        let breaker = &self.facts.surroundings.breaker;
        if self.facts.settings.trip.is_some() && breaker.probe == Some(action_id) {
            self.next_probe(breaker.opened_at.unwrap_or(self.facts.now));
        }
    }

    /// The probe is over and says nothing of the rule: it stays half open, and the next act is tried in its place.
    fn next_probe(&mut self, opened_at: Timestamp) {
        let (rule, at) = (self.remediation.rule.clone(), self.facts.now);
        self.records.push(Record::Breaker(BreakerRow { rule, at, opened_at: Some(opened_at), probe: None, by: None }));
    }

    /// The table of design §2: what follows each verdict on an effect that happened, or may have.
    pub(super) fn follow(mut self, verdict: Verdict, reason: &str) -> Decision {
        let outcome = match verdict {
            Verdict::Fixed => Outcome::Fixed,
            Verdict::Unconfirmed => {
                self.unconfirmed(reason);
                Outcome::Unconfirmed
            }
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
                refuse(self, &refusal)
            }
            _ => self.escalate(message),
        }
    }

    /// Tells people: an audit row, an event, the end.
    pub(super) fn escalate(mut self, message: &str) -> Decision {
        let observed = self.base_mode() == Mode::Observe;
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
            self.leave(Came::Observed);
            return self.done();
        }
        self.records.push(Record::Event(EventRow {
            at: self.facts.now,
            event: "escalated",
            // Whoever ordered it is looking already.
            severity: if self.remediation.order.is_some() { Severity::Warning } else { Severity::Critical },
            details: json!({"remediation_id": self.remediation.id, "rule": self.remediation.rule,
                "target": self.remediation.target, "action_id": action_id, "message": message}),
        }));
        self.announce_gave_up("escalated", message);
        self.close(Outcome::Escalated, message);
        self.done()
    }
}
