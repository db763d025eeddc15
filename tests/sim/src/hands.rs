//! A process's way to Docker: the model's client, which takes time, and on which a process may die or stand still before and
//! after each call.

use std::sync::Arc;

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::id::ReplicaId;
use fettle_core::ports::platform::{Followed, Performed, Platform, PlatformError};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use fettle_memory::physics::Client;
use serde_json::Value;

use crate::checks::Deed;
use crate::replica::Replica;
use crate::time::SECOND;
use crate::world::World;

/// The platform of one process.
pub struct Hands {
    world: Arc<World>,
    me: Arc<Replica>,
    owner: ReplicaId,
    client: Client,
}

impl Hands {
    /// The platform of the process `owner`.
    pub fn new(world: &Arc<World>, me: Arc<Replica>, owner: ReplicaId, client: Client) -> Self {
        Self { world: world.clone(), me, owner, client }
    }

    /// The daemon and the network take their time.
    async fn pause(&self) {
        self.world.step(&self.me).await;
        if self.world.chance(300) {
            let lasts = self.world.within(1) / 4;
            tokio::time::sleep_until(self.world.at(self.world.now() + lasts)).await;
            self.world.step(&self.me).await;
        }
    }
}

#[async_trait]
impl Platform for Hands {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        self.pause().await;
        let found = self.client.find(target, wanted).await;
        self.world.note(|| match &found {
            Ok(Found::One(sight)) => format!("looked at {target}: {}", shown(sight)),
            Ok(other) => format!("looked at {target}: {other:?}"),
            Err(error) => format!("looked at {target}: {error}"),
        });
        found
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        self.pause().await;
        let seen = self.client.look(target, pin).await;
        self.world.note(|| match &seen {
            Ok(sight) => format!("looked at {target}: {}", sight.as_ref().map_or("gone".to_owned(), shown)),
            Err(error) => format!("looked at {target}: {error}"),
        });
        seen
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.pause().await;
        self.client.call_path(target, pin, effect).await
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        let zombie = self.world.plan.weather.zombies && self.world.chance(200);
        if zombie {
            // The window that design §1 documents: stopped after the check of the lease, before the write of the request.
            self.world.checks().count("zombies");
            let lasts = 60 * SECOND + self.world.within(200);
            self.me.stand_still(&self.world, lasts);
            tokio::task::yield_now().await;
        }
        self.world.deed(&Deed::Called { owner: self.owner, target, pin, effect, zombie });
        let performed = self.client.perform(target, pin, effect).await;
        self.world.step(&self.me).await;
        performed
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        self.client.evidence(target, pin, log_lines).await
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        self.client.targets().await
    }

    fn followed(&self) -> Vec<String> {
        self.client.followed()
    }

    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        self.pause().await;
        self.client.daemon(host).await
    }

    async fn follow(&self, host: &str, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        self.pause().await;
        self.client.follow(host, since).await
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.client.ping().await
    }
}

/// A look, for the history of a schedule.
fn shown(sight: &Sight) -> String {
    match sight {
        Sight::Container(it) => {
            let (at, count, by) = (it.started_at, it.restart_count, it.stopped_by_hand);
            format!("{}, started {at:?}, restarted {count} times, stopped by hand {by:?}", sight.describe())
        }
        _ => format!("{}, {:?}", sight.describe(), sight.pin()),
    }
}
