//! The limits of a rule, each with a default: in the file's `defaults`, else built in.

use std::time::Duration;

use super::budget;
use super::compile::Context;
use super::mode;
use super::model::{Budget, Mode, Step, Verify};
use super::raw::{RawDefaults, RawRule};
use super::steps;
use crate::diagnostic::{Report, codes};
use crate::duration::show;
use crate::yaml::{Node, duration, text};

/// What bounds a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) owner: Option<String>,
    pub(super) mode: Mode,
    pub(super) hold: Duration,
    pub(super) verify: Verify,
    pub(super) budget: Vec<Budget>,
    pub(super) rule_budget: Vec<Budget>,
    pub(super) cooldown: Duration,
    pub(super) regress_window: Duration,
}

impl Default for Limits {
    /// What holds when nobody says anything.
    fn default() -> Self {
        Self {
            owner: None,
            mode: Mode::Act,
            hold: Duration::ZERO,
            verify: Verify::default(),
            budget: vec![Budget { max: 3, per: Duration::from_hours(1) }],
            rule_budget: Vec::new(),
            cooldown: Duration::from_mins(5),
            regress_window: Duration::from_mins(30),
        }
    }
}

/// The keys that a rule and `defaults` share.
pub(super) struct Given<'n> {
    owner: Option<&'n Node>,
    mode: Option<&'n Node>,
    hold: Option<&'n Node>,
    budget: Option<&'n Node>,
    rule_budget: Option<&'n Node>,
    cooldown: Option<&'n Node>,
    regress_window: Option<&'n Node>,
}

impl<'n> From<&RawRule<'n>> for Given<'n> {
    fn from(raw: &RawRule<'n>) -> Self {
        let RawRule { owner, mode, hold, budget, rule_budget, cooldown, regress_window, .. } = *raw;
        Self { owner, mode, hold, budget, rule_budget, cooldown, regress_window }
    }
}

impl Limits {
    /// The limits of a file: built in, overridden by its `defaults`.
    pub(super) fn of_file(node: &Node, context: &Context, report: &mut Report<'_>) -> Self {
        let base = Self::default();
        let Some(raw) = RawDefaults::read(node, report) else { return base };
        let before = report.found.len();
        let verify = steps::verify(raw.verify, base.verify.clone(), context, report);
        if report.found[before..].iter().all(|it| !it.is_error()) {
            steps::check_times(&verify, raw.verify, node, report);
        }
        let RawDefaults { owner, mode, hold, budget, rule_budget, cooldown, regress_window, .. } = raw;
        let given = Given { owner, mode, hold, budget, rule_budget, cooldown, regress_window };
        Self { verify, ..base }.with(&given, context, report)
    }

    /// These limits with whatever is given instead.
    pub(super) fn with(&self, given: &Given<'_>, context: &Context, report: &mut Report<'_>) -> Self {
        let owner = given.owner.and_then(|node| text(node, report)).map(str::to_owned);
        let mode = given.mode.and_then(|node| mode::read(node, context.approvers, report));
        let hold = given.hold.and_then(|node| read_hold(node, context, report));
        let budget = given.budget.and_then(|node| read_budget(node, true, context, report));
        let rule_budget = given.rule_budget.and_then(|node| read_budget(node, false, context, report));
        let cooldown = given.cooldown.and_then(|node| duration(node, report));
        let regress_window = given.regress_window.and_then(|node| duration(node, report));
        Self {
            owner: owner.or_else(|| self.owner.clone()),
            mode: mode.unwrap_or(self.mode),
            hold: hold.unwrap_or(self.hold),
            verify: self.verify.clone(),
            budget: budget.unwrap_or_else(|| self.budget.clone()),
            rule_budget: rule_budget.unwrap_or_else(|| self.rule_budget.clone()),
            cooldown: cooldown.unwrap_or(self.cooldown),
            regress_window: regress_window.unwrap_or(self.regress_window),
        }
    }
}

/// A cooldown counts from the effect, and a remediation that is still judged is open: a shorter one is never waited for.
pub(super) fn check_cooldown(limits: &Limits, steps: &[Step], raw: &RawRule<'_>, report: &mut Report<'_>) {
    let judged = |step: &Step| step.verify.settle.saturating_add(step.verify.healthy_for);
    let longest = steps.iter().filter(|step| step.action.has_effect()).map(judged).max().unwrap_or_default();
    if let Some(node) = raw.cooldown.or(raw.steps)
        && !limits.cooldown.is_zero()
        && limits.cooldown < longest
    {
        let message = format!(
            "cooldown {} is over before a step can be judged, after settle and healthy_for of {}",
            show(limits.cooldown),
            show(longest)
        );
        let help = format!("write more than {}, or 0s for none", show(longest));
        report.add_with_help(&codes::COOLDOWN_SHORT, &node.at, message, help);
    }
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

fn read_hold(node: &Node, context: &Context, report: &mut Report<'_>) -> Option<Duration> {
    let hold = duration(node, report)?;
    if context.stale_after(hold) {
        let freshness = show(context.freshness);
        let message = format!("after a hold of {} the alert is stale: freshness is {freshness}", show(hold));
        let help = format!("write {freshness} or less, raise freshness, or configure alertmanager");
        report.add_with_help(&codes::HOLD_STALE, &node.at, message, help);
    }
    if !hold.is_zero() {
        check_resolved_seen(hold, "a hold", node, context, report);
    }
    Some(hold)
}

fn read_budget(node: &Node, needed: bool, context: &Context, report: &mut Report<'_>) -> Option<Vec<Budget>> {
    let before = report.found.len();
    let budgets = budget::read(node, report)?;
    if needed && budgets.is_empty() && report.found.len() == before {
        let help = "write one, such as [3 per 1h]";
        report.add_with_help(&codes::BUDGET, &node.at, "a rule without any budget could act without end", help);
    }
    for (budget, item) in &budgets {
        if budget.per > context.audit_kept {
            let kept = show(context.audit_kept);
            let message =
                format!("this window is longer than audit rows are kept ({kept}), so it could not be counted");
            report.add_with_help(&codes::WINDOW_FORGOTTEN, &item.at, message, "shorten it, or raise retention.audit");
        }
    }
    Some(budgets.into_iter().map(|(budget, _)| budget).collect())
}
