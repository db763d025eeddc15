//! A scenario from a seed. The seed's remainder chooses what it is about, so that every feature comes often; chance does the rest.
//!
//! Instants are such that the order of things is never in doubt: lengths of time in rules are whole seconds, and each event
//! has a fraction of a second of its own, so that what follows from one does not meet another.

mod rules;
mod timeline;

use std::collections::BTreeMap;
use std::time::Duration;

use fettle_core::rule::model::{Budget, Mode};
use fettle_core::settings::{Protected, Settings, StormLimit, TripLimit};
use fettle_core::sight::{Health, Status};
use fettle_sim::rng::Rng;

use self::rules::Drawn;
use crate::scenario::{Answers, Container, Ending, Metrics, Scenario, Service};

/// What a scenario is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Nothing in particular.
    Plain,
    /// Many targets at once.
    Storm,
    /// Rules that prove nothing.
    Trip,
    /// People are asked.
    Approval,
    /// Replicas of Compose are lent.
    ComposeLoan,
    /// Replicas of Swarm are lent.
    SwarmLoan,
    /// Alertmanager is asked: silences, ends that nobody tells, and it is away.
    Upstream,
    /// People pause.
    Pause,
    /// Rules are reloaded.
    Reload,
    /// What depends on a container is restarted after it.
    Dependents,
    /// Windows of time, and causes elsewhere.
    Elsewhere,
    /// Modes below `act`.
    Mode,
    /// Calls fail, hang and are lost.
    Broken,
    /// Labels and names that permit or do not.
    Permission,
    /// What was fixed comes back.
    Regress,
    /// Little budget, little room.
    Budget,
    /// Disks and logs.
    Disk,
    /// Nobody repeats the alert.
    Expired,
    /// Somebody else acts.
    Others,
}

impl Theme {
    /// What is hard to come by comes more often.
    const ALL: [Self; 28] = [
        Self::Plain,
        Self::Storm,
        Self::Trip,
        Self::Approval,
        Self::ComposeLoan,
        Self::SwarmLoan,
        Self::Upstream,
        Self::Pause,
        Self::Reload,
        Self::Dependents,
        Self::Elsewhere,
        Self::Mode,
        Self::Broken,
        Self::Permission,
        Self::Regress,
        Self::Budget,
        Self::Disk,
        Self::Expired,
        Self::Others,
        Self::Trip,
        Self::Approval,
        Self::SwarmLoan,
        Self::Upstream,
        Self::Permission,
        Self::Budget,
        Self::Disk,
        Self::Others,
        Self::Others,
    ];
}

/// What is drawn with.
struct Dice {
    rng: Rng,
    theme: Theme,
    /// No rule may wait longer than this for an answer: by then nobody would know whether the alert still fires.
    patience: Duration,
}

impl Dice {
    /// Often where it is the theme, seldom elsewhere.
    fn likely(&mut self, theme: Theme) -> bool {
        self.rng.chance(if self.theme == theme { 650 } else { 50 })
    }

    fn seconds(&mut self, from: &[u64]) -> Duration {
        Duration::from_secs(*self.rng.pick(from))
    }

    fn budget(&mut self, max: u64, minutes: &[u64]) -> Budget {
        let max = u32::try_from(self.rng.between(1, max)).unwrap_or(1);
        Budget { max, per: Duration::from_mins(*self.rng.pick(minutes)) }
    }
}

/// The scenario of this seed.
pub fn draw(seed: u64) -> Scenario {
    let themes = Theme::ALL.len() as u64;
    let theme = Theme::ALL[usize::try_from(seed % themes).unwrap_or(0)];
    let mut dice = Dice { rng: Rng::new(seed), theme, patience: Duration::MAX };
    let settings = settings(&mut dice);
    if !settings.alertmanager {
        dice.patience = settings.freshness;
    }
    let drawn = Drawn::draw(&mut dice);
    let containers = containers(&mut dice);
    let services = services(&mut dice);
    let disk = (dice.rng.between(2, 40), *dice.rng.pick(&[0, 20, 50]));
    let answers = answers(&mut dice);
    let (events, until) = timeline::draw(&mut dice, &settings, &drawn);
    let last = until.as_secs();
    let mut asks: Vec<Duration> =
        (0..4).map(|at| Duration::from_millis(1000 * dice.rng.between(5, last) + 970 + 3 * at)).collect();
    asks.sort();
    asks.retain(|at| *at < until);
    let hears = dice.rng.chance(500);
    Scenario { seed, settings, rules: drawn.rules, containers, services, disk, answers, events, until, asks, hears }
}

fn settings(dice: &mut Dice) -> Settings {
    let tight = dice.likely(Theme::Budget);
    let mode = match dice.rng.below(if dice.theme == Theme::Mode { 4 } else { 40 }) {
        0 => Mode::Observe,
        1 => Mode::Propose,
        _ => Mode::Act,
    };
    let then = |dice: &mut Dice| if dice.rng.chance(400) { Mode::Propose } else { Mode::Observe };
    let storm = (dice.theme == Theme::Storm || dice.likely(Theme::Storm)).then(|| StormLimit {
        targets: u32::try_from(dice.rng.between(2, 3)).unwrap_or(2),
        within: dice.seconds(&[60, 120, 300]),
        then: then(dice),
        quiet_for: dice.seconds(&[120, 300]),
    });
    let trip = (dice.theme == Theme::Trip || dice.likely(Theme::Trip)).then(|| TripLimit {
        unproven: u32::try_from(*dice.rng.pick(&[1, 1, 2])).unwrap_or(1),
        within: dice.seconds(&[120, 300, 600]),
        then: then(dice),
    });
    let mut protected = Protected::default();
    protected.containers.insert("d".to_owned());
    if dice.likely(Theme::Permission) && dice.rng.chance(400) {
        protected.compose_projects.insert("shop".to_owned());
    }
    Settings {
        mode,
        freshness: if dice.theme == Theme::Expired { dice.seconds(&[60, 120]) } else { dice.seconds(&[300, 600, 600]) },
        docker_patience: fettle_core::settings::DOCKER_PATIENCE,
        recheck: fettle_core::settings::RECHECK,
        in_flight: if tight { 1 } else { *dice.rng.pick(&[2, 4, 4]) },
        budget: vec![if tight { dice.budget(3, &[5, 10]) } else { Budget { max: 20, per: Duration::from_mins(10) } }],
        target_budget: vec![if tight { dice.budget(2, &[5, 20]) } else { dice.budget(8, &[30, 60]) }],
        storm,
        trip,
        alertmanager: dice.theme == Theme::Upstream
            || dice.rng.chance(if dice.theme == Theme::Expired { 500 } else { 250 }),
        approvers: true,
        protected,
        hosts: fettle_core::target::Hosts::default(),
    }
}

fn labels(dice: &mut Dice, changes: bool) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([("fettle.enable".to_owned(), "true".to_owned())]);
    let mut add = |key: &str, value: &str| drop(labels.insert(key.to_owned(), value.to_owned()));
    if changes {
        match dice.rng.below(10) {
            0 => add("fettle.enable", "yes"),
            1 | 9 => add("fettle.hold", "migration"),
            8 => add("com.docker.swarm.service.name", "shop_api"),
            2 => add("fettle.budget", "1 per 20m"),
            3 => add("fettle.budget", "many"),
            4 => add("fettle.approval", "always"),
            5 => add("fettle.actions", "stop, scale_down"),
            6 => add("fettle.actions", "restart"),
            _ => labels.clear(),
        }
    }
    labels
}

/// `a` to `f`, of which `d` is protected; `p`, which a person stopped; `side`, which depends on `a`; a project of Compose.
fn containers(dice: &mut Dice) -> Vec<Container> {
    let mut all = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "p", "side", "shop-web-1", "shop-web-2", "shop-web-3", "shop-db-1"] {
        let odd = name == "c" || dice.theme == Theme::Permission;
        let changes = odd && dice.rng.chance(if dice.theme == Theme::Permission { 350 } else { 120 });
        let unwell = dice.rng.chance(400) && !name.starts_with("shop");
        let checked = matches!(name, "b" | "e") || dice.rng.chance(100);
        let (stopped, spare) = (name == "p", name == "shop-web-3" && dice.rng.chance(400));
        let status = if stopped || spare || (unwell && !checked) { Status::Exited } else { Status::Running };
        let exit_code = match status {
            Status::Exited if stopped || spare => *dice.rng.pick(&[0, 143]),
            Status::Exited => 1,
            _ => 0,
        };
        all.push(Container {
            name: name.to_owned(),
            labels: labels(dice, changes),
            status,
            health: checked.then_some(if unwell { Health::Unhealthy } else { Health::Healthy }),
            exit_code,
            image_enables: odd && dice.rng.chance(60),
            stopped_by_hand: stopped,
            compose: match name {
                "shop-db-1" => Some(("shop", "db")),
                _ if name.starts_with("shop-web") => Some(("shop", "web")),
                _ => None,
            },
            depends_on: if name == "side" { vec!["a"] } else { Vec::new() },
        });
    }
    all
}

fn services(dice: &mut Dice) -> Vec<Service> {
    let changes = dice.likely(Theme::Permission) && dice.rng.chance(400);
    let replicas = (!dice.rng.chance(100)).then_some(3);
    vec![Service { name: "api", labels: labels(dice, changes), replicas }]
}

/// How Docker answers from some time on.
fn answers(dice: &mut Dice) -> Answers {
    let mut answers = Answers {
        takes: Some(if dice.theme == Theme::Broken { dice.seconds(&[1, 5, 20]) } else { dice.seconds(&[1, 1, 2, 4]) }),
        ..Answers::default()
    };
    let unwell = match dice.theme {
        Theme::Trip => dice.rng.chance(850),
        Theme::Regress | Theme::Plain | Theme::Budget => dice.rng.chance(500),
        _ => false,
    };
    let broken = dice.theme == Theme::Broken || dice.rng.chance(60);
    for action in ["restart", "stop", "scale_down", "scale_up", "clean_logs", "prune", "set_limits", "restore"] {
        if broken && dice.rng.chance(600) {
            answers.endings.push((action, ending(dice, action)));
        } else if unwell && can_be_in_vain(action) {
            answers.endings.push((action, Ending::InVain));
        }
    }
    // What a clean-up did leaves no trace.
    if dice.theme == Theme::Disk && dice.rng.chance(450) {
        for action in ["clean_logs", "prune"] {
            answers.endings.push((action, *dice.rng.pick(&[Ending::Hangs, Ending::Silent])));
        }
    }
    if dice.rng.chance(100) {
        answers.metrics = Some(*dice.rng.pick(&[Metrics::Say(false), Metrics::Blind]));
    }
    answers
}

/// Whether a test file says what it means that this is in vain: not where replicas are started.
fn can_be_in_vain(action: &str) -> bool {
    !matches!(action, "scale_up" | "restore")
}

fn ending(dice: &mut Dice, action: &str) -> Ending {
    use Ending::{Fails, Hangs, InVain, Silent, Succeeds, Unreachable};
    match *dice.rng.pick(&[Succeeds, InVain, Fails, Hangs, Hangs, Silent, Unreachable]) {
        InVain if !can_be_in_vain(action) => Succeeds,
        ending => ending,
    }
}
