//! Placeholder until the matcher branch is merged.
/// A matcher.
#[derive(Debug, Clone)]
pub struct Matcher;
