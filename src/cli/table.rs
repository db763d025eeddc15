//! Rows for people: columns as wide as their widest cell, nothing that a terminal would obey.
//!
//! Label values may hold anything, escape sequences included; every cell is [`clean`]. Where a terminal is too narrow, columns of
//! prose are cut, and never what people copy: ids, targets, instants.

use serde_json::Value;

use super::view::{View, style};

/// One column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    /// What must stay of it where there is little room; `None`: all.
    least: Option<usize>,
    /// Whether its words have a colour.
    coloured: bool,
}

impl Column {
    /// A column that is never cut.
    pub(super) const fn whole(heading: &'static str) -> Self {
        Self { heading, least: None, coloured: false }
    }

    /// A column of which so much stays where there is little room; of several the last is cut first.
    pub(super) const fn cut(heading: &'static str, least: usize) -> Self {
        Self { heading, least: Some(least), coloured: false }
    }

    /// A column of words that have a colour.
    pub(super) const fn coloured(heading: &'static str) -> Self {
        Self { heading, least: None, coloured: true }
    }
}

/// Lays rows out under their headings. The last column is not padded; no row has a space at its end.
pub(super) fn table(headings: &[&'static str], rows: &[Vec<String>]) -> String {
    let columns: Vec<Column> = headings.iter().copied().map(Column::whole).collect();
    laid_out(&columns, rows, View::default())
}

/// The same as a person sees it: cut to the width, with colours.
pub(super) fn laid_out(columns: &[Column], rows: &[Vec<String>], view: View) -> String {
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let all = || std::iter::once(&headings).chain(rows);
    let widest = |at: usize| all().filter_map(|row| row.get(at).map(|cell| cell.chars().count())).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns.len()).map(widest).collect();
    if let Some(room) = view.width {
        squeeze(&mut widths, columns, room);
    }
    let mut text = String::new();
    for (at, row) in all().enumerate() {
        let mut line = String::new();
        let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or(0);
        for ((column, cell), width) in columns.iter().zip(row).zip(&widths).take(last + 1) {
            let cell = shortened(cell, *width);
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
            let style = if at == 0 { Some("2") } else { style(&cell).filter(|_| column.coloured) };
            line += &view.paint(style, &cell);
            line += &padding;
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Takes what is too much from the columns that may be cut, the last one first.
fn squeeze(widths: &mut [usize], columns: &[Column], room: usize) {
    let mut excess = (widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)).saturating_sub(room);
    for (width, column) in widths.iter_mut().zip(columns).rev() {
        let Some(least) = column.least else { continue };
        let taken = width.saturating_sub(least.max(column.heading.len())).min(excess);
        *width -= taken;
        excess -= taken;
    }
}

fn shortened(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut short: String = cell.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Text without anything that a terminal would obey, on one line.
pub(super) fn clean(text: &str) -> String {
    // Control characters, what turns the direction of writing, and what cannot be seen: two names must not look alike.
    let hostile = |c: char| {
        let unseen = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        c.is_control() || unseen
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
    fn where_there_is_little_room_prose_is_cut_and_ids_are_not() {
        let columns = [Column::whole("ID"), Column::cut("RULE", 6), Column::coloured("STATE"), Column::cut("WHY", 5)];
        let rows = [vec!["0197d1f0".into(), "web-restart".into(), "fixed".into(), "well for 30 s".into()]];
        let at = |width| laid_out(&columns, &rows, View { width: Some(width), ..View::default() });
        assert_eq!(at(80), "ID        RULE         STATE  WHY\n0197d1f0  web-restart  fixed  well for 30 s\n");
        assert_eq!(at(38), "ID        RULE         STATE  WHY\n0197d1f0  web-restart  fixed  well fo…\n");
        assert_eq!(at(10), "ID        RULE    STATE  WHY\n0197d1f0  web-r…  fixed  well…\n");
        for width in 31..=43 {
            assert!(at(width).lines().all(|line| line.chars().count() <= width), "{width}: {}", at(width));
        }
    }

    #[test]
    fn colours_do_not_move_columns() {
        let columns = [Column::coloured("STATE"), Column::whole("WHY")];
        let rows = [vec!["fixed".into(), "x".into()], vec!["blocked".into(), "y".into()]];
        let shown = laid_out(&columns, &rows, View { colour: true, ..View::default() });
        let bare = |text: &str| {
            text.split('\u{1b}').map(|it| it.split_once('m').map_or(it, |(_, rest)| rest)).collect::<String>()
        };
        assert!(shown.contains("\u{1b}[32mfixed\u{1b}[0m    x"), "{shown:?}");
        assert_eq!(bare(&shown), table(&["STATE", "WHY"], &rows));
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(clean("a\x1b[31m\nb\u{202e}c\u{9b}é"), "a\\u{1b}[31m\\u{a}b\\u{202e}c\\u{9b}é");
        assert_eq!(clean("we\u{200b}b\u{feff}\u{e0041}"), "we\\u{200b}b\\u{feff}\\u{e0041}", "not to be taken for web");
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
