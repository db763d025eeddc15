//! From the text of all rule files to a [`RuleSet`], or to every problem in them.
//!
//! Always holds: all or nothing. One error anywhere and no rule of any file loads; what ran before keeps running.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::limits::{self, Given, Limits};
use super::raw::{RawEvidence, RawFile, RawRule};
use super::steps::Reading;
use super::{during, matchers, steps, target};
use crate::diagnostic::{Diagnostic, Report, Source, codes, sort};
use crate::matcher::Patterns;
pub use crate::rule::context::{Context, SourceFile};
use crate::rule::lint::{history, idle, shadow};
use crate::rule::model::{BY_HAND, Evidence, Rule, Step};
use crate::rule::set::RuleSet;
use crate::yaml::{Node, Value, boolean, items, number, parse, required, text};

/// Longest rule name, in characters. It is a label value of metrics and a column of many rows.
const NAME_MAX: usize = 128;

/// Compiles all files as one set. The warnings come with the set; on failure errors and warnings come together. Sorted by
/// place either way.
pub fn compile(files: &[SourceFile], context: &Context) -> Result<(RuleSet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut files: Vec<&SourceFile> = files.iter().collect();
    files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let mut found = Vec::new();
    let (mut rules, mut places, mut of_rules) = (Vec::new(), Vec::new(), Vec::new());
    let mut patterns = Patterns::default();
    let mut names = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        let mut report = Report::new(Source::new(&file.path, &file.text));
        for Read { rule, place, warnings } in read_file(context, &mut patterns, &mut names, &mut report) {
            rules.push(Arc::new(rule));
            places.push((at, place));
            of_rules.push(warnings);
        }
        found.append(&mut report.found);
    }
    if !found.iter().any(Diagnostic::is_error) {
        let set = RuleSet::new(rules, &files);
        for (at, warning) in check_shadowed(&set, &files, &places) {
            of_rules[at].push(warning.clone());
            found.push(warning);
        }
        sort(&mut found);
        found.dedup();
        return Ok((set.warned_of(of_rules), found));
    }
    sort(&mut found);
    // What `defaults` or an anchor says wrongly is met once for each rule that uses it.
    found.dedup();
    Err(found)
}

/// Warns of rules that no alert ever reaches, each with its position.
fn check_shadowed(set: &RuleSet, files: &[&SourceFile], places: &[(usize, Range<usize>)]) -> Vec<(usize, Diagnostic)> {
    let told = |(at, by): (usize, Arc<Rule>)| {
        let (file, place) = places.get(at).and_then(|(file, place)| Some((files.get(*file)?, place)))?;
        let source = Source::new(&file.path, &file.text);
        let message = format!("no alert reaches this rule: `{}` at {} takes all of them", by.name, by.source);
        let help = "put it before that rule, narrow that rule's matchers, or give it `continue: true`";
        Some((at, Diagnostic::at(&codes::SHADOWED, &source, place.clone(), message).help(help)))
    };
    shadow::shadowed(set).into_iter().filter_map(told).collect()
}

/// A rule that can be understood.
struct Read {
    rule: Rule,
    /// The bytes of its name.
    place: Range<usize>,
    /// What is suspicious about it, and about the `defaults` that it stands on.
    warnings: Vec<Diagnostic>,
}

/// The rules of a file that can be understood.
fn read_file(
    context: &Context,
    patterns: &mut Patterns,
    names: &mut HashMap<String, String>,
    report: &mut Report<'_>,
) -> Vec<Read> {
    let mut rules = Vec::new();
    let Some(root) = parse(report) else { return rules };
    if root.value == Value::Null {
        report.add_with_help(
            &codes::MISSING_KEY,
            &root.at,
            "the file says nothing",
            "write version: 1 and rules: [], or remove it",
        );
        return rules;
    }
    let Some(raw) = RawFile::read(&root, report) else { return rules };
    if let Some(node) = required(raw.version, "version", &root.at, "write version: 1 at the top", report)
        && let Some(version) = text(node, report)
        && version != "1"
    {
        report.add_with_help(&codes::VERSION, &node.at, "this version is not known", "write version: 1");
    }
    let before = report.found.len();
    let limits = raw.defaults.map_or_else(Limits::default, |node| Limits::of_file(node, context, report));
    let Some(list) = required(raw.rules, "rules", &root.at, "write rules: [] for a file without rules", report)
        .and_then(|node| items(node, report))
    else {
        return rules;
    };
    let warnings = |found: &[Diagnostic]| found.iter().filter(|it| !it.is_error()).cloned().collect::<Vec<_>>();
    let of_defaults = warnings(&report.found[before..]);
    for node in list {
        let before = report.found.len();
        let Some(raw) = RawRule::read(node, report) else { continue };
        let name = read_name(&raw, &node.at, names, report);
        if let Some(rule) = read_rule(&raw, node, name, &limits, context, patterns, report) {
            let place = raw.name.map_or_else(|| node.at.clone(), |name| name.at.clone());
            let warnings = [of_defaults.clone(), warnings(&report.found[before..])].concat();
            rules.push(Read { rule, place, warnings });
        }
    }
    rules
}

/// Warns of steps that may never be reached: without a repeat after the effect, and without Alertmanager's API, the first one is
/// `unconfirmed`, which ends the ladder.
fn check_ladder(steps: &[Step], raw: &RawRule<'_>, context: &Context, report: &mut Report<'_>) {
    if context.alertmanager || steps.len() < 2 {
        return;
    }
    let Some(node) = raw.steps else { return };
    let message = "the ladder ends after its first step where nothing is heard of the alert within resolved_within";
    let help = "configure `alertmanager`, whose API is asked then, or have Alertmanager repeat within resolved_within";
    report.add_with_help(&codes::LADDER_UNSEEN, &node.at, message, help);
}

fn read_name(
    raw: &RawRule<'_>,
    rule: &Range<usize>,
    names: &mut HashMap<String, String>,
    report: &mut Report<'_>,
) -> Option<String> {
    let node = required(raw.name, "name", rule, "give the rule a name; it stands in the audit and in metrics", report)?;
    let name = text(node, report)?;
    if name.is_empty() || name.trim() != name || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        report.add_with_help(
            &codes::RULE_NAME,
            &node.at,
            format!("a rule's name is 1 to {NAME_MAX} printable characters without white space around them"),
            "letters, digits, `_`, `.` and `-` read best in metrics",
        );
        return None;
    }
    if name == BY_HAND {
        let message = format!("`{BY_HAND}` is the rule that orders by hand go by");
        report.add_with_help(&codes::RULE_NAME, &node.at, message, "give this rule another name");
        return None;
    }
    let place = report.source.place(node.at.clone());
    let here = format!("{}:{}:{}", report.source.file, place.line, place.column);
    if let Some(first) = names.get(name) {
        let message = format!("a rule named `{name}` is already at {first}");
        report.add_with_help(&codes::DUPLICATE_RULE, &node.at, message, "names are unique among all files; rename one");
        return None;
    }
    names.insert(name.to_owned(), here);
    Some(name.to_owned())
}

fn read_rule(
    raw: &RawRule<'_>,
    node: &Node,
    name: Option<String>,
    defaults: &Limits,
    context: &Context,
    patterns: &mut Patterns,
    report: &mut Report<'_>,
) -> Option<Rule> {
    let before = report.found.len();
    let limits = defaults.with(&Given::from(raw), context, report);
    let matchers = matchers::read(raw, &node.at, patterns, report);
    let target = target::read(raw, &node.at, context, report);
    let mut reading = Reading { context, verify: &limits.verify, target: target.as_ref(), patterns };
    let steps = steps::read(raw, &node.at, &mut reading, report);
    if !report.found[before..].iter().any(Diagnostic::is_error) {
        let steps = steps.as_deref().unwrap_or_default();
        limits::check_cooldown(&limits, steps, raw, report);
        check_ladder(steps, raw, context, report);
        let own = [(raw.budget, &limits.budget[..]), (raw.rule_budget, &limits.rule_budget[..])];
        idle::check(own, limits.cooldown, steps, target.as_ref(), report);
        if let (Some(matchers), Some(target), Some(node)) = (&matchers, &target, raw.target) {
            history::check(matchers, target, node, context, report);
        }
    }
    let unless = matchers::unless(raw.unless, patterns, report);
    let during = raw.during.and_then(|node| during::read(node, report));
    let evidence = raw.evidence.map(|node| read_evidence(node, report)).unwrap_or_default();
    let announce = raw.announce.and_then(|node| matchers::labels(node, report));
    let proceed = raw.proceed.and_then(|node| boolean(node, report)).unwrap_or(false);
    Some(Rule {
        name: name?,
        owner: limits.owner,
        matchers: matchers?,
        target: target?,
        hold: limits.hold,
        steps: steps?,
        unless,
        during,
        evidence,
        announce,
        budget: limits.budget,
        rule_budget: limits.rule_budget,
        cooldown: limits.cooldown,
        regress_window: limits.regress_window,
        mode: limits.mode,
        proceed,
        source: format!("{}:{}", report.source.file, report.source.line(node.at.start)),
        digest: crate::rule::model::Digest::default(),
    })
}

/// Most lines of log that are kept with an action; each is cut as well, so that a row stays small.
const LOG_LINES_MAX: u32 = 1000;

fn read_evidence(node: &Node, report: &mut Report<'_>) -> Evidence {
    let Some(raw) = RawEvidence::read(node, report) else { return Evidence::default() };
    let log_lines = raw.log_lines.and_then(|node| number(node, 0..=LOG_LINES_MAX, report));
    Evidence { log_lines: log_lines.unwrap_or_default() }
}
