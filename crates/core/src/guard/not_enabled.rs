//! `not_enabled`: the second permission, the container's own label `fettle.enable=true`.
//!
//! Docker merges an image's labels into its containers, so whoever builds an image could switch fettle on. If the image
//! carries the label at all, or cannot be looked at, the container's label proves nothing. `fettle.actions` may narrow
//! the permission to a list of actions.

use serde_json::json;

use super::facts::Aim;
use super::ruling::{Basis, Ruling};
use crate::sight::{Disk, ImageLabel, Part, Sight};

/// The label that gives the second permission.
const ENABLE: &str = "fettle.enable";
/// The label that narrows it: action names, separated by commas.
const ACTIONS: &str = "fettle.actions";

pub(super) fn ask<'a>(aim: &'a Aim<'_>, sight: &'a Sight) -> Ruling<'a> {
    let action = aim.action.name();
    if let Sight::Disk(disk) = sight {
        return ask_disk(disk, action);
    }
    if let Some(Basis { why, numbers }) = sight.parts().iter().find_map(|part| missing(part, action)) {
        return Ruling::refuses(None, why, numbers);
    }
    Ruling::passes(move || {
        let listed: Vec<_> = sight.parts().into_iter().filter_map(|part| part.labels.get(ACTIONS)).collect();
        let why = if listed.is_empty() {
            format!("it carries {ENABLE}=true")
        } else {
            format!("it carries {ENABLE}=true, and its {ACTIONS} list the action")
        };
        Basis::new(why, json!({ENABLE: "true", ACTIONS: listed}))
    })
}

/// A disk carries no labels: the configuration of its host gives the second permission.
fn ask_disk<'a>(disk: &'a Disk, action: &str) -> Ruling<'a> {
    let numbers = || json!({"disk": disk.name, "allow": disk.allow});
    if !disk.allow.contains(action) {
        let why = format!("the configuration does not allow {action} on disk {}", disk.name);
        return Ruling::refuses(None, why, numbers());
    }
    Ruling::passes(move || Basis::new("the configuration of the host permits it", numbers()))
}

/// What a container lacks for this action to be permitted.
fn missing(part: &Part<'_>, action: &str) -> Option<Basis> {
    let own = part.labels.get(ENABLE).map(String::as_str);
    if own != Some("true") {
        return Some(Basis::new(format!("{} has no label {ENABLE}=true", part.name), json!({ENABLE: own})));
    }
    match part.image_label {
        ImageLabel::Absent => {}
        ImageLabel::Present => {
            let why = format!("its image carries {ENABLE}, so the label may be inherited");
            return Some(Basis::new(why, json!({"image": "present"})));
        }
        ImageLabel::Unreadable => {
            return Some(Basis::new("its image cannot be inspected", json!({"image": "unreadable"})));
        }
    }
    let listed = part.labels.get(ACTIONS)?;
    if listed.split(',').any(|word| word.trim() == action) {
        return None;
    }
    Some(Basis::new(format!("its label {ACTIONS} does not list {action}"), json!({ACTIONS: listed})))
}
