//! What recorded alerts say about a rule: whether its target could ever have been named.

use super::compile::Context;
use super::model::{Find, TargetSpec, Word};
use crate::alert::labels::Labels;
use crate::diagnostic::nearest::nearest;
use crate::diagnostic::{Report, codes};
use crate::matcher::{Matcher, all_match};
use crate::yaml::Node;

/// Warns of a label that the target needs and that no recorded alert which the rule selects carries; when it selects none, that no
/// recorded alert at all carries.
pub(super) fn check(
    matchers: &[Matcher],
    target: &TargetSpec,
    node: &Node,
    context: &Context,
    report: &mut Report<'_>,
) {
    let Some(history) = context.history.as_deref().filter(|history| !history.is_empty()) else { return };
    let needed = labels(target);
    if needed.is_empty() {
        return;
    }
    let selected: Vec<&Labels> = history.iter().filter(|labels| all_match(matchers, labels)).collect();
    let (of, alerts) =
        if selected.is_empty() { ("at all", history.iter().collect()) } else { ("that the rule selects", selected) };
    for label in needed {
        if alerts.iter().any(|labels| !labels.get(label).is_empty()) {
            continue;
        }
        let mut known: Vec<&str> = alerts.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)).collect();
        known.sort_unstable();
        known.dedup();
        let message = format!("no recorded alert {of} carries the label `{label}` ({} looked at)", alerts.len());
        let help = match nearest(label, &known) {
            Some(near) => format!("did you mean $labels.{near}?"),
            None => format!("they carry: {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", ")),
        };
        report.add_with_help(&codes::LABEL_UNSEEN, &node.at, message, help);
    }
}

/// The labels a target is named by, each once.
fn labels(target: &TargetSpec) -> Vec<&str> {
    let words = match &target.find {
        Find::Container(name) | Find::Swarm(name) | Find::Disk(name) => [Some(name), None],
        Find::Compose { project, service } => [Some(project), Some(service)],
    };
    let words = words.into_iter().flatten().chain(&target.host);
    let mut labels: Vec<&str> = words
        .filter_map(|word| match word {
            Word::Label(name) => Some(name.as_str()),
            Word::Literal(_) => None,
        })
        .collect();
    labels.sort_unstable();
    labels.dedup();
    labels
}
