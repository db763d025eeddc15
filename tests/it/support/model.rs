//! The model of Docker beside an engine on the fast clock: for deaths and faults at a chosen call, which a real daemon cannot
//! be made to have. It is the one that the simulator and rule tests use; `tests/it/physics` compares it with real daemons.

use std::sync::Arc;

use fettle_core::ports::platform::Platform;
use fettle_core::time::Timestamp;
use fettle_memory::physics::{Client, Daemon, Host, Request, Spec};

use super::engine::Fast;

/// One host, `local`.
#[derive(Debug, Clone)]
pub struct Model(Arc<Host>);

impl Model {
    /// A daemon on this clock, on which `settle` starts what runs there.
    pub fn new(clock: &Fast, settle: impl FnOnce(&mut Daemon, Timestamp)) -> Self {
        let docker_clock = clock.docker_clock();
        let mut daemon = Daemon::new("model", docker_clock.now());
        settle(&mut daemon, docker_clock.now());
        Self(Host::new(daemon, docker_clock))
    }

    /// One container, `web`, that permits fettle.
    pub fn running(clock: &Fast) -> Self {
        Self::new(clock, |daemon, now| drop(daemon.run(Spec::named("web").enabled(), now)))
    }

    /// What an engine works through.
    pub fn platform(&self) -> Arc<dyn Platform> {
        Arc::new(Client::new(0, [("local".to_owned(), self.0.clone())]))
    }

    /// What fettle had done: the word of each request that changed something, and the container's name, in order.
    pub fn effects(&self) -> Vec<(&'static str, String)> {
        self.0.with(|world, _| {
            let daemon = &world.daemon;
            let name = |id: &str| daemon.container(id).map_or_else(|| id.to_owned(), |it| it.name.clone());
            let done = daemon.jobs().iter().filter(|job| job.by.is_fettle() && job.executed_at.is_some());
            let effect = |request: &Request| match request {
                Request::Restart { id, .. } => ("restart", name(id)),
                Request::Stop { id, .. } => ("stop", name(id)),
                Request::Start { id } => ("start", name(id)),
                other => panic!("no rule of these tests asks for it: {other:?}"),
            };
            done.map(|job| effect(&job.request)).collect()
        })
    }

    /// The names of the containers that do not run.
    pub fn stopped(&self) -> Vec<String> {
        self.0.with(|world, _| {
            let stopped = world.daemon.containers().filter(|it| it.status != fettle_core::sight::Status::Running);
            stopped.map(|it| it.name.clone()).collect()
        })
    }
}
