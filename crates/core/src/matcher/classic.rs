//! How Alertmanager up to 0.26 read matchers, kept only to tell its users what to write today.
//!
//! Always holds: nothing read here ever becomes a matcher. Its oddities are kept as they are: braces trimmed one by one,
//! values that run to the next comma, backslashes that mean themselves unless `\"`, `\n` or `\\`.

use super::regex::Pattern;
use super::{Op, write_matcher};

struct Reading<'i> {
    name: &'i str,
    op: Op,
    value: String,
}

/// What to write for an input that only the classic parser would accept.
pub(super) fn hint(input: &str) -> Option<String> {
    let mut readings = read(input)?;
    let last = readings.last_mut()?;
    // `foo=~a{2}`: the classic parser loses the brace as if it closed the list; whoever wrote it did not mean that.
    if input.ends_with('}') && !input.starts_with('{') && last.value.contains('{') && !last.value.contains('}') {
        last.value.push('}');
    }
    let mut kept = None;
    for reading in &mut readings {
        for mark in ['\'', '`'] {
            let inside = reading.value.strip_prefix(mark).and_then(|value| value.strip_suffix(mark));
            if let Some(inside) = inside {
                reading.value = inside.to_owned();
                kept = Some(mark);
            }
        }
        if reading.op.is_regex() {
            Pattern::new(&reading.value).ok()?;
        }
    }
    let text = readings.iter().map(Reading::to_string).collect::<Vec<_>>().join(", ");
    Some(match kept {
        None => format!("write {text}"),
        Some(mark) => format!("write {text}; only double quotes are quotes, {mark} would be part of the value"),
    })
}

impl std::fmt::Display for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_matcher(f, self.name, self.op, &self.value)
    }
}

/// The classic reading, if there is one.
fn read(input: &str) -> Option<Vec<Reading<'_>>> {
    let inside = input.strip_prefix('{').unwrap_or(input);
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let mut readings = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, c) in inside.char_indices() {
        match c {
            ',' if !quoted => {
                readings.push(matcher(&inside[start..at])?);
                start = at + 1;
            }
            // Go's code leaves the state alone here, so an escaped comma passes the escape on.
            ',' => {}
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    let rest = inside[start..].trim();
    if !rest.is_empty() {
        readings.push(matcher(rest)?);
    }
    Some(readings)
}

fn matcher(token: &str) -> Option<Reading<'_>> {
    // Go's `\s`, which is narrower than the white space `trim` knows.
    let space = |c: char| matches!(c, '\t' | '\n' | '\x0c' | '\r' | ' ');
    let token = token.trim_matches(space);
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let end = token.find(|c: char| !letter(c) && !c.is_ascii_digit()).unwrap_or(token.len());
    let (name, rest) = token.split_at(end);
    if !name.starts_with(letter) {
        return None;
    }
    let rest = rest.trim_start_matches(space);
    let (op, value) = Op::ALL.into_iter().find_map(|op| Some((op, rest.strip_prefix(op.as_str())?)))?;
    let value = unescape(value.trim_matches(space))?;
    if op.is_regex() {
        Pattern::new(&value).ok()?;
    }
    Some(Reading { name, op, value })
}

/// `OpenMetrics` escapes, and a double quote at neither end or at both.
fn unescape(raw: &str) -> Option<String> {
    let mut quoted = raw.starts_with('"');
    let body = &raw[usize::from(quoted)..];
    let mut out = String::with_capacity(body.len());
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        let last = at + 1 >= body.len();
        match c {
            '\\' if !last => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, c @ ('"' | '\\'))) => out.push(c),
                Some((_, c)) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            '"' if quoted && last => quoted = false,
            '"' => return None,
            c => out.push(c),
        }
    }
    (!quoted).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_escapes_of_open_metrics_are_read() {
        for (raw, want) in [
            (r#""a\"b\\\n\t""#, Some("a\"b\\\n\\t")),
            (r"a\", Some(r"a\")),
            (r#""a\""#, None),
            (r#"a"b"#, None),
            (r#"a""#, None),
            ("\"", None),
            ("", Some("")),
        ] {
            assert_eq!(unescape(raw).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn the_hint_is_what_the_writer_meant() {
        for (input, want) in [
            (r"foo=~\d+", Some(r#"write foo=~"\\d+""#)),
            (r#"foo=~"\d+""#, Some(r#"write foo=~"\\d+""#)),
            ("foo=", Some(r#"write foo="""#)),
            ("foo=bar baz", Some(r#"write foo="bar baz""#)),
            ("foo=~a{2}", Some(r#"write foo=~"a{2}""#)),
            ("foo=~a{2},bar=b c", Some(r#"write foo=~"a{2}", bar="b c""#)),
            ("{foo=bar}x", Some(r#"write foo="bar}x""#)),
            ("foo=bar}", Some(r#"write foo="bar""#)),
            ("foo='bar'", Some(r#"write foo="bar"; only double quotes are quotes, ' would be part of the value"#)),
            ("foo==bar", Some(r#"write foo="=bar""#)),
            ("foo=~(", None),
            ("föö=bar baz", None),
            ("{}", None),
        ] {
            assert_eq!(hint(input).as_deref(), want, "{input}");
        }
    }
}
