//! Label sets as Alertmanager sends them: string to string, sorted by name, each name once.
//!
//! Always holds: names are strictly ascending in byte order, so two equal label sets are equal values and
//! [`Labels::get`] is a binary search. An empty value is kept as it came; for matchers it equals an absent label.
//! A copy shares what it was made from until it is changed: everything that is written down about an alert carries its labels.
//! Does not judge: names and values may be any UTF-8, hostile text included.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// One alert's labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<Vec<(Box<str>, Box<str>)>>);

impl Labels {
    /// The value of `name`; an absent label reads as `""`, as matchers see it.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or("")
    }

    /// The value of `name`, or `None` when the label is absent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        self.0.get(at).map(|(_, v)| &**v)
    }

    /// Name and value pairs in ascending order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets `name` to `value`, whether it is there or not.
    pub fn set(&mut self, name: &str, value: &str) {
        let pairs = Arc::make_mut(&mut self.0);
        match pairs.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(at) => {
                if let Some(pair) = pairs.get_mut(at) {
                    pair.1 = value.into();
                }
            }
            Err(at) => pairs.insert(at, (name.into(), value.into())),
        }
    }

    fn from_pairs(mut pairs: Vec<(Box<str>, Box<str>)>) -> Self {
        // Alertmanager sends them sorted, so this is one pass; a repeated name keeps its last value, as in Go's JSON.
        if !pairs.is_sorted_by(|a, b| a.0 < b.0) {
            pairs.reverse();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.dedup_by(|a, b| a.0 == b.0);
        }
        Self(Arc::new(pairs))
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
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
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(12).min(64));
                while let Some(pair) = map.next_entry::<Box<str>, Box<str>>()? {
                    pairs.push(pair);
                }
                Ok(Labels::from_pairs(pairs))
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
