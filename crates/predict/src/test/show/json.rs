//! For scripts: one object.

use serde_json::json;

use super::Results;
use fettle_core::diagnostic::render::Record;

/// The results as JSON.
#[must_use]
pub fn json(results: &Results) -> String {
    let tests: Vec<_> = results
        .ran
        .iter()
        .map(|it| {
            json!({"file": it.file, "line": it.line, "name": it.name, "passed": it.difference.is_none(),
                "difference": it.difference.lines.iter().filter(|line| line.kind != "same").collect::<Vec<_>>()})
        })
        .collect();
    let ((rules, all_rules), (steps, all_steps)) = (results.coverage.rules(), results.coverage.steps());
    let failed = results.failed();
    let coverage = json!({"rules": all_rules, "rules_reached": rules, "steps": all_steps, "steps_reached": steps,
        "partial": results.partial, "not_reached": results.coverage.not_reached()});
    let all = json!({"passed": tests.len() - failed, "failed": failed, "tests": tests, "coverage": coverage,
        "problems": results.problems.iter().map(Record::from).collect::<Vec<_>>()});
    format!("{all:#}\n")
}
