//! How Alertmanager writes text: which characters need quotes, Go's quoting and unquoting, `OpenMetrics` escaping.
//!
//! Always holds: [`unquote`] of what [`quote`] or [`escape`] made is the text they were given.
//! Does not know what the text is for: names, values and patterns are all the same here.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// What is wrong inside a quoted text, and where, counted from just behind its opening quote.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) message: String,
    pub(super) at: Range<usize>,
}

/// Whether `c` ends an unquoted word. White space is Unicode's, as in Go: NBSP counts, U+200B does not.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || matches!(c, '{' | '}' | '!' | '=' | '~' | ',' | '\\' | '"' | '\'' | '`')
}

/// The three escapes Alertmanager prints in a value whose name needed no quotes.
pub(super) fn escape(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n").replace('"', r#"\""#)
}

/// Go's `strconv.Quote`, quotes included: all that does not print becomes an escape.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let short = match c {
            '"' | '\\' => Some(c),
            '\x07' => Some('a'),
            '\x08' => Some('b'),
            '\x0c' => Some('f'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\x0b' => Some('v'),
            _ => None,
        };
        // Writing to a String cannot fail, so its Ok carries nothing.
        let _ = match (short, u32::from(c)) {
            (Some(short), _) => write!(out, "\\{short}"),
            (None, _) if is_print(c) => write!(out, "{c}"),
            (None, code @ (0..0x20 | 0x7f)) => write!(out, "\\x{code:02x}"),
            (None, code @ 0..0x1_0000) => write!(out, "\\u{code:04x}"),
            (None, code) => write!(out, "\\U{code:08x}"),
        };
    }
    out.push('"');
    out
}

/// Reads the inside of a double-quoted text with Go's escapes.
pub(super) fn unquote(body: &str) -> Result<String, Unreadable> {
    if let Some(at) = body.find('\n') {
        let message = "a quoted text must not contain a line break: write \\n".to_owned();
        return Err(Unreadable { message, at: at..at + 1 });
    }
    // `\x` and octal escapes are bytes, so the text may be UTF-8 only when complete.
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(slash) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..slash]);
        let at = body.len() - rest.len() + slash;
        let length = unescape(&rest[slash..], &mut out).map_err(|(length, why)| {
            let shown: String = rest[slash..].chars().take(length).collect();
            Unreadable { message: format!("`{shown}` {why}"), at: at..at + shown.len() }
        })?;
        rest = &rest[slash + length..];
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| Unreadable {
        message: "the bytes written with \\x or octal escapes do not add up to UTF-8".to_owned(),
        at: 0..body.len(),
    })
}

/// Appends what the escape at the start of `from` stands for and returns its length in bytes; or the characters to
/// show and what is wrong with them.
fn unescape(from: &str, out: &mut Vec<u8>) -> Result<usize, (usize, &'static str)> {
    let digits = |start: usize, count: usize, radix: u32| -> Result<u32, (usize, &'static str)> {
        let why = "is not a complete escape: \\ooo, \\xHH, \\uHHHH and \\UHHHHHHHH need all their digits";
        let text = from.get(start..start + count).ok_or((start + count, why))?;
        if !text.bytes().all(|b| char::from(b).is_digit(radix)) {
            return Err((start + count, why));
        }
        u32::from_str_radix(text, radix).map_err(|_| (start + count, why))
    };
    let mut chars = from.chars().skip(1);
    let byte = match chars.next() {
        Some('a') => 0x07,
        Some('b') => 0x08,
        Some('f') => 0x0c,
        Some('n') => b'\n',
        Some('r') => b'\r',
        Some('t') => b'\t',
        Some('v') => 0x0b,
        Some(c @ ('\\' | '"')) => c as u8,
        Some('0'..='7') => {
            let code = digits(1, 3, 8)?;
            out.push(u8::try_from(code).map_err(|_| (4, "is above \\377, the last octal escape"))?);
            return Ok(4);
        }
        Some('x') => {
            let code = digits(2, 2, 16)?;
            out.push(u8::try_from(code).map_err(|_| (4, "is not one byte"))?);
            return Ok(4);
        }
        Some(kind @ ('u' | 'U')) => {
            let count = if kind == 'u' { 4 } else { 8 };
            let why = "is not a character: surrogates and numbers above 10FFFF are none";
            let c = char::from_u32(digits(2, count, 16)?).ok_or((2 + count, why))?;
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(2 + count);
        }
        _ => return Err((2, "is not an escape Alertmanager knows; a backslash itself is written \\\\")),
    };
    out.push(byte);
    Ok(2)
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_print(c: char) -> bool {
    static PRINT: LazyLock<Option<Class>> =
        LazyLock::new(|| match regex_syntax::parse(r"[\pL\pM\pN\pP\pS ]").ok()?.into_kind() {
            HirKind::Class(class) => Some(class),
            _ => None,
        });
    if c.is_ascii() {
        return matches!(c, ' '..='~');
    }
    let Some(Class::Unicode(class)) = &*PRINT else { return false };
    let after = class.ranges().partition_point(|range| range.start() <= c);
    after > 0 && class.ranges()[after - 1].end() >= c
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_go_s() {
        for (body, want) in [
            (r#"\a\b\f\n\r\t\v\\\""#, Some("\x07\x08\x0c\n\r\t\x0b\\\"")),
            (r"\101\x41\u00e9\U0001F642", Some("AAé🙂")),
            (r"\xc3\xa9\303\251", Some("éé")),
            (r"\377", None),
            (r"\xff", None),
            (r"\400", None),
            (r"\'", None),
            (r"\d", None),
            (r"\0", None),
            (r"\08a", None),
            (r"\x4", None),
            (r"\x+4", None),
            (r"\ud800", None),
            (r"\U00110000", None),
            (r"\é", None),
            (r"\xéé", None),
            ("\\", None),
            ("a\tb\rc\0", Some("a\tb\rc\0")),
            ("a\nb", None),
        ] {
            assert_eq!(unquote(body).ok().as_deref(), want, "{body:?}");
        }
    }

    #[test]
    fn an_unknown_escape_is_shown_where_it_stands() {
        let wrong = unquote(r"aé\d+").expect_err("no such escape");
        assert_eq!((wrong.at, wrong.message.contains(r"`\d`")), (3..5, true));
    }

    #[test]
    fn what_does_not_print_is_quoted_as_go_does() {
        let text = "a\"\\\u{7}\u{0}\u{7f}\u{a0}\u{200b}é🙂\u{e0001}";
        assert_eq!(quote(text), r#""a\"\\\a\x00\x7f\u00a0\u200bé🙂\U000e0001""#);
    }

    proptest! {
        #[test]
        fn quoted_and_escaped_text_reads_back(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert_eq!(unquote(&quoted[1..quoted.len() - 1]).expect("quoted"), text.clone());
            prop_assert_eq!(unquote(&escape(&text)).expect("escaped"), text);
        }

        #[test]
        fn unquote_never_panics(body in r#"(\\.|[\\xuU0-9a-fé"\n])*"#) {
            let _ = unquote(&body);
        }
    }
}
