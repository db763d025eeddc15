//! `not_enabled`: the second permission, the container's own label `fettle.enable=true`.
//!
//! Docker merges an image's labels into its containers, so whoever builds an image could switch fettle on. If the image
//! carries the label at all, or cannot be looked at, the container's label proves nothing. `fettle.actions` may narrow
//! the permission to a list of actions.

use serde_json::{Value, json};

use super::{Basis, Seen, refusal};
use crate::remediation::refusal::{Guard, Refusal};
use crate::sight::{Disk, Found, ImageLabel, Part, Sight};

/// The label that gives the second permission.
const ENABLE: &str = "fettle.enable";
/// The label that narrows it: action names, separated by commas.
const ACTIONS: &str = "fettle.actions";

pub(super) fn check(seen: &Seen<'_>) -> Option<Refusal> {
    let Found::One(sight) = seen.found else { return None };
    if let Sight::Disk(disk) = &**sight {
        return disk_check(disk, seen.action.name());
    }
    sight.parts().into_iter().find_map(|part| part_check(&part, seen.action.name()))
}

/// A disk carries no labels: the configuration of its host gives the second permission.
fn disk_check(disk: &Disk, action: &str) -> Option<Refusal> {
    (!disk.allow.contains(action)).then(|| {
        let why = format!("the configuration does not allow {action} on disk {}", disk.name);
        refusal(Guard::NotEnabled, None, why, json!({"disk": disk.name, "allow": disk.allow}))
    })
}

fn part_check(part: &Part<'_>, action: &str) -> Option<Refusal> {
    let no = |why: String, detail: Value| Some(refusal(Guard::NotEnabled, None, why, detail));
    let own = part.labels.get(ENABLE).map(String::as_str);
    if own != Some("true") {
        return no(format!("{} has no label {ENABLE}=true", part.name), json!({ENABLE: own}));
    }
    match part.image_label {
        ImageLabel::Absent => {}
        ImageLabel::Present => {
            return no(
                format!("its image carries {ENABLE}, so the label may be inherited"),
                json!({"image": "present"}),
            );
        }
        ImageLabel::Unreadable => {
            return no("its image cannot be inspected".to_owned(), json!({"image": "unreadable"}));
        }
    }
    let listed = part.labels.get(ACTIONS)?;
    if listed.split(',').any(|word| word.trim() == action) {
        return None;
    }
    no(format!("its label {ACTIONS} does not list {action}"), json!({ACTIONS: listed}))
}

pub(super) fn basis(seen: &Seen<'_>) -> Option<Basis> {
    let Found::One(sight) = seen.found else { return None };
    if let Sight::Disk(disk) = &**sight {
        let numbers = json!({"disk": disk.name, "allow": disk.allow});
        return Some(Basis::new("the configuration of the host permits it", numbers));
    }
    let listed: Vec<_> = sight.parts().into_iter().filter_map(|part| part.labels.get(ACTIONS)).collect();
    let why = if listed.is_empty() {
        format!("it carries {ENABLE}=true")
    } else {
        format!("it carries {ENABLE}=true, and its {ACTIONS} list the action")
    };
    Some(Basis::new(why, json!({ENABLE: "true", ACTIONS: listed})))
}
