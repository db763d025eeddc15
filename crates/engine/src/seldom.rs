//! Complaints that a sender can cause at will: at most one a minute for each key, with the number that went unsaid.
//!
//! Always holds: memory is bounded, whatever the keys are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Keys that are remembered. More senders than that at once share the last place.
const KEYS: usize = 256;

/// Says when a repeated complaint may be said again.
pub struct Seldom {
    every: Duration,
    said: Mutex<BTreeMap<String, (Instant, u64)>>,
}

impl Default for Seldom {
    /// Once a minute.
    fn default() -> Self {
        Self::new(Duration::from_mins(1))
    }
}

impl Seldom {
    /// Once per `every` and key.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, said: Mutex::default() }
    }

    /// Whether to say it now: then how often it went unsaid since the last time.
    pub fn due(&self, key: &str) -> Option<u64> {
        self.due_at(key, Instant::now())
    }

    fn due_at(&self, key: &str, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= KEYS && !said.contains_key(key) {
            said.retain(|_, (at, _)| now.duration_since(*at) < self.every);
        }
        let key = if said.len() >= KEYS && !said.contains_key(key) { "" } else { key };
        match said.get_mut(key) {
            Some((at, unsaid)) if now.duration_since(*at) < self.every => {
                *unsaid += 1;
                None
            }
            Some(entry) => Some(std::mem::replace(entry, (now, 0)).1),
            None => {
                said.insert(key.to_owned(), (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_said_once_a_minute_with_the_number_that_went_unsaid() {
        let seldom = Seldom::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(seldom.due_at("a", at(0)), Some(0));
        assert_eq!(seldom.due_at("a", at(10)), None);
        assert_eq!(seldom.due_at("b", at(20)), Some(0), "another key has its own minute");
        assert_eq!(seldom.due_at("a", at(59)), None);
        assert_eq!(seldom.due_at("a", at(61)), Some(2));
        assert_eq!(seldom.due_at("a", at(62)), None);
    }

    #[test]
    fn many_keys_at_once_do_not_grow_it_and_old_ones_make_room() {
        let seldom = Seldom::default();
        let start = Instant::now();
        let said = (0..10_000).filter(|n| seldom.due_at(&n.to_string(), start).is_some()).count();
        assert_eq!(said, KEYS + 1);
        assert!(seldom.said.lock().expect("test").len() <= KEYS + 1);
        assert_eq!(seldom.due_at("new", start + Duration::from_mins(2)), Some(0));
    }
}
