//! What runs on the host at the beginning: containers with and without restart policy and health check, a Compose project, a
//! Swarm service, a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fettle_core::sight::{ImageLabel, Space};
use fettle_core::time::Timestamp;
use fettle_memory::physics::{Daemon, Disk, Generation, HealthCheck, Policy, Program, ServiceSpec, Spec, Term, label};

use crate::rng::Rng;

/// The daemon's own id.
pub const DAEMON: &str = "DAEMON";

/// The containers that get into trouble, and that people touch.
pub const CONTAINERS: [&str; 8] =
    ["app-0", "app-1", "app-2", "side-0", "shop-db-1", "shop-web-1", "shop-web-2", "shop-web-3"];

/// Puts everything on a new daemon.
pub fn settle(rng: &mut Rng, daemon: Daemon, now: Timestamp) -> Daemon {
    let mut daemon = daemon.generation(if rng.chance(500) { Generation::V20 } else { Generation::V28 });
    for name in ["app-0", "app-1", "app-2"] {
        daemon.run(container(rng, name), now);
    }
    let side = container(rng, "side-0");
    let side = if rng.chance(500) {
        side.network_of("app-0")
    } else {
        side.label(label::DEPENDS_ON, "app-0:service_started:true")
    };
    daemon.run(side, now);
    let db = container(rng, "shop-db-1").compose("shop", "db", 1);
    daemon.run(db, now);
    for number in 1..=rng.between(2, 4) {
        let number = u32::try_from(number).unwrap_or(1);
        daemon.run(container(rng, &format!("shop-web-{number}")).compose("shop", "web", number), now);
    }
    let replicas = (!rng.chance(100)).then_some(3);
    daemon.create_service(
        ServiceSpec { name: "api".to_owned(), labels: labels(rng), replicas, task: Spec::named("") },
        now,
    );
    let disk = Disk { allow: disk_allow(), space: Some(Space { total: 100, free: 50 }), frees: 60 };
    daemon.add_disk("srv", disk);
    daemon
}

fn container(rng: &mut Rng, name: &str) -> Spec {
    let mut spec = Spec::named(name);
    spec.labels = labels(rng);
    spec.image_label = match rng.below(60) {
        0 => ImageLabel::Present,
        1 => ImageLabel::Unreadable,
        _ => ImageLabel::Absent,
    };
    let max = rng.chance(300).then_some(3);
    spec.policy = *rng.pick(&[
        Policy::No,
        Policy::UnlessStopped,
        Policy::UnlessStopped,
        Policy::Always,
        Policy::OnFailure { max },
    ]);
    if rng.chance(500) {
        let mut check = HealthCheck::every(Duration::from_secs(*rng.pick(&[10, 10, 30])), 3);
        check.start_period = Duration::from_secs(*rng.pick(&[0, 0, 30]));
        spec.check = Some(check);
    }
    let ends = |after: u64, code| Term::Ends { after: Duration::from_secs(after), code };
    let term = *rng.pick(&[Term::AT_ONCE, ends(0, 0), ends(2, 143), ends(1, 1), Term::Ignores]);
    spec.runs(Program::default().on_term(term))
}

/// What the configuration permits on the disk.
fn disk_allow() -> BTreeSet<String> {
    ["prune", "clean_logs"].map(str::to_owned).into()
}

/// Labels of a container, some of which tighten.
fn labels(rng: &mut Rng) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut add = |key: &str, value: &str| drop(labels.insert(key.to_owned(), value.to_owned()));
    match rng.below(40) {
        0 => add("fettle.enable", "yes"),
        1 => {}
        _ => add("fettle.enable", "true"),
    }
    match rng.below(40) {
        0 => add("fettle.hold", "migration"),
        1 => add("fettle.budget", "1 per 20m"),
        2 => add("fettle.budget", "many"),
        3 => add("fettle.approval", "always"),
        4 => add("fettle.actions", "restart, scale_down"),
        5 => add("fettle.actions", "clean_logs"),
        _ => {}
    }
    labels
}
