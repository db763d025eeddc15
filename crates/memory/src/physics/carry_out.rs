//! Carrying out requests, as Docker does: a restart is a stop and a start, and each waits where Docker waits.

use super::agenda::Due;
use super::chance::Reply;
use super::container::{Key, Starting};
use super::daemon::Daemon;
use super::events::What;
use super::request::{Answer, Request, Stage, Ticket};
use super::spec::Term;
use super::truth::By;
use fettle_core::sight::Status;
use fettle_core::time::after;

const SIGKILL: u8 = 9;
const SIGTERM: u8 = 15;

const NOT_RUNNING: Answer = Answer::Failed(409, "container is not running");
const IN_USE: Answer = Answer::Failed(409, "cannot remove a running container");
const START_FAILED: Answer = Answer::Failed(500, "OCI runtime create failed");

impl Daemon {
    pub(super) fn happen(&mut self, at: fettle_core::time::Timestamp, due: Due) {
        if self.hung.stops(due) {
            return self.park(at, due);
        }
        match due {
            Due::Arrive(ticket) => self.proceed(ticket),
            Due::End { key, life } => self.end_by_itself(key, life, at),
            Due::Term { key, run } => self.end_by_term(key, run, at),
            Due::Grace { key, run } => {
                if self.at(key).run == Some(run) {
                    let by = self.at(key).ended_by.unwrap_or(By::Person);
                    self.signal(key, SIGKILL, by);
                }
            }
            Due::Policy { key, token } => {
                let it = self.at(key);
                if it.seen.status == Status::Restarting && it.pause == token {
                    self.begin_start(key, By::Policy, false, None);
                }
            }
            Due::Started { key } => self.started(key),
            Due::Removed { key, ticket } => self.removed(key, ticket),
            Due::Probe { key, run } => self.probe(key, run),
            Due::Reconcile { service } => self.reconcile(service),
            Due::Replace { service, key } => self.replace_task(service, key),
        }
    }

    /// Goes on with a request.
    pub(super) fn proceed(&mut self, ticket: Ticket) {
        let job = &self.jobs[ticket.0];
        match job.stage {
            Stage::Fresh if job.fate.executed => self.carry_out(ticket),
            // A refusal or a lie is answered without doing anything; what is lost is never through.
            Stage::Fresh if job.fate.reply != Reply::None => self.finish(ticket, Answer::Done),
            Stage::Ended => self.after_stop(ticket),
            Stage::Fresh | Stage::Ending | Stage::Over => {}
        }
    }

    fn carry_out(&mut self, ticket: Ticket) {
        let request = self.jobs[ticket.0].request.clone();
        let Some(id) = request.container() else { return self.carry_out_elsewhere(ticket, &request) };
        let Some(key) = self.key(id) else { return self.finish(ticket, Answer::GONE) };
        if self.at(key).starting.is_some() {
            return self.at_mut(key).after_start.push(ticket);
        }
        let (status, alive) = (self.at(key).seen.status, self.at(key).is_alive());
        if self.needs_path(&request, key) && self.hung.closes_path(key, alive) {
            // The call waits inside, and the container's lock is held meanwhile.
            self.at_mut(key).held = true;
            return self.parked.push((self.now, Due::Arrive(ticket)));
        }
        let by = self.jobs[ticket.0].by;
        match request {
            Request::Start { .. } if alive => self.finish(ticket, Answer::Already),
            Request::Start { .. } => self.start_for(key, ticket),
            Request::Stop { grace, .. } | Request::Restart { grace, .. } | Request::Recreate { grace, .. } if alive => {
                self.executed(ticket);
                self.jobs[ticket.0].stage = Stage::Ending;
                self.at_mut(key).enders.push(ticket);
                let run = self.at(key).run;
                self.signal(key, SIGTERM, by);
                if let Some(run) = run.filter(|run| self.at(key).run == Some(*run)) {
                    self.agenda.enter(after(self.now, grace), Due::Grace { key, run });
                }
            }
            Request::Stop { .. } | Request::Restart { .. } | Request::Recreate { .. } => {
                if status == Status::Restarting {
                    self.executed(ticket);
                    self.call_off(key);
                    self.event(key, What::Stop);
                } else if matches!(request, Request::Stop { .. }) {
                    return self.finish(ticket, Answer::Already);
                }
                self.after_stop(ticket);
            }
            Request::Kill { .. } if status == Status::Restarting => {
                self.executed(ticket);
                self.call_off(key);
                self.finish(ticket, Answer::Done);
            }
            Request::Kill { .. } | Request::Exec { .. } if !alive => self.finish(ticket, NOT_RUNNING),
            Request::Kill { signal, .. } => {
                self.executed(ticket);
                self.signal(key, signal, by);
                self.finish(ticket, Answer::Done);
            }
            Request::Remove { force: false, .. } if alive || status == Status::Restarting => {
                self.finish(ticket, IN_USE);
            }
            Request::Remove { .. } if self.at(key).removing => self.finish(ticket, Answer::REMOVING),
            Request::Remove { .. } => {
                self.executed(ticket);
                self.begin_removal(key, by, ticket);
            }
            Request::Update { memory, nano_cpus, .. } => {
                self.executed(ticket);
                let seen = &mut self.at_mut(key).seen;
                seen.memory_limit = memory.or(seen.memory_limit);
                seen.nano_cpus = nano_cpus.or(seen.nano_cpus);
                self.event(key, What::Update);
                self.finish(ticket, Answer::Done);
            }
            Request::Exec { .. } => {
                self.executed(ticket);
                let now = self.now;
                self.events.others(now, super::events::PER_PROBE);
                self.finish(ticket, Answer::Done);
            }
            Request::UpdateService { .. } | Request::CleanUp { .. } => {}
        }
    }

    fn carry_out_elsewhere(&mut self, ticket: Ticket, request: &Request) {
        match request {
            Request::UpdateService { id, version, change } => {
                let answer = self.update_service(ticket, id, *version, *change);
                self.finish(ticket, answer);
            }
            Request::CleanUp { disk } => {
                self.executed(ticket);
                let helps = self.helps != Some(false);
                if let Some(disk) = self.disks.get_mut(disk)
                    && let Some(space) = disk.space.as_mut().filter(|_| helps)
                {
                    space.free = space.free.saturating_add(disk.frees).min(space.total);
                }
                self.finish(ticket, Answer::Done);
            }
            _ => {}
        }
    }

    fn needs_path(&self, request: &Request, key: Key) -> bool {
        match request {
            Request::Remove { force, .. } => *force && self.at(key).is_alive(),
            Request::Update { .. } => self.at(key).is_alive(),
            _ => true,
        }
    }

    /// Sends a signal to the process. One that asks it to end switches its restart policy off.
    pub(super) fn signal(&mut self, key: Key, signal: u8, by: By) {
        self.event(key, What::Kill(signal));
        let now = self.now;
        let it = self.at_mut(key);
        let frozen = it.seen.status == Status::Paused;
        (it.stopped_through_api, it.cancelled, it.ended_by) = (true, true, Some(by));
        match (signal, it.spec.program.term) {
            (SIGKILL, _) => self.ended(key, now, 128 + i64::from(SIGKILL), false, by),
            (SIGTERM, Term::Ends { after: length, code }) if !frozen => {
                let Some(run) = it.run else { return };
                if length.is_zero() {
                    self.ended(key, now, code, false, by);
                } else {
                    self.agenda.enter(after(now, length), Due::Term { key, run });
                }
            }
            _ => {}
        }
    }

    /// The next start by policy is called off.
    fn call_off(&mut self, key: Key) {
        let it = self.at_mut(key);
        (it.stopped_through_api, it.cancelled) = (true, true);
        it.set_exited();
    }

    /// What follows once the container does not run.
    pub(super) fn after_stop(&mut self, ticket: Ticket) {
        let request = &self.jobs[ticket.0].request;
        let Some(key) = request.container().and_then(|id| self.key(id)) else {
            return self.finish(ticket, Answer::REMOVED);
        };
        if self.at(key).removing && !matches!(request, Request::Stop { .. }) {
            return self.finish(ticket, Answer::REMOVED);
        }
        match request {
            Request::Restart { .. } => self.start_for(key, ticket),
            Request::Recreate { .. } => self.recreate(key, ticket),
            _ => self.finish(ticket, Answer::Done),
        }
    }

    /// The start that a request asked for.
    pub(super) fn start_for(&mut self, key: Key, ticket: Ticket) {
        if self.at(key).removing {
            return self.finish(ticket, Answer::REMOVED);
        }
        self.jobs[ticket.0].stage = Stage::Ended;
        self.executed(ticket);
        if self.at(key).starting.is_some() {
            return self.at_mut(key).after_start.push(ticket);
        }
        if self.at(key).is_alive() {
            // Another request started it meanwhile.
            return self.through(key, ticket);
        }
        let (by, fails) = (self.jobs[ticket.0].by, self.jobs[ticket.0].fate.start_fails);
        self.begin_start(key, by, fails, Some(ticket));
    }

    pub(super) fn begin_start(&mut self, key: Key, by: By, fails: bool, of: Option<Ticket>) {
        let (now, length) = (self.now, self.timing.start);
        let it = self.at_mut(key);
        if by != By::Policy {
            it.reset_policy();
        }
        let fails = fails || it.broken;
        it.starting = Some(Starting { by, fails, of: of.into_iter().collect() });
        let due = Due::Started { key };
        if length.is_zero() { self.happen(now, due) } else { self.agenda.enter(after(now, length), due) }
    }

    fn started(&mut self, key: Key) {
        let Some(starting) = self.at_mut(key).starting.take() else { return };
        if starting.fails {
            let it = self.at_mut(key);
            it.start_failed = true;
            it.seen.exit_code = 127;
            it.set_exited();
            for ticket in starting.of {
                self.finish(ticket, START_FAILED);
            }
        } else {
            self.begin(key, starting.by);
            for ticket in starting.of {
                self.through(key, ticket);
            }
        }
        for ticket in std::mem::take(&mut self.at_mut(key).after_start) {
            self.proceed(ticket);
        }
    }

    fn through(&mut self, key: Key, ticket: Ticket) {
        if matches!(self.jobs[ticket.0].request, Request::Restart { .. }) {
            self.event(key, What::Restart);
        }
        self.finish(ticket, Answer::Done);
    }

    /// Begins to remove a container, ending it if it runs. Whatever would start it is refused from here on.
    fn begin_removal(&mut self, key: Key, by: By, ticket: Ticket) {
        self.at_mut(key).removing = true;
        if self.at(key).is_alive() {
            self.signal(key, SIGKILL, by);
        }
        self.refuse_starts(key);
        self.at_mut(key).seen.status = Status::Removing;
        let (now, length) = (self.now, self.timing.remove);
        let due = Due::Removed { key, ticket };
        if length.is_zero() { self.happen(now, due) } else { self.agenda.enter(after(now, length), due) }
    }

    fn removed(&mut self, key: Key, ticket: Ticket) {
        if !self.at(key).removed {
            self.event(key, What::Destroy);
            self.forget(key);
        }
        self.finish(ticket, Answer::Done);
    }

    /// The container is exited for good, and starts that were under way or waiting are refused.
    fn refuse_starts(&mut self, key: Key) {
        let it = self.at_mut(key);
        it.set_exited();
        let starting = it.starting.take().map(|it| it.of).unwrap_or_default();
        let mut waiting = std::mem::take(&mut it.after_start);
        waiting.extend(starting);
        for ticket in waiting {
            self.finish(ticket, Answer::REMOVED);
        }
    }

    /// Removes a container, ending it if it runs.
    pub(super) fn remove(&mut self, key: Key, by: By) {
        if self.at(key).is_alive() {
            self.signal(key, SIGKILL, by);
        }
        self.refuse_starts(key);
        self.event(key, What::Destroy);
        self.forget(key);
    }

    fn recreate(&mut self, key: Key, ticket: Ticket) {
        // Also of a container that does not run: its removal is the change.
        self.executed(ticket);
        let by = self.jobs[ticket.0].by;
        let spec = self.at(key).spec.clone();
        self.remove(key, by);
        let new = self.insert(spec);
        self.begin_start(new, by, false, Some(ticket));
    }
}
