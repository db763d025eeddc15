//! fettle: an Alertmanager webhook receiver and remediation engine.
pub mod app;
pub mod config;
pub mod core;
pub mod diagnostic;
pub mod engine;
pub mod http;
pub mod platform;
pub mod store;
pub mod telemetry;
