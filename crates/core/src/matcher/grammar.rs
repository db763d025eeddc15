//! Alertmanager's UTF-8 matcher grammar, exactly: what 0.27 and later accept under `utf8-strict-mode`.
//!
//! ```text
//! input    = [ "{" [ list ] "}" | list ]          white space between any tokens, nothing behind
//! list     = matcher *( "," matcher ) [ "," ]     all must match
//! matcher  = word op word
//! op       = "=" | "!=" | "=~" | "!~"
//! word     = 1*( neither white space nor {}!=~,\"'` ) | Go's double-quoted string
//! ```
//!
//! Always holds: one reading per input. There is no fallback to the classic parser, which reads some inputs differently;
//! where only that one would understand, the error says what to write instead.
//! Narrower than Alertmanager on purpose: an empty list and an empty label name are refused. The first matches every
//! alert, the second every alert or none, and no rule means that.

use std::ops::Range;

use super::regex::Patterns;
use super::{Matcher, Op, classic, quote};

/// Why an input is no list of matchers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// A lowercase clause: what is wrong and why.
    pub message: String,
    /// Byte range of the input that is to blame; empty where something is missing.
    pub at: Range<usize>,
    /// What to write instead, if that can be told.
    pub help: Option<String>,
}

impl ParseError {
    fn new(message: impl Into<String>, at: Range<usize>) -> Self {
        Self { message: message.into(), at, help: None }
    }
}

/// Reads `input` as a list of matchers, all of which must match.
pub fn parse(input: &str) -> Result<Vec<Matcher>, ParseError> {
    parse_with(input, &mut Patterns::default())
}

/// [`parse`], sharing regular expressions with everything else read with the same `patterns`.
pub fn parse_with(input: &str, patterns: &mut Patterns) -> Result<Vec<Matcher>, ParseError> {
    Parser { input, at: 0 }.list(patterns).map_err(|error| {
        let help = classic::hint(input).or(error.help);
        ParseError { help, ..error }
    })
}

/// A name or value as it stands in the input.
struct Word {
    text: String,
    at: Range<usize>,
    /// Where `text` begins in the input, if it stands there byte for byte.
    verbatim: Option<usize>,
}

struct Parser<'i> {
    input: &'i str,
    at: usize,
}

impl Parser<'_> {
    fn list(&mut self, patterns: &mut Patterns) -> Result<Vec<Matcher>, ParseError> {
        let braced = self.eat("{");
        let mut matchers = Vec::new();
        while !matches!(self.peek(), None | Some('}')) {
            matchers.push(self.matcher(patterns)?);
            if !self.eat(",") {
                break;
            }
        }
        let next = self.here();
        match (self.peek(), braced) {
            (Some('}'), true) => self.at = next.end,
            (Some('}'), false) => return Err(ParseError::new("this `}` has no opening brace", next)),
            (None, true) => return Err(ParseError::new("the opening brace is never closed", next)),
            (None, false) => {}
            (Some(_), _) => return Err(self.unexpected("expected a comma between matchers")),
        }
        if self.peek().is_some() {
            return Err(ParseError::new("expected nothing behind the closing brace", self.at..self.input.len()));
        }
        if matchers.is_empty() {
            let message = "expected at least one matcher: an empty list would match every alert";
            return Err(ParseError::new(message, 0..self.input.len()));
        }
        Ok(matchers)
    }

    fn matcher(&mut self, patterns: &mut Patterns) -> Result<Matcher, ParseError> {
        let name = self.word("expected a label name")?;
        if name.text.is_empty() {
            return Err(ParseError::new("a label name must not be empty", name.at));
        }
        let op = self.op()?;
        let value = self.word("expected a value; an empty one is written \"\"")?;
        if !op.is_regex() {
            return Ok(Matcher::equality(name.text, op, value.text));
        }
        let pattern = patterns.intern(&value.text).map_err(|wrong| {
            let at = value.verbatim.map_or(value.at, |start| start + wrong.at.start..start + wrong.at.end);
            ParseError::new(format!("the regular expression does not parse: {}", wrong.message), at)
        })?;
        Ok(Matcher::regex(name.text, op, pattern))
    }

    fn op(&mut self) -> Result<Op, ParseError> {
        self.peek();
        let known = Op::ALL.into_iter().find(|op| self.eat(op.as_str()));
        known.ok_or_else(|| self.unexpected("expected an operator (=, !=, =~ or !~)"))
    }

    fn word(&mut self, expected: &str) -> Result<Word, ParseError> {
        if self.peek() == Some('"') {
            return self.quoted();
        }
        let rest = &self.input[self.at..];
        let text = &rest[..rest.find(quote::is_reserved).unwrap_or(rest.len())];
        if text.is_empty() {
            return Err(self.unexpected(expected));
        }
        let start = self.at;
        self.at += text.len();
        Ok(Word { text: text.to_owned(), at: start..self.at, verbatim: Some(start) })
    }

    fn quoted(&mut self) -> Result<Word, ParseError> {
        let start = self.at;
        let mut escaped = false;
        let closing = self.input[start + 1..].find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some(length) = closing else {
            return Err(ParseError::new("the double quote is never closed", start..self.input.len()));
        };
        let body = &self.input[start + 1..start + 1 + length];
        self.at = start + length + 2;
        let text = quote::unquote(body)
            .map_err(|wrong| ParseError::new(wrong.message, start + 1 + wrong.at.start..start + 1 + wrong.at.end))?;
        let verbatim = (text == body).then_some(start + 1);
        Ok(Word { text, at: start..self.at, verbatim })
    }

    /// Skips white space and shows what follows it.
    fn peek(&mut self) -> Option<char> {
        let rest = self.input[self.at..].trim_start();
        self.at = self.input.len() - rest.len();
        rest.chars().next()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.peek();
        let found = self.input[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// The next character, or the empty range at the end.
    fn here(&mut self) -> Range<usize> {
        let length = self.peek().map_or(0, char::len_utf8);
        self.at..self.at + length
    }

    fn unexpected(&mut self, expected: &str) -> ParseError {
        let at = self.here();
        match self.peek() {
            None => ParseError::new(format!("{expected}, found the end"), at),
            Some(c) => {
                let mut error = ParseError::new(format!("{expected}, found `{c}`"), at);
                if matches!(c, '\\' | '\'' | '`' | '!' | '=' | '~' | '{' | '}' | ',') {
                    error.help = Some(format!("put text that contains `{c}` in double quotes"));
                }
                error
            }
        }
    }
}
