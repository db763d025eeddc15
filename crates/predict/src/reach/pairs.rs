//! Rules × things: for each step, whether the thing itself stands against it. Pure.

use super::{Ground, Inventory, RuleReach, Touch};
use fettle_core::alert::episode::{AlertState, Word as Said};
use fettle_core::alert::fingerprint::Fingerprint;
use fettle_core::alert::labels::Labels;
use fettle_core::decide::{Consent, Facts, IDS, survey, wanted_by};
use fettle_core::guard::survey::Answer;
use fettle_core::id::RemediationId;
use fettle_core::remediation::refusal::Guard;
use fettle_core::remediation::state::{Opener, Remediation};
use fettle_core::rule::model::{Find, Mode, Rule, Step, TargetSpec, Word};
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::surroundings::Surroundings;
use fettle_core::target::{Hosts, Kind, Target};
use uuid::Uuid;

/// The guards that speak of the thing itself.
const OF_THE_THING: [Guard; 10] = [
    Guard::NoTarget,
    Guard::NotAllowed,
    Guard::AmbiguousTarget,
    Guard::SwarmTask,
    Guard::NotEnabled,
    Guard::Protected,
    Guard::Stopped,
    Guard::NotScalable,
    Guard::HeldByLabel,
    Guard::MinHealthy,
];

/// Holds every rule against everything that is there.
#[must_use]
pub fn reach(rules: &RuleSet, ground: &Ground, inventory: &Inventory) -> Vec<RuleReach> {
    // Storms and breakers are of the moment: they do not limit what a rule can touch.
    let settings = Settings { storm: None, trip: None, ..ground.settings.clone() };
    let targets = inventory.targets();
    let of = |rule: &Rule| {
        let meant: Vec<&Target> = targets.iter().filter(|target| is_meant(rule, target, &ground.hosts)).collect();
        let permitted = meant.iter().filter(|target| permits(rule, target));
        let touches = permitted.clone().flat_map(|target| of_target(rule, target, &settings, inventory)).collect();
        RuleReach {
            rule: rule.name.clone(),
            source: rule.source.clone(),
            mode: rule.mode.min(settings.mode),
            target: written(&rule.target),
            allow: allow(&rule.target),
            touches,
            not_allowed: meant.len() - permitted.count(),
        }
    };
    rules.iter().map(|rule| of(rule)).collect()
}

/// Whether the rule could name this target and permits it.
pub(super) fn could_touch(rule: &Rule, target: &Target, ground: &Ground) -> bool {
    is_meant(rule, target, &ground.hosts) && permits(rule, target)
}

fn permits(rule: &Rule, target: &Target) -> bool {
    target.name().is_some_and(|name| rule.target.permits(name))
}

/// Whether some alert could make the rule name this target: its kind, its host, its project; of a literal name only the
/// thing of that name.
fn is_meant(rule: &Rule, target: &Target, hosts: &Hosts) -> bool {
    let spec = &rule.target;
    let is =
        |word: &Word, text: &str| matches!(word, Word::Label(_)) || matches!(word, Word::Literal(it) if it == text);
    let host = match &spec.host {
        None => hosts.only() == Some(target.host()),
        Some(Word::Literal(word)) => hosts.find(word) == Some(target.host()),
        Some(Word::Label(_)) => true,
    };
    host && match (&spec.find, target) {
        (Find::Container(word), Target::Container { name, .. }) | (Find::Disk(word), Target::Disk { name, .. }) => {
            is(word, name)
        }
        (Find::Swarm(word), Target::Swarm { service, .. }) => is(word, service),
        (Find::Compose { project: of, service: word }, Target::Compose { project, service, .. }) => {
            is(of, project) && is(word, service)
        }
        _ => false,
    }
}

fn of_target(rule: &Rule, target: &Target, settings: &Settings, inventory: &Inventory) -> Vec<Touch> {
    let steps = rule.steps.iter().enumerate().filter(|(_, step)| step.action.has_effect());
    steps.map(|(rung, step)| of_step(rule, rung, step, target, settings, inventory)).collect()
}

fn of_step(
    rule: &Rule,
    rung: usize,
    step: &Step,
    target: &Target,
    settings: &Settings,
    inventory: &Inventory,
) -> Touch {
    let now = inventory.at;
    // Some alert, which fires now and says nothing.
    let labels = Labels::default();
    let fingerprint = Fingerprint::of(&labels);
    let (alert, _) = AlertState::first(fingerprint, labels.clone(), Said::Firing { starts_at: now }, now);
    let opener = Opener { fingerprint, labels };
    let remediation =
        Remediation { rung, ..Remediation::new(RemediationId::nil(), &rule.name, target.clone(), opener, now) };
    let facts = Facts {
        rule: Some(rule),
        settings,
        alerts: &[alert],
        surroundings: &Surroundings::default(),
        now,
        new_ids: [Uuid::nil(); IDS],
    };
    let found = inventory.find(target, wanted_by(rule, step));
    let survey = survey(&remediation, &facts, Some(Ok(&found)), true);
    let against = |answer: &Answer| answer.stands_against() && OF_THE_THING.contains(&answer.guard);
    let refusal = survey.answers.into_iter().find(against);
    Touch {
        target: target.clone(),
        step: rung + 1,
        action: step.action.name(),
        may: refusal.is_none(),
        guard: refusal.as_ref().map(|answer| answer.guard),
        why: refusal.map(|answer| answer.why),
        approval: approval(step, survey.consent, survey.mode),
    }
}

fn approval(step: &Step, consent: Option<Consent>, mode: Mode) -> String {
    let when = step.approval.as_ref().filter(|it| !it.when.is_empty()).map(|it| {
        let matchers: Vec<String> = it.when.iter().map(ToString::to_string).collect();
        format!("when {}", matchers.join(", "))
    });
    match (mode, consent, when) {
        (Mode::Observe, ..) => "observed only".to_owned(),
        // Whether these match is for an alert to say.
        (_, None | Some(Consent::Rule), Some(when)) => when,
        (_, Some(why), _) => format!("always: {why}"),
        (_, None, None) => "never".to_owned(),
    }
}

/// The target as the rule writes it, in the form of targets: `compose:*/shop/$labels.service`.
pub(super) fn written(spec: &TargetSpec) -> String {
    let word = |word: &Word| match word {
        Word::Literal(text) => text.clone(),
        Word::Label(name) => format!("$labels.{name}"),
    };
    let host = spec.host.as_ref().map_or("*".to_owned(), word);
    let name = match &spec.find {
        Find::Container(it) | Find::Swarm(it) | Find::Disk(it) => word(it),
        Find::Compose { project, service } => format!("{}/{}", word(project), word(service)),
    };
    let kind: Kind = spec.kind();
    format!("{}:{host}/{name}", kind.as_str())
}

/// Which names a rule permits: its list, or its literal name.
pub(super) fn allow(spec: &TargetSpec) -> Vec<String> {
    let word = match &spec.find {
        Find::Container(it) | Find::Swarm(it) | Find::Disk(it) | Find::Compose { service: it, .. } => it,
    };
    match word {
        Word::Literal(name) => vec![name.clone()],
        Word::Label(_) => spec.allow.iter().map(|pattern| pattern.0.clone()).collect(),
    }
}
