//! What a remediation that is being opened must know of those before it: fixes, loans, the targets of late, the storm.

use fettle_core::ports::model::{Past, PastFix, ReceiveAsk};
use fettle_core::remediation::outcome::Verdict;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::Storm;
use fettle_core::text::clean;

use super::Rows;

impl Rows {
    /// The past of the targets asked about, and of all of them where storms are looked for.
    pub(super) fn past(&self, ask: &ReceiveAsk) -> Past {
        let mut past = Past::default();
        if let Some(since) = ask.fixed_since {
            for target in &ask.targets {
                let target = clean(target);
                for it in self.remediations.fixed(&target) {
                    if let Some(fix) = self.past_fix(it).filter(|fix| fix.closed_at >= since) {
                        past.fixed.insert((it.rule.clone(), target.to_string()), fix);
                    }
                }
                let returned = self.loans.returned(&target).filter(|(_, at)| *at >= since);
                past.returned.extend(returned.map(|(rule, at)| ((rule.to_string(), target.to_string()), at)));
            }
        }
        if let Some(since) = ask.recent_since {
            let enough = usize::try_from(ask.recent_limit).unwrap_or(usize::MAX);
            for target in self.remediations.recent(since) {
                if past.recent.len() >= enough {
                    break;
                }
                if !past.recent.contains(&**target) {
                    past.recent.insert(target.to_string());
                }
            }
            past.storm = self.storm;
        }
        past
    }

    /// `None` when it does not say which action it was: then there is nothing to append a verdict to.
    fn past_fix(&self, it: &Remediation) -> Option<PastFix> {
        let (action, closed_at) = (it.last_action?, it.closed_at()?);
        let verdicts = self.actions.get(action).map(|action| action.verdicts.iter());
        let regressed = verdicts.into_iter().flatten().any(|it| it.verdict == Verdict::Regressed);
        Some(PastFix { regressed, action, rung: it.rung, closed_at })
    }

    /// Where two processes find the same storm it lasts from the first to the last.
    pub(super) fn found(&mut self, found: Storm) {
        let Some(known) = self.storm else {
            self.storm = Some(found);
            return;
        };
        let goes_on = found.since <= known.last_at;
        self.storm = Some(Storm {
            since: if goes_on { known.since.min(found.since) } else { found.since },
            targets: if found.last_at >= known.last_at { found.targets } else { known.targets },
            last_at: known.last_at.max(found.last_at),
        });
    }
}
