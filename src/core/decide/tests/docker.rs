//! A daemon with at most one container of interest. It may be down, refuse, hang, forget to answer, or lie.

use crate::core::decide::{Blind, Call, CallFailure};
use crate::core::sight::{Found, Pin, Sight, Status};
use crate::core::testing::container;
use crate::core::time::Timestamp;

/// What becomes of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Restarts {
    Work,
    /// It is done, and the answer is lost.
    DoneUnanswered,
    /// Nothing is done, and no answer comes.
    NotDoneUnanswered,
    /// No answer comes; it is done when [`Docker::late`] is called.
    Late,
    /// The daemon says no, with this label.
    Refused(&'static str),
    /// It is stopped and does not start again.
    CutInHalf,
    /// The daemon says no because the container is gone, and it is.
    Gone,
    /// Nothing could be sent.
    Unsent,
    /// The process dies before it learns the answer; done or not.
    Crash {
        done: bool,
    },
    /// "Done", and nothing was.
    Lie,
}

#[derive(Debug, Clone)]
pub(super) struct Docker {
    pub(super) container: Option<Sight>,
    pub(super) namesakes: usize,
    pub(super) reachable: bool,
    pub(super) restarts: Restarts,
    /// Whether a restart makes it well.
    pub(super) cures: bool,
    /// Restarts by fettle that really happened.
    pub(super) effects: usize,
    pub(super) finds: usize,
    pending: bool,
}

impl Docker {
    /// The container has crashed; a restart cures it.
    pub(super) fn with_crashed_container() -> Self {
        Self {
            container: Some(container().exited(1)),
            namesakes: 0,
            reachable: true,
            restarts: Restarts::Work,
            cures: true,
            effects: 0,
            finds: 0,
            pending: false,
        }
    }

    pub(super) fn change(&mut self, how: impl FnOnce(Sight) -> Sight) {
        self.container = self.container.take().map(how);
    }

    fn see(&self) -> Result<(), Blind> {
        let error = "docker unreachable at unix:///run/docker.sock: connection refused".to_owned();
        if self.reachable { Ok(()) } else { Err(Blind { reason: "docker_unreachable", error }) }
    }

    pub(super) fn find(&mut self) -> Result<Found, Blind> {
        self.finds += 1;
        self.see()?;
        Ok(match (&self.container, self.namesakes) {
            (_, more @ 1..) => Found::Many(more + 1),
            (Some(sight), 0) => Found::One(Box::new(sight.clone())),
            (None, 0) => Found::Nothing,
        })
    }

    pub(super) fn look(&self, id: &str) -> Result<Option<Box<Sight>>, Blind> {
        self.see()?;
        Ok(self.container.as_ref().filter(|sight| sight.id == id).map(|sight| Box::new(sight.clone())))
    }

    /// `None`: the process died.
    pub(super) fn restart(&mut self, pin: &Pin, now: Timestamp) -> Option<Call> {
        let (done, answer) = match self.restarts {
            Restarts::Work => (true, Ok(())),
            Restarts::Lie => (false, Ok(())),
            Restarts::DoneUnanswered => (true, Err(failure("docker_timeout", false, false))),
            Restarts::NotDoneUnanswered => (false, Err(failure("docker_timeout", false, false))),
            Restarts::Late => {
                self.pending = true;
                (false, Err(failure("docker_timeout", false, false)))
            }
            Restarts::Refused(reason) => (false, Err(failure(reason, false, true))),
            Restarts::CutInHalf => {
                self.change(|it| it.exited(143));
                (false, Err(failure("docker_error", false, true)))
            }
            Restarts::Gone => {
                self.container = None;
                (false, Err(failure("container_gone", false, true)))
            }
            Restarts::Unsent => (false, Err(failure("docker_unreachable", true, false))),
            Restarts::Crash { done } => {
                if done {
                    self.do_restart(now);
                }
                return None;
            }
        };
        if done {
            self.do_restart(now);
        }
        Some(Call { started_at: now, answer, after: self.look(&pin.id) })
    }

    /// The daemon gets round to it.
    pub(super) fn late(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.pending) {
            self.do_restart(now);
        }
    }

    fn do_restart(&mut self, now: Timestamp) {
        let Some(sight) = &mut self.container else { return };
        self.effects += 1;
        sight.started_at = Some(now);
        sight.restart_count = 0;
        sight.status = if self.cures { Status::Running } else { Status::Exited };
        sight.exit_code = 1;
    }
}

pub(super) fn failure(reason: &'static str, nothing_sent: bool, is_answer: bool) -> CallFailure {
    CallFailure { reason, error: format!("docker: {reason}"), nothing_sent, is_answer }
}
