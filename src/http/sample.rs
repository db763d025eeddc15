//! What of a malformed body may stand in the log: its shape, and none of its content.
//!
//! Words of Alertmanager's format are kept; every other letter becomes `x`, every other digit `0`, so that a person sees
//! what kind of thing was sent and no secret can be in it.

/// Characters of a body that are shown.
const SHOWN: usize = 300;

/// The words of the format.
const KNOWN: [&str; 25] = [
    "version",
    "groupKey",
    "truncatedAlerts",
    "status",
    "receiver",
    "groupLabels",
    "commonLabels",
    "commonAnnotations",
    "externalURL",
    "notification_reason",
    "routeLabels",
    "alerts",
    "labels",
    "annotations",
    "startsAt",
    "endsAt",
    "generatorURL",
    "fingerprint",
    "alertname",
    "firing",
    "resolved",
    "true",
    "false",
    "null",
    "4",
];

/// The shape of the beginning of `body`, on one line.
pub(super) fn shape(body: &[u8]) -> String {
    // Cut before it is decoded: four bytes are the longest character.
    let text = String::from_utf8_lossy(body.get(..SHOWN * 4).unwrap_or(body));
    let mut shape = String::with_capacity(SHOWN);
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            let mark = if first.is_ascii_graphic() || first == ' ' { first } else { '.' };
            shape.push(mark);
            rest = &rest[first.len_utf8()..];
        } else {
            let (word, after) = rest.split_at(end);
            if KNOWN.contains(&word) {
                shape.push_str(word);
            } else {
                shape.extend(word.chars().map(|c| if c.is_numeric() { '0' } else { 'x' }));
            }
            rest = after;
        }
    }
    shape.chars().take(SHOWN).collect()
}

/// A parser's complaint without the values it quotes: what was found goes, what was expected stays.
pub(super) fn without_values(problem: &str) -> String {
    if problem.starts_with("missing field") {
        return problem.to_owned();
    }
    // The last one is the parser's; an earlier one may be part of the value.
    let (found, expected) = problem.rsplit_once(", expected ").map_or((problem, None), |(f, e)| (f, Some(e)));
    let cut = found.find(['"', '`', '\\']).unwrap_or(found.len());
    let found = found[..cut].trim_end();
    expected.map_or_else(|| found.to_owned(), |expected| format!("{found}, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_keeps_the_formats_words_and_hides_everything_else() {
        let body = r#"{"version":"4","alerts":[{"labels":{"alertname":"Disk","token":"hunter2 é"},"startsAt":12}]}"#;
        assert_eq!(
            shape(body.as_bytes()),
            r#"{"version":"4","alerts":[{"labels":{"alertname":"xxxx","xxxxx":"xxxxxx0 x"},"startsAt":00}]}"#
        );
        assert_eq!(shape(b"user=root&password=s3cret\n\x1b[31m"), "xxxx=xxxx&xxxxxxxx=x0xxxx..[00x");
        assert_eq!(shape(b""), "");
    }

    #[test]
    fn the_shape_of_a_large_body_is_short() {
        assert_eq!(shape(&vec![b'{'; 10_000_000]).len(), SHOWN);
        assert!(shape("é".repeat(5000).as_bytes()).len() <= SHOWN);
        assert!(shape(&[0xff; 5000]).chars().count() <= SHOWN);
    }

    #[test]
    fn a_complaint_keeps_what_was_expected_and_not_what_was_found() {
        for (problem, kept) in [
            (r#"invalid type: string "hunter2", expected a map"#, "invalid type: string, expected a map"),
            (
                "unknown variant `hunter2`, expected `firing` or `resolved`",
                "unknown variant, expected `firing` or `resolved`",
            ),
            ("missing field `alerts` at line 1 column 2", "missing field `alerts` at line 1 column 2"),
            (
                r#"invalid value: string \"a, expected b\", expected the string \"4\""#,
                r#"invalid value: string, expected the string \"4\""#,
            ),
            ("EOF while parsing a list at line 1 column 9", "EOF while parsing a list at line 1 column 9"),
        ] {
            assert_eq!(without_values(problem), kept);
        }
    }
}
