//! The beginning and the end of a run, and what the restart policy does about it.
//!
//! Docker changes a container in two steps: at the exit `RestartCount` rises and the status is `restarting`, with the old
//! `StartedAt`; at the start `StartedAt` changes.

use std::time::Duration;

use super::agenda::Due;
use super::container::Key;
use super::daemon::Daemon;
use super::events::What;
use super::spec::{Generation, Life, Term};
use super::truth::{By, Ended, Run};
use fettle_core::sight::{Health, Status};
use fettle_core::time::{Timestamp, after, micros, since};

impl Daemon {
    /// A run begins.
    pub(super) fn begin(&mut self, key: Key, by: By) {
        let now = micros(self.now);
        let number = self.runs.len();
        let Self { containers, chance, helps, .. } = self;
        let it = &mut containers[key.0 as usize];
        let life = match helps {
            Some(true) => Life::WELL,
            Some(false) if it.spec.check.is_some() => Life::UNHEALTHY,
            Some(false) => Life::ends(Duration::ZERO, 1),
            None => chance.life(&it.seen.name, it.runs).unwrap_or_else(|| it.spec.program.life(it.runs)),
        };
        let (id, name) = (it.seen.id.clone(), it.seen.name.clone());
        it.run = Some(number);
        it.runs += 1;
        (it.start_failed, it.hand_declared, it.ended_by, it.failing) = (false, false, None, 0);
        it.health_declared = false;
        let seen = &mut it.seen;
        seen.ended_at = None;
        (seen.status, seen.started_at) = (Status::Running, Some(now));
        (seen.exit_code, seen.oom_killed, seen.stopped_by_hand) = (0, false, None);
        seen.health = it.spec.check.map(|_| Health::Starting);
        self.runs.push(Run { id, name, begun_at: now, begun_by: by, ended: None });
        self.event(key, What::Start);
        self.live(key, life);
        self.begin_health(key, number);
        self.task_began(key);
    }

    /// The rest of a run is this from now on.
    pub(super) fn live(&mut self, key: Key, life: Life) {
        let now = self.now;
        let it = self.at_mut(key);
        (it.life, it.life_from) = (life, now);
        it.life_number += 1;
        if let (Some(end), Some(_)) = (life.ends, it.run) {
            // Not within this call, whatever its length: a start is reported before the end.
            let due = Due::End { key, life: it.life_number };
            self.agenda.enter(after(now, end.after), due);
        }
        self.show_health(key);
    }

    pub(super) fn end_by_itself(&mut self, key: Key, life: u32, at: Timestamp) {
        let it = self.at(key);
        if it.run.is_some()
            && it.life_number == life
            && let Some(end) = it.life.ends
        {
            self.ended(key, at, end.code, end.oom, By::Itself);
        }
    }

    pub(super) fn end_by_term(&mut self, key: Key, run: usize, at: Timestamp) {
        let it = self.at(key);
        if it.run == Some(run)
            && let Term::Ends { code, .. } = it.spec.program.term
        {
            let by = it.ended_by.unwrap_or(By::Itself);
            self.ended(key, at, code, false, by);
        }
    }

    /// A process has ended at `at`, and the daemon notices it now.
    pub(super) fn ended(&mut self, key: Key, at: Timestamp, code: i64, oom: bool, by: By) {
        let (now, generation) = (self.now, self.generation);
        let Some(run) = self.at_mut(key).run.take() else { return };
        self.runs[run].ended = Some(Ended { at, code, oom, by });
        let it = self.at_mut(key);
        it.finished_at = Some(at);
        it.life_number += 1;
        (it.seen.exit_code, it.seen.oom_killed) = (code, oom);
        it.seen.ended_at = Some(micros(at));
        it.end_health();
        if it.restarts_after(code) {
            let ran = since(now, it.seen.started_at.unwrap_or(now));
            let pause = it.next_backoff(ran);
            it.seen.restart_count += 1;
            it.seen.status = Status::Restarting;
            it.pause += 1;
            let due = Due::Policy { key, token: it.pause };
            self.agenda.enter(after(now, pause), due);
        } else {
            it.set_exited();
        }
        let enders = std::mem::take(&mut self.at_mut(key).enders);
        if oom {
            self.event(key, What::Oom);
        }
        // The older generation reports the end before the stop. In the newer one the two race.
        let end_first = generation == Generation::V20 || (!enders.is_empty() && self.chance.reports_end_first());
        if end_first {
            self.event(key, What::Die(code));
        }
        for _ in &enders {
            self.event(key, What::Stop);
        }
        if !end_first {
            self.event(key, What::Die(code));
        }
        for ticket in enders {
            self.after_stop(ticket);
        }
        self.task_ended(key, by);
    }
}
