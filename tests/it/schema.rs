//! The committed JSON Schemas: current, accepted by a validator, right about every file in the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is committed, and how it is made.
const COMMITTED: [(&str, &str); 3] =
    [("rules/schema.json", "rules"), ("rules/test.schema.json", "tests"), ("fettle.schema.json", "config")];

fn validator(path: &str) -> Validator {
    let text = std::fs::read_to_string(root().join(path)).expect(path);
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{path}: {error}"));
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).expect(folder);
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder}/*{ending}");
    paths
}

/// A file as editors see it: YAML 1.2, merge keys applied.
fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    serde_yaml::from_str(&text).ok()
}

fn faults(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

#[test]
fn what_is_committed_is_what_fettle_prints() {
    for (path, of) in COMMITTED {
        let printed = Command::new(env!("CARGO_BIN_EXE_fettle")).args(["schema", of]).output().expect("it runs");
        let committed = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let printed = String::from_utf8(printed.stdout).expect("text");
        assert!(printed == committed, "{path} is not current: fettle schema {of} > {path}");
    }
}

#[test]
fn every_file_that_loads_is_accepted() {
    let rules = validator("rules/schema.json");
    let tests = |path: &PathBuf| path.to_string_lossy().ends_with(".test.yaml");
    let shipped = files("rules", ".yaml").into_iter().filter(|path| !tests(path));
    for path in shipped.chain(files("tests/corpus/rules", ".good.yaml")) {
        let value = read(&path).unwrap_or_else(|| panic!("{} is no YAML", path.display()));
        assert_eq!(faults(&rules, &value), [""; 0], "{}", path.display());
    }
    let of_tests = validator("rules/test.schema.json");
    for path in files("rules", ".test.yaml").into_iter().chain(files("tests/corpus/tests", ".good.test.yaml")) {
        let value = read(&path).unwrap_or_else(|| panic!("{} is no YAML", path.display()));
        assert_eq!(faults(&of_tests, &value), [""; 0], "{}", path.display());
    }
    let config = validator("fettle.schema.json");
    let text = std::fs::read_to_string(root().join("fettle.yaml")).expect("fettle.yaml");
    let value: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(faults(&config, &value), [""; 0]);
    // The examples that stand behind `#` as well.
    let whole: String = text.lines().map(|line| uncommented(line) + "\n").collect();
    let value: Value = serde_yaml::from_str(&whole).unwrap_or_else(|error| panic!("{error}\n{whole}"));
    assert!(value["alertmanager"]["urls"].is_array() && value["hosts"]["node-a"].is_object(), "{value}");
    assert_eq!(faults(&config, &value), [""; 0]);
}

/// A line of `fettle.yaml` with its example switched on. Prose, which begins with a capital or has no key, stays as it is.
fn uncommented(line: &str) -> String {
    if line.starts_with("# yaml-language-server") {
        return String::new();
    }
    let Some(rest) = line.strip_prefix("# ") else { return line.to_owned() };
    let example = rest.trim_start().split(' ').next().is_some_and(|word| word.ends_with(':') || word == "-");
    let continued = rest.starts_with("    ");
    if example || (continued && !rest.trim_start().starts_with('#')) {
        return rest.to_owned();
    }
    line.to_owned()
}

#[test]
fn what_a_schema_can_see_it_refuses() {
    let rules = validator("rules/schema.json");
    // Codes of what is a matter of keys, shapes and spelling.
    let visible = ["F004", "F005", "F006", "F007", "F016", "F024"];
    let mut refused = 0;
    for path in files("tests/corpus/rules", ".bad.yaml") {
        let said = std::fs::read_to_string(path.with_extension("yaml.snap")).expect("its snapshot");
        let Some(value) = read(&path) else { continue };
        let seen: Vec<&str> = visible.into_iter().filter(|code| said.contains(&format!("error[{code}]"))).collect();
        if !seen.is_empty() {
            assert!(!rules.is_valid(&value), "{}: {seen:?}", path.display());
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused}");
}

#[test]
fn shipped_files_name_their_schema_for_editors() {
    for path in files("rules", ".yaml").iter().filter(|path| !path.to_string_lossy().ends_with(".test.yaml")) {
        let text = std::fs::read_to_string(path).expect("readable");
        assert!(text.contains("# yaml-language-server: $schema=./schema.json\n"), "{}", path.display());
    }
    let text = std::fs::read_to_string(root().join("fettle.yaml")).expect("fettle.yaml");
    assert!(text.contains("# yaml-language-server: $schema=./fettle.schema.json\n"));
}
