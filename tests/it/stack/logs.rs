//! `loki/config.alloy`, for which no program is to be had here: a lexer's look at it, and that the fields it takes along are
//! those that fettle writes.

use super::{read, root};

/// The kinds of token that Alloy's syntax knows; a text that has others, or brackets that do not match, is none of it.
fn lex(text: &str) -> Result<Vec<String>, String> {
    let (mut tokens, mut open, mut chars) = (Vec::new(), Vec::new(), text.char_indices().peekable());
    while let Some((at, c)) = chars.next() {
        let line = text[..at].matches('\n').count() + 1;
        match c {
            ' ' | '\t' | '\n' => {}
            '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            }
            '"' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        Some((_, '\\')) => word.extend(chars.next().map(|(_, c)| c)),
                        Some((_, '"')) => break,
                        Some((_, '\n')) | None => return Err(format!("line {line}: a text without an end")),
                        Some((_, c)) => word.push(c),
                    }
                }
                tokens.push(format!("\"{word}\""));
            }
            '{' | '[' | '(' => {
                open.push(c);
                tokens.push(c.to_string());
            }
            '}' | ']' | ')' => {
                let matching = match c {
                    '}' => '{',
                    ']' => '[',
                    _ => '(',
                };
                if open.pop() != Some(matching) {
                    return Err(format!("line {line}: {c} closes nothing"));
                }
                tokens.push(c.to_string());
            }
            '=' | ',' => tokens.push(c.to_string()),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let mut word = c.to_string();
                while let Some((_, c)) = chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
                    word.push(c);
                }
                tokens.push(word);
            }
            c => return Err(format!("line {line}: {c:?}")),
        }
    }
    if open.is_empty() { Ok(tokens) } else { Err(format!("left open: {open:?}")) }
}

#[test]
fn the_shippers_settings_are_well_formed_and_every_receiver_is_there() {
    let tokens = lex(&read("loki/config.alloy")).expect("Alloy's syntax");
    // A component is declared as `kind "label" {`.
    let declared: Vec<String> = tokens
        .windows(3)
        .filter(|it| it[0].contains('.') && it[1].starts_with('"') && it[2] == "{")
        .map(|it| format!("{}.{}", it[0], it[1].trim_matches('"')))
        .collect();
    let exports = [".receiver", ".targets", ".rules"];
    let used: Vec<&str> = tokens
        .iter()
        .filter_map(|it| exports.iter().find_map(|end| it.strip_suffix(end)))
        .filter(|it| it.contains('.'))
        .collect();
    assert!(used.len() >= 4, "{used:?}");
    for name in used {
        assert!(declared.iter().any(|it| it == name), "{name} is not declared: {declared:?}");
    }
    for broken in ["loki.write \"x\" {", "a = }", "a = \"b"] {
        assert!(lex(broken).is_err(), "{broken}");
    }
}

#[test]
fn what_it_takes_along_is_what_fettle_writes_and_is_no_label() {
    let text = read("loki/config.alloy");
    let logs = std::fs::read_to_string(root().join("src/telemetry/logs.rs")).expect("readable");
    assert!(text.contains("remediation_id = \"\\\"remediation.id\\\"\"") && logs.contains("`remediation.id`"));
    let labels = text.split("stage.labels {").nth(1).and_then(|it| it.split("\n    }").next()).expect("labels");
    let metadata =
        text.split("stage.structured_metadata {").nth(1).and_then(|it| it.split("\n    }").next()).expect("metadata");
    for field in ["remediation_id", "rule", "target", "action", "reason"] {
        assert!(metadata.contains(&format!("{field} ")) && !labels.contains(field), "{field}");
    }
    for field in ["rule", "target", "action", "reason"] {
        assert!(logs.contains(&format!("`{field}`")), "{field} is a field of fettle's lines");
    }
}
