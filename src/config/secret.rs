//! Which lines of a configuration are not shown.

/// Whether a line of configuration may hold a secret, so that it is better not shown.
pub(super) fn may_hold_one(line: &str) -> bool {
    let line = line.to_lowercase();
    ["token", "secret", "passw", "sha256", "database", "bearer"].iter().any(|word| line.contains(word))
        // A URL may have its password even where it is so wrong that it has no `://`.
        || line.contains('@')
        || (line.contains("://") && line.contains('?'))
}
