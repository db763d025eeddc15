//! Rows for people: columns as wide as their widest cell, nothing that a terminal would obey.
//!
//! Label values may hold anything, escape sequences included; every cell is [`clean`].

use serde_json::Value;

/// Lays rows out under their headings. The last column is not padded; no row has a space at its end.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(headings.iter().map(|it| (*it).to_owned()).collect()).chain(rows.iter().cloned());
    let widths: Vec<usize> = (0..headings.len())
        .map(|at| all().filter_map(|row: Vec<String>| row.get(at).map(|cell| cell.chars().count())).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in all() {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Text without anything that a terminal would obey, on one line.
pub(super) fn clean(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    text.chars().flat_map(|c| if hostile(c) { c.escape_unicode().collect() } else { vec![c] }).collect()
}

/// A field as text: `-` when it is absent or null.
pub(super) fn field(row: &Value, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => clean(text),
        Some(other) => clean(&other.to_string()),
    }
}

/// An instant to the second, as `2026-01-31 12:00:00Z`.
pub(super) fn instant(row: &Value, name: &str) -> String {
    let read = row.get(name).and_then(Value::as_str).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    read.map_or_else(|| field(row, name), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// A length of time in milliseconds, as people say it.
pub(super) fn length(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".into(), "é long".into(), "x".into()], vec!["bb".into(), String::new(), String::new()]];
        assert_eq!(table(&["A", "B", "C"], &rows), "A   B       C\na   é long  x\nbb\n");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(clean("a\x1b[31m\nb\u{202e}c\u{9b}é"), "a\\u{1b}[31m\\u{a}b\\u{202e}c\\u{9b}é");
    }

    #[test]
    fn absent_fields_are_a_dash_and_instants_have_seconds() {
        let row = json!({"at": "2026-01-31T12:00:00.123456Z", "n": 3, "none": null});
        assert_eq!(instant(&row, "at"), "2026-01-31 12:00:00Z");
        assert_eq!(
            (field(&row, "n"), field(&row, "none"), instant(&row, "gone")),
            ("3".into(), "-".into(), "-".into())
        );
    }

    #[test]
    fn lengths_are_said_as_people_say_them() {
        let said: Vec<String> = [0, 999, 1000, 1_234, 59_999, 60_000, 3_599_999, 3_600_000].map(length).into();
        assert_eq!(said, ["0 ms", "999 ms", "1.0 s", "1.2 s", "59.9 s", "1 min 0 s", "59 min 59 s", "1 h 0 min"]);
    }
}
