//! What the tests stand on: real servers of their own, and faults that can be put between them and fettle.
//!
//! - [`postgres`]: one PostgreSQL for the run with a database per test, or a private one that can be killed.
//! - [`docker`]: one Docker daemon for the run, [`image`]s without a registry, [`container`]s that go when dropped.
//! - [`browser`]: a headless Chromium that clicks and types.
//! - [`contract`]: whether an answer is what the description of the API says.
//! - [`edge`]: the HTTP edge alone, spoken to byte by byte.
//! - [`engine`]: the engine alone, on any store and platform and on a clock that runs fast.
//! - [`exporter`]: what a scrape finds, as the test says.
//! - [`filter`]: a socket proxy that allows by method and path.
//! - [`pager`]: whoever Alertmanager would wake.
//! - [`proxy`]: a TCP or unix-socket relay that can be cut, stalled, and made to lose answers.
//! - [`server`]: how a server is found, started once, shared by test processes and ended with the run.
//! - [`swarm`]: a one-node swarm with services.
//! - [`volume`]: small file systems that can be filled.
//! - [`wait`]: waiting for a condition; tests do not sleep.
//!
//! It never skips. What is missing on the machine fails the test with the line to type.

pub mod browser;
pub mod container;
pub mod contract;
pub mod docker;
pub mod edge;
pub mod engine;
pub mod exporter;
pub mod fettle;
pub mod filter;
pub mod fuse;
pub mod image;
pub mod model;
pub mod pager;
pub mod postgres;
pub mod private_postgres;
pub mod process;
pub mod proxy;
pub mod server;
pub mod swarm;
pub mod volume;
pub mod wait;

use std::sync::atomic::{AtomicU32, Ordering};

/// A name that no other test, process or earlier run has: `stem-<pid>-<clock>-<n>`, legal for Docker and PostgreSQL (quoted).
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let clock = std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() % 1_000_000_000);
    format!("{stem}-{}-{clock}-{n}", std::process::id())
}

/// Fails the test because `program` is not installed, naming what to type.
pub fn missing(program: &str, package: &str) -> ! {
    panic!(
        "{program} is not installed; type: apt-get install -y {package}   (scripts/test-deps installs all that the tests need)"
    )
}

/// The library that gives a process another wall clock.
pub fn faketime() -> String {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    let found = folders.iter().map(|folder| format!("{folder}/libfaketime.so.1"));
    let found = found.into_iter().find(|path| std::path::Path::new(path).exists());
    found.unwrap_or_else(|| missing("libfaketime.so.1", "faketime"))
}
