//! The state machine on a virtual clock, with a container and a daemon that do as told.

mod checks;
mod docker;
mod driver;
mod effects;
mod ladder;
mod properties;
mod reloads;
mod waiting;
