//! A clock that ran ahead and was set right leaves times behind that lie in the future. They would
//! hold work back, or pass for fresh, until the clock caught up with them.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash_point::crash_point;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, ms};

/// A clock that steps back by less than this is only being disciplined.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// Nothing is put off for longer than this; only a later due time tells of a step by itself.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(1);

/// What is dated `?1` (now) or later, and what becomes of it. `?2` is when an action is due whose
/// request ended just now: no settle is cut short.
const MENDS: [&str; 9] = [
    // Whether such a reading is old or new is not known: it is no evidence.
    "DELETE FROM scans WHERE started_at > ?1 AND ?2 > 0",
    // The next scan may have the number of one that goes.
    "UPDATE orders SET listed_at = NULL, listed_scan = NULL WHERE listed_at > ?1 AND ?2 > 0",
    "UPDATE orders SET seen_at = ?1, first_seen_at = MIN(first_seen_at, ?1),
       status_since = MIN(status_since, ?1) WHERE seen_at > ?1 AND ?2 > 0",
    "UPDATE orders SET lines_due_at = ?1 WHERE lines_due_at > ?1 AND ?2 > 0",
    "UPDATE orders SET shortage_since = NULL, shortage_scans = 0, shortage_scan = NULL
     WHERE shortage_since > ?1 AND ?2 > 0",
    "UPDATE actions SET due_at = MIN(due_at, MAX(?1, ?2)) WHERE due_at > ?1 AND closed_at IS NULL",
    "UPDATE actions SET made_at = ?1 WHERE made_at > ?1 AND ?2 > 0 AND closed_at IS NULL",
    // Whether goods left before or after a count made meanwhile is not known: it is no evidence, and the
    // next one is newer.
    "UPDATE stock SET as_of = 0 WHERE as_of > ?1 AND ?2 > 0",
    "UPDATE reservations SET closed_at = MIN(closed_at, ?1), left_after = MIN(left_after, ?1)
     WHERE (closed_at > ?1 OR left_after > ?1) AND ?2 > 0",
];

impl Store {
    /// Puts times right that lie in the future since the clock was set back. Gives the step back,
    /// if there was one.
    pub async fn mend_times(
        &self,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<SignedDuration>, StoreError> {
        let latest = now.saturating_add(PUT_OFF_MAX).unwrap_or(now);
        let mut reader = self.read().await?;
        // Stages write most of these rows, and each looks here first. What the trail told before it was
        // mended stays in it.
        let newest: Option<i64> = sqlx::query_scalar(
            "WITH trail AS (SELECT id, at, event FROM audit ORDER BY id DESC LIMIT 20)
             SELECT MAX(at) FROM (
               SELECT MAX(started_at) AS at FROM (SELECT started_at FROM scans ORDER BY id DESC LIMIT 20)
               UNION ALL
               SELECT MAX(at) FROM trail
               WHERE id >= COALESCE((SELECT MAX(id) FROM trail WHERE event = 'clock.mended'), 0)
               UNION ALL
               SELECT MAX(due_at) - (?2 - ?1) FROM actions WHERE state IN ('pending', 'sent', 'unknown'))",
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
        for statement in MENDS {
            sqlx::query(statement)
                .bind(ms(now))
                .bind(ms(settled))
                .execute(tx.conn()?)
                .await?;
        }
        let detail = json!({ "back_s": back.as_secs() });
        tx.audit_row(now, "qabyl", (None, None), "clock.mended", detail);
        crash_point("repair.before_commit");
        tx.commit().await?;
        crash_point("repair.after_commit");
        Ok(Some(back))
    }
}
