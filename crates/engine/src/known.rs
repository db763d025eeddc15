//! Everything one decision is made from, read from the store and asked of Alertmanager.

use std::time::Duration;

use crate::shell::Shell;
use fettle_core::alert::episode::AlertState;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::FactsAsk;
use fettle_core::remediation::record::Record;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::{Surroundings, Upstream, look_upstream};
use fettle_core::time::Timestamp;

/// How old a look at Alertmanager may be: a burst of decisions shares one.
const PICTURE_AGE: Duration = Duration::from_secs(2);

/// What is known around one remediation.
pub struct Known {
    /// The alerts attached to it.
    pub(super) alerts: Vec<AlertState>,
    /// What is the case around it.
    pub(super) surroundings: Surroundings,
}

impl Known {
    /// Reads it: one round trip to the store. With the ends of alerts that only Alertmanager reported, to be stored with the
    /// decision. `about` are its alerts where they are not attached to it yet.
    pub(super) async fn read(
        shell: &Shell,
        remediation: &Remediation,
        about: Option<Vec<AlertState>>,
    ) -> Result<(Self, Vec<Record>), StoreError> {
        let now = shell.time.now();
        let rule = remediation.rule_in(&shell.rules.load());
        let ask = FactsAsk::about(remediation, rule.as_deref(), &shell.settings, now);
        let facts = shell.store.work().facts(&ask).await?;
        let known = Self { alerts: about.unwrap_or(facts.alerts), surroundings: facts.surroundings };
        Ok(known.asked_upstream(shell, remediation, now).await)
    }

    /// Asks Alertmanager where one is configured; one that does not answer is a fact like any other.
    async fn asked_upstream(mut self, shell: &Shell, remediation: &Remediation, now: Timestamp) -> (Self, Vec<Record>) {
        let working = remediation.announced_until.is_some();
        let (said, ended) = ask_upstream(shell, &mut self.alerts, working, now).await;
        self.surroundings.upstream = said.unwrap_or(self.surroundings.upstream);
        (self, ended)
    }
}

/// Brings `alerts` up to what Alertmanager lists, where one is configured. What it says, and the ends that only it reported.
pub(super) async fn ask_upstream(
    shell: &Shell,
    alerts: &mut Vec<AlertState>,
    working: bool,
    now: Timestamp,
) -> (Option<Upstream>, Vec<Record>) {
    let Some(upstream) = &shell.upstream else { return (None, Vec::new()) };
    let picture = match upstream.picture(now, PICTURE_AGE).await {
        Ok(picture) => picture,
        Err(error) => return (Some(Upstream::Silent { error: error.to_string() }), Vec::new()),
    };
    let (seen, said) = look_upstream(alerts, &picture, working, shell.settings.freshness, now);
    let ends = seen.iter().zip(&*alerts).filter(|(seen, heard)| heard.firing && !seen.firing);
    let ended = ends.map(|(seen, _)| Record::Ended(Box::new(seen.clone()))).collect();
    *alerts = seen;
    (Some(said), ended)
}
