//! Swarm: services of one node, their tasks, and how Swarm brings the tasks to what is asked for.
//!
//! A task whose container ends is replaced by a new task with a new container after the restart delay; the old container
//! stays. A forced update replaces one task after the other, old one first. Every change of a service raises its version,
//! and a change must name the version that it was made from.

use std::collections::BTreeMap;
use std::time::Duration;

use super::agenda::Due;
use super::container::Key;
use super::daemon::Daemon;
use super::request::{Answer, Request, ServiceChange, Ticket};
use super::spec::{Spec, label};
use super::truth::By;
use fettle_core::sight::{self, Status};
use fettle_core::time::{Timestamp, after};

/// Swarm's default `restart_policy.delay`.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// Swarm's default `stop_grace_period`.
const GRACE: Duration = Duration::from_secs(10);

const OUT_OF_SEQUENCE: Answer = Answer::Failed(500, "rpc error: code = Unknown desc = update out of sequence");

/// A service as it is created.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// The name.
    pub name: String,
    /// The service's own labels.
    pub labels: BTreeMap<String, String>,
    /// `None`: global mode, one task on this node.
    pub replicas: Option<u64>,
    /// What each task runs; its name is not used.
    pub task: Spec,
}

/// A service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) seen: sight::Service,
    /// What a task runs; `None`: only the numbers were declared.
    task: Option<Spec>,
    tasks: Vec<Task>,
    forced: u64,
    made: u64,
}

#[derive(Debug, Clone, Copy)]
struct Task {
    slot: u64,
    key: Key,
    forced: u64,
    /// Swarm has asked it to end.
    ending: bool,
}

impl Service {
    pub(super) fn update(&self, change: ServiceChange) -> Request {
        Request::UpdateService { id: self.seen.id.clone(), version: self.seen.version, change }
    }

    fn wanted(&self) -> u64 {
        self.seen.replicas.unwrap_or(1)
    }
}

impl Daemon {
    /// Creates a service, all of whose tasks run at `now`; its id.
    pub fn create_service(&mut self, spec: ServiceSpec, now: Timestamp) -> String {
        self.advance(now);
        let number = self.services.len();
        let id = format!("{:0>25}", format!("s{number}"));
        let seen = sight::Service {
            daemon: self.id.clone(),
            id: id.clone(),
            name: spec.name,
            labels: spec.labels,
            version: 10,
            replicas: spec.replicas,
            running: 0,
            updating: false,
        };
        let wanted = spec.replicas.unwrap_or(1);
        self.services.push(Service { seen, task: Some(spec.task), tasks: Vec::new(), forced: 0, made: 0 });
        for slot in 1..=wanted {
            let key = self.make_task(number, slot);
            self.begin(key, By::Swarm);
        }
        id
    }

    /// Adds a service as numbers only, for tools that declare states: it has no containers.
    pub fn declare_service(&mut self, seen: sight::Service) {
        self.services.push(Service { seen, task: None, tasks: Vec::new(), forced: 0, made: 0 });
    }

    /// Changes what a look shows of a declared service. Gives whether there is such a service.
    pub fn declare_service_change(&mut self, name: &str, change: impl FnOnce(&mut sight::Service)) -> bool {
        let found = self.services.iter_mut().find(|it| it.seen.name == name);
        found.map(|it| change(&mut it.seen)).is_some()
    }

    /// A person scales a service, as `docker service scale` does: from what is there now.
    pub fn scale_service(&mut self, name: &str, replicas: u64, now: Timestamp) -> Option<Ticket> {
        self.advance(now);
        let request = self.services.iter().find(|it| it.seen.name == name)?.update(ServiceChange::Replicas(replicas));
        Some(self.ask(request, By::Person, now))
    }

    /// The full ids of a service's task containers, by slot.
    #[must_use]
    pub fn tasks(&self, name: &str) -> Vec<&str> {
        let tasks = self.services.iter().filter(|it| it.seen.name == name).flat_map(|it| &it.tasks);
        let mut tasks: Vec<Task> = tasks.copied().collect();
        tasks.sort_by_key(|it| it.slot);
        tasks.iter().map(|it| self.at(it.key).seen.id.as_str()).collect()
    }

    pub(super) fn service_seen(&self, it: &Service) -> sight::Service {
        let mut seen = it.seen.clone();
        if it.task.is_some() {
            let runs = |task: &&Task| {
                task.forced == it.forced && !task.ending && self.at(task.key).seen.status == Status::Running
            };
            seen.running = it.tasks.iter().filter(runs).count() as u64;
        }
        seen
    }

    pub(super) fn update_service(&mut self, ticket: Ticket, id: &str, version: u64, change: ServiceChange) -> Answer {
        let Some(number) = self.services.iter().position(|it| it.seen.id == id) else {
            return Answer::Failed(404, "service not found");
        };
        if self.services[number].seen.version != version {
            return OUT_OF_SEQUENCE;
        }
        self.executed(ticket);
        let helps = self.helps != Some(false);
        let it = &mut self.services[number];
        it.seen.version += 1;
        match change {
            ServiceChange::Replicas(to) => it.seen.replicas = Some(to),
            ServiceChange::Force => it.forced += 1,
        }
        if it.task.is_some() {
            it.seen.updating = change == ServiceChange::Force;
            self.agenda.enter(after(self.now, self.timing.schedule), Due::Reconcile { service: number });
        } else if helps {
            it.seen.running = it.seen.replicas.unwrap_or(it.seen.running.max(1));
        }
        Answer::Done
    }

    fn make_task(&mut self, service: usize, slot: u64) -> Key {
        let it = &mut self.services[service];
        it.made += 1;
        let (name, forced, number) = (it.seen.name.clone(), it.forced, it.made);
        let task = format!("{:0>25}", format!("t{service}x{number}"));
        let spec = it.task.clone().unwrap_or_else(|| Spec::named(""));
        let spec = Spec { name: format!("{name}.{slot}.{task}"), ..spec };
        let spec = spec.label(label::SWARM_SERVICE, &name).label(label::SWARM_TASK, &task);
        let key = self.insert(spec);
        self.at_mut(key).task_of = Some(service);
        self.services[service].tasks.push(Task { slot, key, forced, ending: false });
        key
    }

    /// Brings the tasks a step nearer to what is asked for.
    pub(super) fn reconcile(&mut self, number: usize) {
        let it = &self.services[number];
        let wanted = it.wanted();
        let surplus: Vec<Task> = it.tasks.iter().filter(|task| task.slot > wanted && !task.ending).copied().collect();
        for task in surplus {
            self.end_task(number, task.key);
        }
        for slot in 1..=wanted {
            if !self.services[number].tasks.iter().any(|task| task.slot == slot) {
                let key = self.make_task(number, slot);
                self.begin_start(key, By::Swarm, false, None);
            }
        }
        let it = &self.services[number];
        if !it.seen.updating {
            return;
        }
        // One at a time: while one is on its way nothing else is begun.
        let running = |task: &Task| self.at(task.key).seen.status == Status::Running;
        if it.tasks.iter().any(|task| task.ending || (task.forced == it.forced && !running(task))) {
            return;
        }
        if let Some(old) = it.tasks.iter().find(|task| task.forced != it.forced).copied() {
            self.end_task(number, old.key);
        } else {
            let it = &mut self.services[number];
            (it.seen.updating, it.seen.version) = (false, it.seen.version + 1);
        }
    }

    fn end_task(&mut self, service: usize, key: Key) {
        if let Some(task) = self.services[service].tasks.iter_mut().find(|task| task.key == key) {
            task.ending = true;
        }
        let id = self.at(key).seen.id.clone();
        if self.at(key).is_alive() {
            self.ask(Request::Stop { id, grace: GRACE }, By::Swarm, self.now);
        } else {
            self.task_ended(key, By::Swarm);
        }
    }

    /// Swarm goes on where the daemon's end broke off: it ends the tasks that it was ending, replaces those whose start broke
    /// off, and looks at each service.
    pub(super) fn resume_services(&mut self) {
        for service in 0..self.services.len() {
            for task in self.services[service].tasks.clone() {
                if task.ending {
                    self.end_task(service, task.key);
                } else if !self.at(task.key).is_alive() {
                    self.agenda.enter(after(self.now, RESTART_DELAY), Due::Replace { service, key: task.key });
                }
            }
            self.agenda.enter(after(self.now, self.timing.schedule), Due::Reconcile { service });
        }
    }

    /// A task's container runs.
    pub(super) fn task_began(&mut self, key: Key) {
        if let Some(service) = self.at(key).task_of {
            self.agenda.enter(after(self.now, self.timing.schedule), Due::Reconcile { service });
        }
    }

    /// A task's container has ended.
    pub(super) fn task_ended(&mut self, key: Key, by: By) {
        let Some(service) = self.at(key).task_of else { return };
        let it = &mut self.services[service];
        let Some(at) = it.tasks.iter().position(|task| task.key == key) else { return };
        let task = it.tasks[at];
        if task.ending || by == By::Swarm {
            it.tasks.remove(at);
            let forced = it.forced;
            let goes_on = task.slot <= it.wanted() && task.forced != forced;
            if goes_on {
                let new = self.make_task(service, task.slot);
                self.begin_start(new, By::Swarm, false, None);
            }
            self.agenda.enter(after(self.now, self.timing.schedule), Due::Reconcile { service });
        } else {
            self.agenda.enter(after(self.now, RESTART_DELAY), Due::Replace { service, key });
        }
    }

    /// A new task in place of one whose container ended, also where somebody has started that container again.
    pub(super) fn replace_task(&mut self, service: usize, key: Key) {
        let it = &mut self.services[service];
        let Some(at) = it.tasks.iter().position(|task| task.key == key) else { return };
        let task = it.tasks.remove(at);
        if task.slot <= it.wanted() {
            let new = self.make_task(service, task.slot);
            self.begin_start(new, By::Swarm, false, None);
        }
    }
}
