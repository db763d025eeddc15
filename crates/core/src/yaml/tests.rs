//! Trees with places, and documents that want to break the reader.

use super::*;
use crate::diagnostic::{Report, Source};

fn tree(text: &str) -> Result<Node, String> {
    let mut report = Report::new(Source::new("f", text));
    parse(&mut report).ok_or_else(|| {
        let it = &report.found[0];
        format!("{}:{} {} {}", it.line, it.column, it.code, it.message)
    })
}

/// Scalars with the source text they point at.
fn scalars<'t>(node: &Node, text: &'t str, into: &mut Vec<(String, &'t str)>) {
    match &node.value {
        Value::Null => into.push(("-".to_owned(), &text[node.at.clone()])),
        Value::Scalar(value) => into.push((value.clone(), &text[node.at.clone()])),
        Value::List(items) => items.iter().for_each(|item| scalars(item, text, into)),
        Value::Map(entries) => {
            for entry in entries {
                into.push((entry.key.clone(), &text[entry.at.clone()]));
                scalars(&entry.value, text, into);
            }
        }
    }
}

#[test]
fn scalars_keep_their_text_and_know_their_place() {
    let text = "a: 007\nü: [x, 'y''s', \"z\\n\", null, ~, yes, 1e3, 1.50, \"null\"]\nc: &k {d: 0x1F}\ne: *k\n'f g': |\n  block\n";
    let mut found = Vec::new();
    scalars(&tree(text).expect("valid"), text, &mut found);
    let found: Vec<(&str, &str)> = found.iter().map(|(value, written)| (value.as_str(), *written)).collect();
    assert_eq!(
        found,
        [
            ("a", "a"),
            ("007", "007"),
            ("ü", "ü"),
            ("x", "x"),
            ("y's", "'y''s'"),
            ("z\n", "\"z\\n\""),
            ("-", "null"),
            ("-", "~"),
            ("yes", "yes"),
            ("1e3", "1e3"),
            ("1.50", "1.50"),
            ("null", "\"null\""),
            ("c", "c"),
            ("d", "d"),
            ("0x1F", "0x1F"),
            ("e", "e"),
            ("d", "d"),
            ("0x1F", "0x1F"),
            ("f g", "'f g'"),
            ("block\n", "block\n"),
        ]
    );
}

#[test]
fn what_is_not_one_small_document_says_where_and_why() {
    for (text, expected) in [
        ("a: [", "1:4 F002 unclosed bracket"),
        ("a: 1\nb: 2\na: 2", "3:1 F003 key `a` stands twice"),
        ("a: 1\n---\nb: 2", "3:1 F002 more than one document"),
        ("a: !x 1", "1:7 F002 unsupported tag"),
        ("a: *b", "1:4 F002 alias references unknown anchor"),
        ("a: b: c", "1:5 F002 mapping values are not allowed"),
        ("ä: \"x", "1:4 F002 "),
        (&format!("a: {}", "[".repeat(100)), "F002 "),
        (&format!("a: {}", "- ".repeat(100)), "F002 "),
    ] {
        let fault = tree(text).expect_err(text);
        assert!(fault.contains(expected), "{text}: {fault}");
    }
    assert_eq!(tree("# nothing\n").expect("legal").value, Value::Null);
}
