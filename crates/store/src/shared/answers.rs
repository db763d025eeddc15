//! Answers of people: bound to one proposal, counted once, within its time.
//!
//! Always holds: an answer that is told to be taken is seen by the next decision. Whoever holds the remediation meanwhile has
//! not read it; as long as only a person is waited for, no effect is under way, so the claim is taken away and what was
//! about to be stored is decided anew.

use sqlx::Connection;
use sqlx::types::Json;

use super::dialect::{BEGIN, Conn, tell};
use crate::around;
use crate::db_types::{DbId, DbTime};
use crate::error::During;
use crate::rows::Garbled;
use crate::text::{clean, clean_opt};
use fettle_core::id::RemediationId;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::Answered;
use fettle_core::remediation::state::Remediation;
use fettle_core::surroundings::Answer;

/// Locked: it is neither decided nor answered by somebody else meanwhile.
const REMEDIATION: &str = sql!("SELECT doc FROM remediations WHERE id = $1 " LOCKED);

/// A cancel is about the whole effort: no yes comes after it.
const EARLIER: &str = "
    SELECT EXISTS (
        SELECT 1 FROM answers
        WHERE remediation_id = $1 AND (kind = 'cancel' OR (plan = $2 AND asked_at = $3)))";

const ANSWER: &str = "
    INSERT INTO answers (id, remediation_id, kind, plan, asked_at, by, at) VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// `$3`: it waits for a person only, so nobody has to hold it.
const WAKE: &str = sql!("
    UPDATE remediations
    SET due_at = " LEAST "(due_at, $2), wakes = wakes + 1,
        version = CASE WHEN $3 THEN version + 1 ELSE version END,
        lease_owner = CASE WHEN NOT $3 THEN lease_owner END,
        lease_until = CASE WHEN NOT $3 THEN lease_until END
    WHERE id = $1");

/// Stores an answer and wakes the remediation, or says why not.
pub(super) async fn answer(
    connection: &mut Conn,
    remediation: RemediationId,
    answer: &Answer,
) -> Result<Answered, StoreError> {
    const WHAT: &str = "store an answer";
    let id = DbId::of(remediation);
    let mut tx = connection.begin_with(BEGIN).await.during(WHAT)?;
    let doc: Option<Json<serde_json::Value>> =
        sqlx::query_scalar(REMEDIATION).bind(id).fetch_optional(&mut *tx).await.during(WHAT)?;
    let Some(Json(doc)) = doc else { return Ok(Answered::Unknown) };
    let stored: Remediation = serde_json::from_value(doc).map_err(|_| Garbled("remediation").during(WHAT))?;
    let plan = clean_opt(answer.plan.as_deref());
    let proposed = match around::asked(&stored, answer) {
        Err(answered) => return Ok(answered),
        Ok(proposed) => proposed,
    };
    if let Some(proposed) = proposed {
        let used: bool = sqlx::query_scalar(EARLIER)
            .bind(id)
            .bind(&plan)
            .bind(DbTime(proposed.asked_at))
            .fetch_one(&mut *tx)
            .await
            .during(WHAT)?;
        if used {
            return Ok(Answered::Used);
        }
        if answer.at > proposed.until {
            return Ok(Answered::TooLate);
        }
    }
    sqlx::query(ANSWER)
        .bind(DbId::of(answer.id))
        .bind(id)
        .bind(answer.kind.as_str())
        .bind(&plan)
        .bind(proposed.map(|it| DbTime(it.asked_at)))
        .bind(clean(&answer.by))
        .bind(DbTime(answer.at))
        .execute(&mut *tx)
        .await
        .during(WHAT)?;
    sqlx::query(WAKE).bind(id).bind(DbTime(answer.at)).bind(proposed.is_some()).execute(&mut *tx).await.during(WHAT)?;
    tell(&mut tx).await.during(WHAT)?;
    tx.commit().await.during(WHAT)?;
    Ok(Answered::Taken)
}
