//! Faults: those at the seams ([`Mutant`]), then those in the sources of core and engine, of which one line at a time is changed in
//! a copy that is built and run until the fault is found. One that survives is either a check that is missing or a line that
//! nothing needs.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::mutants::{Mutant, caught};

/// Schedules that a fault has to survive.
const SEEDS: &str = "20000";

/// A change of one line: the file below `crates`, the text that occurs in it exactly once, and the text in its place.
type Change = (&'static str, &'static str, &'static str);

/// The changes.
const CHANGES: &[Change] = &[
    ("core/src/guard/mod.rs", "of(ScopeKind::RuleTarget, &rule.budget),", "of(ScopeKind::RuleTarget, &[]),"),
    ("core/src/decide/planning.rs", "row.spends = true;", "row.spends = attempt.dependent.is_some();"),
    ("core/src/guard/mod.rs", "(Guard::Budget, budget::ask),", "(Guard::Budget, in_flight::ask),"),
    (
        "core/src/guard/in_flight.rs",
        "if let Some(rival) = counted.ledger.rivals.first() {",
        "if let Some(rival) = counted.ledger.rivals.get(9) {",
    ),
    ("core/src/guard/paused.rs", "PauseScope::Target(it) => it == target,", "PauseScope::Target(_) => false,"),
    ("core/src/guard/storm.rs", "(now < end).then_some(end)", "(now > end).then_some(end)"),
    (
        "core/src/guard/tripped.rs",
        "BreakerState::HalfOpen if breaker.probe.is_none() => None,",
        "BreakerState::HalfOpen => None,",
    ),
    ("core/src/guard/not_enabled.rs", "if own != Some(\"true\") {", "if own.is_none() {"),
    (
        "core/src/guard/protected.rs",
        "if protected.containers.contains(sight.name) {",
        "if protected.containers.contains(sight.id) {",
    ),
    (
        "core/src/guard/held_by_label.rs",
        "part.labels.get(HOLD).map(|value| (HOLD, value))",
        "part.labels.get(BUDGET).filter(|it| it.is_empty()).map(|value| (HOLD, value))",
    ),
    (
        "core/src/guard/on_loan.rs",
        "loan.remediation != own || aim.action.scales()",
        "loan.remediation == own && aim.action.scales()",
    ),
    ("core/src/decide/planning.rs", "let pause = pause.max(plan.attempt.action.conclusive_after());", ""),
    (
        "core/src/decide/running.rs",
        "if proof != Proof::Happened && now < conclusive_at {",
        "if proof != Proof::Happened && now < attempt.intended_at {",
    ),
    ("core/src/decide/running.rs", "for rest in &queue {", "for rest in queue.iter().skip(9) {"),
    (
        "core/src/decide/ending.rs",
        "Verdict::Unknown | Verdict::Regressed => return self.escalate(reason),",
        "Verdict::Unknown | Verdict::Regressed => return self.next_rung(reason),",
    ),
    ("core/src/decide/ending.rs", "self.next_probe(breaker.opened_at.unwrap_or(now));", ""),
    ("core/src/decide/returning.rs", "Ok(_) if conclusive => failed(", "Ok(_) => failed("),
    (
        "core/src/decide/telling.rs",
        "records.push(working(remediation, rule, now, now));",
        "drop(working(remediation, rule, now, now));",
    ),
    ("core/src/receive/batch.rs", "self.wait(alert, rule, target, &open, now),", "drop((target, &open, now)),"),
    // The fault that a copy of the engine once hid: what waits for a remediation was counted as attached to it.
    (
        "engine/src/receive.rs",
        "changes.candidates.iter().filter(|it| it.standing == Standing::Attached)",
        "changes.candidates.iter().filter(|it| it.standing != Standing::Spent)",
    ),
    // The lease is not checked before the call.
    (
        "engine/src/execute.rs",
        "if shell.time.monotonic().saturating_sub(intended_at) > INTENT_FRESH {",
        "if shell.time.monotonic() < intended_at {",
    ),
    // The result of an effect is stored once, or not at all.
    (
        "engine/src/driver.rs",
        "Retry::store_until(until).run(&shell.time, passes,",
        "Retry::store_until(Duration::ZERO.min(until)).run(&shell.time, passes,",
    ),
    // A decision that became too old is made all the same.
    (
        "engine/src/driver.rs",
        "if shell.time.monotonic().saturating_sub(begun_at) > DECISION_LEASE {",
        "if shell.time.monotonic() < begun_at {",
    ),
    // A conflict is taken for done.
    (
        "engine/src/receive.rs",
        "Err(StoreError::Conflict { .. }) => {}",
        "Err(StoreError::Conflict { .. }) => return Written::Done,",
    ),
    // A late call is not reported.
    (
        "engine/src/driver.rs",
        "let Some(records) = late(whose, attempt, call, shell.time.now()) else { return };",
        "let Some(records) = late(whose, attempt, call, shell.time.now()).filter(Vec::is_empty) else { return };",
    ),
    // What waited for a remediation is not asked again, and nobody is woken for it.
    ("engine/src/upkeep.rs", "if !waiting.is_empty() {", "if waiting.len() > 9_999 {"),
];

/// Tries each of `which`, or all of both; fails when one survives.
pub fn survive(which: Option<&str>) -> ExitCode {
    let (mut survived, mut tried) = (0, 0);
    if which != Some("sources") {
        survived += seams();
        tried += Mutant::ALL.len();
    }
    if which != Some("seams") {
        survived += sources();
        tried += CHANGES.len();
    }
    println!("{tried} faults, {survived} survived");
    if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts each fault into a seam and runs; how many survive.
fn seams() -> usize {
    let mut survived = 0;
    for (mutant, by) in Mutant::ALL {
        let said = caught(*mutant, by).map(|by| format!("{mutant:?}: caught by {by}"));
        survived += usize::from(said.is_err());
        println!("{}", said.unwrap_or_else(|why| format!("SURVIVED: {why}")));
    }
    survived
}

/// Applies each change, builds, runs; how many survive.
fn sources() -> usize {
    // As Cargo sets it, which may have built this elsewhere.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let root = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let copy = target.join("sim-mutants");
    let mut survived = 0;
    for (at, (file, from, to)) in CHANGES.iter().enumerate() {
        let said = match one(&root, &copy, &target, (file, from, to)) {
            Ok(Some(by)) => format!("caught by {}", by.trim()),
            Ok(None) => {
                survived += 1;
                "SURVIVED".to_owned()
            }
            Err(error) => {
                survived += 1;
                format!("NOT TRIED: {error}")
            }
        };
        let line = from.lines().next().unwrap_or_default();
        println!("{:>2} of {}: {file}: {line}\n    {said}", at + 1, CHANGES.len());
    }
    survived
}

/// How the copy is built: the same checks, and quickly, since one line differs each time.
const PROFILE: &str = r#"
[profile.mutants]
inherits = "checked"
incremental = true
codegen-units = 256
opt-level = 1
lto = "off"
[profile.mutants.package."*"]
opt-level = 3
overflow-checks = false
debug-assertions = false
"#;

/// What finds the fault, if anything does.
fn one(root: &Path, copy: &Path, target: &Path, (file, from, to): Change) -> Result<Option<String>, String> {
    let fail = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    for part in ["crates/core", "crates/engine", "crates/memory", "crates/store", "tests/sim"] {
        renew(&root.join(part), &copy.join(part)).map_err(|error| fail(part, &error))?;
    }
    workspace(root, copy).map_err(|error| fail("Cargo.toml", &error))?;
    let path = copy.join("crates").join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| fail(file, &error))?;
    if text.matches(from).count() != 1 {
        return Err(format!("{file}: what is to be changed stands there {} times: {from}", text.matches(from).count()));
    }
    std::fs::write(&path, text.replace(from, to)).map_err(|error| fail(file, &error))?;
    let manifest = copy.join("tests/sim/Cargo.toml");
    let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--offline", "--profile", "mutants", "--bin", "sim", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target.join("sim-mutants-target"))
        .env("RUSTFLAGS", "-Awarnings")
        .status()
        .map_err(|error| fail("cargo", &error))?;
    if !built.success() {
        return Err(format!("{file}: the change does not compile"));
    }
    let ended = Command::new(target.join("sim-mutants-target/mutants/sim"))
        .args(["until", SEEDS])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| fail("sim", &error))?;
    Ok((!ended.status.success()).then(|| String::from_utf8_lossy(&ended.stdout).into_owned()))
}

/// A workspace of the few crates that are copied, with the versions of all.
fn workspace(root: &Path, copy: &Path) -> std::io::Result<()> {
    let text = std::fs::read_to_string(root.join("Cargo.toml"))?;
    let text = text.split("\n[package]").next().unwrap_or_default();
    let few = "members = [\"crates/*\", \"tests/sim\"]";
    let members = text.lines().map(|line| if line.starts_with("members") { few } else { line });
    let text = members.chain(PROFILE.lines()).collect::<Vec<_>>().join("\n");
    if std::fs::read_to_string(copy.join("Cargo.toml")).ok().as_ref() != Some(&text) {
        std::fs::write(copy.join("Cargo.toml"), text)?;
        std::fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    }
    Ok(())
}

/// Makes `to` what `from` is. Files that are the same are left alone, so that only what differs is compiled again.
fn renew(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, copy) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            renew(&source, &copy)?;
        } else if std::fs::read(&copy).ok() != Some(std::fs::read(&source)?) {
            std::fs::copy(&source, &copy)?;
            // A copy keeps no times that could be older than what was built.
            std::fs::File::options().write(true).open(&copy)?.set_modified(std::time::SystemTime::now())?;
        }
    }
    Ok(())
}
