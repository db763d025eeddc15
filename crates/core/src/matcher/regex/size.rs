//! How large a pattern's automaton can get, told from the tree without building it.
//!
//! Always holds: the estimate is an upper bound on the states the `regex` crate compiles to, give or take sharing, so a
//! pattern inside [`MAX_STATES`] compiles in bounded time and memory when it is first needed. That is why loading need
//! not compile anything, and why compiling later cannot fail.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

/// States one pattern may need. Go allows some three million; a rule's pattern that needs more than 50,000 is a
/// mistake, and would cost about 5 MB and 30 ms at its first use. `.{1000}` needs 25,000, `\pL{1000}` would be over.
pub(super) const MAX_STATES: usize = 50_000;

/// An upper bound on the states `hir` compiles to.
pub(super) fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) if class.is_ascii() => 1,
        HirKind::Class(Class::Unicode(class)) => {
            let sequences = class.iter().flat_map(|range| Utf8Sequences::new(range.start(), range.end()));
            sequences.map(|sequence| sequence.len()).sum::<usize>() + 1
        }
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1) as usize;
            copies.saturating_mul(states(&repetition.sub).saturating_add(1)).saturating_add(1)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) => sum(parts),
        HirKind::Alternation(parts) => sum(parts).saturating_add(parts.len()),
    }
}

fn sum(parts: &[Hir]) -> usize {
    parts.iter().map(states).fold(0, usize::saturating_add)
}
