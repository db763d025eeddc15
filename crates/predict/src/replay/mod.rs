//! What was received, gone through once more: other rules, other settings, on a virtual clock.
//!
//! The notifications of a period ([`source`]) go into a [`World`](super::world::World), in which the engine that ships is at
//! work; effects give what is assumed ([`assume`]), and what comes of it ([`run`]) stands beside what is on record
//! ([`record`], [`report`]).
//!
//! Always holds: nothing is touched, asked or written. Where the rules and settings are those of then, the replay of a
//! record gives what was done; `tests/it/agreement_replay.rs` holds that against the service on both databases.
//!
//! What a replay cannot know: what Docker would have shown of targets that fettle never looked at; what an effect would have
//! given that nobody tried; when an alert would have resolved if something else had been done. Ends and silences that fettle
//! learnt from Alertmanager's API are in no notification. What matters before the period (an alert that fired already,
//! effects that still count) is made up for by a stretch that is replayed and not counted.

pub mod assume;
pub mod effort;
pub mod record;
pub mod report;
pub mod run;
pub mod source;

mod sights;

#[cfg(test)]
mod tests;
