//! A text with a name, and the problems found in it.

use std::cell::OnceCell;
use std::ops::Range;

use super::{Code, Diagnostic, Severity};

/// Most problems that are told of one source. Nobody reads more, and a file of nothing else must not cost more.
const MOST: usize = 1_000;

/// A text people wrote, as diagnostics speak of it.
#[derive(Debug)]
pub struct Source<'t> {
    /// The name shown.
    pub file: &'t str,
    /// All of it.
    pub text: &'t str,
    /// Where each line begins; made when the first place is asked for.
    lines: OnceCell<Vec<usize>>,
}

/// Bytes of a source as people count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'t> {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The whole line, without its end.
    pub text: &'t str,
    /// Characters meant, at least 1 and within the line.
    pub length: usize,
}

impl<'t> Source<'t> {
    /// `text` under the name `file`.
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, lines: OnceCell::new() }
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
        })
    }

    /// The byte at a line and column, both from 1 and the column in characters; the nearest place that exists.
    pub fn byte(&self, line: u64, column: u64) -> usize {
        let index = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
        let begin = self.lines().get(index(line)).copied().unwrap_or(self.text.len());
        let rest = self.text.get(begin..).unwrap_or("");
        let whole = rest.split('\n').next().unwrap_or(rest);
        begin + whole.char_indices().nth(index(column)).map_or(whole.len(), |(at, _)| at)
    }

    /// The line, from 1, that a byte is in.
    pub fn line(&self, byte: usize) -> usize {
        self.lines().partition_point(|begin| *begin <= byte)
    }

    /// Where `bytes` are; a range beyond the end or inside a character moves to the nearest place that exists.
    pub fn place(&self, bytes: Range<usize>) -> Place<'t> {
        let text = self.text;
        let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let (start, end) = (floor(bytes.start), floor(bytes.end));
        let lines = self.lines();
        let line = lines.partition_point(|begin| *begin <= start);
        let begin = lines.get(line - 1).copied().unwrap_or(0);
        let rest = &text[begin..];
        let whole = rest.split('\n').next().unwrap_or(rest);
        let whole = whole.strip_suffix('\r').unwrap_or(whole);
        let within = |at: usize| at.clamp(begin, begin + whole.len()) - begin;
        let before = &whole[..within(start)];
        let meant = &whole[within(start)..within(end).max(within(start))];
        Place { line, column: before.chars().count() + 1, text: whole, length: meant.trim_end().chars().count().max(1) }
    }
}

/// The problems of one source, as they are found.
#[derive(Debug)]
pub struct Report<'t> {
    /// What is being read.
    pub source: Source<'t>,
    /// In the order they were found.
    pub found: Vec<Diagnostic>,
}

impl<'t> Report<'t> {
    /// No problem yet.
    pub fn new(source: Source<'t>) -> Self {
        Self { source, found: Vec::new() }
    }

    /// A problem at these bytes.
    pub fn add(&mut self, code: &Code, bytes: &Range<usize>, message: impl Into<String>) {
        self.keep(code, |source| Diagnostic::at(code, source, bytes.clone(), message));
    }

    /// Nothing more is kept; looking for words to say it in is in vain.
    pub fn is_full(&self) -> bool {
        self.found.len() > MOST
    }

    /// Keeps a problem while there are not too many. One error more is kept, so that a source with errors always has one.
    fn keep(&mut self, code: &Code, problem: impl FnOnce(&Source<'t>) -> Diagnostic) {
        if self.found.len() < MOST {
            self.found.push(problem(&self.source));
        } else if self.found.len() == MOST && code.severity == Severity::Error {
            let mut last = problem(&self.source);
            last.message += "; further problems of this file are not told";
            self.found.push(last);
        }
    }

    /// A problem at these bytes, with advice.
    pub fn add_with_help(
        &mut self,
        code: &Code,
        bytes: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.keep(code, |source| Diagnostic::at(code, source, bytes.clone(), message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let source = Source::new("f", "a: ä\r\nbb: ccc\n");
        let place = |range| {
            let at = source.place(range);
            (at.line, at.column, at.text, at.length)
        };
        assert_eq!(place(0..1), (1, 1, "a: ä", 1));
        assert_eq!(place(3..5), (1, 4, "a: ä", 1));
        assert_eq!(place(11..14), (2, 5, "bb: ccc", 3));
        assert_eq!(place(7..99), (2, 1, "bb: ccc", 7));
        assert_eq!(place(99..200), (3, 1, "", 1));
        assert_eq!(place(4..5), (1, 4, "a: ä", 1), "inside a character");
    }
}
