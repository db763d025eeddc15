//! What any matching text must have: a length, one of some beginnings, endings or inner parts.
//!
//! Always holds: a text the filter turns away does not match; one it lets pass may still not. Thousands of rules name
//! different services, so nearly every pattern is turned away here, for nanoseconds and without ever being compiled.

use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};
use regex_syntax::hir::{Hir, HirKind};

/// Beginnings, endings or inner parts to compare at most. More make the comparison slower than it is selective.
const MAX_NEEDLES: usize = 16;

/// Necessary conditions on a matching text. An empty list of needles demands nothing.
#[derive(Debug)]
pub(super) struct Filter {
    min_len: usize,
    max_len: usize,
    starts: Box<[Box<[u8]>]>,
    ends: Box<[Box<[u8]>]>,
    inner: Box<[Box<str>]>,
}

impl Filter {
    /// The conditions `hir`, matched against a whole text, implies.
    pub(super) fn new(hir: &Hir) -> Self {
        let starts = needles(&literals(hir, ExtractKind::Prefix, MAX_NEEDLES));
        let ends = needles(&literals(hir, ExtractKind::Suffix, MAX_NEEDLES));
        // Only searched for when there is no end to look at, which is cheaper.
        let inner = if starts.is_empty() && ends.is_empty() { inner(hir) } else { None };
        let properties = hir.properties();
        Self {
            // Unknown as soon as one branch can never match.
            min_len: properties.minimum_len().unwrap_or(0),
            max_len: properties.maximum_len().unwrap_or(usize::MAX),
            starts,
            ends,
            inner: inner.unwrap_or_default().into_iter().map(Box::from).collect(),
        }
    }

    /// Whether `text` may match.
    pub(super) fn admits(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        (self.min_len..=self.max_len).contains(&bytes.len())
            && (self.starts.is_empty() || self.starts.iter().any(|start| bytes.starts_with(start)))
            && (self.ends.is_empty() || self.ends.iter().any(|end| bytes.ends_with(end)))
            && (self.inner.is_empty() || self.inner.iter().any(|part| text.contains(&**part)))
    }
}

/// The beginnings (or endings) of every text `hir` matches, `total` at most; infinite when that is too few.
pub(super) fn literals(hir: &Hir, kind: ExtractKind, total: usize) -> Seq {
    Extractor::new().kind(kind).limit_class(10).limit_total(total).extract(hir)
}

/// What of `seq` is worth comparing. An empty literal is in every text, so it voids the condition.
fn needles(seq: &Seq) -> Box<[Box<[u8]>]> {
    let literals = seq.literals().filter(|literals| literals.iter().all(|literal| !literal.is_empty()));
    literals.unwrap_or_default().iter().map(|literal| literal.as_bytes().into()).collect()
}

/// Literals of which every matching text contains one.
fn inner(hir: &Hir) -> Option<Vec<&str>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![str::from_utf8(&literal.0).ok()?]),
        HirKind::Capture(capture) => inner(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => inner(&repetition.sub),
        // The part whose shortest literal is longest turns away most.
        HirKind::Concat(parts) => {
            parts.iter().filter_map(inner).max_by_key(|needles| needles.iter().map(|needle| needle.len()).min())
        }
        HirKind::Alternation(parts) => {
            let needles = parts.iter().map(inner).collect::<Option<Vec<_>>>()?.concat();
            (needles.len() <= MAX_NEEDLES).then_some(needles)
        }
        _ => None,
    }
}
