//! What was received, gone through once more: other rules, other settings, on a virtual clock.

pub mod source;
