//! Time zones by their IANA names, from the database that is built into the program.
//!
//! Always holds: the same name means the same rules on every machine; the zone files of the system are not asked, so
//! new rules of a country arrive with a new release.

use std::fmt;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Serialize, Serializer};

/// How many names an unknown one is answered with.
const NEAREST: usize = 3;

/// A place whose civil time is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    name: String,
    zone: TimeZone,
}

/// Why a text names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLocation {
    /// It says "wherever this runs".
    #[error("\"Local\" depends on the machine that fettle runs on")]
    Local,
    /// It is in no database.
    #[error("\"{written}\" is no time zone")]
    Unknown {
        /// As written, shortened.
        written: String,
        /// Names that are near, the nearest first.
        near: Vec<String>,
    },
}

impl Location {
    /// Finds the place; upper and lower case count, as they do for Alertmanager on Linux.
    pub fn find(written: &str) -> Result<Self, NoLocation> {
        if written == "Local" {
            return Err(NoLocation::Local);
        }
        let database = TimeZoneDatabase::bundled();
        match database.get(written) {
            Ok(zone) if zone.iana_name() == Some(written) && !zone.is_unknown() => {
                Ok(Self { name: written.to_owned(), zone })
            }
            _ => Err(NoLocation::Unknown {
                written: written.chars().take(40).collect(),
                near: nearest(written, database.available().map(|name| name.as_str().to_owned())),
            }),
        }
    }

    /// Its rules.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The rules of a place; those of UTC when none is given.
pub(super) fn zone(location: Option<&Location>) -> &TimeZone {
    const UTC: &TimeZone = &TimeZone::UTC;
    location.map_or(UTC, Location::zone)
}

impl NoLocation {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Local => "write its IANA name, such as Europe/Paris, or UTC".to_owned(),
            Self::Unknown { near, .. } => match near.as_slice() {
                [] => "write an IANA name, such as Europe/Paris, or UTC".to_owned(),
                near => format!("did you mean {}?", near.join(" or ")),
            },
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name)
    }
}

/// The names nearest to `written`, whole or in their last part (people write `Paris`), whatever the case: at most two
/// edits, and not more than a quarter of what is written.
fn nearest(written: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let written: String = written.chars().take(64).flat_map(char::to_lowercase).collect();
    let written = written.replace(' ', "_");
    let limit = (written.chars().count() / 4).min(2);
    let distance = |name: &str| {
        let lower = name.to_lowercase();
        let last = lower.rsplit('/').next().unwrap_or(&lower);
        strsim::damerau_levenshtein(&written, &lower).min(strsim::damerau_levenshtein(&written, last))
    };
    let mut near: Vec<(usize, String)> =
        names.map(|name| (distance(&name), name)).filter(|(distance, _)| *distance <= limit).collect();
    near.sort();
    near.dedup();
    let best = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().take_while(|(distance, _)| *distance == best).take(NEAREST).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_database_is_found_and_shown_as_written() {
        let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
        assert!(names.len() > 500, "{}", names.len());
        for name in names.iter().filter(|name| *name != "Etc/Unknown") {
            assert_eq!(Location::find(name).expect(name).to_string(), *name);
        }
        for name in ["Europe/Paris", "America/New_York", "UTC", "Etc/GMT+5", "Asia/Kathmandu"] {
            assert!(names.iter().any(|it| it == name), "{name}");
        }
    }

    #[test]
    fn an_unknown_place_is_answered_with_the_nearest_names() {
        for (written, help) in [
            ("Europe/Pariss", "did you mean Europe/Paris?"),
            ("europe/paris", "did you mean Europe/Paris?"),
            ("Paris", "did you mean Europe/Paris?"),
            ("new york", "did you mean America/New_York?"),
            ("Louisville", "did you mean America/Kentucky/Louisville or America/Louisville?"),
            ("Local", "write its IANA name, such as Europe/Paris, or UTC"),
            ("", "write an IANA name, such as Europe/Paris, or UTC"),
            ("Etc/Unknown", "write an IANA name, such as Europe/Paris, or UTC"),
            ("Middle-earth/Shire", "write an IANA name, such as Europe/Paris, or UTC"),
        ] {
            assert_eq!(Location::find(written).expect_err(written).help(), help, "{written}");
        }
    }
}
