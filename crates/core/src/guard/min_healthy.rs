//! `min_healthy`: so many containers of the service must stay well while one that is well is touched.
//!
//! What is unwell already is not spared: to restart it takes nothing away.

use serde_json::json;

use super::{Basis, Seen, refusal};
use crate::action::Action;
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::{Found, Sight};

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let (well, touched) = counts(seen)?;
    let (left, wanted) = (well - touched, seen.min_healthy);
    (touched > 0 && left < wanted).then(|| {
        let Basis { why, numbers } = said(well, touched, wanted);
        refusal(Guard::MinHealthy, None, why, numbers)
    })
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(_) = seen.found else { return None };
    let (well, touched) = counts(seen).unwrap_or((0, 0));
    Some(if touched == 0 {
        let why = "nothing that is well is touched";
        Basis::new(why, json!({"well": well, "left": well, "min_healthy": seen.min_healthy}))
    } else {
        said(well, touched, seen.min_healthy)
    })
}

fn said(well: u32, touched: u32, wanted: u32) -> Basis {
    let left = well - touched;
    let why = format!("{left} of {well} that are well would be left, and {wanted} must be");
    Basis::new(why, json!({"well": well, "left": left, "min_healthy": wanted}))
}

/// How many are well, and how many of those would be touched; `None` where the action takes nothing away.
fn counts(seen: &Seen<'_>) -> Option<(u32, u32)> {
    let Found::One(sight) = seen.found else { return None };
    Some(match (&**sight, seen.action) {
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
    })
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
