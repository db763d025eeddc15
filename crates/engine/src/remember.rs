//! Looks at the platform, completed by the stored history of the containers that they show.
//!
//! Docker forgets who ended a run; the follower has stored it. A look that cannot be completed fails: without the history a
//! container that a person stopped may look like one that crashed.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Followed, Performed, Platform, PlatformError};
use fettle_core::ports::{Store, chain};
use fettle_core::sight::{CallPath, Found, Pin, Sight, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;

/// A platform whose looks show who ended the runs of exited containers.
pub struct Remembering {
    platform: Arc<dyn Platform>,
    store: Arc<dyn Store>,
}

impl Remembering {
    /// Looks through `platform` and reads the history from `store`.
    #[must_use]
    pub fn new(platform: Arc<dyn Platform>, store: Arc<dyn Store>) -> Self {
        Self { platform, store }
    }

    async fn recall(&self, sight: &mut Sight) -> Result<(), PlatformError> {
        let ended = sight.ended_containers();
        if ended.is_empty() {
            return Ok(());
        }
        let past = self.store.past(sight.daemon(), &ended).await.map_err(|error| PlatformError::Broken {
            endpoint: "the stored history of runs".to_owned(),
            cause: chain(&error),
        })?;
        sight.recall(&past);
        Ok(())
    }
}

#[async_trait]
impl Platform for Remembering {
    async fn find(&self, target: &Target, wanted: Wanted) -> Result<Found, PlatformError> {
        let mut found = self.platform.find(target, wanted).await?;
        if let Found::One(sight) = &mut found {
            self.recall(sight).await?;
        }
        Ok(found)
    }

    async fn look(&self, target: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        let mut seen = self.platform.look(target, pin).await?;
        if let Some(sight) = &mut seen {
            self.recall(sight).await?;
        }
        Ok(seen)
    }

    async fn call_path(&self, target: &Target, pin: &Pin, effect: &Effect) -> CallPath {
        self.platform.call_path(target, pin, effect).await
    }

    async fn perform(&self, target: &Target, pin: &Pin, effect: &Effect) -> Performed {
        self.platform.perform(target, pin, effect).await
    }

    async fn evidence(&self, target: &Target, pin: &Pin, log_lines: u32) -> Value {
        self.platform.evidence(target, pin, log_lines).await
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        self.platform.targets().await
    }

    fn followed(&self) -> Vec<String> {
        self.platform.followed()
    }

    async fn daemon(&self, host: &str) -> Result<String, PlatformError> {
        self.platform.daemon(host).await
    }

    async fn follow(&self, host: &str, since: Option<Timestamp>) -> Result<Followed, PlatformError> {
        self.platform.follow(host, since).await
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        self.platform.ping().await
    }
}
