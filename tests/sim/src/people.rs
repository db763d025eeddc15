//! People: they approve, reject, cancel, pause, resume, reset, silence, reload; and they start, stop, remove and scale things
//! by hand, without asking fettle.

use std::rc::Rc;

use fettle_core::remediation::record::BreakerRow;
use fettle_core::remediation::state::State;
use fettle_core::sight::Status;
use fettle_core::surroundings::{Answer, AnswerKind, Pause, PauseScope};
use uuid::Uuid;

use crate::checks::Deed;
use crate::history::short;
use crate::mutants::Mutant;
use crate::store::Answered;
use crate::time::{Micros, SECOND, instant};
use crate::world::{Wake, World};

/// What they have set and not taken back.
#[derive(Debug, Default)]
pub struct People {
    /// Every alert is silenced.
    pub silences: bool,
    /// No Alertmanager answers.
    pub upstream_down: bool,
}

impl World {
    /// A person does something.
    pub fn person(self: &Rc<Self>) {
        if self.calm.get() {
            return;
        }
        self.later(self.plan.weather.people * 2, Wake::People);
        if self.rng.borrow_mut().chance(500) && self.answer(AnswerKind::Approve) {
            return;
        }
        let deed = self.below(16);
        match deed {
            0 => drop(self.answer(AnswerKind::Reject)),
            1 => drop(self.answer(AnswerKind::Cancel)),
            2 | 3 => self.pause(),
            4 => self.resume(),
            5 => self.reset_breaker(),
            6 => {
                let mut people = self.people.borrow_mut();
                people.silences = !people.silences;
            }
            7 => {
                let mut people = self.people.borrow_mut();
                people.upstream_down = !people.upstream_down;
            }
            8 if self.rng.borrow_mut().chance(300) => {
                let next = usize::try_from(self.below(Micros::try_from(self.plan.rules.len()).unwrap_or(0))).ok();
                self.deed(&Deed::Reloaded);
                self.unloaded.set(if self.unloaded.get().is_some() { None } else { next });
            }
            _ => self.by_hand(deed),
        }
        self.tell(|| format!("people: deed {deed}"));
    }

    fn person_now(&self) -> Option<fettle_core::time::Timestamp> {
        let up = self.replicas.iter().find(|it| it.is_up(self.now()))?;
        Some(up.now(self))
    }

    fn answer(&self, kind: AnswerKind) -> bool {
        let Some(at) = self.person_now() else { return false };
        let store = self.store.borrow();
        let open = store.open.values().filter_map(|id| store.remediations.get(id));
        let asked: Vec<(Uuid, Option<String>)> = open
            .filter_map(|row| match &row.doc.state {
                State::AwaitingApproval { proposal, .. } => Some((row.doc.id, Some(proposal.hash.clone()))),
                _ if kind == AnswerKind::Cancel => Some((row.doc.id, None)),
                _ => None,
            })
            .collect();
        drop(store);
        if asked.is_empty() {
            return false;
        }
        let (remediation, mut plan) = self.rng.borrow_mut().pick(&asked).clone();
        if self.rng.borrow_mut().chance(50) {
            plan = Some("another".to_owned());
        }
        let answer = Answer { id: self.new_id(), kind, plan, by: "oncall".to_owned(), at };
        let answered = self.store.borrow_mut().answer(remediation, answer.clone());
        self.tell(|| format!("people: {kind} {}: {answered:?}", short(remediation)));
        if answered == Answered::Taken {
            self.deed(&Deed::Answered { remediation, answer: &answer });
            self.wake_all();
        }
        true
    }

    fn pause(&self) {
        let Some(at) = self.person_now() else { return };
        let open: Vec<_> = self.store.borrow().remediations.values().map(|row| row.doc.target.clone()).collect();
        let mut rng = self.rng.borrow_mut();
        let scope = match rng.below(4) {
            0 => PauseScope::All,
            1 => PauseScope::Rule(rng.pick(&self.plan.rules).name.clone()),
            _ if open.is_empty() => PauseScope::All,
            _ => PauseScope::Target(rng.pick(&open).clone()),
        };
        let lasts = Micros::try_from(rng.between(20, 300)).unwrap_or(20) * SECOND;
        let until = rng.chance(700).then(|| instant(self.now() + lasts));
        drop(rng);
        let pause = Pause { id: self.new_id(), scope, reason: "deploy".to_owned(), by: "oncall".to_owned(), at, until };
        self.tell(|| format!("people: pause {:?} until {until:?}", pause.scope));
        self.store.borrow_mut().pauses.push(pause.clone());
        self.deed(&Deed::Paused { pause: &pause });
    }

    fn resume(&self) {
        let ended = self.store.borrow_mut().pauses.pop();
        if let Some(pause) = ended {
            self.deed(&Deed::Resumed { pause: pause.id });
        }
    }

    fn reset_breaker(&self) {
        let Some(at) = self.person_now() else { return };
        let rule = self.rng.borrow_mut().pick(&self.plan.rules).name.clone();
        let by = Some("oncall".to_owned());
        let row = BreakerRow { rule: rule.clone(), at, opened_at: None, probe: None, by };
        self.store.borrow_mut().write_breaker(&row);
        self.deed(&Deed::BreakerReset { row: &row });
    }

    fn by_hand(&self, deed: Micros) {
        let names = ["app-0", "app-1", "app-2", "side-0", "shop-db-1", "shop-web-1", "shop-web-2", "shop-web-3"];
        let name = *self.rng.borrow_mut().pick(&names);
        let now = self.now();
        let mut docker = self.docker.borrow_mut();
        let id = docker.id_of(name);
        match (deed, id.and_then(|id| docker.containers.get_mut(&id))) {
            (9, _) => docker.make_anew(&mut self.rng.borrow_mut(), name),
            (10, Some(real)) => real.stop(143, true),
            (11, Some(real)) if real.seen.status != Status::Running => real.start(instant(now), 0),
            (12 | 13, Some(real)) => real.start(instant(now), 0),
            (14, _) => {
                if let Some(service) = &mut docker.service {
                    service.version += 1;
                    service.replicas = service.replicas.map(|it| if it > 2 { it - 1 } else { it + 1 });
                    service.running = service.replicas.unwrap_or(1);
                }
            }
            (15, _) => docker.free = 10,
            _ => {}
        }
        drop(docker);
        self.tell(|| format!("people: {name} by hand ({deed})"));
        self.reevaluate();
    }

    /// Whether an answer that was used is given out again, as if nobody had used it.
    pub fn forgets_answers(&self) -> bool {
        self.mutant == Some(Mutant::ApprovalReused)
    }
}
