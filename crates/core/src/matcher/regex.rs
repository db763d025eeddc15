//! A value pattern with the meaning Alertmanager's Go gives it: `^(?:pattern)$`, always over the whole value.
//!
//! Always holds: `syntax` has read the pattern by Go's rules and `size` has bounded its automaton before a [`Pattern`]
//! exists, so matching never fails. Equal patterns are one allocation when they come through the same [`Patterns`].
//!
//! How it stays cheap with ten thousand of them: a pattern that is a list of words is a sorted list; `.*` and `.+` are two
//! questions; everything else first passes `filter`, and only the pattern that gets that far is compiled, once, on
//! the thread that needs it. Loading therefore costs a parse per distinct pattern.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::ExtractKind;
use regex_syntax::hir::{Class, Dot, Hir, HirKind, Look};

use filter::Filter;

pub use cursor::SyntaxError;

mod class;
mod cursor;
mod filter;
mod size;
mod syntax;
#[cfg(test)]
mod tests;

/// Words a pattern may spell out by way of groups and small classes (`web-[0-9]`) and still be kept as a list.
const MAX_SPELLED: usize = 64;
/// The lazy automaton's memory per pattern and direction. Label values are short, so few states are ever visited; the
/// default of 2 MiB is for searching files.
const AUTOMATON_BYTES: usize = 32 * 1024;

/// A checked pattern, compiled when first needed.
#[derive(Debug)]
pub struct Pattern {
    source: Box<str>,
    plan: Plan,
}

/// The cheapest way to answer.
#[derive(Debug)]
enum Plan {
    /// `.*`, `.+` and their `(?s)` forms: only emptiness and line breaks matter.
    Anything { empty: bool, line_breaks: bool },
    /// Exactly these words, sorted.
    Words(Box<[Box<str>]>),
    /// Anything else.
    Engine(Box<(Filter, OnceLock<Regex>)>),
}

impl Pattern {
    /// Checks `source` as Go would and finds the cheapest way to match it.
    pub fn new(source: &str) -> Result<Self, SyntaxError> {
        let hir = unanchored(syntax::parse(source)?);
        let plan = if let Some(anything) = anything(&hir) {
            anything
        } else if let Some(words) = words(&hir) {
            Plan::Words(words)
        } else if size::states(&hir) > size::MAX_STATES {
            return Err(SyntaxError::new("the pattern is too large: its counts and classes multiply", 0..source.len()));
        } else {
            Plan::Engine(Box::new((Filter::new(&hir), OnceLock::new())))
        };
        Ok(Self { source: source.into(), plan })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The words it is a list of, if it is one; sorted.
    pub fn words(&self) -> Option<&[Box<str>]> {
        match &self.plan {
            Plan::Words(words) => Some(words),
            Plan::Anything { .. } | Plan::Engine(_) => None,
        }
    }

    /// Whether it matches every value without a line break, and so in practice every value.
    pub fn is_everything(&self) -> bool {
        matches!(self.plan, Plan::Anything { empty: true, .. })
    }

    /// Whether it can be told that it matches no value at all.
    pub fn is_nothing(&self) -> bool {
        match &self.plan {
            Plan::Words(words) => words.is_empty(),
            Plan::Anything { .. } => false,
            Plan::Engine(_) => syntax::parse(&self.source).is_ok_and(|hir| is_nothing(&unanchored(hir))),
        }
    }

    /// Whether the pattern matches the whole of `value`.
    pub fn is_match(&self, value: &str) -> bool {
        match &self.plan {
            Plan::Anything { empty, line_breaks } => {
                (*empty || !value.is_empty()) && (*line_breaks || !value.contains('\n'))
            }
            Plan::Words(words) => words.binary_search_by(|word| (**word).cmp(value)).is_ok(),
            Plan::Engine(engine) => {
                engine.0.admits(value) && engine.1.get_or_init(|| compile(&self.source)).is_match(value)
            }
        }
    }
}

/// The patterns seen so far, so that equal ones are checked, kept and compiled once.
#[derive(Debug, Default)]
pub struct Patterns(HashSet<BySource>);

impl Patterns {
    /// The pattern written `source`, new or known.
    pub fn intern(&mut self, source: &str) -> Result<Arc<Pattern>, SyntaxError> {
        if let Some(known) = self.0.get(source) {
            return Ok(Arc::clone(&known.0));
        }
        let pattern = Arc::new(Pattern::new(source)?);
        self.0.insert(BySource(Arc::clone(&pattern)));
        Ok(pattern)
    }

    /// How many distinct patterns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug)]
struct BySource(Arc<Pattern>);

impl Borrow<str> for BySource {
    fn borrow(&self) -> &str {
        &self.0.source
    }
}

impl std::hash::Hash for BySource {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.source.hash(state);
    }
}

impl PartialEq for BySource {
    fn eq(&self, other: &Self) -> bool {
        self.0.source == other.0.source
    }
}

impl Eq for BySource {}

/// `hir` without a `^` at its start and a `$` at its end, which say what holds anyway.
fn unanchored(hir: Hir) -> Hir {
    if !matches!(hir.kind(), HirKind::Concat(_)) {
        return hir;
    }
    let HirKind::Concat(mut parts) = hir.into_kind() else { return Hir::empty() };
    while parts.last().is_some_and(|part| *part.kind() == HirKind::Look(Look::End)) {
        parts.pop();
    }
    let first = parts.iter().take_while(|part| *part.kind() == HirKind::Look(Look::Start)).count();
    Hir::concat(parts.split_off(first))
}

/// Whether it needs a character that does not exist, or one before the text begins or after it has ended.
fn is_nothing(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
        HirKind::Class(Class::Unicode(class)) => class.ranges().is_empty(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().is_empty(),
        HirKind::Repetition(repetition) => repetition.min > 0 && is_nothing(&repetition.sub),
        HirKind::Capture(capture) => is_nothing(&capture.sub),
        HirKind::Alternation(branches) => branches.iter().all(is_nothing),
        HirKind::Concat(parts) => parts.iter().any(is_nothing) || is_misplaced(parts),
    }
}

/// Whether the text would have to begin after one of its characters, or to end before one.
fn is_misplaced(parts: &[Hir]) -> bool {
    let needs = |part: &Hir| part.properties().minimum_len() > Some(0);
    let look = |look: Look| move |part: &Hir| *part.kind() == HirKind::Look(look);
    let (first, last) = (parts.iter().position(needs), parts.iter().rposition(needs));
    let begins = parts.iter().rposition(look(Look::Start));
    let ends = parts.iter().position(look(Look::End));
    first.zip(begins).is_some_and(|(first, begins)| begins > first)
        || last.zip(ends).is_some_and(|(last, ends)| ends < last)
}

fn anything(hir: &Hir) -> Option<Plan> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    if repetition.min > 1 || repetition.max.is_some() {
        return None;
    }
    let line_breaks = *repetition.sub == Hir::dot(Dot::AnyChar);
    (line_breaks || *repetition.sub == Hir::dot(Dot::AnyCharExceptLF))
        .then_some(Plan::Anything { empty: repetition.min == 0, line_breaks })
}

/// The words `hir` stands for, if it is nothing but a list of them.
fn words(hir: &Hir) -> Option<Box<[Box<str>]>> {
    let mut words = match hir.kind() {
        HirKind::Alternation(branches) if branches.iter().all(is_word) => {
            branches.iter().map(word).collect::<Option<Vec<_>>>()?
        }
        // The extraction takes assertions for empty text, so there must be none.
        _ if hir.properties().look_set().is_empty() => {
            let seq = filter::literals(hir, ExtractKind::Prefix, MAX_SPELLED);
            let literals = seq.literals().filter(|_| seq.is_exact())?;
            literals
                .iter()
                .map(|literal| Some(str::from_utf8(literal.as_bytes()).ok()?.into()))
                .collect::<Option<_>>()?
        }
        _ => return None,
    };
    words.sort_unstable();
    words.dedup();
    Some(words.into())
}

fn is_word(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Literal(_) | HirKind::Empty)
}

fn word(hir: &Hir) -> Option<Box<str>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(str::from_utf8(&literal.0).ok()?.into()),
        _ => Some(Box::default()),
    }
}

/// Builds the engine for a pattern [`Pattern::new`] accepted.
fn compile(source: &str) -> Regex {
    let hir = syntax::parse(source).expect("a pattern that was read once reads again");
    let hir = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
    RegexBuilder::new(&hir.to_string())
        // Bounded already, by `size`, where the bound could still be reported to whoever wrote the rule.
        .size_limit(usize::MAX)
        .nest_limit(u32::MAX)
        .dfa_size_limit(AUTOMATON_BYTES)
        .build()
        .expect("a syntax tree within the limits prints as a pattern that compiles")
}
