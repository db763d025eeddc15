//! Who may import whom inside the core, and what the core and the engine must not know. Between crates Cargo holds the arrows.
//!
//! Reads every `crate::` path of a module, in `use` lines and in code; its comments and tests are left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The order inside the core: a module may name those of its own line and of the lines before.
const CORE: [&[&str]; 11] = [
    &["diagnostic", "words", "text", "time", "duration", "yaml", "interval", "id"],
    &["alert", "matcher", "hosts", "target"],
    &["action", "announcement", "upstream"],
    &["sight", "rule", "effect"],
    &["settings", "select"],
    &["surroundings"],
    &["remediation", "verdict"],
    &["guard"],
    &["decide"],
    &["receive"],
    &["ports"],
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("src is there").map(|entry| entry.expect("an entry").path());
    let nested = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(nested).filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

/// The first segment of every `crate::` path in production code.
fn paths(text: &str) -> BTreeSet<String> {
    let production = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = production.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let path: String =
                line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
            found.insert(path.split("::").next().unwrap_or_default().to_owned());
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")
}

#[test]
fn inside_the_core_the_arrows_point_one_way() {
    let line = |name: &str| CORE.iter().position(|names| names.contains(&name));
    let mut wrong = Vec::new();
    for file in files(&root().join("core/src")) {
        let inside = file.strip_prefix(root().join("core/src")).expect("below core").to_path_buf();
        let own = inside.iter().next().expect("a segment").to_string_lossy().trim_end_matches(".rs").to_owned();
        if matches!(own.as_str(), "lib" | "testing") {
            continue;
        }
        let Some(mine) = line(&own) else {
            wrong.push(format!("core/{} is in no line of the order", inside.display()));
            continue;
        };
        for next in paths(&std::fs::read_to_string(&file).expect("readable")) {
            // Files of tests may use their builders, and a macro is named by itself.
            let named = next != own && !matches!(next.as_str(), "testing" | "shape" | "wrap_store");
            if named && line(&next).is_none_or(|theirs| theirs > mine) {
                wrong.push(format!("core/{} names {next}", inside.display()));
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
    for file in files(&root().join("core/src")) {
        let text = std::fs::read_to_string(&file).expect("readable");
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        if file.iter().any(|part| matches!(part.to_str(), Some("tests" | "tests.rs" | "testing.rs" | "corpus.rs"))) {
            continue;
        }
        // A port's signature may be asynchronous: it asks for no runtime.
        let port = file.strip_prefix(root()).is_ok_and(|inside| inside.starts_with("core/src/ports"));
        for line in production.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in forbidden.iter().filter(|word| line.contains(**word) && !(port && **word == "async ")) {
                wrong.push(format!("{}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_engine_is_built_without_a_driver_of_a_database_of_docker_or_of_http() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = std::process::Command::new(cargo);
    command.args(["tree", "--offline", "-p", "fettle-engine", "-e", "normal", "--prefix", "none"]);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(tree.contains("fettle-core"), "{tree}");
    for driver in ["sqlx", "bollard", "actix", "reqwest", "hyper"] {
        assert!(!tree.lines().any(|line| line.starts_with(driver)), "{driver}:\n{tree}");
    }
}
