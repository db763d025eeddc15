//! Several writes in one round trip: each part is a statement of its own, and all of them are sent as one.
//!
//! Always holds: the parts succeed or fail together and are executed in the order in which they were added, so that locks
//! are taken in that order. All of them see the database as it was before the first: a part that changes rows which another
//! part writes belongs into the next statement. Foreign keys between the rows of two parts are checked at the end.
//!
//! Only parts with something to do are added: preparing one for execution costs more than what a round trip saves.

use std::fmt::Write as _;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Encode, PgConnection, Postgres, QueryBuilder, Row, Type};

/// Parts of one statement, with their arguments.
#[derive(Default)]
pub(super) struct Writes {
    parts: Vec<Part>,
    arguments: PgArguments,
    failed: Option<BoxDynError>,
}

struct Part {
    sql: &'static str,
    /// How many arguments come before its own.
    before: usize,
    must_touch: bool,
}

impl Writes {
    /// Adds an `INSERT` or an `UPDATE` without `RETURNING`; its arguments are bound next, `$1` first.
    pub(super) fn part(&mut self, sql: &'static str) -> &mut Self {
        self.parts.push(Part { sql, before: self.arguments.len(), must_touch: false });
        self
    }

    /// As [`Writes::part`]; touching no row is told by [`Writes::run`].
    pub(super) fn part_that_must_touch(&mut self, sql: &'static str) -> &mut Self {
        self.parts.push(Part { sql, before: self.arguments.len(), must_touch: true });
        self
    }

    /// The next argument of the part that was added last.
    pub(super) fn bind<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }

    /// Executes all parts. The first of those that had to touch a row and touched none, counted from 0.
    pub(super) async fn run(self, connection: &mut PgConnection) -> sqlx::Result<Option<usize>> {
        let Self { parts, arguments, failed } = self;
        if let Some(error) = failed {
            return Err(sqlx::Error::Encode(error));
        }
        let missed = |touched: &dyn Fn(usize) -> sqlx::Result<i64>| {
            for (at, part) in parts.iter().enumerate() {
                if part.must_touch && touched(at)? == 0 {
                    return Ok(Some(at));
                }
            }
            Ok(None)
        };
        match &*parts {
            [] => Ok(None),
            [only] => {
                let done = sqlx::query_with(only.sql, arguments).execute(connection).await?;
                missed(&|_| Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX)))
            }
            parts => {
                let mut query = QueryBuilder::<Postgres>::with_arguments(together(parts), arguments);
                let counts: PgRow = query.build().fetch_one(connection).await?;
                missed(&|at| counts.try_get(at))
            }
        }
    }
}

/// One statement of them all, with the number of rows that each touched. Counting a part's rows executes it to its end, and
/// the server counts them from left to right: so the order is ours, which it would not be for parts that nothing reads.
fn together(parts: &[Part]) -> String {
    let mut sql = String::with_capacity(4096);
    let mut counts = String::new();
    for (at, part) in parts.iter().enumerate() {
        let (with, comma) = if at == 0 { ("WITH", "") } else { (",", ", ") };
        // Writing to a string cannot fail.
        let _ = write!(sql, "{with} part_{at} AS (");
        renumber(part, &mut sql);
        sql.push_str(" RETURNING 1)");
        let _ = write!(counts, "{comma}(SELECT count(*) FROM part_{at})");
    }
    sql + " SELECT " + &counts
}

/// The part's statement with its parameters counted from the first of its arguments.
fn renumber(part: &Part, into: &mut String) {
    let mut pieces = part.sql.split('$');
    into.extend(pieces.next());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let number: usize = number.parse().unwrap_or(0);
        let _ = write!(into, "${}{rest}", number + part.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_order_and_each_counts_its_own_parameters() {
        let part = |sql, before| Part { sql, before, must_touch: false };
        assert_eq!(
            together(&[part("UPDATE a SET b = $2 WHERE c = $1", 0), part("INSERT INTO d SELECT $1::text[], $10", 2)]),
            "WITH part_0 AS (UPDATE a SET b = $2 WHERE c = $1 RETURNING 1), part_1 AS (INSERT INTO d SELECT \
             $3::text[], $12 RETURNING 1) SELECT (SELECT count(*) FROM part_0), (SELECT count(*) FROM part_1)"
        );
    }
}
