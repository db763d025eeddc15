//! For CI: `JUnit`'s XML, a suite per file.

use std::fmt::Write as _;

use super::{Ran, Results};

/// The results as XML.
#[must_use]
pub fn junit(results: &Results) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ =
        writeln!(xml, "<testsuites name=\"fettle\" tests=\"{}\" failures=\"{}\">", results.ran.len(), results.failed());
    for suite in results.ran.chunk_by(|a, b| a.file == b.file) {
        let Some(first) = suite.first() else { continue };
        let failed = suite.iter().filter(|it| !it.difference.is_none()).count();
        let file = escaped(&first.file);
        let _ = writeln!(xml, "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\">", suite.len());
        for ran in suite {
            case(&mut xml, ran, &file);
        }
        xml.push_str("  </testsuite>\n");
    }
    for problem in &results.problems {
        let (file, line) = (escaped(&problem.file), escaped(&problem.line()));
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"1\" errors=\"1\">\n    <testcase name=\"the file loads\" classname=\"{file}\">\n      <error message=\"{line}\"/>\n    </testcase>\n  </testsuite>"
        );
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, ran: &Ran, file: &str) {
    let name = escaped(&ran.name);
    let open = format!("    <testcase name=\"{name}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"", ran.line);
    if ran.difference.is_none() {
        let _ = writeln!(xml, "{open}/>");
        return;
    }
    let differs = ran.difference.lines.iter().filter(|line| line.kind != "same");
    let text: Vec<String> = differs.map(|line| format!("{} {}: {}", line.at, line.kind, line.text)).collect();
    let message = text.first().map(|line| escaped(line)).unwrap_or_default();
    let _ = writeln!(xml, "{open}>\n      <failure message=\"{message}\">{}</failure>", escaped(&text.join("\n")));
    xml.push_str("    </testcase>\n");
}

/// Text in XML; what XML cannot hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
