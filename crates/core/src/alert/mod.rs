//! Alertmanager's vocabulary: labels, fingerprints, the webhook body, and the episodes fettle numbers itself.

pub mod bounds;
pub mod episode;
pub mod fingerprint;
pub mod labels;
pub mod webhook;
