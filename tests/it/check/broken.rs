//! Broken input: a diagnostic with a place, exit 1, and bounds on time and memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{GOOD, Said, command, end, folder};

/// Processor time, in seconds: some times what the slowest of these takes in a debug build.
const SECONDS: &str = "30";

/// Address space, in KiB. Reading ten megabytes of YAML takes some hundred megabytes for a moment.
const MEMORY: &str = "1500000";

/// `fettle check WORDS --output json` with bounds: its code and, of each problem, `file:line code`.
fn bounded(folder: &Path, words: &[&str]) -> (Option<i32>, Vec<String>) {
    let line = format!("ulimit -v {MEMORY} && ulimit -t {SECONDS} && exec \"$@\"");
    let asked = command(folder, &[&["check", "--output", "json"], words].concat());
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, "sh"]).arg(asked.get_program()).args(asked.get_args()).current_dir(folder);
    for (name, value) in asked.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let said = end(shell);
    (said.code, places(&said))
}

fn places(said: &Said) -> Vec<String> {
    let found: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("no JSON: {}{}", said.out, said.err));
    let place = |it: &Value| {
        format!(
            "{}:{} {}",
            it["file"].as_str().unwrap_or_default(),
            it["line"],
            it["code"].as_str().unwrap_or_default()
        )
    };
    found.as_array().expect("a list").iter().map(place).collect()
}

#[test]
fn text_that_is_no_small_document_of_yaml_is_refused_with_a_place() {
    let bomb = {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (new, old) in ["b", "c", "d", "e", "f", "g", "h", "i"].iter().zip(["a", "b", "c", "d", "e", "f", "g", "h"])
        {
            text.extend([new, ": &", new, " [", &vec![format!("*{old}"); 9].join(", "), "]\n"]);
        }
        text
    };
    let long = format!("version: 1\nrules: []\n# {}\n", "x".repeat(9 << 20));
    let cases: [(&str, String, &[&str]); 18] = [
        ("bomb", bomb, &["a.yaml:5 F002"]),
        (
            "quadratic",
            format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(30_000), "*a, ".repeat(30_000)),
            &["a.yaml:2 F002"],
        ),
        ("deep flow", "[".repeat(100_000), &["a.yaml:1 F002"]),
        ("deep block", (0..2_000).flat_map(|n| [" ".repeat(n), "a:\n".into()]).collect(), &["F002"]),
        ("deep list", "- ".repeat(100_000), &["a.yaml:1 F002"]),
        (
            "many unknown keys",
            (0..200_000).flat_map(|n| ["k".into(), n.to_string(), ": 1\n".into()]).collect(),
            &["a.yaml:1000 F004", "a.yaml:1001 F004"],
        ),
        (
            "more keys than a file may have values",
            (0..600_000).flat_map(|n| ["k".into(), n.to_string(), ": 1\n".into()]).collect(),
            &["F002"],
        ),
        ("a key twice", "version: 1\nrules: []\nversion: 1\n".into(), &["a.yaml:3 F003"]),
        ("tabs", "version: 1\nrules:\n\t- name: a\n".into(), &["a.yaml:3 F002"]),
        ("nothing", String::new(), &["a.yaml:1 F005"]),
        ("white space", " \n\n \n".into(), &["F005"]),
        ("a comment", "# rules\n".into(), &["F005"]),
        ("zero bytes", "version: 1\0\nrules: []\n".into(), &["F002"]),
        ("two documents", format!("{GOOD}---\n{GOOD}"), &["a.yaml:5 F002"]),
        ("a merge of no map", "version: 1\nrules: [{<<: [1], name: a}]\n".into(), &["a.yaml:2 F002"]),
        ("an alias of itself", "version: 1\nrules: &a [*a]\n".into(), &["a.yaml:2 F002"]),
        ("unclosed", "version: 1\nrules: [\"".into(), &["a.yaml:2 F002"]),
        ("a long line", long, &[]),
    ];
    for (what, text, expected) in cases {
        let here = folder(&[("a.yaml", &text)]);
        let (code, places) = bounded(here.path(), &["a.yaml"]);
        if expected.is_empty() {
            assert_eq!((code, &places[..]), (Some(0), &["a.yaml:0 F031".to_owned()][..]), "{what}");
            continue;
        }
        assert_eq!(code, Some(1), "{what}: {places:?}");
        for part in expected {
            assert!(places.iter().any(|place| place.contains(part)), "{what}: {part} is not in {places:?}");
        }
    }
}

#[test]
fn what_people_really_have_in_files_is_read() {
    let crlf = GOOD.replace('\n', "\r\n");
    let bom = format!("\u{feff}{GOOD}");
    let merged = "version: 1\nrules:\n  - &one {name: a, match: [a=b], target: {container: a}, steps: [restart]}\n  - {<<: *one, name: b, match: [c=d]}\n";
    for (what, text) in
        [("crlf", crlf.as_str()), ("bom", &bom), ("merged", merged), ("no end of line", GOOD.trim_end())]
    {
        let here = folder(&[("a.yaml", text)]);
        assert_eq!(bounded(here.path(), &["a.yaml", "--strict"]), (Some(0), vec![]), "{what}");
    }
    let here = folder(&[("a.yaml", &crlf.replace("restart", "reboot"))]);
    assert_eq!(bounded(here.path(), &["a.yaml"]), (Some(1), vec!["a.yaml:3 F026".to_owned()]));
}

#[test]
fn what_is_not_utf8_is_refused_where_it_stops_to_be() {
    let here = folder(&[]);
    fs::write(here.path().join("latin.yaml"), b"version: 1\nrules: [] # caf\xe9\n").expect("written");
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    fs::write(here.path().join("wide.yaml"), wide).expect("written");
    let (code, places) = bounded(here.path(), &["latin.yaml", "wide.yaml"]);
    assert_eq!((code, places), (Some(1), vec!["latin.yaml:2 F001".to_owned(), "wide.yaml:1 F001".to_owned()]));
    let said = end(command(here.path(), &["check", "wide.yaml"]));
    assert!(said.out.contains("looks like UTF-16"), "{}", said.out);
}

#[test]
fn files_that_are_too_large_are_not_read_to_their_end() {
    let here = folder(&[("rules/good.yaml", GOOD)]);
    let huge = fs::File::create(here.path().join("rules/huge.yaml")).expect("made");
    huge.set_len(100 << 20).expect("a hole is cheap");
    assert_eq!(bounded(here.path(), &["rules"]), (Some(1), vec!["rules/huge.yaml:0 F001".to_owned()]));
    let hundred = folder(&[]);
    let text = format!("version: 1\nrules: []\n# {}\n", "x".repeat(9 << 20));
    fs::write(hundred.path().join("0.yaml"), text).expect("written");
    for n in 1..30 {
        fs::hard_link(hundred.path().join("0.yaml"), hundred.path().join(format!("{n}.yaml"))).expect("linked");
    }
    let (code, places) = bounded(hundred.path(), &["."]);
    assert!(code == Some(1) && places.len() == 1 && places[0].ends_with(" F001"), "{places:?}");
}

#[test]
fn pipes_devices_and_links_in_circles_are_no_files() {
    let here = folder(&[("rules/good.yaml", GOOD)]);
    let rules = here.path().join("rules");
    assert!(Command::new("mkfifo").arg(rules.join("pipe.yaml")).status().expect("mkfifo").success());
    symlink("/dev/zero", rules.join("zero.yaml")).expect("linked");
    symlink("nowhere", rules.join("dangling.yaml")).expect("linked");
    symlink("self.yaml", rules.join("self.yaml")).expect("linked");
    symlink("..", rules.join("circle")).expect("linked");
    symlink(".", rules.join("here")).expect("linked");
    let (code, places) = bounded(here.path(), &["rules"]);
    let expected = ["dangling", "pipe", "self", "zero"].map(|name| format!("rules/{name}.yaml:0 F001"));
    assert_eq!((code, places), (Some(1), expected.to_vec()));
    assert_eq!(bounded(here.path(), &["rules/pipe.yaml"]).0, Some(1), "named, it is not waited for either");
}

#[test]
fn what_may_not_be_read_is_told_and_the_rest_is_checked() {
    use std::os::unix::process::CommandExt;
    let here = folder(&[
        ("rules/secret.yaml", GOOD),
        ("rules/wrong.yaml", "version: 2\nrules: []\n"),
        ("rules/closed/a.yaml", GOOD),
    ]);
    let mode =
        |path: &str, mode| fs::set_permissions(here.path().join(path), fs::Permissions::from_mode(mode)).expect("set");
    mode("", 0o755);
    mode("rules", 0o755);
    mode("rules/secret.yaml", 0o000);
    mode("rules/closed", 0o000);
    let mut asked = command(here.path(), &["check", "rules", "--output", "json"]);
    // Root may read everything; nobody may not. The program itself lies where only root may look, so it is copied.
    let program = here.path().join("fettle");
    if rustix_uid() == 0 {
        fs::copy(env!("CARGO_BIN_EXE_fettle"), &program).expect("copied");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let mut as_nobody = Command::new(&program);
        as_nobody.args(asked.get_args()).current_dir(here.path()).uid(65_534).gid(65_534);
        asked = as_nobody;
    }
    let said = end(asked);
    let found = places(&said);
    mode("rules/closed", 0o755);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(found, ["rules/closed:0 F001", "rules/secret.yaml:0 F001", "rules/wrong.yaml:1 F007"]);
}

/// Who runs the tests.
fn rustix_uid() -> u32 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").map_or(1, |it| it.uid())
}
