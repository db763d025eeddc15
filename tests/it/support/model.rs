//! A container runtime that does what a test scripts, for faults that a real one cannot be made to have at a chosen instant.
//!
//! One container, which restarts when it is told to. Effects are counted where they happen.

use std::sync::Mutex;

use async_trait::async_trait;
use fettle_core::effect::Effect;
use fettle_core::ports::platform::{Performed, Platform, PlatformError};
use fettle_core::sight::{Container, Found, ImageLabel, Pin, Sight, Status, Wanted};
use fettle_core::target::Target;
use fettle_core::time::Timestamp;
use serde_json::{Value, json};

/// One container, `web`, that permits fettle.
#[derive(Debug)]
pub struct Model(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    sight: Container,
    restarts: Vec<String>,
}

impl Model {
    /// A running container, never restarted yet.
    pub fn running() -> Self {
        let sight = Container {
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
            number: None,
            memory_limit: None,
            nano_cpus: None,
            health_log: Vec::new(),
            dependents: Vec::new(),
        };
        Self(Mutex::new(Inner { sight, restarts: Vec::new() }))
    }

    /// How often it was restarted.
    pub fn restarts(&self) -> usize {
        self.0.lock().expect("one test").restarts.len()
    }

    fn sight(&self) -> Container {
        self.0.lock().expect("one test").sight.clone()
    }
}

#[async_trait]
impl Platform for Model {
    async fn find(&self, target: &Target, _: Wanted) -> Result<Found, PlatformError> {
        let sight = self.sight();
        Ok(if target.name() == Some("web") { Found::one(sight) } else { Found::Nothing })
    }

    async fn look(&self, _: &Target, pin: &Pin) -> Result<Option<Sight>, PlatformError> {
        Ok(Some(self.sight()).filter(|sight| sight.id == pin.id).map(Into::into))
    }

    async fn perform(&self, _: &Target, pin: &Pin, effect: &Effect) -> Performed {
        assert!(matches!(effect, Effect::Restart { .. }), "nothing else is asked of this model: {effect:?}");
        let mut inner = self.0.lock().expect("one test");
        inner.restarts.push(pin.id.clone());
        let second = 1_000_000 + i64::try_from(inner.restarts.len()).expect("few");
        inner.sight.started_at = Timestamp::from_second(second).ok();
        Performed { touched: json!({}), answer: Ok(()), short: None }
    }

    async fn evidence(&self, _: &Target, _: &Pin, _: u32) -> Value {
        json!({})
    }

    async fn targets(&self) -> Vec<(String, Result<Vec<Target>, PlatformError>)> {
        let web = Target::Container { host: "local".into(), name: "web".into() };
        vec![("local".to_owned(), Ok(vec![web]))]
    }

    async fn ping(&self) -> Vec<(String, Result<(), PlatformError>)> {
        vec![("local".to_owned(), Ok(()))]
    }
}
