//! The tree, and how the parser's values become one.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

/// A value and the bytes of the source it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Quotes included; for lists and maps where they begin.
    pub at: Range<usize>,
    /// What stands there.
    pub value: Value,
}

impl Node {
    /// The bytes of everything in it, not only where it begins.
    pub fn extent(&self) -> Range<usize> {
        let parts: Vec<Range<usize>> = match &self.value {
            Value::Null | Value::Scalar(_) => Vec::new(),
            Value::List(items) => items.iter().map(Self::extent).collect(),
            Value::Map(entries) => entries.iter().flat_map(|it| [it.at.clone(), it.value.extent()]).collect(),
        };
        parts.into_iter().fold(self.at.clone(), |all, it| all.start.min(it.start)..all.end.max(it.end))
    }
}

/// What YAML can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text, numbers and booleans, as written but without quotes.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A map in the order written.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Range<usize>,
    /// What it holds.
    pub value: Node,
}

impl Value {
    /// How messages call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// A value as the parser gives it: numbers and booleans have lost their text, so it is cut out of the source later.
pub(super) enum Parsed {
    Null,
    Text(String),
    Typed(String),
    List(Vec<Spanned<Parsed>>),
    Map(Vec<(Spanned<Parsed>, Spanned<Parsed>)>),
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }
    fn visit_none<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_u128<E>(self, value: u128) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(value.to_string()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Parsed, E> {
        Ok(Parsed::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Parsed, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Parsed::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Parsed, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = from.next_entry()? {
            entries.push(entry);
        }
        Ok(Parsed::Map(entries))
    }
}

/// The node for `parsed`, which was read from `source`.
pub(super) fn settle(parsed: Spanned<Parsed>, source: &str) -> Node {
    let span = parsed.defined.span();
    let byte = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let start = byte(span.byte_offset()).min(source.len());
    let at = start..(start + byte(span.byte_len())).min(source.len());
    let value = match parsed.value {
        Parsed::Null => Value::Null,
        Parsed::Text(text) => Value::Scalar(text),
        Parsed::Typed(text) => Value::Scalar(match source.get(at.clone()) {
            Some(written) if !written.is_empty() => written.trim().to_owned(),
            _ => text,
        }),
        Parsed::List(items) => Value::List(items.into_iter().map(|item| settle(item, source)).collect()),
        Parsed::Map(entries) => Value::Map(entries.into_iter().map(|(key, value)| entry(key, value, source)).collect()),
    };
    Node { at, value }
}

fn entry(key: Spanned<Parsed>, value: Spanned<Parsed>, source: &str) -> Entry {
    let key = settle(key, source);
    let name = match key.value {
        Value::Scalar(text) => text,
        // No such key is known anywhere, so it is reported where unknown keys are.
        other => format!("({})", other.kind()),
    };
    Entry { key: name, at: key.at, value: settle(value, source) }
}
