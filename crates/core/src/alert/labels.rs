//! Label sets as Alertmanager sends them: string to string, sorted by name, each name once.
//!
//! Always holds: names are strictly ascending in byte order, so two equal label sets are equal values and
//! [`Labels::get`] is a binary search. An empty value is kept as it came; for matchers it equals an absent label.
//! A copy shares what it was made from until it is changed: everything that is written down about an alert carries its labels.
//! Does not judge: names and values may be any UTF-8, hostile text included.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One alert's labels.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<Packed>);

/// All names and values as one text: what a sender writes in a few bytes takes no more than a few bytes here.
#[derive(Default, PartialEq, Eq, Hash)]
struct Packed {
    text: Box<str>,
    /// Where each name and its value end in `text`.
    ends: Box<[(u32, u32)]>,
}

impl Packed {
    fn pair(&self, at: usize) -> Option<(&str, &str)> {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |(_, end)| *end as usize);
        let (name, value) = self.ends.get(at).map(|(name, value)| (*name as usize, *value as usize))?;
        Some((self.text.get(from..name)?, self.text.get(name..value)?))
    }

    fn place(&self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.pair(middle)?.0.cmp(name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// Names and values in the order in which they are read, to become labels.
#[derive(Default)]
pub(super) struct Packing {
    text: String,
    ends: Vec<(u32, u32)>,
    /// Where the name ends that has no value yet.
    name: Option<u32>,
}

impl Packing {
    /// Adds a name, or the value of the name before.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        // A body of 4 GiB is refused long before.
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        match self.name.take() {
            None => self.name = Some(end),
            Some(name) => self.ends.push((name, end)),
        }
    }

    /// How many names there are.
    pub(super) fn names(&self) -> usize {
        self.ends.len() + usize::from(self.name.is_some())
    }
}

impl From<Packing> for Labels {
    fn from(read: Packing) -> Self {
        let packed = Packed { text: read.text.into(), ends: read.ends.into() };
        let pair = |at| packed.pair(at).unwrap_or_default();
        // Alertmanager sends them sorted, so this is one pass; a repeated name keeps its last value, as in Go's JSON.
        if (1..packed.ends.len()).all(|at| pair(at - 1).0 < pair(at).0) {
            return Self(Arc::new(packed));
        }
        let sorted: BTreeMap<&str, &str> = (0..packed.ends.len()).map(pair).collect();
        let mut again = Packing::default();
        for (name, value) in sorted {
            again.push(name);
            again.push(value);
        }
        Self(Arc::new(Packed { text: again.text.into(), ends: again.ends.into() }))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Labels").field(&self.iter().collect::<Vec<_>>()).finish()
    }
}

impl Labels {
    /// The value of `name`; an absent label reads as `""`, as matchers see it.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    /// The value of `name`, or `None` when the label is absent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.place(name).and_then(|at| self.0.pair(at)).map(|(_, value)| value)
    }

    /// Name and value pairs in ascending order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        (0..self.len()).map(|at| self.0.pair(at).unwrap_or_default())
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Bytes of all names and values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.text.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Sets `name` to `value`, whether it is there or not.
    pub fn set(&mut self, name: &str, value: &str) {
        // The last one of a name holds.
        let changed = self.iter().chain([(name, value)]).collect();
        *self = changed;
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut packing = Packing::default();
        for (name, value) in pairs {
            packing.push(name.as_ref());
            packing.push(value.as_ref());
        }
        packing.into()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut pairs = Packing::default();
                while let Some((name, value)) = map.next_entry::<Cow<'_, str>, Cow<'_, str>>()? {
                    pairs.push(&name);
                    pairs.push(&value);
                }
                Ok(pairs.into())
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let mut map = into.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_and_a_repeated_name_keeps_its_last_value() {
        let labels: Labels = serde_json::from_str(r#"{"b":"1","a":"2","b":"3"}"#).expect("valid");
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), "3");
    }

    #[test]
    fn an_absent_label_reads_as_empty() {
        let labels = Labels::from_iter([("a", "")]);
        assert_eq!((labels.get("a"), labels.get("x")), ("", ""));
        assert_eq!((labels.find("a"), labels.find("x")), (Some(""), None));
    }

    #[test]
    fn a_value_that_is_not_a_string_is_refused() {
        assert!(serde_json::from_str::<Labels>(r#"{"a":1}"#).is_err());
        assert!(serde_json::from_str::<Labels>(r#"{"a":null}"#).is_err());
    }
}
