//! Alertmanager's own cases: which inputs parse, what they mean, how they print.

use proptest::prelude::*;

use super::*;

fn only(input: &str) -> Matcher {
    let mut matchers = parse(input).unwrap_or_else(|wrong| panic!("{input}: {wrong:?}"));
    assert_eq!(matchers.len(), 1, "{input}");
    matchers.remove(0)
}

fn printed(input: &str) -> String {
    let matchers = parse(input).unwrap_or_else(|wrong| panic!("{input}: {wrong:?}"));
    matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn inputs_both_parsers_accept_mean_the_same() {
    for (input, canonical) in [
        ("foo=bar", r#"foo="bar""#),
        (" foo = bar ", r#"foo="bar""#),
        (r#"{foo="bar",}"#, r#"foo="bar""#),
        ("foo=~a|b", r#"foo=~"a|b""#),
        ("foo=~[0-9]+", r#"foo=~"[0-9]+""#),
        ("mountpoint=/", r#"mountpoint="/""#),
        ("instance=arcanum:8000", r#"instance="arcanum:8000""#),
        ("foo=http://x:80/a?b", r#"foo="http://x:80/a?b""#),
        ("foo=-1", r#"foo="-1""#),
        (r#"{foo="a}b,c"}"#, r#"foo="a}b,c""#),
        (r#"foo="a\\b""#, r#"foo="a\\b""#),
        (r#"foo="a\"b""#, r#"foo="a\"b""#),
        (r#"foo != "bar",bar!~"",baz =~x"#, r#"foo!="bar",bar!~"",baz=~"x""#),
    ] {
        assert_eq!(printed(input), canonical, "{input}");
    }
}

#[test]
fn inputs_only_the_utf8_parser_accepts_parse() {
    for (input, canonical) in [
        ("föö=bar", r#"föö="bar""#),
        (r#""föö bar"=x"#, r#""föö bar"="x""#),
        ("foo.bar=x", r#"foo.bar="x""#),
        ("foo-bar=x", r#"foo-bar="x""#),
        ("0foo=x", r#"0foo="x""#),
        ("🙂=1", r#"🙂="1""#),
        (r#""foo"=x"#, r#"foo="x""#),
        (" {foo=bar}", r#"foo="bar""#),
        // The classic parser would read these otherwise; ours has one reading.
        ("{foo=bar} ", r#"foo="bar""#),
        ("{foo=bar}\n", r#"foo="bar""#),
        ("{ foo = bar , }", r#"foo="bar""#),
        ("foo=\"a\\tb\"", "foo=\"a\tb\""),
        (r#"foo="\x41""#, r#"foo="A""#),
        (r#"foo="\u00e9""#, r#"foo="é""#),
        (r#"foo="\101""#, r#"foo="A""#),
        // White space is Unicode's; what is none belongs to the word, NUL too.
        ("foo\u{a0}=\u{2003}bar\u{85}", r#"foo="bar""#),
        ("foo\u{200b}=bar\u{feff}", "foo\u{200b}=\"bar\u{feff}\""),
        ("foo\0=\0", "foo\0=\"\0\""),
        ("foo=\"a\tb\rc\0\"", "foo=\"a\tb\rc\0\""),
        (r#""a\"b"="\u00a0\n""#, r#""a\"b"="\u00a0\n""#),
        (r#""a b"=~".\t""#, r#""a b"=~".\t""#),
        (r#"{"foo"="x"}"#, r#"foo="x""#),
        ("foo=bar,foo=baz", r#"foo="bar",foo="baz""#),
        (r#"foo="a"bar=b"#, ""),
    ] {
        if canonical.is_empty() {
            assert!(parse(input).is_err(), "{input}");
        } else {
            assert_eq!(printed(input), canonical, "{input}");
        }
    }
}

#[test]
fn inputs_only_the_classic_parser_accepts_are_refused_with_what_to_write() {
    for (input, instead) in [
        ("foo=", r#"write foo="""#),
        ("foo=~", r#"write foo=~"""#),
        ("foo=bar baz", r#"write foo="bar baz""#),
        ("foo=a=b", r#"write foo="a=b""#),
        ("foo==bar", r#"write foo="=bar""#),
        ("foo=!bar", r#"write foo="!bar""#),
        ("foo='bar'", r#"write foo="bar"; only double quotes are quotes, ' would be part of the value"#),
        ("foo=`bar`", r#"write foo="bar"; only double quotes are quotes, ` would be part of the value"#),
        (r"foo=~\d+", r#"write foo=~"\\d+""#),
        (r#"foo=~"\d+""#, r#"write foo=~"\\d+""#),
        (r"foo=a\nb", r#"write foo="a\nb""#),
        ("{foo=bar", r#"write foo="bar""#),
        ("foo=bar}", r#"write foo="bar""#),
        ("foo=~a{2}", r#"write foo=~"a{2}""#),
        ("{foo=bar}x", r#"write foo="bar}x""#),
        (r#"foo=~"a\x28",bar=x"#, r#"write foo=~"a\\x28", bar="x""#),
    ] {
        let refused = parse(input).expect_err(input);
        assert_eq!(refused.help.as_deref(), Some(instead), "{input}");
        let first = instead.trim_start_matches("write ").split(';').next().unwrap_or_default();
        assert!(parse(first).is_ok(), "the hint for {input} must itself parse");
    }
}

#[test]
fn inputs_neither_parser_accepts_are_refused() {
    for input in [
        "foo",
        "=bar",
        "foo~bar",
        "foo!bar",
        ",foo=bar",
        "foo=bar,,",
        "{,}",
        "{{foo=bar}}",
        "foo=\"bar",
        "foo=bar\"",
        "foo=\"a\"b",
        "foo=~*",
        "foo=~\"(\"",
        "}",
        "{",
        "foo=\"a\nb\\d\"",
        "'foo'=bar",
        "foo=(bar",
        "foo=bar or bar=foo'\"",
    ] {
        match parse(input) {
            Err(refused) => assert!(refused.at.end <= input.len(), "{input}: {refused:?}"),
            Ok(read) => assert_eq!((input, read[0].value()), ("foo=(bar", "(bar")),
        }
    }
}

#[test]
fn a_list_of_nothing_and_a_nameless_label_are_refused() {
    for input in ["", " ", "{}", " { } ", "\n"] {
        let refused = parse(input).expect_err(input);
        assert!(refused.message.contains("would match every alert"), "{refused:?}");
    }
    let refused = parse(r#"foo=x,""=x"#).expect_err("nameless");
    assert_eq!((refused.message.as_str(), refused.at), ("a label name must not be empty", 6..8));
}

#[test]
fn an_error_names_its_place() {
    for (input, at, said) in [
        ("foo", 3..3, "expected an operator (=, !=, =~ or !~), found the end"),
        ("foo bar", 4..5, "found `b`"),
        ("föö=", 6..6, "an empty one is written \"\""),
        ("foo=bar baz", 8..9, "expected a comma between matchers, found `b`"),
        ("foo='x'", 4..5, "found `'`"),
        ("{foo=bar", 8..8, "never closed"),
        ("foo=bar}", 7..8, "no opening brace"),
        ("{foo=bar}x", 9..10, "nothing behind"),
        ("foo=\"bar", 4..8, "never closed"),
        (r#"foo="é\d""#, 7..9, r"`\d` is not an escape"),
        ("foo=\"a\nb\"", 6..7, "line break"),
        (r#"foo=~"a**""#, 8..9, "repetition of a repetition"),
        ("bar=x,foo=~*", 11..12, "nothing before this to repeat"),
        (r#"foo=~"\u0061**""#, 5..15, "repetition of a repetition"),
    ] {
        let refused = parse(input).expect_err(input);
        assert_eq!(refused.at, at, "{input}: {refused:?}");
        assert!(refused.message.contains(said), "{input}: {refused:?}");
    }
}

#[test]
fn a_matcher_says_of_each_value_what_alertmanager_says() {
    let values = [None, Some(""), Some("bar"), Some("xbarx"), Some("a\nb")];
    for (inputs, want) in [
        (&[r#"foo="""#, r#"foo=~"""#][..], [true, true, false, false, false]),
        (&[r#"foo!="""#, r#"foo!~"""#], [false, false, true, true, true]),
        (&[r#"foo="bar""#, r#"foo=~"bar""#, r#"foo=~"^bar$""#], [false, false, true, false, false]),
        (&[r#"foo!="bar""#, r#"foo!~"bar""#], [true, true, false, true, true]),
        (&[r#"foo=~".*""#], [true, true, true, true, false]),
        (&[r#"foo=~".+""#], [false, false, true, true, false]),
        (&[r#"foo!~".+""#], [true, true, false, false, true]),
        (&[r#"foo=~"bar|""#], [true, true, true, false, false]),
        (&[r#"foo=~"(?s).+""#], [false, false, true, true, true]),
        (&[r#"foo=~"ba""#, r#"foo=~"a.b""#], [false; 5]),
    ] {
        for input in inputs {
            let matcher = only(input);
            let got = values.map(|value| {
                let pairs = [("other", "bar")].into_iter().chain(value.map(|value| ("foo", value)));
                let labels: Labels = pairs.collect();
                matcher.matches(&labels)
            });
            assert_eq!(got, want, "{input}");
            assert_eq!(matcher.matches_empty(), want[0], "{input}");
        }
    }
}

#[test]
fn patterns_are_shared_between_inputs() {
    let mut patterns = Patterns::default();
    for input in ["foo=~a.*", "bar!~\"a.*\",baz=a.*", "foo=~b.*"] {
        parse_with(input, &mut patterns).expect(input);
    }
    assert_eq!(patterns.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_printed_matcher_reads_back(name in any::<String>(), value in any::<String>(), negated in any::<bool>()) {
        prop_assume!(!name.is_empty());
        let op = if negated { Op::NotEqual } else { Op::Equal };
        let matcher = Matcher::equality(name, op, value);
        prop_assert_eq!(parse(&matcher.to_string()), Ok(vec![matcher.clone()]));
        prop_assert_eq!(parse(&format!("{{{matcher}, {matcher},}}")), Ok(vec![matcher.clone(), matcher]));
    }

    #[test]
    fn no_input_panics_and_every_error_points_into_it(
        input in prop_oneof![any::<String>(), r#"([{},=!~"'`\\ \n\tdux1é*()+.|]|foo|bar|\\[dnx"]){0,24}"#],
    ) {
        match parse(&input) {
            Ok(matchers) => prop_assert!(!matchers.is_empty()),
            Err(refused) => {
                prop_assert!(refused.at.start <= refused.at.end && refused.at.end <= input.len(), "{:?}", refused);
                prop_assert!(input.is_char_boundary(refused.at.start) && input.is_char_boundary(refused.at.end));
            }
        }
    }
}
