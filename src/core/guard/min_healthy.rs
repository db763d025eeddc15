//! `min_healthy`: so many containers of the service must stay well while one that is well is touched.
//!
//! What is unwell already is not spared: to restart it takes nothing away.

use serde_json::json;

use super::{Seen, refusal};
use crate::core::action::Action;
use crate::core::remediation::refusal::{Guard, Refusal};
use crate::core::sight::{Found, Sight};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    let (well, touched) = match (&**sight, seen.action) {
        (Sight::Container(it), Action::Restart { .. } | Action::Stop { .. }) => {
            let well = u32::from(it.is_well());
            (well, well)
        }
        (Sight::Replicas(it), Action::ScaleDown { by, floor }) => {
            let well = count(it.running().iter().filter(|member| member.is_well()).count());
            let running = count(it.running().len());
            (well, (*by).min(running.saturating_sub(*floor)).min(well))
        }
        (Sight::Service(it), Action::ScaleDown { by, floor }) => {
            let well = u32::try_from(it.running).unwrap_or(u32::MAX);
            (well, (*by).min(well.saturating_sub(*floor)))
        }
        _ => return None,
    };
    let (left, wanted) = (well - touched, seen.min_healthy);
    (touched > 0 && left < wanted).then(|| {
        let why = format!("{left} of {well} that are well would be left, and {wanted} must be");
        refusal(Guard::MinHealthy, None, why, json!({"well": well, "left": left, "min_healthy": wanted}))
    })
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
