//! The whole path that a call takes: daemon, containerd, and the shim of the container.
//!
//! A daemon answers inspect and list from its own memory while containerd hangs, and a call that its client has given up is
//! still carried out when the hang ends (measured on Docker 20.10 and 28.5). An unchanged target therefore proves nothing by
//! itself. `GET /containers/{id}/top` of a running container takes the same path as a call: its answer shows that the path
//! works. `top` of a container that does not run proves nothing, nor does an answer about another container.

use super::Pin;
use crate::effect::{Effect, Replica};

/// Whether the path that a call takes works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallPath {
    /// A request took the whole path and was answered.
    Works,
    /// A request took the path and was not answered in time.
    Silent,
    /// No request can show it: the container does not run, the daemon does not permit the request, or has no such path.
    #[default]
    NotShown,
}

/// What a call goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through<'a> {
    /// The shims of these containers, by full id. Never empty.
    Containers(Vec<&'a str>),
    /// The Swarm manager alone, which also answers every look at a service.
    Manager,
    /// Something that no look shows.
    Other,
}

impl Effect {
    /// What the call of this effect goes through; `pin` is the target that was decided about.
    #[must_use]
    pub fn through<'a>(&'a self, pin: &'a Pin) -> Through<'a> {
        let all = |replicas: &'a [Replica]| match replicas {
            [] => Through::Other,
            some => Through::Containers(some.iter().map(|it| it.id.as_str()).collect()),
        };
        match self {
            Self::Restart { .. } | Self::Stop { .. } | Self::SetLimits { .. } => {
                Through::Containers(vec![pin.id.as_str()])
            }
            Self::StopReplicas { replicas, .. } | Self::StartReplicas { replicas, .. } => all(replicas),
            Self::SetReplicas { .. } | Self::ForceUpdate { .. } => Through::Manager,
            Self::Clean(_) | Self::Prune(_) => Through::Other,
        }
    }
}

impl CallPath {
    /// The path of several calls: it works where each of them works, and is silent where one of them is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Silent, _) | (_, Self::Silent) => Self::Silent,
            (Self::Works, Self::Works) => Self::Works,
            _ => Self::NotShown,
        }
    }
}
