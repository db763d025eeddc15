//! Matchers: which alerts a rule speaks of, written and understood as Alertmanager does.
//!
//! [`parse`] reads the UTF-8 grammar (`grammar`), a regular expression means what Go's RE2 makes of it (`regex`), and
//! [`Matcher`] prints the text Alertmanager would print.
//!
//! Always holds: a matcher that exists can be evaluated; evaluating never fails and takes time linear in the value. A
//! missing label equals an empty one. A regular expression covers the whole value, never a part.
//! Does not combine: a list means all of it, and who asks does the asking.

use std::fmt;
use std::sync::Arc;

use crate::alert::labels::Labels;

pub use doubt::{Doubt, doubt};
pub use grammar::{ParseError, parse, parse_with};
pub use regex::{Pattern, Patterns, SyntaxError};

mod classic;
mod doubt;
mod grammar;
mod quote;
mod regex;
#[cfg(test)]
mod tests;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
}

impl Op {
    /// Every operator, `=~` before the `=` it begins with.
    const ALL: [Self; 4] = [Self::Match, Self::Equal, Self::NotEqual, Self::NotMatch];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }

    /// Whether the value is a regular expression.
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Match | Self::NotMatch)
    }

    /// Whether the answer is turned round.
    pub fn is_negated(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotMatch)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: Box<str>,
    op: Op,
    test: Test,
}

/// Whether an alert with these labels satisfies all of them.
#[must_use]
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// What the value is held against. The operator says which, and whether the answer is turned round.
#[derive(Debug, Clone)]
enum Test {
    Equals(Box<str>),
    Matches(Arc<Pattern>),
}

impl Matcher {
    fn equality(name: String, op: Op, value: String) -> Self {
        Self { name: name.into(), op, test: Test::Equals(value.into()) }
    }

    fn regex(name: String, op: Op, pattern: Arc<Pattern>) -> Self {
        Self { name: name.into(), op, test: Test::Matches(pattern) }
    }

    /// The label's name; never empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the value is compared.
    pub fn op(&self) -> Op {
        self.op
    }

    /// The value or pattern to compare with, unquoted.
    pub fn value(&self) -> &str {
        match &self.test {
            Test::Equals(value) => value,
            Test::Matches(pattern) => pattern.as_str(),
        }
    }

    /// The values it lets through, each once, if there are few and they can be told; `""` stands for an absent label.
    pub fn only(&self) -> Option<Vec<&str>> {
        match &self.test {
            _ if self.op.is_negated() => None,
            Test::Equals(value) => Some(vec![value]),
            Test::Matches(pattern) => pattern.words().map(|words| words.iter().map(|word| &**word).collect()),
        }
    }

    /// Whether no value could ever satisfy the condition.
    pub fn is_never(&self) -> bool {
        match &self.test {
            Test::Equals(_) => false,
            Test::Matches(pattern) if self.op.is_negated() => pattern.is_everything(),
            Test::Matches(pattern) => pattern.is_nothing(),
        }
    }

    /// Whether an alert with these labels satisfies the condition.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name))
    }

    /// Whether the label may be absent or empty.
    pub fn matches_empty(&self) -> bool {
        self.matches_value("")
    }

    /// Whether `value` satisfies the condition; `""` stands for an absent label.
    pub fn matches_value(&self, value: &str) -> bool {
        let holds = match &self.test {
            Test::Equals(wanted) => **wanted == *value,
            Test::Matches(pattern) => pattern.is_match(value),
        };
        holds != self.op.is_negated()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (self.op, &self.name, self.value()) == (other.op, &other.name, other.value())
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    /// The text Alertmanager prints, which [`parse`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_matcher(f, &self.name, self.op, self.value())
    }
}

/// Alertmanager's canonical text: a name that needs quotes brings Go's quoting for both sides; otherwise the value has
/// the three `OpenMetrics` escapes only, so a tab in it stays a tab.
fn write_matcher(f: &mut fmt::Formatter<'_>, name: &str, op: Op, value: &str) -> fmt::Result {
    if name.contains(quote::is_reserved) {
        write!(f, "{}{op}{}", quote::quote(name), quote::quote(value))
    } else {
        write!(f, "{name}{op}\"{}\"", quote::escape(value))
    }
}
