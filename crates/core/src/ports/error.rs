//! Why a store could not do what it was asked.
//!
//! Always holds: no type of a driver is in it, so whoever speaks to a store can be built without one.

/// What a driver reported.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or does not answer in time.
    #[error("{operation}: the database is not available")]
    Unavailable {
        /// What was being done.
        operation: &'static str,
        /// The driver's words.
        #[source]
        source: Cause,
    },
    /// Somebody else wrote the same rows first.
    #[error("{operation}: somebody else was first")]
    Conflict {
        /// What was being done.
        operation: &'static str,
    },
    /// The database answered and refused.
    #[error("{operation}: the database refused")]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// Whether the values are at fault, and not the database: these will never work, and others will.
        of_the_data: bool,
        /// The driver's words.
        #[source]
        source: Cause,
    },
    /// The database is named wrongly, or is not ours to use: what to change, in words.
    #[error("{0}")]
    Unusable(String),
    /// A stored value does not read back.
    #[error("{operation}: a stored {what} does not read back")]
    Unreadable {
        /// What was being done.
        operation: &'static str,
        /// Which value.
        what: &'static str,
    },
}

impl StoreError {
    /// Whether the same call may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Conflict { .. })
    }

    /// Whether it is what was to be stored that the database cannot take, and not the database that is in a bad way: the same
    /// will never work, and something else will.
    #[must_use]
    pub fn is_of_the_data(&self) -> bool {
        matches!(self, Self::Refused { of_the_data: true, .. })
    }

    /// A bounded label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "store_unavailable",
            Self::Conflict { .. } => "store_conflict",
            Self::Refused { .. } => "store_refused",
            Self::Unusable(_) => "store_unusable",
            Self::Unreadable { .. } => "store_unreadable",
        }
    }
}

/// Formats an error and its sources on one line, skipping sources whose text is already part of the message.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
