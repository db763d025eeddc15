//! The definition of the command line, its prose made ready for terminals of any width.
//!
//! In the sources prose is broken where lines of code are. Help and manual pages break it where the reader's terminal does, so
//! the lines of a paragraph are put together first; what is indented (examples, lists) stays as it is written.

use clap::CommandFactory;

use super::Cli;

/// The whole definition.
pub(super) fn command() -> clap::Command {
    with_paragraphs(Cli::command())
}

fn with_paragraphs(command: clap::Command) -> clap::Command {
    let prose = command.get_after_help().map(|text| paragraphs(&text.to_string()));
    let below: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    let command = match prose {
        Some(prose) => command.after_help(prose),
        None => command,
    };
    below.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_paragraphs))
}

/// The same text, every paragraph on one line.
fn paragraphs(text: &str) -> String {
    let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let mut out = String::new();
    let mut before = "";
    for line in text.lines() {
        if !out.is_empty() {
            out.push(if is_prose(before) && is_prose(line) { ' ' } else { '\n' });
        }
        out += line;
        before = line;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_paragraph_are_put_together_and_examples_are_not() {
        let written =
            "One\nparagraph.\n\nAnother:\n  an item\n  one more\nand on.\n\nExamples:\n  fettle check\n  fettle test";
        let read =
            "One paragraph.\n\nAnother:\n  an item\n  one more\nand on.\n\nExamples:\n  fettle check\n  fettle test";
        assert_eq!(paragraphs(written), read);
    }

    #[test]
    fn help_breaks_lines_at_the_width_and_nowhere_else() {
        for width in [40, 80, 200] {
            for it in command().get_subcommands() {
                let help = it.clone().term_width(width).render_long_help().to_string();
                let after = help.split("\n\n").filter(|text| !text.contains("  "));
                for paragraph in after {
                    let lines: Vec<&str> = paragraph.lines().collect();
                    for pair in lines.windows(2) {
                        let word = pair[1].split(' ').next().unwrap_or_default();
                        let fits = pair[0].chars().count() + 1 + word.chars().count() <= width;
                        assert!(!fits, "{} at {width}: {word:?} fits on {:?}", it.get_name(), pair[0]);
                    }
                }
            }
        }
    }
}
