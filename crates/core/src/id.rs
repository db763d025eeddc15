//! Ids: one type for each kind of row, so that an action's id cannot stand where a remediation's belongs.
//!
//! Each is a `UUIDv7`: it begins with the time at which it was made, so ids sort as their rows were made, and two replicas never
//! make the same one. The core makes none by itself: new ids come in from outside as [`Uuid`] and take their type from what
//! they are given to.
//!
//! Always holds: an id reads and writes (text, JSON, database) exactly as the UUID that it wraps.
//! Does not do: check the version; ids that tests make up by number are as good.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The id of nothing: all zeroes.
            #[must_use]
            pub const fn nil() -> Self {
                Self(Uuid::nil())
            }

            /// Whether it is the id of nothing.
            #[must_use]
            pub const fn is_nil(&self) -> bool {
                self.0.is_nil()
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// A stored notification.
    NotificationId,
    /// A remediation.
    RemediationId,
    /// An audit row.
    ActionId,
    /// A loan: the id of the audit row that lent.
    LoanId,
    /// A remediation or a loan, where one claim serves both.
    EffortId,
    /// A pause.
    PauseId,
    /// A person's answer about a remediation.
    AnswerId,
    /// An announcement in the outbox.
    AnnouncementId,
    /// A row of `fettle_events`.
    EventId,
    /// A running fettle: what owns a claim.
    ReplicaId,
}

impl From<ActionId> for LoanId {
    fn from(action: ActionId) -> Self {
        Self(action.0)
    }
}

/// The audit row that lent.
impl From<LoanId> for ActionId {
    fn from(loan: LoanId) -> Self {
        Self(loan.0)
    }
}

impl From<RemediationId> for EffortId {
    fn from(remediation: RemediationId) -> Self {
        Self(remediation.0)
    }
}

impl From<LoanId> for EffortId {
    fn from(loan: LoanId) -> Self {
        Self(loan.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_and_writes_as_the_uuid_in_it() {
        let text = "0197d1f0-5c1e-7c3a-9a52-3d1f6f0c8b11";
        let id: RemediationId = text.parse().expect("an id");
        let json = serde_json::to_string(&id).expect("JSON");
        assert_eq!((id.to_string(), json), (text.to_owned(), format!("\"{text}\"")));
        assert_eq!(serde_json::from_str::<Uuid>(&serde_json::to_string(&id).expect("JSON")).ok(), Some(id.0));
        assert!("7".parse::<RemediationId>().is_err() && RemediationId::nil().is_nil() && !id.is_nil());
    }
}
