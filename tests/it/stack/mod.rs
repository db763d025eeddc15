//! The stack around fettle: its files are read by their own programs, they fit each other, and the loop is run with them.

mod alertmanager;
mod compose;
mod docker_proxy;
mod image;
mod logs;
mod prometheus;
mod rig;
mod round;
mod secrets;
mod starts;
mod systemd;
mod twelve;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::server::find_program;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One of its files.
fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// YAML as JSON; later documents of a file do not occur here.
fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Runs a program of a Debian package in the repository; what it said, and the test fails when it fails.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let path = find_program(program, &[]).unwrap_or_else(|| crate::support::missing(program, package));
    let output = Command::new(path).args(arguments).current_dir(root()).output().expect("start the program");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {}\n{said}", arguments.join(" "));
    said
}

/// The items of a list, also of none.
fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or nothing.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
