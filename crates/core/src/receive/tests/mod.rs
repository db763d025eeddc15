//! Notifications in, remediations out, against a store that is a few maps.

mod again;
mod episodes;
mod order;
mod shelf;
mod targets;
