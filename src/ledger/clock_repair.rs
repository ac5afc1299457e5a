//! A clock that ran ahead and was corrected leaves times in the future behind. They would delay work, or count
//! as fresh, until the clock reaches them.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash_point::crash_point;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, ms};

/// A clock that steps back by less than this is only being adjusted.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// No action is put off for longer than this: a later due time shows that the clock was set back.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(1);

/// What becomes of times later than `?1` (now). `?2` is when an action is due whose request ended just now: no
/// `settle` is shortened.
const REPAIRS: [&str; 12] = [
    // It is unknown whether such a reading is old or new: it is no evidence.
    "DELETE FROM scans WHERE started_at > ?1 AND ?2 > 0",
    // The next scan may get the number of a deleted one.
    "UPDATE orders SET listed_at = NULL, listed_scan = NULL WHERE listed_at > ?1 AND ?2 > 0",
    "UPDATE orders SET seen_at = ?1, first_seen_at = MIN(first_seen_at, ?1),
       status_since = MIN(status_since, ?1) WHERE seen_at > ?1 AND ?2 > 0",
    "UPDATE orders SET lines_due_at = ?1 WHERE lines_due_at > ?1 AND ?2 > 0",
    "UPDATE orders SET shortage_since = NULL, shortage_scans = 0, shortage_scan = NULL
     WHERE shortage_since > ?1 AND ?2 > 0",
    "UPDATE actions SET due_at = MIN(due_at, MAX(?1, ?2)) WHERE due_at > ?1 AND closed_at IS NULL",
    "UPDATE actions SET made_at = ?1 WHERE made_at > ?1 AND ?2 > 0 AND closed_at IS NULL",
    // It is unknown whether goods left before or after such a count: its number says nothing until the next one.
    "UPDATE stock SET as_of = NULL WHERE as_of > ?1 AND ?2 > 0",
    "DELETE FROM stock_past WHERE as_of > ?1 AND ?2 > 0",
    // What was read then is read again, even if it has not changed since.
    "UPDATE stock_sources SET read_at = NULL, made_at = NULL, as_of = NULL, hash = NULL
     WHERE (read_at > ?1 OR made_at > ?1 OR as_of > ?1) AND ?2 > 0",
    "UPDATE stock_sources SET tried_at = ?1 WHERE tried_at > ?1 AND ?2 > 0",
    "UPDATE reservations SET closed_at = MIN(closed_at, ?1), left_after = MIN(left_after, ?1),
       confirmed_at = MIN(confirmed_at, ?1), made_at = MIN(made_at, ?1)
     WHERE (closed_at > ?1 OR left_after > ?1 OR confirmed_at > ?1 OR made_at > ?1) AND ?2 > 0",
];

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
        for statement in REPAIRS {
            sqlx::query(statement)
                .bind(ms(now))
                .bind(ms(settled))
                .execute(tx.conn()?)
                .await?;
        }
        let detail = json!({ "back_s": back.as_secs() });
        tx.audit_row(now, "qabyl", (None, None), "clock.repaired", detail);
        crash_point("repair.before_commit");
        tx.commit().await?;
        crash_point("repair.after_commit");
        Ok(Some(back))
    }
}
