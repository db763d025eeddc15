//! A daemon with at most one container of interest. It may be down, refuse, hang, forget to answer, or lie.

use serde_json::json;

use crate::decide::{Blind, Call, CallFailure};
use crate::effect::Effect;
use crate::remediation::state::Attempt;
use crate::sight::{CallPath, Container, Found, Pin, Replicas, Sight, Status, Wanted};
use crate::testing::container;
use crate::time::Timestamp;

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
    /// The daemon says no because the container is being removed; it is there until [`Docker::container`] is taken.
    Removing,
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
    pub(super) container: Option<Container>,
    /// The containers of a Compose service; with any, the target is that service.
    pub(super) replicas: Vec<Container>,
    pub(super) namesakes: usize,
    pub(super) reachable: bool,
    /// Why looks fail while it is not reachable.
    pub(super) unseen: &'static str,
    /// What becomes of a restart of a dependent: done, or not sent.
    pub(super) dependents: Restarts,
    pub(super) restarts: Restarts,
    /// Whether a restart makes it well.
    pub(super) cures: bool,
    /// Restarts by fettle that really happened.
    pub(super) effects: usize,
    pub(super) finds: usize,
    /// What `top` of a running container shows.
    pub(super) path: CallPath,
    pending: bool,
}

impl Docker {
    /// The container has crashed; a restart cures it.
    pub(super) fn with_crashed_container() -> Self {
        Self {
            container: Some(container().exited(1)),
            replicas: Vec::new(),
            namesakes: 0,
            reachable: true,
            unseen: "docker_unreachable",
            dependents: Restarts::Work,
            restarts: Restarts::Work,
            cures: true,
            effects: 0,
            finds: 0,
            path: CallPath::Works,
            pending: false,
        }
    }

    pub(super) fn change(&mut self, how: impl FnOnce(Container) -> Container) {
        self.container = self.container.take().map(how);
    }

    fn see(&self) -> Result<(), Blind> {
        let error = "docker unreachable at unix:///run/docker.sock: connection refused".to_owned();
        if self.reachable { Ok(()) } else { Err(Blind { reason: self.unseen, error }) }
    }

    fn group(&self) -> Sight {
        Sight::Replicas(Replicas {
            daemon: "DAEMON".into(),
            project: "shop".into(),
            service: "web".into(),
            members: self.replicas.clone(),
        })
    }

    pub(super) fn find(&mut self, wanted: Wanted) -> Result<Found, Blind> {
        self.finds += 1;
        self.see()?;
        if !self.replicas.is_empty() {
            return Ok(if wanted.replicas { Found::one(self.group()) } else { Found::Many(self.replicas.len()) });
        }
        Ok(match (&self.container, self.namesakes) {
            (_, more @ 1..) => Found::Many(more + 1),
            (Some(sight), 0) => Found::one(sight.clone()),
            (None, 0) => Found::Nothing,
        })
    }

    pub(super) fn look(&self, pin: &Pin) -> Result<Option<Box<Sight>>, Blind> {
        self.see()?;
        if !self.replicas.is_empty() {
            return Ok(Some(Box::new(self.group())));
        }
        let dependents = self.container.iter().flat_map(|it| &it.dependents);
        let found = self.container.iter().chain(dependents).find(|it| it.id == pin.id);
        Ok(found.map(|it| Box::new(it.clone().into())))
    }

    /// `top` shows nothing of what does not run.
    pub(super) fn call_path(&self) -> CallPath {
        let runs = self.container.as_ref().is_some_and(|it| it.status == Status::Running);
        match (self.reachable, runs) {
            (false, _) => CallPath::Silent,
            (true, true) => self.path,
            (true, false) => CallPath::NotShown,
        }
    }

    /// What becomes of any effect. `None`: the process died.
    pub(super) fn perform(&mut self, attempt: &Attempt, now: Timestamp) -> Option<Call> {
        match &attempt.effect {
            Effect::Restart { .. } if attempt.dependent.is_some() && self.dependents == Restarts::Unsent => {
                let answer = Err(failure("docker_unreachable", true, false));
                let after = self.look(&attempt.pin);
                return Some(Call { started_at: now, detail: json!({}), answer, after, short: None });
            }
            Effect::Restart { .. } if attempt.dependent.is_some() => {
                let mut effects = 0;
                for it in self.container.iter_mut().flat_map(|it| &mut it.dependents) {
                    if it.id == attempt.pin.id {
                        it.started_at = Some(now);
                        effects += 1;
                    }
                }
                self.effects += effects;
            }
            Effect::StopReplicas { replicas, .. } => {
                self.turn(replicas.iter().map(|it| it.id.as_str()), Status::Exited);
            }
            Effect::StartReplicas { replicas, .. } => {
                self.turn(replicas.iter().map(|it| it.id.as_str()), Status::Running);
            }
            _ => return self.restart(&attempt.pin, now),
        }
        Some(Call { started_at: now, detail: json!({}), answer: Ok(()), after: self.look(&attempt.pin), short: None })
    }

    fn turn<'a>(&mut self, ids: impl Iterator<Item = &'a str>, status: Status) {
        for id in ids {
            for it in self.replicas.iter_mut().filter(|it| it.id == id) {
                it.status = status;
                self.effects += 1;
            }
        }
    }

    /// `None`: the process died.
    pub(super) fn restart(&mut self, pin: &Pin, now: Timestamp) -> Option<Call> {
        let (done, answer) = match self.restarts {
            Restarts::Work => (true, Ok(())),
            Restarts::Lie => (false, Ok(())),
            Restarts::DoneUnanswered => (true, Err(failure("docker_timeout", false, false))),
            Restarts::NotDoneUnanswered => (false, Err(failure("docker_timeout", false, false))),
            Restarts::Late => {
                (self.pending, self.path) = (true, CallPath::Silent);
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
            Restarts::Removing => {
                self.change(|it| it.being(Status::Removing));
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
        Some(Call { started_at: now, detail: json!({}), answer, after: self.look(pin), short: None })
    }

    /// The daemon gets round to it.
    pub(super) fn late(&mut self, now: Timestamp) {
        self.path = CallPath::Works;
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
