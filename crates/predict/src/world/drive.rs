//! One remediation, driven until it has to wait or is closed, as `engine` drives it under a claim.

use serde_json::json;
use uuid::Uuid;

use super::World;
use super::agenda::Wake;
use super::docker::{Answered, Docker, Sent};
use super::store::Effort;
use fettle_core::decide::{Ask, Call, Event, Facts, Looked, begin, decide};
use fettle_core::guard::admit;
use fettle_core::remediation::state::{Remediation, Running, State};
use fettle_core::time::after;

impl<D: Docker> World<D> {
    /// It is due, unless that was put off meanwhile.
    pub(super) fn due(&mut self, id: Uuid) {
        if self.efforts.get(&id).is_some_and(|it| it.calling.is_none() && it.due <= self.now) {
            self.decide(id);
        }
    }

    /// It was opened, or is due.
    pub(super) fn decide(&mut self, id: Uuid) {
        let Some(mut effort) = self.efforts.remove(&id) else { return };
        effort.woken = None;
        self.drive(effort, Event::Due);
    }

    /// The call that it waits for is over.
    pub(super) fn answered(&mut self, id: Uuid) {
        let Some(mut effort) = self.efforts.remove(&id) else { return };
        let (Some(started_at), State::Running(Running { attempt, .. })) =
            (effort.calling.take(), &effort.remediation.state)
        else {
            self.efforts.insert(id, effort);
            return;
        };
        let target = attempt.dependent.as_ref().unwrap_or(&effort.remediation.target);
        let sent = Sent { about: id, rule: &effort.remediation.rule, target, attempt };
        let Answered { answer, touched } = self.docker.answer(sent, self.now);
        let after = self.docker.look(target, &attempt.pin, self.now);
        let detail = if touched.is_object() { touched } else { json!({}) };
        self.drive(effort, Event::Returned(Call { started_at, detail, answer, after, short: None }));
    }

    fn drive(&mut self, effort: Effort, mut event: Event) {
        let (rules, settings) = (self.rules.clone(), self.settings.clone());
        let mut remediation = effort.remediation.clone();
        let rule = rules.get(&remediation.rule).map(|rule| &**rule);
        let (alerts, surroundings) = self.around(&effort, &remediation);
        self.learn(&alerts);
        let mut records = Vec::new();
        loop {
            let now = self.now;
            let new_ids = std::array::from_fn(|_| self.new_id());
            let facts = Facts { rule, settings: &settings, alerts: &alerts, surroundings: &surroundings, now, new_ids };
            let decision = decide(remediation, &facts, event);
            remediation = decision.remediation;
            records.extend(decision.records);
            event = match decision.ask {
                Ask::Nothing => return self.store(effort, remediation, &records, false),
                Ask::Perform => return self.store(effort, remediation, &records, true),
                Ask::Find(wanted) => Event::Found(self.docker.find(&remediation.target, wanted, now)),
                Ask::Look { target, pin, query } => {
                    let seen = self.docker.look(&target, &pin, now);
                    let metric = query.map(|query| self.docker.metric(&query, now));
                    Event::Looked(Looked { target: seen, metric })
                }
                Ask::Peek(request) => {
                    let ledgers = self.read_ledgers(&request.asks());
                    Event::Peeked(admit(&request, &ledgers).map(|_| request))
                }
                Ask::Admit(request) => match admit(&request, &self.read_ledgers(&request.asks())) {
                    Err(refusal) => Event::Refused(refusal),
                    Ok(admitted) => {
                        let (begun, rows) = begin(remediation, admitted, rule, &settings);
                        records.extend(rows);
                        let calls = matches!(begun.state, State::Running { .. });
                        return self.store(effort, begun, &records, calls);
                    }
                },
            };
        }
    }

    /// Sends the call of the attempt that is running.
    pub(super) fn call(&mut self, remediation: &Remediation) {
        let State::Running(Running { attempt, .. }) = &remediation.state else { return };
        let target = attempt.dependent.as_ref().unwrap_or(&remediation.target);
        let sent = Sent { about: remediation.id.into(), rule: &remediation.rule, target, attempt };
        let takes = self.docker.send(sent, self.now);
        self.agenda.put(after(self.now, takes), Wake::Answer(remediation.id.into()));
    }
}
