//! fettle's integration tests: one binary, a module per stage, against real servers.
//!
//! Everything lives under `#[cfg(test)]` so that the lints know these are tests. What the tests stand on (PostgreSQL,
//! Docker, faults in between) is in `support`; it never skips: a missing server fails the test and names the packages.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod agreement_replay;
#[cfg(test)]
mod alertmanager;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod check;
#[cfg(test)]
mod cli;
mod clocks;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crash_points;
#[cfg(test)]
mod docker;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod grafana;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod late;
#[cfg(test)]
mod page;
#[cfg(test)]
mod people;
#[cfg(test)]
mod physics;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod store;
#[cfg(test)]
mod story;
#[cfg(test)]
mod support;
#[cfg(test)]
mod support_holds;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod watch_files;
