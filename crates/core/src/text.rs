//! Text that every store takes: without U+0000.
//!
//! PostgreSQL refuses NUL in `text` and in `jsonb`, and one bad row would refuse its whole batch. Label values with a NUL
//! do arrive (JSON allows `\u0000`), so every text that comes from outside passes here and has U+FFFD in its place, in
//! every store alike. Bodies of notifications are bytes and stay as they came.

use std::borrow::Cow;

use serde::Serialize;

/// `text` with every NUL replaced.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// [`clean`] for text that may be absent.
#[must_use]
pub fn clean_opt(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(clean)
}

/// The longest name that is kept, in bytes: PostgreSQL's index takes 2,704, and one row too long would refuse its whole batch.
const NAME_MAX: usize = 1024;

/// A name on its way to a column that is indexed, listed and shown: [`clean`], and cut where it is longer than names are. The
/// labels beside it are whole.
#[must_use]
pub fn name(text: &str) -> Cow<'_, str> {
    let mut name = clean(text);
    let cut = name.floor_char_boundary(NAME_MAX);
    if cut < name.len() {
        let name = name.to_mut();
        name.truncate(cut);
        name.push('…');
    }
    name
}

/// [`name`] for one that may be absent.
#[must_use]
pub fn name_opt(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(name)
}

/// `value` as JSON text, with every NUL inside its strings replaced.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> String {
    // What is stored are maps with text keys, which always have a JSON form.
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".into());
    if text.contains(r"\u0000") { without_nul(&text) } else { text }
}

/// Replaces the escape of NUL, and not a backslash that happens to stand before `u0000`.
fn without_nul(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        clean.push_str(before);
        if let Some(after) = escape.strip_prefix(r"\u0000") {
            clean.push('\u{fffd}');
            rest = after;
        } else {
            // An escape is a backslash and at least one ASCII character.
            let (escape, after) = escape.split_at(2);
            clean.push_str(escape);
            rest = after;
        }
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_backslash_before_u0000_is_no_nul() {
        assert_eq!(json(&"a\0b"), "\"a\u{fffd}b\"");
        assert_eq!(json(&r"a\u0000b"), r#""a\\u0000b""#);
        assert_eq!(json(&"\\\0\"\0"), "\"\\\\\u{fffd}\\\"\u{fffd}\"");
    }

    #[test]
    fn a_name_is_cut_between_characters_and_says_so() {
        assert_eq!((name("Down"), name("a\0b")), ("Down".into(), "a\u{fffd}b".into()));
        let longest = "x".repeat(NAME_MAX);
        assert_eq!(name(&longest), longest);
        assert_eq!(name(&format!("{longest}y")), format!("{longest}…"));
        let odd = format!("x{}", "é".repeat(NAME_MAX));
        assert_eq!(name(&odd).len(), NAME_MAX - 1 + "…".len());
        assert!(name(&"\0".repeat(NAME_MAX)).len() < NAME_MAX + 4, "what stands for NUL is longer than it");
    }

    proptest! {
        #[test]
        fn cleaned_json_reads_as_the_cleaned_text(text in r#"[\x00-\x02u0\\"é]{0,24}"#) {
            let read: String = serde_json::from_str(&json(&text)).expect("still JSON");
            prop_assert_eq!(read, clean(&text));
        }
    }
}
