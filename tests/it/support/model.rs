//! A container runtime that does what a test scripts, for faults that a real one cannot be made to have at a chosen instant.
//!
//! One container, which restarts when it is told to. Effects are counted where they happen.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use fettle::core::sight::{Found, ImageLabel, Sight, Status};
use fettle::core::target::Target;
use fettle::core::time::Timestamp;
use fettle::platform::{Platform, PlatformError};

/// One container, `web`, that permits fettle.
#[derive(Debug)]
pub struct Model(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    sight: Sight,
    restarts: Vec<String>,
}

impl Model {
    /// A running container, never restarted yet.
    pub fn running() -> Self {
        let sight = Sight {
            daemon: "model".into(),
            id: "c0ffee".repeat(10) + "c0ff",
            name: "web".into(),
            labels: [("fettle.enable".to_owned(), "true".to_owned())].into(),
            image_label: ImageLabel::Absent,
            status: Status::Running,
            started_at: Timestamp::from_second(1_000_000).ok(),
            restart_count: 0,
            exit_code: 0,
            oom_killed: false,
            health: None,
            addresses: Vec::new(),
            stopped_by_hand: None,
        };
        Self(Mutex::new(Inner { sight, restarts: Vec::new() }))
    }

    /// How often it was restarted.
    pub fn restarts(&self) -> usize {
        self.0.lock().expect("one test").restarts.len()
    }

    fn sight(&self) -> Sight {
        self.0.lock().expect("one test").sight.clone()
    }
}

#[async_trait]
impl Platform for Model {
    async fn find(&self, target: &Target) -> Result<Found, PlatformError> {
        let sight = self.sight();
        Ok(if target.name() == Some("web") { Found::One(Box::new(sight)) } else { Found::Nothing })
    }

    async fn look(&self, _: &str, id: &str) -> Result<Option<Sight>, PlatformError> {
        Ok(Some(self.sight()).filter(|sight| sight.id == id))
    }

    async fn restart(&self, _: &str, id: &str, _: Duration) -> Result<(), PlatformError> {
        let mut inner = self.0.lock().expect("one test");
        inner.restarts.push(id.to_owned());
        let second = 1_000_000 + i64::try_from(inner.restarts.len()).expect("few");
        inner.sight.started_at = Timestamp::from_second(second).ok();
        Ok(())
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![("local".to_owned(), Ok(()))]
    }
}
