//! How a step is judged: `verify`, and whether its times can be kept.

use std::time::Duration;

use super::raw::RawVerify;
use crate::diagnostic::{Report, codes};
use crate::duration::show;
use crate::rule::context::Context;
use crate::rule::model::Verify;
use crate::yaml::{Node, duration, text};

/// Reads `verify` over what holds without it.
pub(super) fn read(node: Option<&Node>, base: Verify, context: &Context, report: &mut Report<'_>) -> Verify {
    let Some(raw) = node.and_then(|node| RawVerify::read(node, report)) else { return base };
    let before = report.found.len();
    let mut given = |node: Option<&Node>, base| node.and_then(|node| duration(node, report)).unwrap_or(base);
    let verify = Verify {
        settle: given(raw.settle, base.settle),
        healthy_for: given(raw.healthy_for, base.healthy_for),
        resolved_within: given(raw.resolved_within, base.resolved_within),
        query: raw.query.and_then(|node| query(node, context, report)).or(base.query),
    };
    if let (Some(node), true) = (raw.resolved_within, report.found.len() == before && !verify.resolved_within.is_zero())
    {
        check_resolved_seen(verify.resolved_within, "`resolved_within`", node, context, report);
    }
    verify
}

/// Reads a `PromQL` expression, which is sent as it stands. Whether it is one only Prometheus knows.
fn query(node: &Node, context: &Context, report: &mut Report<'_>) -> Option<String> {
    let written = text(node, report)?.trim();
    let (message, help) = if written.is_empty() {
        ("a query that says nothing proves nothing", "write a PromQL expression, or remove `query`")
    } else if written.contains("$labels") || written.contains("{{") {
        let help = "write it out; targets that need queries of their own need rules of their own";
        ("a query is sent as it stands, never put together from labels", help)
    } else if !context.prometheus {
        ("there is no Prometheus to ask", "configure prometheus, or remove `query`")
    } else {
        return Some(written.to_owned());
    };
    report.add_with_help(&codes::QUERY, &node.at, message, help);
    None
}

/// Whether a target can be proven well before the time for it is over.
pub(super) fn check_times(verify: &Verify, node: Option<&Node>, step: &Node, report: &mut Report<'_>) {
    let needed = verify.settle.saturating_add(verify.healthy_for);
    if needed <= verify.resolved_within && !verify.resolved_within.is_zero() {
        return;
    }
    let at = node.map_or(&step.at, |node| &node.at);
    let message = if verify.resolved_within.is_zero() {
        "resolved_within is 0, so no alert could be seen resolved in time".to_owned()
    } else {
        let Verify { settle, healthy_for, resolved_within, .. } = verify;
        format!(
            "settle {} and healthy_for {} end after resolved_within {}",
            show(*settle),
            show(*healthy_for),
            show(*resolved_within)
        )
    };
    let help = format!("write resolved_within: {} or more", show(needed.max(Duration::from_mins(1))));
    report.add_with_help(&codes::VERIFY_TIMES, at, message, help);
}

/// Alertmanager tells that an alert is resolved with the next flush of its group, 5 minutes after the last one unless its
/// configuration says otherwise; a minute more is for what is under way.
const RESOLVED_TOLD: Duration = Duration::from_mins(6);

/// Warns of a time that is over before an alert could be known to be resolved.
pub(super) fn check_resolved_seen(time: Duration, what: &str, node: &Node, context: &Context, report: &mut Report<'_>) {
    if context.alertmanager || time >= RESOLVED_TOLD {
        return;
    }
    let message = format!(
        "{what} of {} ends before Alertmanager tells that an alert is resolved, at its next group_interval",
        show(time)
    );
    let help = format!("configure `alertmanager`, whose API is asked then, or write {} or more", show(RESOLVED_TOLD));
    report.add_with_help(&codes::RESOLVED_UNSEEN, &node.at, message, help);
}
