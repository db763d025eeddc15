//! For GitHub Actions: workflow commands, which show a problem beside the line of a pull request.

use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Severity};

/// A command per diagnostic and line.
pub fn github(found: &[Diagnostic]) -> String {
    found.iter().map(one).collect()
}

fn one(it: &Diagnostic) -> String {
    let command = match it.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut place = format!("file={}", property(&it.file));
    if it.line > 0 {
        let _ = write!(place, ",line={},col={}", it.line, it.column);
    }
    let help = it.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    format!("::{command} {place},title={}::{}\n", it.code, data(&format!("{}{help}", it.message)))
}

/// What a command says is one line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Source, codes};

    #[test]
    fn a_command_says_place_code_and_advice_on_one_line() {
        let source = Source::new("rules/a,b.yaml", "a: 30");
        let found = [
            Diagnostic::at(&codes::DURATION, &source, 3..5, "\"30\" is 100% wrong\n::error::x").help("write 30s"),
            Diagnostic::of_file(&codes::NO_RULES, "rules", "nothing"),
        ];
        assert_eq!(
            github(&found),
            "::error file=rules/a%2Cb.yaml,line=1,col=4,title=F008::\"30\" is 100%25 wrong%0A::error::x%0Ahelp: write 30s\n\
             ::warning file=rules,title=F031::nothing\n"
        );
    }
}
