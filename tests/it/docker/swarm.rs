//! Swarm services on a one-node swarm of a daemon of the test's own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::Docker as Client;
use bollard::models::{Service as Made, ServiceSpec, ServiceSpecMode};
use bollard::query_parameters::{InspectServiceOptions, ListTasksOptionsBuilder, UpdateServiceOptionsBuilder};
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::sight::{Found, Service, Sight, Wanted};
use fettle_core::target::Target;
use fettle_docker::Docker;

use super::canned::{Canned, reply};
use super::{local, real, sight};
use crate::support::docker::PrivateDocker;
use crate::support::swarm::{self, global, replicated};
use crate::support::wait;

/// Tasks come and go in seconds.
const SOON: Duration = Duration::from_mins(1);

struct Swarm {
    own: PrivateDocker,
    docker: Docker,
}

fn target(service: &str) -> Target {
    Target::Swarm { host: "local".into(), service: service.into() }
}

impl Swarm {
    async fn start() -> Self {
        let own = swarm::start().await;
        let docker = local(&own.daemon.url()).0;
        Self { own, docker }
    }

    fn client(&self) -> &Client {
        &self.own.daemon.client
    }

    async fn create(&self, name: &str, mode: ServiceSpecMode) {
        swarm::create(self.client(), name, mode, true).await;
    }

    async fn service(&self, name: &str) -> Service {
        match sight(&self.docker, &target(name), Wanted::default()).await {
            Sight::Service(it) => it,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until what is asked for runs.
    async fn settled(&self, name: &str) -> Service {
        wait::until("the service is well", SOON, async || {
            let service = self.service(name).await;
            if Sight::Service(service.clone()).is_well() { Ok(service) } else { Err(format!("{service:?}")) }
        })
        .await
    }

    async fn inspect(&self, name: &str) -> Made {
        self.client().inspect_service(name, None::<InspectServiceOptions>).await.expect("inspect")
    }

    /// Ids of the tasks that are to run.
    async fn tasks(&self, name: &str) -> Vec<String> {
        let filters = HashMap::from([("service", vec![name]), ("desired-state", vec!["running"])]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let tasks = self.client().list_tasks(Some(options)).await.expect("list");
        let mut ids: Vec<String> = tasks.into_iter().filter_map(|it| it.id).collect();
        ids.sort();
        ids
    }

    /// Somebody else changes the service.
    async fn elsewhere(&self, name: &str, change: impl FnOnce(&mut ServiceSpec)) {
        let now = self.inspect(name).await;
        let version = i32::try_from(now.version.and_then(|it| it.index).unwrap()).unwrap();
        let mut spec = now.spec.unwrap();
        change(&mut spec);
        let options = UpdateServiceOptionsBuilder::default().version(version).build();
        self.client().update_service(&now.id.unwrap(), spec, options, None).await.expect("update");
    }

    async fn perform(&self, service: &Service, effect: Effect) -> Result<(), PlatformError> {
        let pin = Sight::Service(service.clone()).pin();
        self.docker.perform(&target(&service.name), &pin, &effect).await.answer
    }
}

fn scale(service: &Service, to: u64) -> Effect {
    Effect::SetReplicas { version: service.version, from: service.replicas.expect("replicated"), to }
}

#[tokio::test]
async fn services_are_found_scaled_and_made_anew_and_never_against_somebody_else() {
    let swarm = Swarm::start().await;
    swarm.create("shop_web", replicated(2)).await;
    swarm.create("shop_web2", replicated(1)).await;
    swarm.create("shop_agent", global()).await;

    // Found by its exact name, seen with its own labels, looked at again by its id.
    let service = swarm.settled("shop_web").await;
    assert_eq!((service.replicas, service.running, service.updating), (Some(2), 2, false));
    assert_eq!(service.labels.keys().collect::<Vec<_>>(), ["fettle.enable"]);
    assert_eq!(swarm.docker.find(&target("shop"), Wanted::default()).await.unwrap(), Found::Nothing);
    let pin = Sight::Service(service.clone()).pin();
    let again = swarm.docker.look(&target("shop_web"), &pin).await.unwrap();
    assert_eq!(again, Some(Sight::Service(service.clone())));
    let wrong = fettle_core::sight::Pin { id: "shop_web".into(), ..pin.clone() };
    let error = swarm.docker.look(&target("shop_web"), &wrong).await.expect_err("a name is no id");
    assert!(matches!(error, PlatformError::NotAnId(_)), "{error}");

    // Scaled: the tasks that are there stay.
    let tasks = swarm.tasks("shop_web").await;
    swarm.perform(&service, scale(&service, 3)).await.expect("scaled up");
    let three = swarm.settled("shop_web").await;
    assert_eq!((three.replicas, three.running), (Some(3), 3));
    let now = swarm.tasks("shop_web").await;
    assert!(tasks.iter().all(|task| now.contains(task)), "{tasks:?} {now:?}");
    swarm.perform(&three, scale(&three, 1)).await.expect("scaled down");
    let one = swarm.settled("shop_web").await;
    assert_eq!(one.replicas, Some(1));

    // Somebody else scaled it since: nothing is sent.
    swarm.elsewhere("shop_web", |spec| spec.mode = Some(replicated(2))).await;
    let error = swarm.perform(&one, scale(&one, 3)).await.expect_err("not as it was");
    assert!(error.nothing_sent() && error.to_string().contains("2 replicas are asked for, not 1"), "{error}");
    let two = swarm.settled("shop_web").await;

    // Somebody else changed something else since: that stays, and ours comes on top.
    swarm
        .elsewhere("shop_web", |spec| {
            spec.labels.get_or_insert_default().insert("team".into(), "shop".into());
        })
        .await;
    swarm.perform(&two, scale(&two, 3)).await.expect("scaled up");
    let three = swarm.settled("shop_web").await;
    assert_eq!((three.replicas, three.labels.get("team").map(String::as_str)), (Some(3), Some("shop")));

    // Made anew: every task is another one, and it is well only when the new ones run.
    let tasks = swarm.tasks("shop_web").await;
    swarm.perform(&three, Effect::ForceUpdate { version: three.version }).await.expect("made anew");
    let during = swarm.service("shop_web").await;
    assert!(!Sight::Service(during.clone()).is_well(), "{during:?}");
    wait::until("the rollout has begun", SOON, async || {
        let service = swarm.service("shop_web").await;
        if service.updating { Ok(()) } else { Err(format!("{service:?}")) }
    })
    .await;
    for effect in [scale(&three, 2), Effect::ForceUpdate { version: three.version }] {
        let error = swarm.perform(&three, effect).await.expect_err("a rollout runs");
        assert!(error.nothing_sent() && error.to_string().contains("rollout"), "{error}");
    }
    let after = swarm.settled("shop_web").await;
    let now = swarm.tasks("shop_web").await;
    assert!(now.len() == 3 && tasks.iter().all(|task| !now.contains(task)), "{tasks:?} {now:?}");
    assert_eq!((after.replicas, after.labels.len()), (Some(3), 2), "nothing else changed");

    // One per node: no number to change, but it can be made anew.
    let global = swarm.settled("shop_agent").await;
    assert_eq!((global.replicas, global.running), (None, 1));
    let error = swarm.perform(&global, Effect::SetReplicas { version: global.version, from: 1, to: 2 }).await;
    assert!(error.as_ref().is_err_and(PlatformError::nothing_sent), "{error:?}");
    swarm.perform(&global, Effect::ForceUpdate { version: global.version }).await.expect("made anew");

    // Gone.
    swarm.client().delete_service("shop_web").await.expect("delete");
    assert_eq!(swarm.docker.look(&target("shop_web"), &pin).await.unwrap(), None);
    assert!(swarm.perform(&after, scale(&after, 2)).await.expect_err("gone").nothing_sent());
}

#[tokio::test]
async fn a_change_that_came_too_late_is_made_once_more_from_what_is_there_now() {
    let id = "0a1b2c3d4e5f6g7h8i9j0k1l2";
    let late = |times: usize, replicas_then: u64| {
        let (updates, looks) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let canned = Canned::start(move |path| {
            if path.contains("/update") {
                seen.lock().unwrap().push(path.to_owned());
                let too_late = updates.fetch_add(1, Ordering::SeqCst) < times;
                let late = r#"{"message":"rpc error: code = Unknown desc = update out of sequence"}"#;
                return if too_late { reply(500, late) } else { reply(200, r#"{"Warnings":null}"#) };
            }
            let look = looks.fetch_add(1, Ordering::SeqCst) as u64;
            let (version, replicas) = if look == 0 { (10, 2) } else { (11, replicas_then) };
            let spec =
                format!(r#"{{"Name":"web","TaskTemplate":{{}},"Mode":{{"Replicated":{{"Replicas":{replicas}}}}}}}"#);
            reply(200, &format!(r#"{{"ID":"{id}","Version":{{"Index":{version}}},"Spec":{spec}}}"#))
        });
        (canned, asked)
    };
    let effect = Effect::SetReplicas { version: 10, from: 2, to: 3 };
    for (times, replicas_then, updates, result) in
        [(0, 2, 1, "done"), (1, 2, 2, "done"), (2, 2, 2, "docker_error"), (1, 5, 1, "unfit")]
    {
        let (canned, asked) = late(times, replicas_then);
        let pin = fettle_core::sight::Pin { size: Some(2), ..super::pin(id) };
        let done = local(&canned.url()).0.perform(&target("web"), &pin, &effect).await;
        let said = done.answer.as_ref().map_or_else(PlatformError::reason, |()| "done");
        assert_eq!(said, result, "{times} {replicas_then}: {:?}", done.answer);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), updates, "{asked:?}");
        assert!(
            asked[0].contains("version=10") && asked.iter().skip(1).all(|it| it.contains("version=11")),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_daemon_without_a_swarm_says_so() {
    let (_daemon, docker) = real().await;
    let error = docker.find(&target("shop_web"), Wanted::default()).await.expect_err("no swarm");
    assert!(matches!(error, PlatformError::Answered { status: 503, .. }), "{error:?}");
}
