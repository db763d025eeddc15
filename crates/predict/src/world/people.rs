//! What people do: they answer, cancel, pause, resume, reset breakers, silence alerts.

use uuid::Uuid;

use super::World;
use super::docker::Docker;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::remediation::record::BreakerRow;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Awaiting, Remediation, State};
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use fettle_core::time::Timestamp;

/// Something a person does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// An answer about the open remediation of this target, as written; a yes or no is to what is proposed now.
    Answer {
        /// What.
        kind: AnswerKind,
        /// The target as written.
        target: String,
    },
    /// Everything, a rule or a target is paused.
    Pause {
        /// What is paused.
        scope: PauseScope,
        /// Why.
        reason: String,
        /// Until when; `None`: until somebody resumes.
        until: Option<Timestamp>,
    },
    /// The pauses of exactly this scope end.
    Resume {
        /// What goes on.
        scope: PauseScope,
    },
    /// A rule's breaker is closed.
    ResetBreaker {
        /// The rule.
        rule: String,
    },
    /// An alert is silenced in Alertmanager, or is not any more.
    Silence {
        /// Which.
        alert: Fingerprint,
        /// Whether it is from now on.
        silenced: bool,
    },
}

/// Why a deed had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// No remediation of this target is open.
    #[error("no remediation of this target is open")]
    NothingOpen,
    /// Nothing waits for a yes or no.
    #[error("nothing waits for a person")]
    NotWaiting,
    /// It was answered already.
    #[error("this proposal was answered already")]
    Used,
    /// Nothing of this scope is paused.
    #[error("nothing of this scope is paused")]
    NotPaused,
    /// The breaker is closed already.
    #[error("this rule's breaker is not open")]
    NotOpen,
}

impl<D: Docker> World<D> {
    /// A person named `by` does something at `at`: time passes until then, what is due at that very instant excepted.
    pub fn person(&mut self, at: Timestamp, by: &str, deed: Deed) -> Result<(), NotTaken> {
        self.reach(at);
        match deed {
            Deed::Answer { kind, target } => self.answer(kind, &target, by),
            Deed::Pause { scope, reason, until } => {
                let (id, at) = (self.new_id(), self.now);
                self.pauses.push(Pause { id: id.into(), scope, reason, by: by.to_owned(), at, until });
                Ok(())
            }
            Deed::Resume { scope } => self.resume(&scope),
            Deed::ResetBreaker { rule } => self.reset(&rule, by),
            Deed::Silence { alert, silenced } => {
                if silenced {
                    self.upstream.silenced.insert(alert);
                } else {
                    self.upstream.silenced.remove(&alert);
                }
                Ok(())
            }
        }
    }

    fn answer(&mut self, kind: AnswerKind, target: &str, by: &str) -> Result<(), NotTaken> {
        let id = *self.open.get(target).ok_or(NotTaken::NothingOpen)?;
        let answer_id = self.new_id();
        let at = self.now;
        let effort = self.efforts.get_mut(&id).ok_or(NotTaken::NothingOpen)?;
        let plan = match (&effort.remediation.state, kind) {
            (_, AnswerKind::Cancel) => None,
            (State::AwaitingApproval(Awaiting { proposal, .. }), _) => {
                let cancelled = effort.answer.as_ref().is_some_and(|it| it.kind == AnswerKind::Cancel);
                if cancelled || !effort.answered.insert(proposal.asked_at) {
                    return Err(NotTaken::Used);
                }
                Some(proposal.hash.clone())
            }
            _ => return Err(NotTaken::NotWaiting),
        };
        effort.answer = Some(Answer { id: answer_id.into(), kind, plan, by: by.to_owned(), at });
        self.wake(id);
        Ok(())
    }

    fn resume(&mut self, scope: &PauseScope) -> Result<(), NotTaken> {
        let (now, before) = (self.now, self.pauses.len());
        self.pauses.retain(|it| it.scope != *scope || it.until.is_some_and(|until| until <= now));
        if self.pauses.len() == before {
            return Err(NotTaken::NotPaused);
        }
        self.wake_blocked(|it| is_blocked(it, Guard::Paused));
        Ok(())
    }

    fn reset(&mut self, rule: &str, by: &str) -> Result<(), NotTaken> {
        if !self.ledger.is_to_reset(rule) {
            return Err(NotTaken::NotOpen);
        }
        let by = Some(by.to_owned());
        self.ledger.switch(&BreakerRow { rule: rule.to_owned(), at: self.now, opened_at: None, probe: None, by });
        self.wake_blocked(|it| it.rule == rule && is_blocked(it, Guard::Tripped));
        Ok(())
    }

    /// The open remediation of a target as written.
    #[must_use]
    pub fn open_on(&self, target: &str) -> Option<&Remediation> {
        let id: &Uuid = self.open.get(target)?;
        self.efforts.get(id).map(|it| &it.remediation)
    }
}

fn is_blocked(remediation: &Remediation, by: Guard) -> bool {
    matches!(remediation.state, State::Blocked { reason, .. } if reason == by)
}
