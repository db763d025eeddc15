//! Alertmanager's fingerprint of a label set: FNV-1a 64 over the labels sorted by name, each name and each
//! value followed by the byte 0xFF (prometheus/common, `model/signature.go`).
//!
//! fettle computes it from the labels and does not trust the field of the body: a hand-made notification that
//! copies another alert's fingerprint still speaks of its own labels. A key, not a proof: the hash is not cryptographic.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::labels::Labels;

/// The identity of one label set. Written as 16 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint Alertmanager gives to `labels`.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let mut hash = OFFSET;
        for (name, value) in labels.iter() {
            for part in [name, value] {
                for byte in part.bytes().chain([0xff]) {
                    hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
                }
            }
        }
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(it: Fingerprint) -> Self {
        it.to_string()
    }
}

/// Text that is not 16 hex digits.
#[derive(Debug, thiserror::Error)]
#[error("a fingerprint is 16 hex digits")]
pub struct NotAFingerprint;

impl FromStr for Fingerprint {
    type Err = NotAFingerprint;
    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(NotAFingerprint);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| NotAFingerprint)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = NotAFingerprint;
    fn try_from(text: String) -> Result<Self, NotAFingerprint> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_alert_has_alertmanagers_fingerprint() {
        let labels = Labels::from_iter([
            ("alertname", "ArcanumNeedsRestart"),
            ("instance", "arcanum:8000"),
            ("job", "arcanum"),
            ("service", "arcanum"),
            ("severity", "critical"),
        ]);
        let fingerprint = Fingerprint::of(&labels);
        assert_eq!(fingerprint.to_string(), "212c6777125e8881");
        assert_eq!("212c6777125e8881".parse::<Fingerprint>().expect("hex"), fingerprint);
    }

    #[test]
    fn signs_are_not_hex_digits() {
        assert!("+12c6777125e8881".parse::<Fingerprint>().is_err());
    }
}
