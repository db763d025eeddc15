//! What was foretold against what the service did: the first difference, in words.

use std::fmt;
use std::time::Duration;

use fettle_core::time::{Timestamp, since};
use fettle_sim::time::{micros, show};

use crate::told::{Line, Story, Told};

/// What lies further apart happened at different times. The worker looks for what is due in steps of 20 ms, and each step of
/// a ladder may be that much later.
pub const APART: Duration = Duration::from_millis(300);

/// Loans are looked at each second.
const APART_LOANS: Duration = Duration::from_millis(1_300);

/// Which tool foretells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    /// `fettle test`
    Test,
    /// `fettle explain`
    Explain,
    /// `fettle replay`
    Replay,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "test",
            Self::Explain => "explain",
            Self::Replay => "replay",
        })
    }
}

/// Where a tool and the service disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The tool.
    pub tool: Tool,
    /// What kind of disagreement, in words that every scenario with it has in common.
    pub class: String,
    /// When.
    pub at: Timestamp,
    /// What the tool says.
    pub foretold: String,
    /// What the service did.
    pub really: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tool, class, at, foretold, really } = self;
        let at = show(micros(*at)).trim_start().to_owned();
        write!(f, "{tool} disagrees with the service ({class}) at {at}\n  {tool}: {foretold}\n  service: {really}")
    }
}

fn words(line: Option<&Line>, of: &str) -> String {
    match line {
        None => format!("{of}: nothing of the kind"),
        Some(line) => {
            let then = line.then.map(|at| format!(", until {}", show(micros(at)).trim_start())).unwrap_or_default();
            format!("{of}: {} {}{then}", show(micros(line.at)).trim_start(), line.what)
        }
    }
}

/// The kind of a line: without numbers, names and reasons.
fn class(line: &Line) -> String {
    let what = line.what.split([':', '(']).next().unwrap_or_default();
    what.trim_end().to_owned()
}

fn near(a: Timestamp, b: Timestamp, apart: Duration) -> bool {
    since(a, b).max(since(b, a)) <= apart
}

/// The first difference between what `fettle test` says and what the service did.
pub fn first(foretold: &Told, really: &Told) -> Option<Difference> {
    let mut all = Vec::new();
    let key = |story: &Story| (story.target.clone(), story.rule.clone());
    let mut keys: Vec<_> = foretold.stories.iter().chain(&really.stories).map(key).collect();
    keys.sort();
    keys.dedup();
    for of in keys {
        let stories = |told: &Told| told.stories.iter().filter(|it| key(it) == of).cloned().collect::<Vec<_>>();
        let (mine, theirs) = (stories(foretold), stories(really));
        for at in 0..mine.len().max(theirs.len()) {
            let lines = |all: &[Story]| all.get(at).map(|story| story.lines.clone()).unwrap_or_default();
            let (target, rule) = (&of.0, &of.1);
            all.extend(of_lines(
                &lines(&mine),
                &lines(&theirs),
                &format!("{target}, rule {rule}, remediation {}", at + 1),
            ));
        }
    }
    all.extend(of_lines(&foretold.events, &really.events, "events"));
    all.extend(of_deeds(&foretold.in_vain, &really.in_vain));
    if foretold.given_up != really.given_up {
        let at = foretold.lines().chain(really.lines()).map(|(_, line)| line.at).max().unwrap_or_default();
        let (mine, theirs) = (format!("{:?}", foretold.given_up), format!("{:?}", really.given_up));
        let class = "whom people are called for".to_owned();
        all.push(Difference { tool: Tool::Test, class, at, foretold: mine, really: theirs });
    }
    all.into_iter().min_by_key(|it| it.at)
}

fn of_deeds(mine: &[Timestamp], theirs: &[Timestamp]) -> Option<Difference> {
    let without = |all: &[Timestamp], other: &[Timestamp]| {
        all.iter().copied().find(|at| !other.iter().any(|it| near(*it, *at, APART)))
    };
    let (only_mine, only_theirs) = (without(mine, theirs), without(theirs, mine));
    let at = only_mine.or(only_theirs)?;
    let say = |in_vain: bool| if in_vain { "what a person does has no effect" } else { "what a person does is taken" };
    let (foretold, really) = (say(only_mine.is_some()).to_owned(), say(only_mine.is_none()).to_owned());
    Some(Difference { tool: Tool::Test, class: "what a person does".to_owned(), at, foretold, really })
}

/// The first difference between two lists of lines. Lines of one instant have no order.
fn of_lines(mine: &[Line], theirs: &[Line], of: &str) -> Option<Difference> {
    let sorted = |lines: &[Line]| {
        let mut lines = lines.to_vec();
        lines.sort_by(|a, b| (&a.what, a.at).cmp(&(&b.what, b.at)));
        lines
    };
    let (mine, theirs) = (sorted(mine), sorted(theirs));
    let (mut left, mut right) = (mine.iter().peekable(), theirs.iter().peekable());
    let mut found: Vec<(Timestamp, String, Option<&Line>, Option<&Line>)> = Vec::new();
    loop {
        match (left.peek().copied(), right.peek().copied()) {
            (Some(a), Some(b)) if a.what == b.what => {
                let apart = if a.what.starts_with("restore") || a.what.contains("loan") { APART_LOANS } else { APART };
                if !near(a.at, b.at, apart) {
                    found.push((a.at.min(b.at), format!("when: {}", class(a)), Some(a), Some(b)));
                } else if a.then.zip(b.then).is_some_and(|(a, b)| !near(a, b, apart)) {
                    found.push((a.at, format!("until when: {}", class(a)), Some(a), Some(b)));
                }
                left.next();
                right.next();
            }
            (Some(a), b) if b.is_none_or(|b| a.what < b.what) => {
                found.push((a.at, format!("only foretold: {}", class(a)), Some(a), None));
                left.next();
            }
            (_, Some(b)) => {
                found.push((b.at, format!("not foretold: {}", class(b)), None, Some(b)));
                right.next();
            }
            (Some(_) | None, None) => break,
        }
    }
    let (at, class, mine, theirs) = found.into_iter().min_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)))?;
    Some(Difference { tool: Tool::Test, class, at, foretold: words(mine, of), really: words(theirs, of) })
}
