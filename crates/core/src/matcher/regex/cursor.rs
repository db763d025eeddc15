//! A place in a pattern, and the lexical forms Go has everywhere: single-character escapes and counts.
//!
//! Always holds: the place is on a character boundary, and every read moves it forward or leaves it.
//! Does not know classes or groups: see `class` and `syntax`.

use std::ops::Range;

/// Why Go would refuse a pattern, and the bytes of the pattern that are to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// A lowercase clause: what is wrong and why.
    pub message: String,
    /// Byte range in the pattern.
    pub at: Range<usize>,
}

impl SyntaxError {
    pub(super) fn new(message: impl Into<String>, at: Range<usize>) -> Self {
        Self { message: message.into(), at }
    }
}

pub(super) struct Cursor<'p> {
    pattern: &'p str,
    at: usize,
}

impl<'p> Cursor<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Self { pattern, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves to `at`, which the caller took from a search in [`Self::rest`].
    pub(super) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn rest(&self) -> &'p str {
        &self.pattern[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// The error "{text read since `start`} {why}".
    pub(super) fn refuse(&self, start: usize, why: &str) -> SyntaxError {
        SyntaxError::new(format!("`{}` {why}", &self.pattern[start..self.at]), start..self.at)
    }

    /// `{n}`, `{n,}` or `{n,m}` if that is what stands here; anything else is a literal brace, as in Go.
    pub(super) fn counts(&mut self) -> Result<Option<(u32, Option<u32>)>, SyntaxError> {
        let start = self.at;
        let body = &self.rest()[1..];
        let end = body.find(|c: char| !c.is_ascii_digit() && c != ',').filter(|end| body[*end..].starts_with('}'));
        let Some(inside) = end.map(|end| &body[..end]) else { return Ok(None) };
        let (min, max) = inside.split_once(',').map_or((inside, None), |(min, max)| (min, Some(max)));
        // No leading zeros: Go reads `a{01}` as text.
        let number = |s: &str| !s.contains(',') && (s.len() == 1 || !s.starts_with('0'));
        if min.is_empty() || !number(min) || max.is_some_and(|max| !max.is_empty() && !number(max)) {
            return Ok(None);
        }
        self.at += inside.len() + 2;
        let parse = |s: &str| s.parse::<u32>().map_err(|_| self.refuse(start, "counts beyond Go's limit of 1000"));
        let min = parse(min)?;
        Ok(Some(match max {
            None => (min, Some(min)),
            Some("") => (min, None),
            Some(max) => (min, Some(parse(max)?)),
        }))
    }

    /// A single-character escape, from its backslash; the code may be a surrogate, which Go accepts and no text has.
    pub(super) fn escape(&mut self) -> Result<u32, SyntaxError> {
        let start = self.at;
        self.bump();
        let Some(c) = self.bump() else {
            return Err(SyntaxError::new("the pattern ends in a lone backslash", start..self.at));
        };
        match c {
            'a' => Ok(0x07),
            'f' => Ok(0x0c),
            'n' => Ok(0x0a),
            'r' => Ok(0x0d),
            't' => Ok(0x09),
            'v' => Ok(0x0b),
            'x' => self.hex().ok_or_else(|| self.refuse(start, "is not a hexadecimal escape: \\xHH or \\x{H…}")),
            '0'..='7' => {
                let more = self.rest().bytes().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
                if c != '0' && more == 0 {
                    return Err(self.refuse(start, "is a backreference, which Go does not have"));
                }
                self.at += more;
                let digits = self.pattern[start + 1..self.at].bytes();
                Ok(digits.fold(0, |code, digit| code * 8 + u32::from(digit - b'0')))
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(u32::from(c)),
            'Z' => Err(self.refuse(start, "is unknown to Go; the pattern is anchored already")),
            'u' => Err(self.refuse(start, "is unknown to Go; write \\x{…}")),
            _ => Err(self.refuse(start, "is an escape Go does not know")),
        }
    }

    /// What follows `\x`: two digits, or any number in braces.
    fn hex(&mut self) -> Option<u32> {
        if !self.eat('{') {
            let high = self.bump()?.to_digit(16)?;
            return Some(high * 16 + self.bump()?.to_digit(16)?);
        }
        let mut code = None;
        while !self.eat('}') {
            let next = code.unwrap_or(0) * 16 + self.bump()?.to_digit(16)?;
            code = Some(next).filter(|code| *code <= u32::from(char::MAX));
            code?;
        }
        code
    }
}
