//! fettle: an Alertmanager webhook receiver and remediation engine.
//!
//! # The path of an alert
//!
//! ```text
//! Alertmanager ── POST /webhook ──▶ http       authenticate, bound
//!                                    ▼
//!                                  engine::intake     parse, one inbox row in a group commit ──▶ 202
//!                                    ▼
//!                                  engine::receive    core::select (alert × rules), core::receive (episodes, openings):
//!                                    ▼                one transaction per batch; one open remediation per target
//!                                  engine::worker     claim by lease, a bounded number at a time
//!                                    ▼
//!                                  engine::driver     load facts, core::decide, answer its questions, store state and rows
//!                                    ▼
//!                                  core::guard        in order, cheapest first; the budget last, under its lock
//!                                    ▼
//!                                  engine::execute    intent row ▸ Docker call with a deadline ▸ result row
//!                                    ▼
//!                                  core::verdict      is the target well, for long enough? is the alert gone?
//!                                    ▼
//!                                  closed: verdict, audit row, metrics; or the next rung of the ladder
//! ```
//!
//! # If the process dies between any two lines
//!
//! Before the commit of the inbox row nothing was acknowledged, and Alertmanager sends again. After it the row is pending
//! and is taken in by whoever starts next. An open remediation has a due time and a lease; when its holder is dead it is
//! claimed by another. A stored intent without a result means that nobody knows: Docker is looked at, and an unchanged
//! container proves nothing before the daemon can be done with it. A result that could not be stored is found again by
//! the same look.
//!
//! # The guards
//!
//! Each is a file in [`fettle_core::guard`], in the order in which it is asked; what it does, with an example of the rule or
//! the setting that it reads, is in that file and in the README's table.
//!
//! - Asked before anything is looked at: `paused` (a person), `expired` and `resolved` (the alert itself), `silenced`
//!   (Alertmanager), `unless` (another alert), `outside_window` (the time).
//! - Asked of what was seen: `no_target`, `not_allowed` (the rule's permission), `other_host`, `ambiguous_target`, `swarm_task`,
//!   `not_enabled` (the target's own permission), `protected`, `stopped`, `on_loan`, `held_by_label`, `starting`, `earlier_run`,
//!   `min_healthy`; `storm` and `tripped` lower the mode; `not_scalable` (the step does not fit what was seen).
//! - Asked while the ledger is locked: `tripped` once more, `cooldown`, `in_flight`, `budget`; last `approval`, where the mode is
//!   `propose` or a person must agree.
//!
//! # The crates
//!
//! | crate | what it is | uses |
//! |---|---|---|
//! | [`fettle_core`] | what fettle knows and decides; the ports | |
//! | [`fettle_engine`] | the shell around the core: claims, drives, stores, announces | core |
//! | [`fettle_store`] | PostgreSQL and SQLite | core |
//! | `fettle_memory` | a store in memory and the model of Docker, for predictions, tests and the simulator | core |
//! | [`fettle_docker`] | Docker hosts | core |
//! | [`fettle_upstream`] | Alertmanager and Prometheus | core |
//! | [`fettle_predict`] | `explain`, `test`, `replay`, `reach` | core, engine, memory |
//! | `fettle` | this program: [`config`], [`telemetry`], [`http`], [`app`], [`cli`] | all |
//!
//! Cargo holds these arrows. The core has no I/O, no clock and no randomness: time and ids come in as arguments, what should
//! be done goes out as data, so that the same code runs in the service, in a rule test, in a replay and in the simulator.
//!
//! # Words
//!
//! An *alert* is one label set. An *episode* is one stretch of it firing. A *rule* says what an alert means. A *target* is
//! what may be touched. A *remediation* is the whole effort for one target; it climbs a ladder of *steps*. An *action* is
//! one attempt at one step: it has a *result* (did it happen?) and a *verdict* (did it help?). A *guard* refuses, an action
//! fails, a verification times out.

pub mod app;
pub mod cli;
pub mod config;
mod health;
pub mod http;
pub mod telemetry;
