//! What a driver's error means for the caller: come back later, think again, or never.

use sqlx::migrate::MigrateError;

use fettle_core::ports::StoreError;

/// Names what was being done when a driver's error came up.
pub(super) trait During<T> {
    /// The error as the seam tells it.
    fn during(self, operation: &'static str) -> Result<T, StoreError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| told(source, operation))
    }
}

fn told(source: sqlx::Error, operation: &'static str) -> StoreError {
    match judge(&source) {
        Meaning::Later => StoreError::Unavailable { operation, source: Box::new(source) },
        Meaning::SomebodyWasFirst => StoreError::Conflict { operation },
        Meaning::No => {
            StoreError::Refused { operation, of_the_data: is_of_the_data(&source), source: Box::new(source) }
        }
    }
}

impl<T> During<T> for Result<T, MigrateError> {
    fn during(self, operation: &'static str) -> Result<T, StoreError> {
        self.map_err(|e| match e {
            MigrateError::VersionMissing(version) => StoreError::Unusable(format!(
                "a newer fettle has used this database: it has migration {version}, which this one does not know; start the newer \
                 one again, or restore a backup from before"
            )),
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => told(source, operation),
            other => told(sqlx::Error::Migrate(Box::new(other)), operation),
        })
    }
}

enum Meaning {
    Later,
    SomebodyWasFirst,
    No,
}

fn judge(error: &sqlx::Error) -> Meaning {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                judge_postgres(&code)
            } else {
                judge_sqlite(code.parse().unwrap_or(0))
            }
        }
        // A protocol error is what is left of an answer that broke off.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Meaning::Later,
        _ => Meaning::No,
    }
}

/// Whether an error speaks of the values that were given: out of range, against a constraint, too large.
fn is_of_the_data(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        ["22", "23", "54"].iter().any(|class| code.starts_with(class))
    } else {
        // TOOBIG, CONSTRAINT, MISMATCH.
        matches!(code.parse::<u32>().unwrap_or(0) & 0xff, 18..=20)
    }
}

/// By SQLSTATE.
fn judge_postgres(code: &str) -> Meaning {
    match code {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Meaning::SomebodyWasFirst,
        // Cancelled by statement_timeout; lock_timeout; idle too long in a transaction; a primary that became a standby.
        "57014" | "55P03" | "25P03" | "25006" => Meaning::Later,
        // Connection, resources (disk full, too many connections), shutdown and start, input/output.
        _ if ["08", "53", "57P0", "58"].iter().any(|class| code.starts_with(class)) => Meaning::Later,
        _ => Meaning::No,
    }
}

/// By extended result code, whose low byte is the primary one.
fn judge_sqlite(code: u32) -> Meaning {
    const PRIMARY_KEY: u32 = 1555;
    const UNIQUE: u32 = 2067;
    match (code, code & 0xff) {
        (PRIMARY_KEY | UNIQUE, _) => Meaning::SomebodyWasFirst,
        // BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
        (_, 5 | 6 | 7 | 9 | 10 | 13 | 14 | 15) => Meaning::Later,
        _ => Meaning::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_later_and_a_broken_constraint_is_never() {
        for (code, later) in [("53100", true), ("57P01", true), ("57P03", true), ("08006", true), ("57014", true)] {
            assert_eq!(matches!(judge_postgres(code), Meaning::Later), later, "{code}");
        }
        for code in ["23514", "23503", "22021", "42P01", "23001"] {
            assert!(matches!(judge_postgres(code), Meaning::No), "{code}");
        }
        for code in [13, 5, 517, 261, 266, 3338] {
            assert!(matches!(judge_sqlite(code), Meaning::Later), "{code}");
        }
        for code in [275, 787, 1811, 1, 26] {
            assert!(matches!(judge_sqlite(code), Meaning::No), "{code}");
        }
        assert!(matches!(judge_sqlite(2067), Meaning::SomebodyWasFirst));
    }
}
