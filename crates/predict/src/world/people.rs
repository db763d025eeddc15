//! What people do: they answer, cancel, pause, resume, reset breakers, silence alerts.

use super::World;
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::ports::model::Answered;
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

impl World {
    /// A person named `by` does something at `at`: time passes until then, what is due at that very instant excepted.
    pub async fn person(&self, at: Timestamp, by: &str, deed: Deed) -> Result<(), NotTaken> {
        self.reach(at).await;
        let (now, store) = (self.now(), &self.shell.store);
        let done = match deed {
            Deed::Answer { kind, target } => self.answer(kind, &target, by).await,
            Deed::Pause { scope, reason, until } => {
                let id = self.shell.time.new_id();
                let pause = Pause { id, scope, reason, by: by.to_owned(), at: now, until };
                store.pause(&pause).await.map_err(|_| NotTaken::NotPaused)
            }
            Deed::Resume { scope } => {
                let mut resumed = false;
                for pause in store.pauses(now).await.unwrap_or_default().into_iter().filter(|it| it.scope == scope) {
                    resumed |= store.resume(pause.id, by, now).await.unwrap_or(false);
                }
                if resumed { Ok(()) } else { Err(NotTaken::NotPaused) }
            }
            Deed::ResetBreaker { rule } => {
                let reset = store.reset_breaker(&rule, by, now).await.unwrap_or(false);
                if reset { Ok(()) } else { Err(NotTaken::NotOpen) }
            }
            Deed::Silence { alert, silenced } => {
                if let Some(upstream) = &self.upstream {
                    upstream.silence(alert, silenced);
                }
                Ok(())
            }
        };
        if done.is_ok() {
            self.shell.wake.notify_one();
        }
        done
    }

    async fn answer(&self, kind: AnswerKind, target: &str, by: &str) -> Result<(), NotTaken> {
        let (id, plan) = self.memory.rows(|rows| {
            let open = &rows.open_on(target).ok_or(NotTaken::NothingOpen)?.doc.remediation;
            let plan = match (&open.state, kind) {
                (_, AnswerKind::Cancel) => None,
                (State::AwaitingApproval(Awaiting { proposal, .. }), _) => Some(proposal.hash.clone()),
                _ => return Err(NotTaken::NotWaiting),
            };
            Ok((open.id, plan))
        })?;
        let answer = Answer { id: self.shell.time.new_id(), kind, plan, by: by.to_owned(), at: self.now() };
        match self.shell.store.answer(id, &answer).await {
            Ok(Answered::Taken) => Ok(()),
            Ok(Answered::Used) => Err(NotTaken::Used),
            Ok(Answered::NotWaiting | Answered::Changed | Answered::TooLate) => Err(NotTaken::NotWaiting),
            Ok(Answered::Unknown) | Err(_) => Err(NotTaken::NothingOpen),
        }
    }

    /// The open remediation of a target as written.
    #[must_use]
    pub fn open_on(&self, target: &str) -> Option<Remediation> {
        self.memory.rows(|rows| rows.open_on(target).map(|row| (*row.doc.remediation).clone()))
    }
}
