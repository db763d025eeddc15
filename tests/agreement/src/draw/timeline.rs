//! What happens in a scenario, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use fettle_core::alert::labels::Labels;
use fettle_core::settings::Settings;
use fettle_core::surroundings::{AnswerKind, PauseScope};

use super::rules::Drawn;
use super::{Dice, Theme, answers, ending};
use crate::scenario::{Answers, Asked, Change, Event, Input};

/// How long after the last event something may still happen.
const REST: [u64; 3] = [600, 900, 1500];

/// Containers that are there in every scenario.
const DECLARED: [&str; 7] = ["a", "b", "c", "d", "e", "f", "p"];

/// Draws one kind of event, if it can happen.
type Make<T> = fn(&mut T) -> Option<Input>;

/// What is so while a timeline is drawn.
#[expect(clippy::struct_excessive_bools, reason = "independent things that are so or not")]
struct Drawing<'a> {
    dice: &'a mut Dice,
    settings: &'a Settings,
    drawn: &'a Drawn,
    /// By number of the alert.
    firing: BTreeSet<usize>,
    silenced: BTreeSet<usize>,
    paused: Vec<PauseScope>,
    reloaded: bool,
    down: bool,
    unreachable: bool,
    /// Nothing happens but notifications and what people say: all of it is on record.
    quiet: bool,
}

/// The events in order, and the end.
pub(super) fn draw(dice: &mut Dice, settings: &Settings, drawn: &Drawn) -> (Vec<Event>, Duration) {
    let many = dice.rng.between(4, 12);
    let quiet = !matches!(dice.theme, Theme::Upstream | Theme::Reload | Theme::Others) && dice.rng.chance(400);
    let (firing, silenced) = (BTreeSet::new(), BTreeSet::new());
    let mut drawing = Drawing {
        dice,
        settings,
        drawn,
        firing,
        silenced,
        paused: Vec::new(),
        reloaded: false,
        down: false,
        unreachable: false,
        quiet,
    };
    let (mut events, mut at) = (Vec::new(), Duration::ZERO);
    for number in 0..many {
        let step = match drawing.dice.rng.below(10) {
            // While an effect is judged.
            0..7 if matches!(drawing.dice.theme, Theme::Others | Theme::Broken) => drawing.dice.rng.between(7, 60),
            0..4 => drawing.dice.rng.between(12, 40),
            4..8 => drawing.dice.rng.between(40, 150),
            _ => drawing.dice.rng.between(200, 480),
        };
        at += Duration::from_secs(step);
        let meddles = number == 1 && drawing.dice.theme == Theme::Others && drawing.dice.rng.chance(600);
        let what = match number {
            0 => Some(drawing.post()),
            _ if meddles => drawing.meddle(),
            _ => drawing.event(),
        };
        let asked = match drawing.dice.rng.below(5) {
            0 | 1 => Some(Asked::ByBody),
            2 => Some(Asked::ByLabels),
            _ => None,
        };
        let own = Duration::from_millis((number + 1) * (900 / (many + 1)));
        events.extend(what.map(|what| Event { at: at + own, what, asked }));
    }
    let until = at + Duration::from_secs(1) + drawing.dice.seconds(&REST);
    (events, until)
}

impl Drawing<'_> {
    fn event(&mut self) -> Option<Input> {
        let theme = self.dice.theme;
        let asks = matches!(theme, Theme::Approval | Theme::Storm | Theme::Trip | Theme::Mode);
        let weights: [(u64, Make<Self>); 8] = [
            (8, |it| Some(it.post())),
            (if theme == Theme::Expired { 2 } else { 8 }, Self::resolve),
            (if asks { 10 } else { 1 }, Self::answer),
            (if theme == Theme::Pause { 8 } else { 1 }, Self::pause),
            (if theme == Theme::Trip { 3 } else { 0 }, Self::reset),
            (if theme == Theme::Upstream { 12 } else { 1 }, Self::upstream),
            (if theme == Theme::Reload { 8 } else { 0 }, |it| Some(it.reload())),
            (if matches!(theme, Theme::Others | Theme::Broken) { 14 } else { 2 }, Self::change),
        ];
        let mut chosen = self.dice.rng.below(weights.iter().map(|(weight, _)| weight).sum());
        for (weight, make) in weights {
            if chosen < weight {
                return make(self);
            }
            chosen -= weight;
        }
        None
    }

    /// One to four alerts fire, or fire still.
    fn post(&mut self) -> Input {
        let all = self.drawn.alerts.len();
        let most = if self.dice.theme == Theme::Storm { 4 } else { 3 };
        let mut chosen = BTreeSet::new();
        for _ in 0..self.dice.rng.between(1, most) {
            chosen.insert(self.one_of(all));
        }
        self.firing.extend(&chosen);
        let mut alerts: Vec<Labels> = chosen.iter().map(|at| self.drawn.alerts[*at].clone()).collect();
        if self.dice.theme == Theme::Elsewhere && self.dice.rng.chance(650) {
            let service = self.drawn.alerts[self.one_of(all)].get("service").to_owned();
            alerts.push(Labels::from_iter([("alertname", "HostDown"), ("service", &service)]));
        }
        Input::Post { firing: true, alerts }
    }

    fn one_of(&mut self, many: usize) -> usize {
        usize::try_from(self.dice.rng.below(many as u64)).unwrap_or(0)
    }

    /// One of those that fire.
    fn fires(&mut self) -> Option<usize> {
        let at = self.one_of(self.firing.len());
        self.firing.iter().nth(at).copied()
    }

    fn resolve(&mut self) -> Option<Input> {
        let mut ended = Vec::new();
        for _ in 0..self.dice.rng.between(1, 2) {
            let Some(at) = self.fires() else { break };
            self.firing.remove(&at);
            ended.push(self.drawn.alerts[at].clone());
        }
        (!ended.is_empty()).then_some(Input::Post { firing: false, alerts: ended })
    }

    fn target(&mut self) -> String {
        self.dice.rng.pick(&self.drawn.targets).clone()
    }

    fn answer(&mut self) -> Option<Input> {
        use AnswerKind::{Approve, Cancel, Reject};
        let kind = *self.dice.rng.pick(&[Approve, Approve, Reject, Reject, Cancel]);
        let target = match self.fires().filter(|_| self.dice.rng.chance(700)) {
            Some(at) => self.drawn.targets[at].clone(),
            None => self.target(),
        };
        // One that names nothing is no target that a test could speak of.
        (!target.ends_with('/')).then_some(Input::Answer(kind, target))
    }

    fn pause(&mut self) -> Option<Input> {
        if let Some(scope) = self.paused.pop().filter(|_| self.dice.rng.chance(600)) {
            return Some(Input::Resume(scope));
        }
        let scope = match self.dice.rng.below(3) {
            0 => PauseScope::All,
            1 => PauseScope::Rule(self.dice.rng.pick(&self.drawn.names).clone()),
            _ => PauseScope::Target(self.target().parse().ok()?),
        };
        let lasts = self.dice.rng.chance(400).then(|| self.dice.seconds(&[60, 180, 600]));
        self.paused.push(scope.clone());
        Some(Input::Pause(scope, lasts))
    }

    fn reset(&mut self) -> Option<Input> {
        Some(Input::Reset(self.dice.rng.pick(&self.drawn.names).clone())).filter(|_| !self.quiet)
    }

    fn upstream(&mut self) -> Option<Input> {
        if !self.settings.alertmanager || self.quiet {
            return None;
        }
        Some(match self.dice.rng.below(9) {
            0 | 1 => {
                self.down = !self.down;
                Input::Answers(!self.down)
            }
            2 => {
                let at = self.fires()?;
                self.firing.remove(&at);
                Input::Gone(self.drawn.alerts[at].clone())
            }
            _ => {
                let ends = self.dice.rng.chance(350);
                if let Some(at) = self.silenced.pop_first().filter(|_| ends) {
                    Input::Silence(self.drawn.alerts[at].clone(), false)
                } else {
                    // Also one that does not fire yet.
                    let at = self.one_of(self.drawn.alerts.len());
                    self.silenced.insert(at);
                    Input::Silence(self.drawn.alerts[at].clone(), true)
                }
            }
        })
    }

    fn reload(&mut self) -> Input {
        self.reloaded = !self.reloaded;
        Input::Reload(self.reloaded)
    }

    /// Somebody restarts or removes a container whose alert fires.
    fn meddle(&mut self) -> Option<Input> {
        let at = self.fires()?;
        let name = self.drawn.targets[at].strip_prefix("container:local/").filter(|name| DECLARED.contains(name))?;
        let name = name.to_owned();
        Some(if self.dice.rng.chance(250) { Input::Removed(name) } else { Input::Restarted(name) })
    }

    /// Something changes without fettle.
    fn change(&mut self) -> Option<Input> {
        if self.quiet {
            return None;
        }
        let others = self.dice.theme == Theme::Others;
        let target = self.target();
        let named = target.strip_prefix("container:local/").filter(|name| DECLARED.contains(name));
        let name = match named {
            Some(name) if self.dice.rng.chance(700) => name.to_owned(),
            _ => (*self.dice.rng.pick(&["a", "b", "c", "e", "f", "shop-web-1", "shop-web-2"])).to_owned(),
        };
        let reachable = |reachable| Input::Docker(Answers { reachable: Some(reachable), ..Answers::default() });
        if self.dice.theme == Theme::Broken && self.dice.rng.chance(600) {
            self.unreachable = !self.unreachable;
            return Some(reachable(!self.unreachable));
        }
        if others && self.dice.rng.chance(700) {
            return Some(if self.dice.rng.chance(250) { Input::Removed(name) } else { Input::Restarted(name) });
        }
        Some(match self.dice.rng.below(13) {
            0 | 1 => Input::Container(name, Change::Crashes),
            2 => Input::Container(name, Change::Recovers),
            3 => Input::Container("b".to_owned(), *self.dice.rng.pick(&[Change::FallsIll, Change::GetsWell])),
            4 => Input::Container(name, Change::IsHeld),
            5 => {
                let (replicas, running) = (self.dice.rng.between(1, 4), self.dice.rng.between(0, 3));
                let replicas = self.dice.rng.chance(500).then_some(replicas);
                Input::Service { name: "api", replicas, running: Some(running) }
            }
            6 => Input::Disk(self.dice.rng.between(1, 80)),
            7 => Input::Docker(answers(self.dice)),
            8 => reachable(false),
            9 => reachable(true),
            10 => {
                let action = *self.dice.rng.pick(&["restart", "scale_down", "restore"]);
                Input::Docker(Answers { endings: vec![(action, ending(self.dice, action))], ..Answers::default() })
            }
            11 => Input::Removed(name),
            _ => Input::Restarted(name),
        })
    }
}
