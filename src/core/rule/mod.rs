//! Remediation rules: from YAML with places, through every check, to an indexed set that never changes.

pub mod model;
