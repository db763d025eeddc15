//! What a remediation that is being opened must know of those before it: fixes, loans, the targets of late, the storm.

use sqlx::SqliteConnection;

use super::storm;
use crate::db_types::DbTime;
use crate::error::During;
use crate::rows::{FixColumns, fix};
use crate::text::json;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Past, ReceiveAsk};

/// Beside `max`, SQLite gives the columns of the row that has it.
const FIXED: &str = "
    SELECT rule, target, max(closed_at) AS closed_at, doc ->> 'last_action' AS last_action, doc ->> 'rung' AS rung,
           EXISTS (SELECT 1 FROM verdicts WHERE action_id = doc ->> 'last_action' AND verdict = 'regressed') AS regressed
    FROM remediations
    WHERE target IN (SELECT value FROM json_each($1)) AND outcome = 'fixed' AND closed_at >= $2
    GROUP BY rule, target";

const RETURNED: &str = "
    SELECT rule, target, max(closed_at) FROM loans
    WHERE state = 'returned' AND target IN (SELECT value FROM json_each($1)) AND closed_at >= $2
    GROUP BY rule, target";

const RECENT: &str = "
    SELECT DISTINCT target FROM remediations WHERE opened_at >= $1 AND outcome IS NOT 'refused' LIMIT $2";

/// The past of the targets asked about, and of all of them where storms are looked for.
pub(super) async fn load(tx: &mut SqliteConnection, ask: &ReceiveAsk) -> Result<Past, StoreError> {
    const WHAT: &str = "read what was before";
    let mut past = Past::default();
    if let (Some(since), false) = (ask.fixed_since, ask.targets.is_empty()) {
        let (targets, since) = (json(&ask.targets), DbTime(since));
        let fixed: Vec<FixColumns> =
            sqlx::query_as(FIXED).bind(&targets).bind(since).fetch_all(&mut *tx).await.during(WHAT)?;
        past.fixed = fixed.into_iter().filter_map(fix).collect();
        let returned: Vec<(String, String, DbTime)> =
            sqlx::query_as(RETURNED).bind(targets).bind(since).fetch_all(&mut *tx).await.during(WHAT)?;
        past.returned = returned.into_iter().map(|(rule, target, at)| ((rule, target), at.0)).collect();
    }
    if let Some(since) = ask.recent_since {
        let recent: Vec<String> = sqlx::query_scalar(RECENT)
            .bind(DbTime(since))
            .bind(i64::from(ask.recent_limit))
            .fetch_all(&mut *tx)
            .await
            .during(WHAT)?;
        past.recent = recent.into_iter().collect();
        past.storm = storm::storm(tx).await?;
    }
    Ok(past)
}
