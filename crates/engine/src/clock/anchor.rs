//! Where fettle's time was at an instant of the steady clock: the next process on the same start of the machine goes on from
//! there, so that a wall clock that was set between two processes is noticed.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use fettle_core::time::{Timestamp, after};

/// fettle's time at an instant of the steady clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The start of the machine since which the steady clock runs.
    pub(crate) boot: String,
    /// The steady clock.
    pub(crate) at: Duration,
    /// fettle's time then.
    pub(crate) now: Timestamp,
    /// fettle's time when it began to follow the wall clock, on this start of the machine.
    pub(crate) began: Timestamp,
}

impl Anchor {
    /// fettle's time at `at` of the steady clock, if that runs since the same start of the machine.
    pub(super) fn extend(&self, boot: Option<&str>, at: Duration) -> Option<Timestamp> {
        let passed = at.checked_sub(self.at).filter(|_| boot == Some(&*self.boot))?;
        Some(after(self.now, passed))
    }
}

impl Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.boot, self.at.as_micros(), self.now, self.began)
    }
}

/// A note that does not read as an anchor.
#[derive(Debug)]
pub(crate) struct Unreadable;

impl FromStr for Anchor {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let [boot, at, now, began] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(Unreadable) };
        Ok(Self {
            boot: boot.to_owned(),
            at: Duration::from_micros(at.parse().map_err(|_| Unreadable)?),
            now: now.parse().map_err(|_| Unreadable)?,
            began: began.parse().map_err(|_| Unreadable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_counts_on_the_same_start_of_the_machine_only() {
        let second = |at| Timestamp::from_second(at).expect("in range");
        let at = Duration::from_micros(5_000_001);
        let anchor = Anchor { boot: "0a-1b".to_owned(), at, now: second(1000), began: second(900) };
        let read: Anchor = anchor.to_string().parse().expect("it reads back");
        assert_eq!(read, anchor);
        assert_eq!(read.extend(Some("0a-1b"), at + Duration::from_mins(1)), Some(second(1060)));
        assert_eq!(read.extend(Some("0a-1b"), Duration::from_secs(1)), None, "the clock was set back with its machine");
        assert_eq!(read.extend(Some("another"), at), None);
        assert_eq!(read.extend(None, at), None);
        for text in ["", "a b c d", "0a 1 2026-01-01T00:00:00Z"] {
            assert!(text.parse::<Anchor>().is_err(), "{text}");
        }
    }
}
