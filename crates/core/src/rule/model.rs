//! A rule after every check: what it matches, what it may touch, the ladder of steps, and its limits.
//!
//! Always holds (made only by `compile`): at least one matcher that an empty label set does not satisfy, in the rule and in
//! each `unless`; at least one step, `escalate` only at the end; a target that is either literal or limited by `allow`; every
//! action applies to that kind of target and has something to do; a target can be proven well before the time for it is
//! over; `restore` only where something is scaled; and whoever must be asked can answer in time.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::action::Action;
use crate::alert::labels::Labels;
use crate::interval::Intervals;
use crate::matcher::{Matcher, Op};
pub use crate::target::Pattern;
use crate::target::{Hosts, Kind, Target, is_name};

/// The name of the rule that orders by hand go by; no rule of a file may have it.
pub const BY_HAND: &str = "by-hand";

/// One remediation rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Unique among all loaded rules.
    pub name: String,
    /// Who answers for the rule; shown, never interpreted.
    pub owner: Option<String>,
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// What it may touch.
    pub target: TargetSpec,
    /// How long an episode must have been known before anything is done.
    pub hold: Duration,
    /// The ladder, lowest rung first; never empty. `escalate` is implied after the last.
    pub steps: Vec<Step>,
    /// While such an alert has fresh evidence the cause is elsewhere, and nothing is done.
    pub unless: Vec<Unless>,
    /// When it may act; `None`: always.
    pub during: Option<Intervals>,
    /// What is kept of the target before it is touched.
    pub evidence: Evidence,
    /// Labels of the opening alert that fettle's own alerts about it carry; `None`: all but `alertname` and `severity`.
    pub announce: Option<Vec<String>>,
    /// At most so many effects per rule and target.
    pub budget: Vec<Budget>,
    /// At most so many effects of this rule, all targets together.
    pub rule_budget: Vec<Budget>,
    /// Pause after the last effect of an earlier remediation on the same target, whichever rule did it.
    pub cooldown: Duration,
    /// A `fixed` that comes back within this time counts as regressed.
    pub regress_window: Duration,
    /// Ceiling; the service's mode may lower it further.
    pub mode: Mode,
    /// Whether later rules are asked too.
    pub proceed: bool,
    /// Where it stands, for messages: `rules/web.yaml:14`.
    pub source: String,
    /// See [`Rule::digest`].
    pub digest: Digest,
}

/// The digest of a rule, computed when it is first asked for: each repeat of an alert asks. A rule never changes once it is
/// compiled; who needs a changed one changes a clone, which computes its own.
#[derive(Default)]
pub struct Digest(OnceLock<Box<str>>);

impl Clone for Digest {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// The same whether it was computed or not: it is part of the text that is digested.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Rule {
    /// The digest of everything that the rule decides by: another one means another rule. Where it is written is left out, so that a
    /// line more above it changes nothing. Another version of fettle may give another one for the same text.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.0.get_or_init(|| {
            let text = format!("{:?}", Self { source: String::new(), owner: None, ..self.clone() });
            let digest = Sha256::digest(text.as_bytes());
            let hex = digest.iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            hex.into_boxed_str()
        })
    }
}

/// Alerts whose cause lies elsewhere.
#[derive(Debug, Clone)]
pub struct Unless {
    /// All must match.
    pub matchers: Vec<Matcher>,
    /// Labels that must have the same value as in the alert that opened the remediation.
    pub equal: Vec<String>,
}

impl Unless {
    /// What such an alert must carry, as far as one can be looked up by it; `own` are the labels of the alert that opened. The
    /// guard asks the rest.
    #[must_use]
    pub fn carried(&self, own: &Labels) -> Labels {
        let equal = self.equal.iter().map(|label| (label.as_str(), own.get(label)));
        let named = self.matchers.iter().filter(|it| it.op() == Op::Equal).map(|it| (it.name(), it.value()));
        // A label that is absent here must be absent there, which no value can say.
        equal.chain(named).filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// What is kept of the target before it is touched, besides what every look shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// So many of its last log lines, with its memory figures; 0 for neither.
    pub log_lines: u32,
}

/// When a person must agree to a step.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Only for alerts that all of these match; always when empty.
    pub when: Vec<Matcher>,
    /// How long is waited for an answer.
    pub within: Duration,
}

/// How long a person is waited for unless the step says otherwise.
pub const APPROVAL_WITHIN: Duration = Duration::from_mins(10);

/// How long the alert must have stayed away before a loan of replicas is returned, unless the step says otherwise.
pub const RESTORE_AFTER: Duration = Duration::from_mins(30);

/// One rung of the ladder.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// How it is judged.
    pub verify: Verify,
    /// Pause after the verdict of the rung before.
    pub after: Duration,
    /// When a person must agree; `None`: never, unless the mode or the container asks for it.
    pub approval: Option<Approval>,
    /// Of a scaling step: it is returned when the alert has stayed away for so long; `None`: never.
    pub restore: Option<Duration>,
}

impl Step {
    /// The action as it is written when nothing else is said.
    #[must_use]
    pub fn plain(action: Action) -> Self {
        let restore = action.scales().then_some(RESTORE_AFTER);
        Self { action, verify: Verify::default(), after: Duration::ZERO, approval: None, restore }
    }
}

/// When a target counts as healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// Nothing is judged before this much time has passed since the effect.
    pub settle: Duration,
    /// The target must be well for this long without a break.
    pub healthy_for: Duration,
    /// The alert must be seen resolved before this much time has passed since the effect.
    pub resolved_within: Duration,
    /// A `PromQL` expression that must hold besides: a vector that is not empty, or a number that is not 0.
    #[serde(default)]
    pub query: Option<String>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            healthy_for: Duration::from_secs(30),
            resolved_within: Duration::from_mins(10),
            query: None,
        }
    }
}

/// At most `max` effects in any window of length `per`. Written `3 per 1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// At least 1.
    pub max: u32,
    /// Longer than zero.
    pub per: Duration,
}

/// How far fettle may go. The effective mode is the lowest of all ceilings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Record what would be done.
    Observe,
    /// Every effect waits for a person.
    Propose,
    /// Act.
    Act,
}

impl Mode {
    /// The word in configuration, audit and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Propose => "propose",
            Self::Act => "act",
        }
    }
}

/// How a rule names its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// The way it is found, with the names to find it by.
    pub find: Find,
    /// Which host; `None` is the only configured one.
    pub host: Option<Word>,
    /// Which names are permitted. Never empty when a name comes from a label.
    pub allow: Vec<Pattern>,
    /// So many containers of a service must stay well when one that is well is touched.
    pub min_healthy: u32,
    /// A container whose run is younger is left alone; `None`: [`MIN_AGE`], where it has no health check.
    pub min_age: Option<Duration>,
}

/// The least age of a container without a health check, unless the rule names one. A container with a health check reports by
/// itself when it is ready.
pub const MIN_AGE: Duration = Duration::from_secs(30);

/// The names a target is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Find {
    /// The container of exactly this name.
    Container(Word),
    /// The container of this Compose service.
    Compose {
        /// The Compose project.
        project: Word,
        /// The service within the project.
        service: Word,
    },
    /// The Swarm service of exactly this name.
    Swarm(Word),
    /// The disk that the configuration of the host calls so.
    Disk(Word),
}

/// A value in a rule: literal, or exactly one label's value. Never text put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As written.
    Literal(String),
    /// The value of this label.
    Label(String),
}

impl Word {
    /// The text this word stands for with these labels; an absent label is `""`.
    #[must_use]
    pub fn read<'a>(&'a self, labels: &'a Labels) -> &'a str {
        match self {
            Self::Literal(text) => text,
            Self::Label(name) => labels.get(name),
        }
    }
}

/// Why a target could not be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The target as it is written in records, with `?`.
    pub target: Target,
    /// What was wrong, with the raw value escaped and cut.
    pub detail: String,
}

impl TargetSpec {
    /// The way it is found.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.find {
            Find::Container(_) => Kind::Container,
            Find::Compose { .. } => Kind::Compose,
            Find::Swarm(_) => Kind::Swarm,
            Find::Disk(_) => Kind::Disk,
        }
    }

    /// The target these labels mean, by names alone; nothing is looked up.
    pub fn resolve(&self, labels: &Labels, hosts: &Hosts) -> Result<Target, Unnamed> {
        let kind = self.kind();
        let host = match &self.host {
            None => hosts.only().ok_or_else(|| ("?", "no host is named and more than one is configured".to_owned())),
            Some(word) => hosts
                .find(word.read(labels))
                .ok_or_else(|| ("?", format!("no host is known as {}", shown(word, labels)))),
        };
        let unnamed = |(host, detail): (&str, String)| Unnamed {
            target: Target::Unresolvable { kind, host: host.to_owned() },
            detail,
        };
        let host = host.map_err(unnamed)?;
        let name = |word: &Word| {
            let text = word.read(labels);
            if is_name(text) {
                Ok(text.to_owned())
            } else {
                Err(unnamed((host, format!("{} is not a name Docker allows", shown(word, labels)))))
            }
        };
        let host = host.to_owned();
        Ok(match &self.find {
            Find::Container(word) => Target::Container { host, name: name(word)? },
            Find::Compose { project, service } => {
                Target::Compose { host, project: name(project)?, service: name(service)? }
            }
            Find::Swarm(word) => Target::Swarm { host, service: name(word)? },
            Find::Disk(word) => Target::Disk { host, name: name(word)? },
        })
    }

    /// The least age of a container that is not left alone; `checked`: it has a health check.
    #[must_use]
    pub fn min_age(&self, checked: bool) -> Duration {
        self.min_age.unwrap_or(if checked { Duration::ZERO } else { MIN_AGE })
    }

    /// Whether the rule permits `name`: literal targets permit themselves, others need `allow`.
    #[must_use]
    pub fn permits(&self, name: &str) -> bool {
        let word = match &self.find {
            Find::Container(word) | Find::Compose { service: word, .. } | Find::Swarm(word) | Find::Disk(word) => word,
        };
        match word {
            Word::Literal(text) if self.allow.is_empty() => text == name,
            _ => self.allow.iter().any(|pattern| pattern.permits(name)),
        }
    }
}

/// Bytes of a hostile label value that are kept in a record.
const SHOWN_MAX: usize = 256;

fn shown(word: &Word, labels: &Labels) -> String {
    let raw = word.read(labels).escape_debug().to_string();
    let cut = raw.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= SHOWN_MAX).last();
    let value = &raw[..cut.unwrap_or(0)];
    match word {
        Word::Literal(_) => format!("\"{value}\""),
        Word::Label(name) if labels.find(name).is_none() => format!("$labels.{name} (absent)"),
        Word::Label(name) => format!("$labels.{name} \"{value}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_label_value_names_nothing_and_is_kept_escaped_and_cut() {
        let spec = TargetSpec {
            find: Find::Container(Word::Label("service".into())),
            host: None,
            allow: vec![Pattern("*".into())],
            min_healthy: 0,
            min_age: None,
        };
        let hosts = Hosts::new([("local", &[][..])]);
        let labels = Labels::from_iter([("service", format!("../volumes\n{}", "x".repeat(1000)))]);
        let unnamed = spec.resolve(&labels, &hosts).expect_err("not a name");
        assert_eq!(unnamed.target.to_string(), "container:local/?");
        assert!(unnamed.detail.len() < 320 && unnamed.detail.contains(r"\n"), "{}", unnamed.detail);
        let absent = spec.resolve(&Labels::default(), &hosts).expect_err("absent");
        assert!(absent.detail.contains("absent"), "{}", absent.detail);
    }

    #[test]
    fn a_changed_copy_has_a_digest_of_its_own() {
        let one = crate::testing::rule("r");
        let digest = one.digest().to_owned();
        assert_eq!(one.clone().digest(), digest, "computed or not");
        assert_eq!(Rule { source: "elsewhere.yaml:7".to_owned(), ..one.clone() }.digest(), digest);
        assert_ne!(Rule { hold: Duration::from_secs(5), ..one.clone() }.digest(), digest);
    }
}
