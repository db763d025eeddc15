//! Regular expressions that are read, and mean something else than they seem to.
//!
//! Go's syntax, Rust's and that of shells share most of their letters. Where a pattern is legal in Go but says there what its
//! writer hardly meant, a sentence tells what it means. Nothing is refused for it.

/// What a pattern hardly means to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// A lowercase clause: what it means.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The first doubt about a pattern that Go reads.
pub fn doubt(pattern: &str) -> Option<Doubt> {
    glob(pattern).or_else(|| dialect(pattern))
}

/// `api-*`: a shell's star repeats the character before it here. Only of patterns that use no other operator, so that nobody
/// who knows regular expressions is disturbed.
fn glob(pattern: &str) -> Option<Doubt> {
    let operator = |c: char| matches!(c, '.' | '[' | ']' | '(' | ')' | '{' | '}' | '+' | '?' | '\\' | '^' | '$');
    if pattern.contains(operator) {
        return None;
    }
    let star = |branch: &&str| branch.contains('*');
    let branch = pattern.split('|').find(star)?;
    let before = branch[..branch.find('*')?].chars().next_back()?;
    let meant = pattern.replace('*', ".*");
    Some(Doubt {
        message: format!("`{before}*` stands for any number of `{before}`, not for any text: this is no glob"),
        help: format!("write {meant} if any text may follow"),
    })
}

/// What other dialects read as an operator and Go reads as text.
fn dialect(pattern: &str) -> Option<Doubt> {
    let mut chars = pattern.char_indices().peekable();
    // Inside a class, where it began.
    let mut class = None;
    while let Some((at, c)) = chars.next() {
        let rest = &pattern[at..];
        match (c, class) {
            ('\\', _) => match chars.next() {
                Some((_, 'Q')) if class.is_none() => return dialect(rest.split_once(r"\E")?.1),
                Some((_, c @ ('<' | '>'))) if class.is_none() => {
                    return Some(Doubt {
                        message: format!("`\\{c}` is the character `{c}` in Go, not the edge of a word"),
                        help: r"write \b for the edge of a word".to_owned(),
                    });
                }
                _ => {}
            },
            ('[', None) => {
                class = Some(at);
                // A bracket right behind the opening one is a member of the class.
                let _ = chars.next_if(|(_, c)| *c == '^');
                let _ = chars.next_if(|(_, c)| *c == ']');
            }
            ('[', Some(_)) if rest.starts_with("[:") => {
                let end = rest.find(":]")?;
                while chars.next_if(|(next, _)| *next < at + end + 2).is_some() {}
            }
            (']', Some(_)) => class = None,
            ('&' | '-' | '~', Some(begin)) if rest.chars().nth(1) == Some(c) && at > begin + 1 => {
                let next = rest.chars().nth(2);
                if c != '-' || next != Some(']') {
                    return Some(Doubt {
                        message: format!("`{c}{c}` in a class is text in Go: its classes know no set operations"),
                        help: "write the characters themselves, or a second matcher".to_owned(),
                    });
                }
            }
            ('{', None) if upper_bound_only(rest) => {
                return Some(Doubt {
                    message: "a count without its lower bound is text in Go".to_owned(),
                    help: "write {0,N}".to_owned(),
                });
            }
            _ => {}
        }
    }
    None
}

/// Whether `{,3}` stands here.
fn upper_bound_only(rest: &str) -> bool {
    let Some(bound) = rest.strip_prefix("{,").and_then(|rest| rest.split_once('}')) else { return false };
    !bound.0.is_empty() && bound.0.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::doubt;

    #[test]
    fn what_means_something_else_in_go_is_told() {
        for (pattern, told) in [
            ("api-*", "`-*` stands for any number of `-`"),
            ("web|api-*", "`-*` stands for"),
            ("a{,3}", "without its lower bound"),
            (r"\<web\>", r"`\<` is the character `<`"),
            ("[a-z&&[^b]", "`&&` in a class"),
            ("[a-z--b]", "`--` in a class"),
            (r"\Qa\Eb{,2}", "without its lower bound"),
        ] {
            Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern} is no pattern: {error:?}"));
            let doubt = doubt(pattern).unwrap_or_else(|| panic!("nothing is said about {pattern}"));
            assert!(doubt.message.contains(told), "{pattern}: {}", doubt.message);
        }
    }

    #[test]
    fn what_is_written_as_people_write_it_raises_no_doubt() {
        let plain = [
            "prod|stage",
            ".*",
            "api-.*",
            "web-[0-9]+",
            "a*b.",
            "(a|b)*",
            r"\d{1,3}",
            "[a-z-]",
            "[&-]",
            "[]a--]",
            "[[:alpha:]&]",
            r"\Qa*{,3}",
            "",
            "a{,}",
            "x{2}",
            r"10\.0\..*",
            "[+--]",
        ];
        for pattern in plain {
            assert_eq!(doubt(pattern), None, "{pattern}");
        }
    }
}
