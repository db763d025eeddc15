//! How following each host goes, for health.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fettle_core::ports::{PlatformError, chain};

/// Why the events of a host are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether the daemon, or a proxy before it, refuses to show them: that does not end by itself.
    pub denied: bool,
    /// For people.
    pub why: String,
}

/// The hosts whose events are not followed now.
#[derive(Debug, Default)]
pub struct Follows(Mutex<BTreeMap<String, Trouble>>);

impl Follows {
    /// The hosts in trouble, by name.
    #[must_use]
    pub fn troubles(&self) -> Vec<(String, Trouble)> {
        self.lock().iter().map(|(host, trouble)| (host.clone(), trouble.clone())).collect()
    }

    /// The events of this host are not to be followed, by its settings.
    pub fn switch_off(&self, host: &str) {
        let why = "`events: false` in the settings of the host".to_owned();
        self.lock().insert(host.to_owned(), Trouble { denied: true, why });
    }

    /// This host is followed, by this process or another.
    pub(super) fn works(&self, host: &str) {
        self.lock().remove(host);
    }

    /// This host is not followed; whether that is new.
    pub(super) fn failed(&self, host: &str, error: &PlatformError) -> bool {
        let denied = matches!(error, PlatformError::Answered { .. });
        let trouble = Trouble { denied, why: chain(error) };
        self.lock().insert(host.to_owned(), trouble).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
