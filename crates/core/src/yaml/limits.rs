//! What a file may cost before it is refused.

use serde_yaml::options::DuplicateKeyPolicy;
use serde_yaml::{Budget, Options};

/// Far above any real file (ten thousand rules are 0.3 million nodes), far below what would hurt: at this limit the tree takes
/// some 100 MB for a moment.
const NODES: usize = 500_000;

/// Nothing that fettle reads is nested more than eight levels.
const DEPTH: usize = 32;

pub(super) fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_nodes = NODES;
    budget.max_events = 2 * NODES;
    budget.max_depth = DEPTH;
    budget.flow_nesting_limit = DEPTH;
    // Anchors are for saying a thing a few times over, and each repetition costs as much as writing it out.
    budget.max_recorded_anchor_events = NODES / 10;
    // A stream of documents is refused anyway; this keeps the refusal cheap.
    budget.max_documents = 2;
    let mut options = Options::default();
    options.alias_limits.max_total_replayed_events = NODES / 10;
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    options
}
