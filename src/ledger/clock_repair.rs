//! A clock that ran ahead and was corrected leaves times in the future behind. They would delay work, or count
//! as fresh, until the clock reaches them.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash_point::crash_point;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, ms, stored_times};

/// A clock that steps back by less than this is only being adjusted.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// No action is put off, and no channel paused, for longer than this: a later time shows that the clock was set back.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(1);

impl Store {
    /// Repairs times that lie in the future since the clock was set back. Returns by how much it was set
    /// back, if it was.
    pub async fn repair_times(
        &self,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<SignedDuration>, StoreError> {
        let latest = now.saturating_add(PUT_OFF_MAX).unwrap_or(now);
        let mut reader = self.read().await?;
        // Stages write most of these rows, and each checks them first. Rows of the audit log from before the
        // last repair keep their times.
        let newest: Option<i64> = sqlx::query_scalar(
            "WITH log AS (SELECT id, at, event FROM audit ORDER BY id DESC LIMIT 20)
             SELECT MAX(at) FROM (
               SELECT MAX(started_at) AS at FROM (SELECT started_at FROM scans ORDER BY id DESC LIMIT 20)
               UNION ALL
               SELECT MAX(at) FROM log
               WHERE id >= COALESCE((SELECT MAX(id) FROM log WHERE event = 'clock.repaired'), 0)
               UNION ALL
               SELECT MAX(due_at) - (?2 - ?1) FROM actions WHERE state IN ('pending', 'sent', 'unknown')
               UNION ALL SELECT retry_at - (?2 - ?1) FROM channels
               UNION ALL SELECT failing_since FROM channels
               UNION ALL SELECT tried_at FROM stock_sources
               UNION ALL SELECT worked_at FROM lease)",
        )
        .bind(ms(now))
        .bind(ms(latest))
        .fetch_one(&mut *reader)
        .await?;
        drop(reader);
        let Some(newest) = newest.map(crate::store::at).transpose()? else {
            return Ok(None);
        };
        let back = newest.duration_since(now);
        if back <= STEP || mutant("r15_clock_not_repaired") {
            return Ok(None);
        }
        let settled = now.saturating_add(settle).unwrap_or(now);
        let mut tx = self.write().await?;
        stored_times::repair(&mut tx, settled.max(now), now).await?;
        let detail = json!({ "back_s": back.as_secs() });
        tx.audit_row(now, "qabyl", (None, None), "clock.repaired", detail);
        crash_point("repair.before_commit");
        tx.commit().await?;
        crash_point("repair.after_commit");
        Ok(Some(back))
    }
}
