//! What a fettle [`Effect`] does: the requests that it means, and for tools its outcome at once.

use super::daemon::Daemon;
use super::request::{Answer, Request, ServiceChange, Ticket};
use super::spec::{Spec, Term, Timing};
use super::swarm::Service;
use super::truth::By;
use fettle_core::effect::{Effect, whole_seconds};
use fettle_core::sight::{Container as Seen, Pin, Sight};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// Why an effect was not done, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The target is not what it was decided about, so nothing was sent.
    Unfit(String),
    /// The daemon refused: an HTTP status and its words.
    Answered(u16, &'static str),
}

impl Daemon {
    /// The requests that an effect means, in order; each is sent when the one before has succeeded. A Swarm service is
    /// read first, as fettle's Docker client does.
    pub fn requests(&self, target: &Target, pin: &Pin, effect: &Effect) -> Result<Vec<Request>, Failure> {
        let id = || pin.id.clone();
        Ok(match (effect, target) {
            (Effect::Restart { grace }, _) => vec![Request::Restart { id: id(), grace: whole_seconds(*grace) }],
            (Effect::Stop { grace }, _) => vec![Request::Stop { id: id(), grace: whole_seconds(*grace) }],
            (Effect::StopReplicas { replicas, grace, .. }, _) => {
                let grace = whole_seconds(*grace);
                replicas.iter().map(|it| Request::Stop { id: it.id.clone(), grace }).collect()
            }
            (Effect::StartReplicas { replicas, .. }, _) => {
                replicas.iter().map(|it| Request::Start { id: it.id.clone() }).collect()
            }
            (Effect::SetReplicas { from, to, .. }, Target::Swarm { .. }) => {
                let it = self.rollable(&pin.id, Some(*from))?;
                vec![it.update(ServiceChange::Replicas(*to))]
            }
            (Effect::ForceUpdate { .. }, Target::Swarm { .. }) => {
                let it = self.rollable(&pin.id, pin.size)?;
                vec![it.update(ServiceChange::Force)]
            }
            (Effect::SetLimits { memory, nano_cpus, .. }, _) => {
                if self.key(&pin.id).is_none() {
                    return Err(Failure::Unfit("the container is gone".to_owned()));
                }
                vec![Request::Update { id: id(), memory: *memory, nano_cpus: *nano_cpus }]
            }
            (Effect::Clean(_) | Effect::Prune(_), Target::Disk { name, .. }) => {
                vec![Request::CleanUp { disk: name.clone() }]
            }
            (Effect::Clean(_), Target::Container { .. } | Target::Compose { .. }) => vec![Request::Exec { id: id() }],
            _ => return Err(Failure::Unfit(format!("this is not done to {target}"))),
        })
    }

    /// Does it at once, for tools: nothing takes time, and whether it helps is given. What helped is well from then on;
    /// what did not is unhealthy, or ends at once where it has no health check.
    pub fn perform(
        &mut self,
        target: &Target,
        pin: &Pin,
        effect: &Effect,
        helps: bool,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.advance(now);
        let requests = self.requests(target, pin, effect)?;
        let timing = std::mem::replace(&mut self.timing, Timing::NONE);
        let chance = std::mem::replace(&mut self.chance, Box::new(super::chance::Ordinary));
        self.helps = Some(helps);
        let mut result = Ok(());
        for request in requests {
            result = self.ask_at_once(request, now);
            if result.is_err() {
                break;
            }
        }
        (self.timing, self.chance, self.helps) = (timing, chance, None);
        result
    }

    fn ask_at_once(&mut self, request: Request, now: Timestamp) -> Result<(), Failure> {
        // A process that takes its time would end later: here it ends at its signal.
        let key = request.container().and_then(|id| self.key(id));
        let term = key.map(|key| std::mem::replace(&mut self.at_mut(key).spec.program.term, Term::AT_ONCE));
        let ticket: Ticket = self.ask(request, By::Fettle(0), now);
        self.advance(now);
        if let (Some(key), Some(term)) = (key, term) {
            self.at_mut(key).spec.program.term = term;
        }
        match self.job(ticket).received() {
            Some((_, Answer::Failed(status, why))) => Err(Failure::Answered(status, why)),
            _ => Ok(()),
        }
    }

    fn rollable(&self, id: &str, replicas: Option<u64>) -> Result<&Service, Failure> {
        let unfit = |why: String| Err(Failure::Unfit(why));
        let Some(it) = self.services.iter().find(|it| it.seen.id == id) else {
            return unfit("the service is gone".to_owned());
        };
        if it.seen.updating {
            return unfit("a rollout of the service is running".to_owned());
        }
        match (replicas, it.seen.replicas) {
            (Some(from), Some(now)) if from != now => {
                unfit(format!("somebody else scaled the service: {now} replicas are asked for, not {from}"))
            }
            (Some(_), None) => unfit("the service runs in global mode now".to_owned()),
            _ => Ok(it),
        }
    }
}

/// What was seen, after an effect on it: for tools that have no daemon, only a look.
#[must_use]
pub fn touched(sight: Sight, target: &Target, effect: &Effect, helps: bool, now: Timestamp) -> Sight {
    let pin = sight.pin();
    let mut daemon = Daemon::new(daemon_of(&sight), now);
    let place = |daemon: &mut Daemon, seen: Seen| daemon.declare(seen, Spec::named(""), now);
    match &sight {
        Sight::Container(it) => place(&mut daemon, (**it).clone()),
        Sight::Replicas(it) => it.members.iter().for_each(|member| place(&mut daemon, member.clone())),
        Sight::Service(it) => daemon.declare_service(it.clone()),
        Sight::Disk(it) => {
            let total = it.space.map_or(0, |space| space.total);
            daemon.add_disk(it.name.clone(), super::Disk { allow: it.allow.clone(), space: it.space, frees: total });
        }
    }
    let done = daemon.perform(target, &pin, effect, helps, now);
    let after = daemon.look(target, &pin).ok().flatten();
    match after {
        Some(after) if done.is_ok() => after,
        _ => sight,
    }
}

fn daemon_of(sight: &Sight) -> &str {
    match sight {
        Sight::Container(it) => &it.daemon,
        Sight::Replicas(it) => &it.daemon,
        Sight::Service(it) => &it.daemon,
        Sight::Disk(it) => &it.daemon,
    }
}
