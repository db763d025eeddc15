//! What a remediation that is being opened must know of those before it: fixes, loans, the targets of late, the storm.

use sqlx::PgConnection;

use crate::around::{self, StormColumns};
use crate::db_types::DbTime;
use crate::error::During;
use crate::rows::{FixColumns, fix};
use crate::text::clean;
use fettle_core::ports::StoreError;
use fettle_core::ports::model::{Past, ReceiveAsk};

/// All of it in one round trip.
const PAST: &str = "
    WITH fixed AS (
        SELECT DISTINCT ON (rule, target) rule, target, closed_at, doc ->> 'last_action' AS last_action,
               (doc ->> 'rung')::bigint AS rung
        FROM remediations
        WHERE target = ANY($3) AND outcome = 'fixed' AND closed_at >= $4
        ORDER BY rule, target, closed_at DESC, id DESC
    ), returned AS (
        SELECT rule, target, max(closed_at) AS at FROM loans
        WHERE state = 'returned' AND target = ANY($3) AND closed_at >= $4
        GROUP BY rule, target
    )
    SELECT
        (SELECT array_agg(ROW(rule, target, closed_at, last_action, rung, EXISTS (
            SELECT 1 FROM verdicts WHERE action_id = last_action::uuid AND verdict = 'regressed'))) FROM fixed),
        (SELECT array_agg(ROW(rule, target, at)) FROM returned),
        array(SELECT DISTINCT target FROM remediations
              WHERE opened_at >= $1 AND opened_at < 'infinity' AND outcome IS DISTINCT FROM 'refused' LIMIT $2),
        (SELECT ROW(since, last_at, targets) FROM storm WHERE id = 1 AND $1::timestamptz IS NOT NULL)";

type Row = (Option<Vec<FixColumns>>, Option<Vec<(String, String, DbTime)>>, Vec<String>, Option<StormColumns>);

/// The past of the targets asked about, and of all of them where storms are looked for.
pub(super) async fn load(tx: &mut PgConnection, ask: &ReceiveAsk) -> Result<Past, StoreError> {
    let targets: Vec<_> = ask.targets.iter().map(|target| clean(target)).collect();
    let (fixed, returned, recent, storm): Row = sqlx::query_as(PAST)
        .bind(ask.recent_since.map(DbTime))
        .bind(i64::from(ask.recent_limit))
        .bind(targets)
        .bind(ask.fixed_since.map(DbTime))
        .fetch_one(tx)
        .await
        .during("read what was before")?;
    Ok(Past {
        fixed: fixed.into_iter().flatten().filter_map(fix).collect(),
        returned: returned.into_iter().flatten().map(|(rule, target, at)| ((rule, target), at.0)).collect(),
        recent: recent.into_iter().collect(),
        storm: storm.map(around::storm),
    })
}
