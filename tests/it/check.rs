//! `fettle check` as people and scripts meet it: what it says, how it ends, and what broken input costs.

mod broken;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fettle_store::open;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

/// What a command said and how it ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// `fettle WORDS` in `folder`, with no settings from outside.
pub fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fettle"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FETTLE_") || matches!(name.as_str(), "DATABASE_URL" | "DOCKER_HOST" | "NO_COLOR") {
            command.env_remove(name);
        }
    }
    command.args(words).current_dir(folder).stdin(Stdio::null());
    command
}

pub fn end(mut command: Command) -> Said {
    let done = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

fn check(folder: &Path, words: &[&str]) -> Said {
    end(command(folder, &[&["check"], words].concat()))
}

/// A folder with these files in it.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    folder
}

const GOOD: &str =
    "version: 1\nrules:\n  - {name: web, match: [alertname=Down], target: {container: web}, steps: [restart]}\n";

const WARNED: &str = "version: 1\nrules:\n  - {name: all, match: [alertname=Down], target: {container: $labels.service, allow: [\"*\"]}, steps: [restart]}\n";

#[test]
fn what_is_shipped_has_no_errors() {
    let said = check(Path::new(env!("CARGO_MANIFEST_DIR")), &[]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
}

#[test]
fn problems_of_settings_and_rules_are_told_at_once_in_order() {
    let rules = "version: 1\nrules:\n  - name: a\n    match: [a=b]\n    target: {container: a}\n    step: [restart]\n    hold: 5\n";
    let bad = folder(&[("fettle.yaml", "mode: acting\nlisten: 1\n"), ("rules/a.yaml", rules), ("rules/b.yml", "[]")]);
    let said = check(bad.path(), &["--output", "json"]);
    let found: Value = serde_json::from_str(&said.out).expect("JSON and nothing else");
    let places: Vec<String> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| format!("{}:{}:{} {}", it["file"].as_str().unwrap_or_default(), it["line"], it["column"], it["code"]))
        .collect();
    assert_eq!(
        places,
        [
            "fettle.yaml:1:7 \"F010\"",
            "fettle.yaml:2:9 \"F051\"",
            "rules/a.yaml:3:5 \"F005\"",
            "rules/a.yaml:6:5 \"F004\"",
            "rules/a.yaml:7:11 \"F008\"",
            "rules/b.yml:1:1 \"F006\"",
        ]
    );
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let human = check(bad.path(), &[]);
    assert!(human.out.contains("rules/a.yaml:6:5: error[F004]: unknown key `step`"), "{}", human.out);
    assert!(
        human.out.contains("did you mean `steps`?") && human.out.ends_with("6 errors, 0 warnings in 3 files\n"),
        "{}",
        human.out
    );
    let github = check(bad.path(), &["--output", "github"]);
    assert!(github.out.contains("::error file=rules/a.yaml,line=6,col=5,title=F004::unknown key"), "{}", github.out);
}

#[test]
fn warnings_stop_only_who_asks_for_it() {
    let warned = folder(&[("rules/a.yaml", WARNED)]);
    for (words, code) in [(&[][..], 0), (&["--strict"], 3), (&["--strict", "--output", "json"], 3), (&["rules"], 0)] {
        let said = check(warned.path(), words);
        assert_eq!(said.code, Some(code), "{words:?} {}{}", said.out, said.err);
        assert!(said.out.contains("F022"), "{}", said.out);
    }
    let good = folder(&[("rules/a.yaml", GOOD)]);
    let said = check(good.path(), &["--strict"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "1 rule in 1 file: no problems\n"), "{}", said.err);
    let empty = folder(&[("rules/README.md", "")]);
    assert!(check(empty.path(), &["--strict"]).out.contains("F031"));
}

#[test]
fn paths_are_rules_folders_settings_or_stdin() {
    let several = "hosts: {a: , b: }\n";
    let many = folder(&[
        ("conf/fettle.yaml", several),
        ("conf/rules/a.yaml", GOOD),
        ("x.yaml", GOOD),
        ("y.yaml", "mode: act\n"),
    ]);
    let codes = |words: &[&str]| -> Vec<String> {
        let said = check(many.path(), &[words, &["--output", "json"]].concat());
        let found: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{words:?}: {}{}", said.out, said.err));
        found.as_array().expect("a list").iter().map(|it| format!("{} {}", it["file"], it["code"])).collect()
    };
    // A configuration brings its rules along, and rules are checked against the one that is named.
    assert_eq!(codes(&["conf/fettle.yaml"]), [r#""conf/rules/a.yaml" "F019""#]);
    assert_eq!(codes(&["x.yaml", "--config", "conf/fettle.yaml"]), [r#""x.yaml" "F019""#]);
    assert_eq!(codes(&["x.yaml"]), [""; 0]);
    assert_eq!(codes(&["x.yaml", "y.yaml"]), [""; 0], "settings are known by their keys");
    assert_eq!(codes(&["nowhere"]), [r#""nowhere" "F001""#]);
    assert_eq!(check(many.path(), &["conf/fettle.yaml", "y.yaml"]).code, Some(2), "rules have one configuration");

    let mut piped = command(many.path(), &["check", "-", "--output", "json"]);
    let mut running = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    running.stdin.take().expect("a pipe").write_all(b"version: 2\n").expect("written");
    let done = running.wait_with_output().expect("it ends");
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (done.status.code(), &found[0]["file"], &found[1]["code"]),
        (Some(1), &Value::from("<stdin>"), &Value::from("F007"))
    );
}

#[test]
fn what_depends_on_settings_is_not_judged_by_broken_ones() {
    let two = "version: 1\nrules:\n  - {name: a, match: [a=b], target: {container: a, host: node-a}, steps: [restart]}\n  - {}\n";
    let broken = folder(&[("fettle.yaml", "hosts: {node-a: {dokcer: x}}\n"), ("rules/a.yaml", two)]);
    let said = check(broken.path(), &[]);
    assert!(said.out.contains("F004") && said.out.contains("F005") && !said.out.contains("F019"), "{}", said.out);
    let said = check(broken.path(), &["rules"]);
    assert!(
        !said.out.contains("dokcer") && said.err.contains("the configuration has errors"),
        "{}{}",
        said.out,
        said.err
    );
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_told() {
    let good = folder(&[("rules/a.yaml", GOOD)]);
    let mut asked = command(good.path(), &["check", "--strict"]);
    asked.env("FETTLE_MOD", "act");
    let said = end(asked);
    assert_eq!(said.code, Some(3), "{}", said.out);
    assert!(
        said.out.contains("environment FETTLE_MOD: warning[F107]") && said.out.contains("did you mean FETTLE_MODE?"),
        "{}",
        said.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_alerts_tell_whether_a_target_could_ever_be_named() {
    let rules = "version: 1\nrules:\n  - {name: a, match: [alertname=Down], target: {container: $labels.servce, allow: [a]}, steps: [restart]}\n";
    let here = folder(&[("rules/a.yaml", rules)]);
    let url = format!("sqlite://{}/fettle.db", here.path().display());
    assert_eq!(check(here.path(), &["--against", &url]).code, Some(1), "a database that is not there is not made");
    assert!(!here.path().join("fettle.db").exists());
    let _store = open(&url, Uuid::now_v7().into()).await.expect("open");
    let mut connection = SqliteConnection::connect(&url).await.expect("connect");
    let row = "INSERT INTO alerts (evidence_at, heard_at, starts_at, first_at, episode, firing, fingerprint, alertname, labels)
        VALUES ('2026-01-31T12:00:00.000000Z', '2026-01-31T12:00:00.000000Z', '2026-01-31T12:00:00.000000Z',
                '2026-01-31T12:00:00.000000Z', 1, 1, 'f', 'Down', '{\"alertname\":\"Down\",\"service\":\"web\"}')";
    sqlx::query(row).execute(&mut connection).await.expect("a row");
    let said = check(here.path(), &["--against", &url]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.contains("F106") && said.out.contains("did you mean $labels.service?"), "{}", said.out);
}

/// What a terminal gets from `fettle WORDS`.
fn at_a_terminal(folder: &Path, words: &str, no_color: bool) -> String {
    let line = format!("exec {} {words}", env!("CARGO_BIN_EXE_fettle"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(folder);
    command.env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    end(command).out
}

#[test]
fn colours_are_for_terminals_and_whoever_asks() {
    let warned = folder(&[("rules/a.yaml", WARNED)]);
    assert!(at_a_terminal(warned.path(), "check", false).contains("\u{1b}[1;33mwarning[F022]"));
    assert!(!at_a_terminal(warned.path(), "check", true).contains('\u{1b}'));
    assert!(!at_a_terminal(warned.path(), "check --color never", false).contains('\u{1b}'));
    assert!(!check(warned.path(), &[]).out.contains('\u{1b}'));
    assert!(check(warned.path(), &["--color", "always"]).out.contains('\u{1b}'));
    assert!(!check(warned.path(), &["--color", "always", "--output", "json"]).out.contains('\u{1b}'));
}

#[test]
fn completions_and_manual_pages_come_from_the_commands_themselves() {
    let here = folder(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = end(command(here.path(), &["completions", shell]));
        assert!(said.code == Some(0) && said.out.contains("remediations"), "{shell}: {}", said.err);
    }
    let script = end(command(here.path(), &["completions", "bash"])).out;
    std::fs::write(here.path().join("fettle.bash"), script).expect("written");
    let asked =
        "source ./fettle.bash; COMP_WORDS=(fettle che); COMP_CWORD=1; _fettle fettle che fettle; echo ${COMPREPLY[@]}";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", asked]).current_dir(here.path());
    assert_eq!(end(bash).out, "check\n");
    assert!(end(command(here.path(), &["man"])).out.contains(".TH fettle 1"));
    let said = end(command(here.path(), &["man", "--dir", "man"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    for page in ["fettle.1", "fettle-check.1", "fettle-token-new.1"] {
        let text = std::fs::read_to_string(here.path().join("man").join(page)).expect(page);
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(std::fs::read_to_string(here.path().join("man/fettle-check.1")).expect("a page").contains("Examples"));
}
