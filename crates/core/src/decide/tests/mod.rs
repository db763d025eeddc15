//! The state machine on a virtual clock, with a container and a daemon that do as told.

mod away;
mod checks;
mod docker;
mod driver;
mod effects;
mod group;
mod ladder;
mod orders;
mod people;
mod properties;
mod rails;
mod reconsidering;
mod reloads;
mod surveys;
mod waiting;
