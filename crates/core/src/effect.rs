//! What exactly is sent to the platform: an action, made concrete by what was seen of the target.
//!
//! Always holds: an effect names its things by full id and was decided about one sight of them, so whoever finds its intent
//! after a crash can look at the same things and tell whether it happened.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{
    Action, CALL_MARGIN, CLEAN_LIMIT, CleanLogs, LIMITS_CHANGE_LIMIT, Prune, SCALE_GRACE, SERVICE_CHANGE_LIMIT,
};
use super::sight::{Container, Pin, Replicas, Sight, Status};
use super::time::Timestamp;

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Stop and start this container again.
    Restart {
        /// How long its process may take to end. Whole seconds.
        grace: Duration,
    },
    /// Stop this container.
    Stop {
        /// See [`Effect::Restart`].
        grace: Duration,
    },
    /// Stop these replicas of a Compose service, in this order.
    StopReplicas {
        /// Which.
        replicas: Vec<Replica>,
        /// See [`Effect::Restart`].
        grace: Duration,
        /// How many ran before.
        from: u32,
    },
    /// Start these replicas of a Compose service, in this order.
    StartReplicas {
        /// Which.
        replicas: Vec<Replica>,
        /// How many ran before.
        from: u32,
    },
    /// Another number of replicas for a Swarm service.
    SetReplicas {
        /// The version of the service that this was decided about.
        version: u64,
        /// How many were asked for before.
        from: u64,
        /// How many are asked for.
        to: u64,
    },
    /// Make the tasks of a Swarm service anew.
    ForceUpdate {
        /// The version of the service that this was decided about.
        version: u64,
    },
    /// Clean logs.
    Clean(CleanLogs),
    /// Prune.
    Prune(Prune),
    /// Other limits for this container.
    SetLimits {
        /// Bytes of memory.
        memory: Option<u64>,
        /// Billionths of a processor.
        nano_cpus: Option<u64>,
        /// Whether the container had these limits already when it was decided: then a look proves nothing about the call.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        already: bool,
    },
}

/// One container of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The full id.
    pub id: String,
    /// Its name, for records.
    pub name: String,
    /// When it was last started, as it was when the effect was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
}

/// What a look says about an effect that gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It happened, or somebody did the same.
    Happened,
    /// Something of it is to be seen that may also come from elsewhere: it counts as done once the daemon cannot still be
    /// at it.
    Perhaps,
    /// The target is as it was.
    Untouched,
    /// It leaves no trace: nobody can tell.
    Traceless,
}

/// Why an action cannot be made concrete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotScalable(pub String);

/// Docker takes whole seconds: a process is never given less time than the rule says.
#[must_use]
pub fn whole_seconds(grace: Duration) -> Duration {
    Duration::from_secs(grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0)))
}

impl Effect {
    /// How long a client waits for the answer of one call that carries it out. After that nobody knows whether it was done.
    #[must_use]
    pub fn answered_within(&self) -> Duration {
        match self {
            Self::Restart { grace } | Self::Stop { grace } => whole_seconds(*grace) + CALL_MARGIN,
            Self::StopReplicas { .. } | Self::StartReplicas { .. } => SCALE_GRACE + CALL_MARGIN,
            Self::SetReplicas { .. } | Self::ForceUpdate { .. } => SERVICE_CHANGE_LIMIT,
            Self::SetLimits { .. } => LIMITS_CHANGE_LIMIT,
            Self::Clean(_) | Self::Prune(_) => CLEAN_LIMIT + CALL_MARGIN,
        }
    }

    /// Whether it ends the run of the container that was decided about. One that only changes or cleans it leaves the run alone.
    #[must_use]
    pub fn ends_run(&self) -> bool {
        matches!(self, Self::Restart { .. } | Self::Stop { .. })
    }

    /// Of attempts that were stored before there was more than one kind.
    pub(crate) fn of_old() -> Self {
        Self::Restart { grace: SCALE_GRACE }
    }

    /// What `action` means for what was seen. `escalate` has no effect and `restore` is made from a loan: neither is asked.
    pub fn of(action: &Action, sight: &Sight) -> Result<Self, NotScalable> {
        let kind = sight.kind();
        let cannot = |what: &str| Err(NotScalable(format!("{what} does not apply to a {kind}")));
        match (action, sight) {
            (Action::Restart { grace, .. }, Sight::Container(_)) => Ok(Self::Restart { grace: *grace }),
            (Action::Restart { .. }, Sight::Service(service)) => Ok(Self::ForceUpdate { version: service.version }),
            (Action::Stop { grace }, Sight::Container(_)) => Ok(Self::Stop { grace: *grace }),
            (Action::ScaleDown { by, floor }, Sight::Replicas(group)) => {
                let running = group.running();
                let from = count(running.len());
                let stop = (*by).min(from.saturating_sub(*floor));
                if stop == 0 {
                    return Err(NotScalable(format!("{from} replicas run, and the floor is {floor}")));
                }
                let last = running.iter().rev().take(stop as usize);
                Ok(Self::StopReplicas { replicas: last.map(|it| Replica::of(it)).collect(), grace: SCALE_GRACE, from })
            }
            (Action::ScaleUp { by, ceiling }, Sight::Replicas(group)) => {
                let (from, stopped) = (count(group.running().len()), group.stopped());
                let start = (*by).min(ceiling.saturating_sub(from));
                if start == 0 {
                    return Err(NotScalable(format!("{from} replicas run, and the ceiling is {ceiling}")));
                }
                if stopped.is_empty() {
                    return Err(NotScalable("no stopped replica is there, and fettle makes none".to_owned()));
                }
                let first = stopped.iter().take(start as usize);
                Ok(Self::StartReplicas { replicas: first.map(|it| Replica::of(it)).collect(), from })
            }
            (Action::ScaleDown { by, floor }, Sight::Service(service)) => {
                let Some(from) = service.replicas else { return global() };
                let to = from.saturating_sub((*by).into()).max((*floor).into());
                if to >= from {
                    return Err(NotScalable(format!("{from} replicas are asked for, and the floor is {floor}")));
                }
                Ok(Self::SetReplicas { version: service.version, from, to })
            }
            (Action::ScaleUp { by, ceiling }, Sight::Service(service)) => {
                let Some(from) = service.replicas else { return global() };
                let to = from.saturating_add((*by).into()).min((*ceiling).into());
                if to <= from {
                    return Err(NotScalable(format!("{from} replicas are asked for, and the ceiling is {ceiling}")));
                }
                Ok(Self::SetReplicas { version: service.version, from, to })
            }
            (Action::CleanLogs(clean), Sight::Container(_) | Sight::Disk(_)) => Ok(Self::Clean(clean.clone())),
            (Action::Prune(prune), Sight::Disk(_)) => Ok(Self::Prune(prune.clone())),
            (Action::SetLimits { memory, nano_cpus }, Sight::Container(it)) => {
                let already = it.has_limits(*memory, *nano_cpus);
                Ok(Self::SetLimits { memory: *memory, nano_cpus: *nano_cpus, already })
            }
            (action, _) => cannot(action.name()),
        }
    }

    /// What a later look at the same target says about it, `before` being how it was when it was decided.
    #[must_use]
    pub fn proof(&self, before: &Pin, now: &Sight) -> Proof {
        let of = |happened: bool| if happened { Proof::Happened } else { Proof::Untouched };
        match (self, now) {
            (Self::Restart { .. }, Sight::Container(it)) => match it.pin() {
                pin if before.superseded_by(&pin) => Proof::Happened,
                pin if pin.started_at != before.started_at => Proof::Perhaps,
                _ => Proof::Untouched,
            },
            (Self::Stop { .. }, Sight::Container(it)) => match it.status {
                // It ended by itself.
                Status::Exited if it.stopped_by_hand == Some(false) => Proof::Traceless,
                Status::Exited => Proof::Happened,
                // It may have been stopped, and others started it since.
                _ if it.started_at != before.started_at => Proof::Perhaps,
                _ => Proof::Untouched,
            },
            (Self::StopReplicas { replicas, .. }, Sight::Replicas(group)) => {
                partly(group.stopped_of(replicas), replicas.len(), group.started_since(replicas))
            }
            (Self::StartReplicas { replicas, .. }, Sight::Replicas(group)) => {
                partly(group.running_of(replicas), replicas.len(), group.started_since(replicas))
            }
            (Self::SetReplicas { version, to, .. }, Sight::Service(service)) => match service.replicas {
                Some(now) if now == *to => Proof::Happened,
                _ if service.version == *version => Proof::Untouched,
                // It may have been scaled, and others scaled it back since.
                _ => Proof::Traceless,
            },
            (Self::ForceUpdate { version }, Sight::Service(service)) => of(service.version != *version),
            (Self::SetLimits { memory, nano_cpus, already: false }, Sight::Container(it)) => {
                of(it.has_limits(*memory, *nano_cpus))
            }
            _ => Proof::Traceless,
        }
    }

    /// What it touches, for the intent's audit row.
    #[must_use]
    pub fn describe(&self) -> Value {
        match self {
            Self::StopReplicas { replicas, from, .. } => {
                json!({"replicas": replicas, "from": from, "to": from.saturating_sub(count(replicas.len()))})
            }
            Self::StartReplicas { replicas, from } => {
                json!({"replicas": replicas, "from": from, "to": from + count(replicas.len())})
            }
            Self::SetReplicas { version, from, to } => json!({"version": version, "from": from, "to": to}),
            Self::ForceUpdate { version } => json!({"version": version}),
            _ => json!({}),
        }
    }
}

/// Some of it is to be seen: a call that was cut off in its middle. `started_since`: it may have happened, and others did the
/// opposite since.
fn partly(done: usize, all: usize, started_since: bool) -> Proof {
    match done {
        0 if started_since => Proof::Traceless,
        0 => Proof::Untouched,
        done if done == all => Proof::Happened,
        _ => Proof::Perhaps,
    }
}

fn global() -> Result<Effect, NotScalable> {
    Err(NotScalable("the service runs in global mode, one task per node".to_owned()))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Replicas {
    /// How many of these are stopped, and not by a crash as far as Docker's events show.
    fn stopped_of(&self, replicas: &[Replica]) -> usize {
        let stopped = |m: &Container| m.status == Status::Exited && m.stopped_by_hand != Some(false);
        replicas.iter().filter(|it| self.members.iter().any(|m| m.id == it.id && stopped(m))).count()
    }

    /// Whether one of these was started since the effect was decided.
    fn started_since(&self, replicas: &[Replica]) -> bool {
        let now = |it: &Replica| self.members.iter().find(|member| member.id == it.id).and_then(|it| it.started_at);
        replicas.iter().any(|it| it.started_at.is_some() && now(it) != it.started_at)
    }

    /// How many of these run.
    pub(crate) fn running_of(&self, replicas: &[Replica]) -> usize {
        let running = |it: &&Replica| self.members.iter().any(|m| m.id == it.id && m.status == Status::Running);
        replicas.iter().filter(running).count()
    }
}

impl Container {
    /// Whether it has these limits; `None` means any.
    fn has_limits(&self, memory: Option<u64>, nano_cpus: Option<u64>) -> bool {
        memory.is_none_or(|want| self.memory_limit == Some(want))
            && nano_cpus.is_none_or(|want| self.nano_cpus == Some(want))
    }
}

impl Replica {
    /// A member as it is now.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        Self { id: container.id.clone(), name: container.name.clone(), started_at: container.started_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sight::Service;
    use crate::testing::{container, secs};

    /// An unchanged target proves that nothing happened only once no client can still wait for the daemon.
    #[test]
    fn a_client_has_given_up_before_a_look_is_conclusive() {
        let restart = |grace| Action::Restart { grace, dependents: None, start_stopped: false };
        let scale = || Action::ScaleDown { by: 1, floor: 1 };
        let limits = Action::SetLimits { memory: Some(1), nano_cpus: None };
        let pairs = [
            (restart(secs(0)), Effect::Restart { grace: secs(0) }),
            (restart(secs(600)), Effect::Restart { grace: secs(600) }),
            (restart(secs(0)), Effect::ForceUpdate { version: 1 }),
            (Action::Stop { grace: secs(7) }, Effect::Stop { grace: secs(7) }),
            (scale(), Effect::StopReplicas { replicas: Vec::new(), grace: SCALE_GRACE, from: 2 }),
            (scale(), Effect::SetReplicas { version: 1, from: 2, to: 1 }),
            (Action::Restore, Effect::StartReplicas { replicas: Vec::new(), from: 1 }),
            (limits, Effect::SetLimits { memory: Some(1), nano_cpus: None, already: false }),
        ];
        for (action, effect) in pairs {
            assert!(effect.answered_within() <= action.conclusive_after(), "{effect:?}");
        }
    }

    #[test]
    fn a_service_that_was_scaled_back_proves_nothing() {
        let effect = Effect::SetReplicas { version: 10, from: 3, to: 4 };
        let pin = container().pin();
        let shows = |replicas, version| {
            let service = Service {
                daemon: "D".into(),
                id: "s".into(),
                name: "api".into(),
                labels: std::collections::BTreeMap::new(),
                version,
                replicas: Some(replicas),
                running: replicas,
                updating: false,
            };
            effect.proof(&pin, &Sight::Service(service))
        };
        assert_eq!(shows(4, 11), Proof::Happened);
        assert_eq!(shows(3, 10), Proof::Untouched);
        assert_eq!(shows(3, 12), Proof::Traceless, "scaled, and back");
    }

    #[test]
    fn a_container_that_ended_by_itself_is_no_proof_of_a_stop() {
        let proof = |stopped_by_hand| {
            let ended = Container { stopped_by_hand, ..container().exited(1) };
            Effect::Stop { grace: secs(10) }.proof(&container().pin(), &Sight::from(ended))
        };
        assert_eq!(proof(Some(false)), Proof::Traceless);
        assert_eq!(proof(Some(true)), Proof::Happened);
        assert_eq!(proof(None), Proof::Happened, "as far as Docker shows");
    }

    /// Limits that were so before are so afterwards, whether the call was carried out or not.
    #[test]
    fn limits_that_were_so_already_prove_nothing() {
        let limited = |memory| Sight::from(Container { memory_limit: memory, ..container() });
        let action = Action::SetLimits { memory: Some(64), nano_cpus: None };
        let proof = |before: Option<u64>, after| {
            let effect = Effect::of(&action, &limited(before)).expect("a container has limits");
            effect.proof(&container().pin(), &limited(after))
        };
        assert_eq!(proof(None, None), Proof::Untouched);
        assert_eq!(proof(None, Some(64)), Proof::Happened);
        assert_eq!(proof(Some(64), Some(64)), Proof::Traceless);
    }

    /// A person may start what was stopped: that it runs proves nothing then.
    #[test]
    fn replicas_that_were_started_since_prove_nothing() {
        let group = |start: i64| {
            let member = container().restarted_at(start);
            let (daemon, project, service) = (member.daemon.clone(), "shop".to_owned(), "web".to_owned());
            Sight::Replicas(Replicas { daemon, project, service, members: vec![member] })
        };
        let stopped = |start| {
            Sight::Replicas(match group(start) {
                Sight::Replicas(it) => {
                    Replicas { members: it.members.into_iter().map(|it| it.exited(0)).collect(), ..it }
                }
                _ => unreachable!("made as replicas"),
            })
        };
        let of = |start| vec![Replica::of(&container().restarted_at(start))];
        let stop = Effect::StopReplicas { replicas: of(10), grace: SCALE_GRACE, from: 2 };
        let start = Effect::StartReplicas { replicas: of(10), from: 1 };
        let before = group(10).pin();
        assert_eq!(stop.proof(&before, &group(10)), Proof::Untouched);
        assert_eq!(stop.proof(&before, &group(20)), Proof::Traceless);
        assert_eq!(stop.proof(&before, &stopped(20)), Proof::Happened);
        assert_eq!(start.proof(&before, &stopped(10)), Proof::Untouched);
        assert_eq!(start.proof(&before, &stopped(20)), Proof::Traceless);
        assert_eq!(start.proof(&before, &group(20)), Proof::Happened);
        let of_old = vec![Replica { started_at: None, ..of(10).remove(0) }];
        let stop = Effect::StopReplicas { replicas: of_old, grace: SCALE_GRACE, from: 2 };
        assert_eq!(stop.proof(&before, &group(20)), Proof::Untouched, "stored by an earlier version");
    }
}
