//! Who may import whom. The tree is the architecture, so a wrong arrow fails here; cycles cannot appear.
//!
//! Reads every `crate::` path in `src/`, in `use` lines and in code, comments and tests of the module left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each top module with the modules it may name.
const TABLE: [(&str, &[&str]); 13] = [
    ("diagnostic", &[]),
    ("core", &["diagnostic"]),
    ("config", &["core", "diagnostic", "telemetry"]),
    ("telemetry", &["core", "config", "diagnostic"]),
    ("store", &["core", "config", "diagnostic", "telemetry"]),
    ("platform", &["core", "config", "diagnostic", "telemetry"]),
    ("upstream", &["core", "config", "diagnostic", "telemetry"]),
    ("engine", &["core", "store", "platform", "upstream", "telemetry", "config", "diagnostic"]),
    ("predict", &["core", "store", "platform", "upstream", "telemetry", "config", "diagnostic"]),
    ("http", &["core", "store", "platform", "upstream", "telemetry", "config", "diagnostic", "engine", "predict"]),
    (
        "app",
        &["core", "store", "platform", "upstream", "telemetry", "config", "diagnostic", "engine", "predict", "http"],
    ),
    (
        "cli",
        &[
            "core",
            "store",
            "platform",
            "upstream",
            "telemetry",
            "config",
            "diagnostic",
            "engine",
            "predict",
            "http",
            "app",
        ],
    ),
    ("main", &["cli"]),
];

/// The order inside the core: a module may name those of its own line and of the lines before.
const CORE: [&[&str]; 10] = [
    &["words", "text", "time", "duration", "yaml", "interval"],
    &["alert", "matcher", "target"],
    &["action", "announcement", "upstream"],
    &["sight", "rule", "effect"],
    &["settings", "select"],
    &["surroundings"],
    &["remediation", "verdict"],
    &["guard"],
    &["decide"],
    &["receive"],
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("src is there").map(|entry| entry.expect("an entry").path());
    let nested = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The first two segments of every `crate::` path in production code.
fn paths(text: &str) -> BTreeSet<(String, String)> {
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let path: String =
                line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            let mut segments = path.split("::").map(str::to_owned);
            found.insert((segments.next().unwrap_or_default(), segments.next().unwrap_or_default()));
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn every_module_imports_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for file in files(&root()) {
        let inside = file.strip_prefix(root()).expect("below src").to_path_buf();
        let own = inside.iter().next().expect("a segment").to_string_lossy().trim_end_matches(".rs").to_owned();
        if own == "lib" {
            continue;
        }
        let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == own) else {
            wrong.push(format!("src/{} is in no line of the table", inside.display()));
            continue;
        };
        for (top, _) in paths(&std::fs::read_to_string(&file).expect("readable")) {
            if top != own && !allowed.contains(&top.as_str()) {
                wrong.push(format!("src/{} names crate::{top}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn inside_the_core_the_arrows_point_one_way() {
    let line = |name: &str| CORE.iter().position(|names| names.contains(&name));
    let mut wrong = Vec::new();
    for file in files(&root().join("core")) {
        let inside = file.strip_prefix(root().join("core")).expect("below core").to_path_buf();
        let own = inside.iter().next().expect("a segment").to_string_lossy().trim_end_matches(".rs").to_owned();
        if matches!(own.as_str(), "mod" | "testing") {
            continue;
        }
        let Some(mine) = line(&own) else {
            wrong.push(format!("core/{} is in no line of the order", inside.display()));
            continue;
        };
        for (top, next) in paths(&std::fs::read_to_string(&file).expect("readable")) {
            // Files of tests may use their builders, which production code cannot name.
            if top == "core" && next != own && next != "testing" && line(&next).is_none_or(|theirs| theirs > mine) {
                wrong.push(format!("core/{} names core::{next}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_has_no_clock_no_io_and_no_async() {
    let forbidden = [
        "tokio",
        "async ",
        "std::fs",
        "std::net",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "now_v7",
        "sqlx",
        "bollard",
    ];
    let mut wrong = Vec::new();
    for file in files(&root().join("core")) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        if file.iter().any(|part| matches!(part.to_str(), Some("tests" | "tests.rs" | "testing.rs" | "corpus.rs"))) {
            continue;
        }
        for line in production.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
