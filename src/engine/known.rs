//! Everything one decision is made from, read from the store and asked of Alertmanager.

use crate::core::alert::episode::AlertState;
use crate::core::matcher::Op;
use crate::core::remediation::state::Remediation;
use crate::core::rule::model::Unless;
use crate::core::surroundings::Surroundings;
use crate::core::time::before;
use crate::engine::shell::Shell;
use crate::store::StoreError;
use crate::store::model::FactsAsk;

/// What is known around one remediation.
pub(super) struct Known {
    /// The alerts attached to it.
    pub(super) alerts: Vec<AlertState>,
    /// What is the case around it.
    pub(super) surroundings: Surroundings,
}

impl Known {
    /// Reads it: one round trip to the store.
    pub(super) async fn read(shell: &Shell, remediation: &Remediation) -> Result<Self, StoreError> {
        let now = shell.time.now();
        let rules = shell.rules.load();
        let rule = rules.get(&remediation.rule);
        let own = &remediation.alert.labels;
        let ask = FactsAsk {
            remediation: remediation.id,
            rule: remediation.rule.clone(),
            unproven_since: before(now, shell.settings.trip.map(|trip| trip.within).unwrap_or_default()),
            target: remediation.target.to_string(),
            key: remediation.key.clone(),
            unless: rule.map(|rule| rule.unless.iter().map(|it| carried(it, own)).collect()).unwrap_or_default(),
            unless_since: before(now, shell.settings.freshness),
            now,
        };
        let facts = shell.store.facts(&ask).await?;
        Ok(Self { alerts: facts.alerts, surroundings: facts.surroundings })
    }
}

/// What an alert must carry to be meant, as far as the store can select by it: the core asks the rest.
fn carried(unless: &Unless, own: &crate::core::alert::labels::Labels) -> crate::core::alert::labels::Labels {
    let equal = unless.equal.iter().map(|label| (label.as_str(), own.get(label)));
    let named = unless.matchers.iter().filter(|it| it.op() == Op::Equal).map(|it| (it.name(), it.value()));
    // A label that is absent here must be absent there, which the store cannot say by a value.
    equal.chain(named).filter(|(_, value)| !value.is_empty()).collect()
}
