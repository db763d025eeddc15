//! Ends of episodes that nobody posted: a look at Alertmanager showed them, and a decision was made from it.

use super::dialect::Conn;
use crate::db_types::DbTime;
use fettle_core::alert::episode::AlertState;

/// The end of the episode that was looked at, unless something was heard of it since.
///
/// Whoever takes a word in holds the alert and may want our remediation: it is not waited for, its word is newer.
const ENDED: &str = sql!("
    UPDATE alerts SET firing = false, ended_at = $3, end_heard_at = $4, heard_at = $5
    WHERE fingerprint = (
        SELECT fingerprint FROM alerts
        WHERE fingerprint = $1 AND firing AND episode = $2 AND heard_at <= $5
        " LOCKED_IF_FREE ")");

/// Writes what was seen, inside the transaction of the decision.
pub(super) async fn write(tx: &mut Conn, alerts: &[&AlertState]) -> sqlx::Result<()> {
    for alert in alerts.iter().filter(|alert| !alert.firing) {
        sqlx::query(ENDED)
            .bind(alert.fingerprint.to_string())
            .bind(alert.episode)
            .bind(alert.ended_at.map(DbTime))
            .bind(alert.end_heard_at.map(DbTime))
            .bind(DbTime(alert.heard_at))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
