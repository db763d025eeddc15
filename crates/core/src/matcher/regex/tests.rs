//! Go's dialect, row by row; and that neither the filter nor the tree changes an answer.

use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, value: &str) -> bool {
    Pattern::new(pattern).unwrap_or_else(|wrong| panic!("{pattern}: {wrong:?}")).is_match(value)
}

/// Patterns Go accepts, with values they match and values they do not.
const GO_MEANS: &[(&str, &[&str], &[&str])] = &[
    // ASCII only, where Rust is Unicode.
    (r"\d", &["7"], &["٣", "x", ""]),
    (r"\D", &["٣", "x", "\n"], &["7"]),
    (r"\w+", &["aZ_9"], &["é", "a-b"]),
    (r"\W", &["é", "-", "\n"], &["a", "_"]),
    (r"\s", &[" ", "\t", "\n", "\x0c", "\r"], &["\u{a0}", "\x0b", "\u{85}"]),
    (r"\S", &["\u{a0}", "\x0b", "a"], &[" "]),
    (r"[\d.]+", &["1.2"], &["٣"]),
    (r"[^\d]", &["٣", "a", "\n"], &["3"]),
    (r"[\D]", &["٣", "a"], &["3"]),
    (r"[^\W\d]", &["a", "_"], &["é", "3", "-"]),
    (r"a\bé", &["aé"], &[]),
    (r"é\Bé", &["éé"], &[]),
    (r"é\bé", &[], &["éé"]),
    (r"a\b.c", &["a c", "a-c"], &["abc"]),
    // Literal in Go, an error or something else in Rust.
    (r"[[a]", &["[", "a"], &["b", "[a"]),
    (r"a{2", &["a{2"], &["aa"]),
    (r"{", &["{"], &[""]),
    (r"}", &["}"], &[""]),
    (r"a{,2}", &["a{,2}"], &["a", "aa"]),
    (r"a{1,2,3}", &["a{1,2,3}"], &["a"]),
    (r"a{01}", &["a{01}"], &["a"]),
    (r"a{ 1}", &["a{ 1}"], &["a"]),
    (r"x{1001", &["x{1001"], &[]),
    (r"a*{", &["{", "aa{"], &["a"]),
    (r"a{0}", &[""], &["a"]),
    (r"[a&&b]", &["a", "&", "b"], &["c"]),
    (r"[a~~b]", &["a", "~", "b"], &["c"]),
    (r"[+--]", &["+", ",", "-"], &["."]),
    (r"\<a\>", &["<a>"], &["a"]),
    (r"\Qa.b\E", &["a.b"], &["axb"]),
    (r"\Q+|*?{[\E+", &["+|*?{[", "+|*?{[["], &["+|*?{"]),
    (r"\Q\\E", &[r"\"], &[]),
    (r"a\Q\E*", &["", "aaa"], &["b"]),
    (r"(?i)\QaB\E", &["Ab"], &["abc"]),
    (r"\101", &["A"], &[]),
    (r"\0", &["\0"], &["0"]),
    (r"\1018", &["A8"], &[]),
    (r"\08", &["\x008"], &[]),
    (r"[\012-\015]", &["\n", "\r"], &["\t"]),
    (r"[\101-\x43]", &["B"], &["D"]),
    (r"(?P<n>a)(?P<n>b)", &["ab"], &[]),
    (r"(?<n>a)", &["a"], &["b"]),
    (r"\_\-\/\%", &["_-/%"], &[]),
    // The same in both.
    (r"", &[""], &["a"]),
    (r"|", &[""], &["|"]),
    (r"bar|", &["bar", ""], &["b"]),
    (r"^bar$", &["bar"], &["bar\n", "xbar"]),
    (r"\Abar\z", &["bar"], &["bar\n"]),
    (r"bar$", &["bar"], &["bar\n"]),
    (r"^a|b$", &["a", "b"], &["ab", "ax"]),
    (r"a|b", &["a", "b"], &["ab", "xa"]),
    (r"^*a", &["a"], &["^a"]),
    (r".", &["a", "é", "\r"], &["\n", "", "ab"]),
    (r"[^a]", &["\n", "b"], &["a"]),
    (r"(?s).", &["\n"], &[""]),
    (r"(?s)a.*", &["a", "a\nb"], &["b"]),
    (r"(?s:.)a.", &["\nab"], &["\na\n"]),
    (r"(?s)(?-s).", &["a"], &["\n"]),
    (r"(?m)a$\n^b", &["a\nb"], &["a\n", "ab"]),
    (r"(?m)(?:^b$\n?)+", &["b\nb", "b\n"], &["a\nb"]),
    (r"a$\n^b", &[], &["a\nb"]),
    (r"(?U)a+", &["a", "aaa"], &[""]),
    (r"a+?|b*?|c??|d{1,2}?", &["aa", "", "bb", "c", "dd"], &["ddd"]),
    (r"()", &[""], &["a"]),
    (r"(?)a", &["a"], &[]),
    (r"(?i)(?-i)a", &["a"], &["A"]),
    (r"(?i:a)b", &["Ab"], &["AB"]),
    (r"(?im-sU:a)", &["A"], &["b"]),
    // A flag is forgotten at the end of its group, and is nothing to repeat.
    (r"(a(?i)b)c", &["aBc"], &["aBC", "Abc"]),
    (r"a(?i)*", &["", "aa"], &["A"]),
    (r"a*(?i)*", &["", "aa"], &["b"]),
    // Folding is Unicode's for literals, ASCII classes included.
    (r"(?i)k", &["k", "K", "\u{212a}"], &["c"]),
    (r"(?i)straße", &["STRAẞE", "straße"], &["strasse"]),
    (r"(?i)é", &["É"], &["e"]),
    (r"(?i)Σ", &["σ", "ς"], &["s"]),
    (r"(?i)[a-z]", &["S", "\u{17f}", "\u{212a}"], &["1"]),
    (r"(?i)\w", &["\u{17f}", "\u{212a}"], &["é"]),
    (r"(?i)\W", &["é"], &["\u{17f}", "k"]),
    (r"(?i)[^a]", &["b"], &["A", "a"]),
    (r"(?i)[[:^lower:]]", &["1"], &["A", "\u{17f}"]),
    (r"(?i)\p{Lu}", &["a", "A", "É", "é"], &["1"]),
    (r"(?i)\P{Lu}", &["1"], &["a", "A"]),
    // Classes.
    (r"[]a]", &["]", "a"], &["[", "b"]),
    (r"[^]a]", &["b"], &["]", "a"]),
    (r"[a-]", &["a", "-"], &["b"]),
    (r"[-a]", &["a", "-"], &["b"]),
    (r"[a-b-c]", &["a", "b", "-", "c"], &["d"]),
    (r"[\d-z]", &["1", "-", "z"], &["y"]),
    (r"[a^]", &["a", "^"], &["b"]),
    (r"[\]\-\\]", &["]", "-", "\\"], &["a"]),
    (r"[[:alpha:]]", &["a"], &["é", "1", ":"]),
    (r"[[:^alpha:]]", &["é", "1"], &["a"]),
    (r"[^[:word:].]", &["-"], &["_", "."]),
    (r"[[:space:]]", &["\x0b"], &["\u{a0}"]),
    (r"[:alpha:]", &["a", ":", "l", "p", "h"], &["b"]),
    (r"[[:]", &["[", ":"], &["a"]),
    (r"[é-ü]", &["ö"], &["a"]),
    (r"[^\x00-\x{10FFFF}]", &[], &["a", ""]),
    (r"[^\x00-\x{10FFFF}]?a", &["a"], &[""]),
    (r"\x{41}\x42\x{1F642}", &["AB🙂"], &[]),
    (r"\a\f\n\r\t\v", &["\x07\x0c\n\r\t\x0b"], &[]),
    (r"\pL+", &["aé"], &["1"]),
    (r"\PL", &["1"], &["a"]),
    (r"\p{Greek}", &["σ"], &["s"]),
    (r"\p{^Greek}|\P{^Greek}x", &["s", "σx"], &["σ"]),
    (r"[\p{Han}\p{Nd}]", &["漢", "٣"], &["a"]),
    (r"\p{Any}", &["a", "\n", "🙂"], &["", "ab"]),
    (r"\p{Cs}|a", &["a"], &["b"]),
    (r"\p{Old_Italic}|\p{SignWriting}", &["𐌀", "𝠀"], &["a"]),
    // Surrogates may be written and never occur.
    (r"\x{D800}|a", &["a"], &["\u{fffd}"]),
    (r"^\x{D800}|", &[""], &["a"]),
    (r"[\x{D700}-\x{E000}]", &["\u{d7ff}", "\u{e000}"], &["a"]),
    (r"[\x{D800}-\x{DFFF}]|a", &["a"], &["b"]),
    // At the limits.
    (r"a{1000}", &[], &["a"]),
    (r"(?:[a-z]{4}){0,250}", &["", "abcd"], &["abc"]),
    (r"((((((((((x{2}){2}){2}){2}){2}){2}){2}){2}){2}))", &[], &["x"]),
    (r"(?:a{1000}){0}", &[""], &["a"]),
    (r".{1000}", &[], &["a"]),
    // What alerts are full of.
    (r"checkout-api-00[0-9]+17|foo.*", &["checkout-api-0012317", "foo", "foobar"], &["checkout-api-0017", "xfoo"]),
    (r".*-(?:prod|stage)", &["a-prod", "-stage"], &["prod", "a-prod-1"]),
    (r".*canary.*", &["canary", "a-canary-b"], &["canar", "a\ncanary"]),
    (r"web-[0-9]", &["web-0", "web-9"], &["web-", "web-10"]),
    (r"(a|b)(c|d)?", &["a", "bd"], &["c", "ac\n"]),
];

#[test]
fn a_pattern_means_what_go_makes_of_it() {
    for (pattern, yes, no) in GO_MEANS {
        for value in *yes {
            assert!(matches(pattern, value), "{pattern} should match {value:?}");
        }
        for value in *no {
            assert!(!matches(pattern, value), "{pattern} should not match {value:?}");
        }
    }
}

#[test]
fn counts_are_exact() {
    let a = |n| "a".repeat(n);
    assert!(matches("a{1000}", &a(1000)) && !matches("a{1000}", &a(999)) && !matches("a{1000}", &a(1001)));
    assert!(matches("a{2,}", &a(2)) && matches("a{2,}", &a(50)) && !matches("a{2,}", &a(1)));
    assert!(matches("(ab){2,3}", "ababab") && !matches("(ab){2,3}", "abab ab"));
}

#[test]
fn what_go_refuses_is_refused() {
    for pattern in [
        // Accepted by Rust.
        "a{1001}",
        "(a{1000}){2}",
        "((a{10}){10}){11}",
        "(?:[a-z]{4}){0,251}",
        "a**",
        "a*+",
        "a?*",
        "a+??",
        "a{2}{3}",
        "(?x)",
        "(?u)",
        "(?R)",
        r"\u0041",
        r"\U00000041",
        "[a--b]",
        r"\p{greek}",
        r"\p{Letter}",
        r"\p{Grek}",
        r"\p{sc=Greek}",
        r"\p{Old Italic}",
        r"\p{ASCII}",
        r"\p{Cn}",
        r"\p{lu}",
        r"\p{Lx}",
        // Refused by both.
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?>a)",
        "(?#a)",
        r"(a)\1",
        r"\8",
        r"\Z",
        r"\C",
        r"\h",
        r"\E",
        r"\e",
        r"\é",
        r"\q",
        "[z-a]",
        "(?i)[a-Z]",
        "a{3,2}",
        "a{9876543210}",
        "a{1,99999999999}",
        "(",
        ")",
        "(a",
        "a)",
        "a)|(b",
        "(a|b|",
        "[a",
        "[",
        "[]",
        "[^]",
        "[a-",
        "[a-]b]*]{",
        "*",
        "+a",
        "a|*",
        "(*a)",
        "(?i)*",
        "{2}",
        r"\Q\E*",
        r"\Qabc",
        r"a\",
        r"[a\",
        r"[a\]",
        r"\x",
        r"\x4",
        r"\x{}",
        r"\x{41",
        r"\x{110000}",
        r"\x{g}",
        r"\xg1",
        r"[\Qa\E]",
        r"[\b]",
        r"[\A]",
        r"[a-\d]",
        "[[:foo:]]",
        "[[::]]",
        r"\p",
        r"\p{",
        r"\p{}",
        r"\p^",
        r"\pé",
        "(?",
        "(?i",
        "(?-)",
        "(?i-)",
        "(?i--s)",
        "(?P<n>a",
        "(?P<n",
        "(?P<>a)",
        "(?P<x y>a)",
        "(?<é>a)",
        "(?P=n)",
        "(?'n'a)",
        "(?a)",
        "(?:",
    ] {
        // `[a-]b]*]{` is three pieces Go accepts, kept out of the refusals.
        let accepted = Pattern::new(pattern).is_ok();
        assert_eq!(accepted, pattern == "[a-]b]*]{", "{pattern}");
    }
}

#[test]
fn a_refusal_names_the_place() {
    for (pattern, at, said) in [
        (r"foo\Zbar", 3..5, r"`\Z`"),
        ("é(?=a)", 2..5, "look-around"),
        ("a**b", 2..3, "repetition of a repetition"),
        ("(a{1000}){2}", 9..12, "1000"),
        ("a(b", 1..2, "never closed"),
        ("x[z-a]", 2..5, "end comes before its start"),
        (r"\p{greek}", 0..9, r"\p{Greek}"),
    ] {
        let wrong = Pattern::new(pattern).expect_err(pattern);
        assert_eq!(wrong.at, at, "{pattern}: {wrong:?}");
        assert!(wrong.message.contains(said), "{pattern}: {wrong:?}");
    }
}

#[test]
fn a_pattern_too_large_or_too_deep_is_refused_and_one_at_the_limit_compiles() {
    for pattern in [r"\pL{1000}", r"(?:\pL{30}){30}", "(?i)(?:[^a]{50}){20}"] {
        let size = size::states(&syntax::parse(pattern).expect(pattern));
        assert_eq!(Pattern::new(pattern).is_ok(), size <= size::MAX_STATES, "{pattern}: {size}");
    }
    assert!(Pattern::new(r"\pL{1000}").is_err());
    let nested = |n: usize| format!("{}a{}", "(a".repeat(n), ")".repeat(n));
    assert!(Pattern::new(&nested(129)).is_err());
    assert!(Pattern::new(&"(".repeat(100_000)).is_err());
    assert!(matches(&nested(128), &"a".repeat(129)));
    assert!(matches(&format!("{}a{}", "(?:b|".repeat(64), ")*".repeat(64)), "aba"));
}

#[test]
fn simple_patterns_need_no_engine() {
    for pattern in ["a|b|c", "web-1|web-2|", "^bar$", "(foo|bar)-[0-9]", ".*", ".+", "(.*)", "(?s).+", "^.*$", "a{3}"] {
        assert!(!matches!(Pattern::new(pattern).expect(pattern).plan, Plan::Engine(_)), "{pattern}");
    }
    let hosts = (0..5000).map(|n| format!("host-{n}")).collect::<Vec<_>>().join("|");
    let pattern = Pattern::new(&hosts).expect("words");
    assert!(matches!(&pattern.plan, Plan::Words(words) if words.len() == 5000));
    assert!(pattern.is_match("host-4999") && !pattern.is_match("host-5000"));
}

#[test]
fn a_value_that_cannot_match_compiles_nothing() {
    for (pattern, value) in [
        ("checkout-api-00[0-9]+17|foo.*", "payments-db-1"),
        (".*[0-9]-prod", "web-1-stage"),
        (".*canary.*", "web-1"),
        (".*(?:blue[0-9]+|green).*", "red-1"),
        ("[a-z]{3,5}", "toolong"),
        ("[a-z]{3,5}", "to"),
    ] {
        let pattern = Pattern::new(pattern).expect(pattern);
        assert!(!pattern.is_match(value));
        assert!(matches!(&pattern.plan, Plan::Engine(engine) if engine.1.get().is_none()), "{pattern:?}");
    }
}

#[test]
fn equal_patterns_are_one() {
    let mut patterns = Patterns::default();
    let (a, b) = (patterns.intern("a.*").expect("valid"), patterns.intern("a.*").expect("valid"));
    assert!(Arc::ptr_eq(&a, &b));
    patterns.intern("b.*").expect("valid");
    assert!(patterns.intern("(").is_err());
    assert_eq!(patterns.len(), 2);
}

/// Patterns mostly valid, made of the pieces that interact.
fn patterns() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "B",
        "k",
        "é",
        "-",
        "\n",
        ".",
        ".*",
        ".+",
        "ab",
        "a|b",
        "|",
        "(",
        "(?:",
        ")",
        ")*",
        "){2}",
        "(?i)",
        "(?s)",
        "(?m)",
        "(?i:",
        "*",
        "+",
        "?",
        "{2}",
        "{1,2}",
        "{",
        "^",
        "$",
        r"\b",
        r"\B",
        r"\d",
        r"\W",
        "[ab]",
        "[^a]",
        "[^\n]",
        "[a-z]",
        r"\x{D800}",
        r"\Qa.\E",
        r"\PL",
        "[[:^alpha:]]",
        r"[^\w]",
        r"\A",
        r"\z",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = String> {
    "[abBkéK1. \n-]{0,6}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_pattern_panics_and_every_accepted_one_compiles(pattern in any::<String>(), value in any::<String>()) {
        if let Ok(accepted) = Pattern::new(&pattern) {
            prop_assert_eq!(accepted.is_match(&value), compile(&pattern).is_match(&value));
        }
    }

    #[test]
    fn no_plan_or_filter_changes_an_answer(pattern in patterns(), values in prop::collection::vec(values(), 8)) {
        if let Ok(accepted) = Pattern::new(&pattern) {
            let engine = compile(&pattern);
            for value in &values {
                prop_assert_eq!(accepted.is_match(value), engine.is_match(value), "{:?} on {:?}", pattern, value);
            }
        }
    }

    /// Without what the dialects disagree on, Rust's own reading of the text is a second opinion.
    #[test]
    fn the_common_dialect_means_the_same_to_rust(
        pattern in "([abBé.|]|\\[\\^?[abB-]\\]|[*+?]|\\{[12]\\}|\\(|\\(\\?:|\\(\\?i\\)|\\(\\?s\\)|\\)){0,10}",
        values in prop::collection::vec(values(), 8),
    ) {
        if let (Ok(ours), Ok(theirs)) = (Pattern::new(&pattern), Regex::new(&format!("^(?:{pattern})$"))) {
            for value in &values {
                prop_assert_eq!(ours.is_match(value), theirs.is_match(value), "{:?} on {:?}", pattern, value);
            }
        }
    }

    #[test]
    fn a_word_is_found_in_any_list_that_has_it(words in prop::collection::vec("[a-c]{0,3}", 1..80), value in "[a-c]{0,3}") {
        prop_assert_eq!(matches(&words.join("|"), &value), words.contains(&value));
    }
}
