//! What keeps this process from being ready, by name.
//!
//! Ready means: the store is migrated and takes notifications, recovery is done, rules are loaded, and the process was not
//! asked to stop. A process that is not ready claims nothing, decides nothing and prunes nothing. A missing Docker or
//! Alertmanager does not count: decisions that need them end honestly. Nor does a wrong wall clock: nothing is measured by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The database answers and its schema is in place.
    Store,
    /// What an earlier process left open may be decided.
    Recovery,
    /// A valid rule set is loaded.
    Rules,
    /// Nobody asked this process to stop.
    Serving,
}

/// What is unmet, with why.
#[derive(Debug)]
pub struct Readiness(Mutex<BTreeMap<Condition, String>>);

impl Default for Readiness {
    fn default() -> Self {
        let unmet = [
            (Condition::Store, "the database is not open yet"),
            (Condition::Recovery, "recovery is not done yet"),
            (Condition::Rules, "rules are not loaded yet"),
        ];
        Self(Mutex::new(unmet.map(|(condition, why)| (condition, why.to_owned())).into()))
    }
}

impl Readiness {
    /// `condition` holds from now on.
    pub fn met(&self, condition: Condition) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&condition);
    }

    /// `condition` does not hold, because of `why`.
    pub fn unmet(&self, condition: Condition, why: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(condition, why.into());
    }

    /// `Ok` when everything holds, else why not, in a fixed order.
    pub fn ready(&self) -> Result<(), Vec<String>> {
        let unmet = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unmet.is_empty() { Ok(()) } else { Err(unmet.values().cloned().collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_only_when_everything_holds_and_says_what_does_not() {
        let readiness = Readiness::default();
        assert_eq!(readiness.ready().map_err(|unmet| unmet.len()), Err(3));
        for condition in [Condition::Store, Condition::Recovery, Condition::Rules] {
            readiness.met(condition);
        }
        assert_eq!(readiness.ready(), Ok(()));
        readiness.unmet(Condition::Serving, "shutting down");
        assert_eq!(readiness.ready(), Err(vec!["shutting down".to_owned()]));
    }
}
