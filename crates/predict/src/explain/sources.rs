//! Where the facts of an explanation come from. What is not there is not asked, and what fails is said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Asked;
use fettle_core::alert::episode::AlertState;
use fettle_core::guard::Request;
use fettle_core::guard::ledger::Ledger;
use fettle_core::id::{RemediationId, ReplicaId};
use fettle_core::ports::model::{FactsAsk, ReceiveAsk};
use fettle_core::ports::platform::{Platform, PlatformError};
use fettle_core::ports::upstream::Upstream;
use fettle_core::ports::{Store, StoreError};
use fettle_core::receive::{Notice, World};
use fettle_core::remediation::state::Remediation;
use fettle_core::rule::model::Rule;
use fettle_core::rule::set::RuleSet;
use fettle_core::settings::Settings;
use fettle_core::sight::{Found, Wanted};
use fettle_core::surroundings::{Surroundings, Upstream as Said, look_upstream};
use fettle_core::target::{Hosts, Target};
use fettle_core::time::Timestamp;

/// How old a look at Alertmanager may be: the same as for decisions.
const PICTURE_AGE: Duration = Duration::from_secs(2);

const ASKED: &str = "asked";
const NOT_ASKED: &str = "not asked";
const NOT_CONFIGURED: &str = "not configured";

/// What an explanation is made from.
pub struct Sources {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// The configured hosts.
    pub hosts: Hosts,
    /// The service's limits.
    pub settings: Settings,
    /// What is stored; only read.
    pub store: Option<Arc<dyn Store>>,
    /// Where targets live; only looked at.
    pub platform: Option<Arc<dyn Platform>>,
    /// Alertmanager; only read.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// Now.
    pub now: Timestamp,
}

/// What became of the questions.
#[derive(Debug, Default)]
pub(super) struct Answered(Mutex<[Option<String>; 3]>);

/// Who is asked.
#[derive(Debug, Clone, Copy)]
enum Who {
    Database,
    Docker,
    Alertmanager,
}

impl Answered {
    fn note(&self, who: Who, error: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = all.get_mut(who as usize) {
            // An error stays: an explanation in which something failed says so.
            if slot.as_deref().is_none_or(|said| said == ASKED) {
                *slot = Some(error.unwrap_or_else(|| ASKED.to_owned()));
            }
        }
    }

    /// What is explained came from the database itself.
    pub(super) fn read_from_database(&self) {
        self.note(Who::Database, None);
    }

    /// For the explanation. `alertmanager` tells whether there is one that could be asked.
    pub(super) fn told(&self, alertmanager: bool) -> Asked {
        let configured = alertmanager;
        let [database, docker, alertmanager] =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map(|said| said.unwrap_or(NOT_ASKED.into()));
        let alertmanager = if configured { alertmanager } else { NOT_CONFIGURED.to_owned() };
        Asked { database, docker, alertmanager }
    }
}

/// What is known around one remediation.
pub(super) struct Around {
    /// The alerts attached to it.
    pub(super) alerts: Vec<AlertState>,
    /// What is the case around it.
    pub(super) surroundings: Surroundings,
    /// Whether that came from the store.
    pub(super) stored: bool,
}

impl Sources {
    /// What taking `notices` in must know; nothing, when the database cannot be asked.
    pub(super) async fn world(&self, notices: &[Notice], answered: &Answered) -> World {
        let Some(store) = &self.store else { return World::default() };
        let ask = ReceiveAsk::about(notices, &self.settings, ReplicaId::nil(), self.now);
        noted(answered, store.foresee(&ask).await).unwrap_or_default()
    }

    /// A remediation as it is stored.
    pub(super) async fn stored(&self, id: RemediationId) -> Result<Option<Remediation>, StoreError> {
        match &self.store {
            Some(store) => store.remediation(id).await,
            None => Ok(None),
        }
    }

    /// What is the case around a remediation. `fresh` are alerts as they are heard now; they count more than stored ones.
    pub(super) async fn around(
        &self,
        remediation: &Remediation,
        rule: Option<&Rule>,
        fresh: Vec<AlertState>,
        answered: &Answered,
    ) -> Around {
        let mut around = Around { alerts: fresh, surroundings: Surroundings::default(), stored: false };
        if let Some(store) = &self.store {
            let ask = FactsAsk::about(remediation, rule, &self.settings, self.now);
            if let Some(facts) = noted(answered, store.work().facts(&ask).await) {
                let heard = |known: &AlertState| around.alerts.iter().any(|it| it.fingerprint == known.fingerprint);
                let more: Vec<AlertState> = facts.alerts.into_iter().filter(|known| !heard(known)).collect();
                around.alerts.extend(more);
                around.surroundings = facts.surroundings;
                around.stored = true;
            }
        }
        self.look_upstream(remediation, &mut around, answered).await;
        around
    }

    async fn look_upstream(&self, remediation: &Remediation, around: &mut Around, answered: &Answered) {
        let Some(upstream) = &self.upstream else { return };
        match upstream.picture(self.now, PICTURE_AGE).await {
            Ok(picture) => {
                answered.note(Who::Alertmanager, None);
                let working = remediation.announced_until.is_some();
                let (alerts, said) =
                    look_upstream(&around.alerts, &picture, working, self.settings.freshness, self.now);
                (around.alerts, around.surroundings.upstream) = (alerts, said);
            }
            Err(error) => {
                answered.note(Who::Alertmanager, Some(error.to_string()));
                around.surroundings.upstream = Said::Silent { error: error.to_string() };
            }
        }
    }

    /// A look at the target; `None` when nobody can look.
    pub(super) async fn look(
        &self,
        target: &Target,
        wanted: Wanted,
        answered: &Answered,
    ) -> Option<Result<Found, PlatformError>> {
        let found = self.platform.as_ref()?.find(target, wanted).await;
        answered.note(Who::Docker, found.as_ref().err().map(ToString::to_string));
        Some(found)
    }

    /// The ledger for each effect of a request.
    pub(super) async fn ledgers(&self, request: &Request, answered: &Answered) -> Option<Vec<Ledger>> {
        noted(answered, self.store.as_ref()?.peek(&request.asks()).await)
    }
}

fn noted<T>(answered: &Answered, result: Result<T, StoreError>) -> Option<T> {
    answered.note(Who::Database, result.as_ref().err().map(ToString::to_string));
    result.ok()
}
