//! Go's regular expression syntax (RE2 with Perl flags), read into the tree the `regex` crate works with.
//!
//! Go's grammar is read by its own rules rather than patched into Rust's dialect: the tree is built directly, so
//! nothing Rust would understand differently (`\d`, `\<`, `[a&&b]`, `{`) ever reaches its parser. The source followed is
//! `regexp/syntax/parse.go`.
//!
//! Always holds: what is accepted here, Go accepts; the tree matches the same strings. Groups and laziness leave no
//! trace in the tree, since they change where a match is found and never whether the whole text matches.
//! Deliberately narrower than Go in four places: nesting ends at [`MAX_HEIGHT`]; an unpaired `)` is refused, though
//! pasted into `^(?:…)$` it may pair up and silently lose the anchors; an unclosed `\Q` is refused for the same reason
//! (Go refuses it too, by way of the missing parenthesis); and `\p{…}` takes exact names only (see `class`).

use regex_syntax::hir::{Capture, Class, Dot, Hir, HirKind, Look, Repetition};

use super::class;
use super::cursor::{Cursor, SyntaxError};

/// The largest count in `{n,m}`, and the largest product of nested ones; Go's `maxRepeat`.
const MAX_REPEAT: u32 = 1000;
/// Groups and repetitions inside one another. Go stops at a tree height of 1000; ours are walked recursively on worker
/// stacks of 2 MiB, and RE2's authors found nothing deeper than 128 in the wild.
pub(super) const MAX_HEIGHT: u32 = 128;

/// The flags that change what matches. `U` is read and forgotten: see the module docs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    /// `i`: letters match in either case, by Unicode's simple folding.
    pub(super) fold: bool,
    /// `m`: `^` and `$` also match at line breaks.
    multi_line: bool,
    /// `s`: `.` matches a line break.
    dot_all: bool,
}

/// A finished piece of the tree with what the limits need to know of it.
struct Piece {
    hir: Hir,
    /// Groups and repetitions on its deepest path.
    height: u32,
    /// The largest product of counted repetitions on any path.
    repeats: u32,
}

/// An open group; the outermost one is the whole pattern.
#[derive(Default)]
struct Group {
    opened_at: usize,
    flags_outside: Flags,
    branches: Vec<Piece>,
    pieces: Vec<Piece>,
}

/// Reads `pattern` as Go would.
pub(super) fn parse(pattern: &str) -> Result<Hir, SyntaxError> {
    let mut parser =
        Parser { cursor: Cursor::new(pattern), flags: Flags::default(), open: vec![], top: Group::default() };
    // Go looks back exactly one token for a stacked repetition, so `a**` is refused and `a*(?i)*` is not.
    let mut after_repeat = false;
    while let Some(c) = parser.cursor.peek() {
        after_repeat = parser.token(c, after_repeat)?;
    }
    if !parser.open.is_empty() {
        let at = parser.top.opened_at;
        return Err(SyntaxError::new("the group is never closed", at..at + 1));
    }
    Ok(parser.top.close().hir)
}

struct Parser<'p> {
    cursor: Cursor<'p>,
    flags: Flags,
    /// The groups around `top`, outermost first.
    open: Vec<Group>,
    top: Group,
}

impl Parser<'_> {
    /// Reads one token; true if it was a repetition.
    fn token(&mut self, c: char, after_repeat: bool) -> Result<bool, SyntaxError> {
        let at = self.cursor.at();
        match c {
            '(' if self.cursor.rest().starts_with("(?") => self.flags_or_group()?,
            '(' => {
                self.cursor.bump();
                self.enter(at, self.flags);
            }
            ')' => self.leave()?,
            '|' => {
                self.cursor.bump();
                let branch = concat(std::mem::take(&mut self.top.pieces));
                self.top.branches.push(branch);
            }
            '^' => self.atom(Hir::look(if self.flags.multi_line { Look::StartLF } else { Look::Start })),
            '$' => self.atom(Hir::look(if self.flags.multi_line { Look::EndLF } else { Look::End })),
            '.' => self.atom(Hir::dot(if self.flags.dot_all { Dot::AnyChar } else { Dot::AnyCharExceptLF })),
            '[' => {
                let class = class::bracketed(&mut self.cursor, self.flags)?;
                self.push(class);
            }
            '*' | '+' | '?' => {
                self.cursor.bump();
                let (min, max) = match c {
                    '*' => (0, None),
                    '+' => (1, None),
                    _ => (0, Some(1)),
                };
                self.repeat(at, min, max, after_repeat)?;
                return Ok(true);
            }
            '{' => match self.cursor.counts()? {
                Some((min, max)) => {
                    self.repeat(at, min, max, after_repeat)?;
                    return Ok(true);
                }
                None => self.literal('{'),
            },
            '\\' => self.escape()?,
            c => self.literal(c),
        }
        Ok(false)
    }

    /// Consumes one character that stands for `hir`.
    fn atom(&mut self, hir: Hir) {
        self.cursor.bump();
        self.push(hir);
    }

    /// Consumes one character that stands for `c`.
    fn literal(&mut self, c: char) {
        self.atom(class::literal(u32::from(c), self.flags));
    }

    fn push(&mut self, hir: Hir) {
        self.top.pieces.push(Piece { hir, height: 0, repeats: 1 });
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let at = self.cursor.at();
        let look = match self.cursor.rest().chars().nth(1) {
            Some('A') => Look::Start,
            Some('z') => Look::End,
            Some('b') => Look::WordAscii,
            Some('B') => Look::WordAsciiNegate,
            Some('Q') => return self.quotation(),
            _ => {
                let hir = match class::escaped(&mut self.cursor, self.flags)? {
                    Some(class) => Hir::class(Class::Unicode(class)),
                    None => class::literal(self.cursor.escape()?, self.flags),
                };
                self.push(hir);
                return Ok(());
            }
        };
        self.cursor.seek(at + 2);
        self.push(Hir::look(look));
        Ok(())
    }

    /// `\Q…\E`: everything between is itself.
    fn quotation(&mut self) -> Result<(), SyntaxError> {
        let at = self.cursor.at();
        let Some(length) = self.cursor.rest().find(r"\E") else {
            return Err(SyntaxError::new(r"`\Q` is never closed by `\E`", at..at + 2));
        };
        self.cursor.seek(at + 2);
        while self.cursor.at() < at + length {
            if let Some(c) = self.cursor.peek() {
                self.literal(c);
            }
        }
        self.cursor.seek(at + length + 2);
        Ok(())
    }

    /// `(?flags)`, `(?flags:…)`, `(?P<name>…)` or `(?<name>…)`.
    fn flags_or_group(&mut self) -> Result<(), SyntaxError> {
        let at = self.cursor.at();
        let rest = self.cursor.rest();
        let named = ["(?P<", "(?<"].into_iter().find(|intro| rest.starts_with(intro));
        if let Some(intro) = named {
            let name = rest[intro.len()..].split_once('>').map(|(name, _)| name);
            let valid = |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let Some(name) = name.filter(valid) else {
                let why = "a group's name is ASCII letters, digits and `_`, and Go has no look-behind";
                return Err(SyntaxError::new(why, at..at + intro.len()));
            };
            self.cursor.seek(at + intro.len() + name.len() + 1);
            self.enter(at, self.flags);
            return Ok(());
        }
        self.cursor.seek(at + 2);
        let (mut flags, mut on, mut seen) = (self.flags, true, false);
        while let Some(c) = self.cursor.bump() {
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => {}
                '-' if on => {
                    (on, seen) = (false, false);
                    continue;
                }
                ':' | ')' if on || seen => {
                    if c == ':' {
                        self.enter(at, self.flags);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            seen = true;
        }
        let why = "Go knows the flags i, m, s and U, and no look-around or comments";
        Err(SyntaxError::new(why, at..self.cursor.at()))
    }

    fn enter(&mut self, opened_at: usize, flags_outside: Flags) {
        let group = Group { opened_at, flags_outside, ..Group::default() };
        self.open.push(std::mem::replace(&mut self.top, group));
    }

    fn leave(&mut self) -> Result<(), SyntaxError> {
        let at = self.cursor.at();
        self.cursor.bump();
        let outer = self.open.pop().ok_or_else(|| SyntaxError::new("this `)` closes nothing", at..at + 1))?;
        let group = std::mem::replace(&mut self.top, outer);
        self.flags = group.flags_outside;
        let mut piece = group.close();
        piece.height += 1;
        self.nest(piece, at)
    }

    /// Repeats the piece before; `at` is where the operator began.
    fn repeat(&mut self, at: usize, min: u32, max: Option<u32>, after_repeat: bool) -> Result<(), SyntaxError> {
        self.cursor.eat('?');
        let here = at..self.cursor.at();
        if after_repeat {
            return Err(SyntaxError::new("Go refuses a repetition of a repetition", here));
        }
        let Some(mut piece) = self.top.pieces.pop() else {
            return Err(SyntaxError::new("there is nothing before this to repeat", here));
        };
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT) {
            return Err(SyntaxError::new("Go repeats at most 1000 times", here));
        }
        if max.is_some_and(|max| max < min) {
            return Err(SyntaxError::new("the counts are the wrong way round", here));
        }
        piece.repeats = match max {
            Some(0) => 1,
            // Both factors are at most 1000, so this cannot overflow.
            _ => piece.repeats * max.unwrap_or(min).max(1),
        };
        if piece.repeats > MAX_REPEAT {
            return Err(SyntaxError::new("nested counts multiply to more than Go's limit of 1000", here));
        }
        piece.height += 1;
        // Printed, a repetition of a bare repetition would read as a lazy one: `(a{2})?` as `a{2}?`.
        let sub = match piece.hir.kind() {
            HirKind::Repetition(_) => Hir::capture(Capture { index: 1, name: None, sub: Box::new(piece.hir) }),
            _ => piece.hir,
        };
        piece.hir = Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(sub) });
        self.nest(piece, at)
    }

    fn nest(&mut self, piece: Piece, at: usize) -> Result<(), SyntaxError> {
        if piece.height > MAX_HEIGHT {
            return Err(SyntaxError::new("groups and repetitions nest deeper than 128", at..at + 1));
        }
        self.top.pieces.push(piece);
        Ok(())
    }
}

impl Group {
    fn close(mut self) -> Piece {
        self.branches.push(concat(self.pieces));
        combine(self.branches, Hir::alternation)
    }
}

fn concat(pieces: Vec<Piece>) -> Piece {
    combine(pieces, Hir::concat)
}

fn combine(pieces: Vec<Piece>, how: fn(Vec<Hir>) -> Hir) -> Piece {
    let height = pieces.iter().map(|piece| piece.height).max().unwrap_or(0);
    let repeats = pieces.iter().map(|piece| piece.repeats).max().unwrap_or(1);
    Piece { hir: how(pieces.into_iter().map(|piece| piece.hir).collect()), height, repeats }
}
