//! `min_healthy`: so many containers of the service must stay well while one that is well is touched.
//!
//! What is unwell already is not spared: to restart it takes nothing away. A container of a Compose service counts together with
//! the others of its service; one that is of no service is alone.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::action::Action;
use crate::sight::Sight;

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let (well, touched) = counts(aim.action, sight);
    let (left, wanted) = (well - touched, aim.min_healthy);
    Ruling::refuses_if(touched > 0 && left < wanted, None, move || {
        let why = if touched == 0 {
            "nothing that is well is touched".to_owned()
        } else {
            format!("{left} of {well} that are well would be left, and {wanted} must be")
        };
        Basis::new(why, json!({"well": well, "left": left, "min_healthy": wanted}))
    })
}

/// How many are well, and how many of those would be touched; none of either where the action takes nothing away.
fn counts(action: &Action, sight: &Sight) -> (u32, u32) {
    match (sight, action) {
        (Sight::Container(it), Action::Restart { .. } | Action::Stop { .. }) => {
            let touched = u32::from(it.is_well());
            (it.siblings_well.saturating_add(touched), touched)
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
        _ => (0, 0),
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
