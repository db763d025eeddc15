//! The two kinds of effort that the driver drives: how each is read, decided, begun and reported.

use async_trait::async_trait;

use crate::driver::{Driven, Step, UnderWay};
use crate::known::{Known, ask_upstream};
use crate::shell::Shell;
use fettle_core::alert::episode::AlertState;
use fettle_core::decide::{Event, Facts, LoanFacts, Whose, begin, begin_return, decide, return_loan};
use fettle_core::guard::Admitted;
use fettle_core::ports::{StoreError, model};
use fettle_core::remediation::loan::{Loan, LoanState};
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::{Remediation, Running, State};
use fettle_core::target::Target;
use fettle_core::time::since;

#[async_trait]
impl Driven for Remediation {
    type Known = Known;
    const NAME: &'static str = "remediation";

    async fn known(&self, shell: &Shell, heard: Option<Vec<AlertState>>) -> Result<(Known, Vec<Record>), StoreError> {
        let (mut known, ended) = Known::read(shell, self, None).await?;
        if let Some(alerts) = heard.filter(|_| shell.upstream.is_none()) {
            known.alerts = alerts;
        }
        Ok((known, ended))
    }

    fn decide(self, shell: &Shell, known: &Known, event: Event) -> Step<Self> {
        let rule = self.rule_in(&shell.rules.load());
        let facts = Facts {
            rule: rule.as_deref(),
            settings: &shell.settings,
            alerts: &known.alerts,
            surroundings: &known.surroundings,
            now: shell.time.now(),
            new_ids: shell.time.new_ids(),
        };
        let decision = decide(self, &facts, event);
        Step { effort: decision.remediation, records: decision.records, ask: decision.ask }
    }

    fn begin(self, shell: &Shell, admitted: Admitted) -> (Self, Vec<Record>) {
        let rule = self.rule_in(&shell.rules.load());
        begin(self, admitted, rule.as_deref(), &shell.settings)
    }

    fn under_way(&self) -> Option<UnderWay> {
        match &self.state {
            State::Running(Running { attempt, .. }) => {
                let target = attempt.dependent.clone().unwrap_or_else(|| self.target.clone());
                Some(UnderWay { attempt: (**attempt).clone(), target })
            }
            _ => None,
        }
    }

    fn target(&self) -> &Target {
        &self.target
    }

    fn log_lines(&self, shell: &Shell) -> u32 {
        self.rule_in(&shell.rules.load()).map_or(0, |rule| rule.evidence.log_lines)
    }

    fn whose<'a>(&'a self, target: &'a Target) -> Whose<'a> {
        Whose { remediation: self.id, rule: &self.rule, target }
    }

    /// The time from the request to the first look, once per remediation and only where the rule has no hold.
    fn looks(&self, shell: &Shell) {
        if self.attempts == 0 && self.pin.is_none() && self.blind == 0 {
            let due = self.due().unwrap_or(self.opened_at);
            if due <= self.opened_at {
                shell.telemetry.reaction(since(shell.time.now(), self.opened_at));
            }
        }
    }

    fn report(&self, shell: &Shell, records: &[Record]) {
        shell.telemetry.recorded(std::slice::from_ref(self), records);
        if records.iter().any(|record| matches!(record, Record::Announce(_))) {
            shell.announce.notify_one();
        }
    }
}

#[async_trait]
impl Driven for Loan {
    type Known = model::LoanFacts;
    const NAME: &'static str = "loan";

    async fn known(
        &self,
        shell: &Shell,
        _: Option<Vec<AlertState>>,
    ) -> Result<(model::LoanFacts, Vec<Record>), StoreError> {
        let now = shell.time.now();
        let mut facts = shell.store.loans().facts(&model::LoanFactsAsk::about(self, now)).await?;
        // Its remediation is closed, so nobody else asks whether an alert ended whose end was not heard.
        let waits = matches!(self.state, LoanState::Lent { .. }) && facts.alerts.iter().any(|alert| alert.firing);
        let (_, ended) =
            if waits { ask_upstream(shell, &mut facts.alerts, false, now).await } else { Default::default() };
        Ok((facts, ended))
    }

    fn decide(self, shell: &Shell, known: &model::LoanFacts, event: Event) -> Step<Self> {
        let facts = LoanFacts {
            alerts: &known.alerts,
            pauses: &known.pauses,
            settings: &shell.settings,
            now: shell.time.now(),
            new_id: shell.time.new_id(),
        };
        let decision = return_loan(self, &facts, event);
        Step { effort: decision.loan, records: decision.records, ask: decision.ask }
    }

    fn begin(self, _: &Shell, admitted: Admitted) -> (Self, Vec<Record>) {
        begin_return(self, admitted)
    }

    fn under_way(&self) -> Option<UnderWay> {
        match &self.state {
            LoanState::Returning { attempt, .. } => {
                Some(UnderWay { attempt: (**attempt).clone(), target: self.target.clone() })
            }
            LoanState::Lent { .. } | LoanState::Closed { .. } => None,
        }
    }

    fn target(&self) -> &Target {
        &self.target
    }

    /// None: a return is no answer to something that broke.
    fn log_lines(&self, _: &Shell) -> u32 {
        0
    }

    fn whose<'a>(&'a self, target: &'a Target) -> Whose<'a> {
        Whose { remediation: self.remediation, rule: &self.rule, target }
    }

    fn looks(&self, _: &Shell) {}

    fn report(&self, shell: &Shell, records: &[Record]) {
        shell.telemetry.loan(self, records);
    }
}
