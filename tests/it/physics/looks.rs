//! What fettle's own client makes of Docker's answers, and the model's look of the same: who stopped a container, which
//! containers are a Compose service, and which depend on one.

use std::sync::Arc;
use std::time::Duration;

use fettle_core::ports::platform::Platform;
use fettle_core::sight::{Container, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_docker::{self as docker, HostConfig};
use fettle_memory::physics::{HealthCheck, Life, Policy, Program, Request, Spec, Term, label};

use super::Seen;
use super::starts::secs;
use super::world::World;
use crate::support::filter::{Allowed, Filter};

/// Everything that a look needs but `/events`.
const WITHOUT_EVENTS: [&str; 1] = ["-allowGET=/(_ping|info|containers/.*|images/.*)"];

fn client(endpoint: String) -> docker::Docker {
    let config = HostConfig { endpoint, ..HostConfig::default() };
    docker::Docker::new([("local".to_owned(), config)], None, Arc::new(())).expect("a host")
}

/// A look at one container; `events`: whether the daemon's events may be read.
async fn look(world: &mut World, id: &str, events: bool) -> Container {
    let target: Target = "container:local/any".parse().expect("a target");
    let pin = Pin { id: id.to_owned(), started_at: None, restart_count: 0, size: None };
    let seen = match world {
        World::Model { daemon, .. } => {
            daemon.deny_events(!events);
            daemon.look(&target, &pin).expect("an answer")
        }
        World::Real { docker, .. } if events => {
            let client = client(format!("unix://{}", docker.socket().display()));
            client.look(&target, &pin).await.expect("an answer")
        }
        World::Real { docker, .. } => {
            let filter = Filter::start(&docker.socket(), Allowed::by_flags(WITHOUT_EVENTS)).await;
            client(filter.url()).look(&target, &pin).await.expect("an answer")
        }
    };
    match seen {
        Some(Sight::Container(it)) => *it,
        other => panic!("{other:?}"),
    }
}

async fn find(world: &mut World, target: &Target, wanted: Wanted) -> Found {
    match world {
        World::Model { daemon, .. } => daemon.find(target, wanted).expect("an answer"),
        World::Real { docker, .. } => {
            let client = client(format!("unix://{}", docker.socket().display()));
            client.find(target, wanted).await.expect("an answer")
        }
    }
}

/// Each way to end, on a container of its own; its id.
async fn ended(world: &mut World) -> Vec<(&'static str, String)> {
    let deaf = || Program::default().on_term(Term::Ignores);
    let mut all = Vec::new();

    let id = world.run(Spec::named("polite")).await;
    world.ask(Request::Stop { id: id.clone(), grace: secs(10) }).await;
    all.push(("stopped, 143", id));

    let id = world.run(Spec::named("deaf").runs(deaf())).await;
    world.ask(Request::Stop { id: id.clone(), grace: secs(1) }).await;
    all.push(("stopped, 137", id));

    let grumpy = Program::default().on_term(Term::Ends { after: Duration::ZERO, code: 7 });
    let id = world.run(Spec::named("grumpy").runs(grumpy)).await;
    world.ask(Request::Stop { id: id.clone(), grace: secs(10) }).await;
    all.push(("stopped, 7", id));

    let id = world.run(Spec::named("killed").runs(deaf())).await;
    world.ask(Request::Kill { id: id.clone(), signal: 9 }).await;
    all.push(("killed", id));

    let id = world.run(Spec::named("crashed").runs(Program::of(Life::ends(Duration::ZERO, 3)))).await;
    all.push(("crashed", id));

    let lives = vec![Life::WELL, Life::ends(secs(1), 5)];
    let id = world.run(Spec::named("again").runs(Program { lives, term: Term::AT_ONCE })).await;
    world.ask(Request::Restart { id: id.clone(), grace: secs(10) }).await;
    all.push(("restarted, then crashed", id));

    let looping = Program::of(Life::ends(Duration::ZERO, 7));
    let id = world.run(Spec::named("looping").policy(Policy::Always).runs(looping)).await;
    world.until("a long pause", &id, |it| it.count >= 5 && it.status == "restarting").await;
    world.ask(Request::Stop { id: id.clone(), grace: secs(10) }).await;
    all.push(("stopped between two starts", id));

    for (_, id) in &all {
        world.until("it ended", id, |it| it.status == "exited").await;
    }
    all
}

pub(super) async fn stopped_by_hand(world: &mut World) -> Seen {
    let mut seen = Vec::new();
    for (what, id) in ended(world).await {
        let it = look(world, &id, true).await;
        seen.push(format!("{what}: {} {:?}", it.describe(), it.stopped_by_hand));
    }
    seen
}

pub(super) async fn events_denied(world: &mut World) -> Seen {
    let mut seen = Vec::new();
    for (what, id) in ended(world).await {
        let it = look(world, &id, false).await;
        seen.push(format!("{what}: {} {:?}", it.describe(), it.stopped_by_hand));
    }
    seen
}

fn shown(it: &Container) -> String {
    let label = |key: &str| it.labels.get(key).cloned().unwrap_or_default();
    format!("{} {:?} {}", label(label::SERVICE), it.number, it.describe())
}

pub(super) async fn compose_members(world: &mut World) -> Seen {
    let project = crate::support::unique("members");
    for (service, number) in [("web", 10), ("web", 2), ("web", 1), ("web2", 1), ("one", 1)] {
        let spec = Spec::named(format!("member-{service}-{number}")).enabled().compose(&project, service, number);
        let id = world.run(spec).await;
        if number == 2 {
            world.ask(Request::Stop { id, grace: secs(10) }).await;
        }
    }
    let oneoff = Spec::named("oneoff").compose(&project, "web", 3).label(label::ONEOFF, "True");
    world.run(oneoff).await;
    let mut seen = Vec::new();
    for service in ["web", "web2", "one", "none"] {
        for replicas in [true, false] {
            let target = Target::Compose { host: "local".into(), project: project.clone(), service: service.into() };
            let found = find(world, &target, Wanted { replicas, ..Wanted::default() }).await;
            let shown_as = match found {
                Found::Nothing => "nothing".to_owned(),
                Found::Many(n) => format!("{n} of them"),
                Found::One(sight) => match *sight {
                    Sight::Container(it) => shown(&it),
                    Sight::Replicas(it) => {
                        for member in &it.members {
                            seen.push(siblings(world, &member.name).await);
                        }
                        it.members.iter().map(shown).collect::<Vec<_>>().join(", ")
                    }
                    other => panic!("{other:?}"),
                },
            };
            seen.push(shown_as);
        }
    }
    seen
}

/// How many others of its service are well.
async fn siblings(world: &mut World, name: &str) -> String {
    let target = Target::Container { host: "local".into(), name: name.to_owned() };
    let found = find(world, &target, Wanted { siblings: true, ..Wanted::default() }).await;
    let Found::One(sight) = found else { panic!("{found:?}") };
    let it = sight.container().expect("a container");
    format!("{}: {} others are well", shown(it), it.siblings_well)
}

pub(super) async fn dependents(world: &mut World) -> Seen {
    let project = crate::support::unique("depends");
    let service = |service: &str, needs: &str| {
        let it = Spec::named("dependent").enabled().compose(&project, service, 1);
        if needs.is_empty() { it } else { it.label(label::DEPENDS_ON, needs) }
    };
    let needs = [
        ("db", ""),
        ("web", "api:service_started:false"),
        ("api", "db:service_healthy:false,cache:service_started:true"),
        ("cache", "db:service_started:false"),
        ("mail", ""),
    ];
    for (name, needs) in needs {
        world.run(service(name, needs)).await;
    }
    // A job that has ended depends on nothing; one that crashed does.
    for (name, code) in [("job", 0), ("crashed", 3)] {
        let it = service(name, "db:service_started:false").runs(Program::of(Life::ends(Duration::ZERO, code)));
        let id = world.run(it).await;
        world.until("it ended", &id, |it| it.status == "exited").await;
    }
    let target = Target::Compose { host: "local".into(), project: project.clone(), service: "db".into() };
    let found = find(world, &target, Wanted { dependents: true, ..Wanted::default() }).await;
    let Found::One(sight) = found else { panic!("{found:?}") };
    let Sight::Container(it) = *sight else { panic!("not a container") };
    it.dependents.iter().map(shown).collect()
}

pub(super) async fn health_seen(world: &mut World) -> Seen {
    let spec = Spec::named("seen").enabled().check(HealthCheck::every(secs(1), 1)).policy(Policy::Always);
    let id = world.run(spec).await;
    world.until("it is healthy", &id, |it| it.health.as_deref() == Some("healthy")).await;
    let it = look(world, &id, true).await;
    vec![format!("{} {:?} {} {:?}", it.describe(), it.image_label, it.restart_count, it.memory_limit)]
}
