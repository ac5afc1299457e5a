//! A clock that ran ahead and was corrected leaves times in the future behind. They would delay work, or count
//! as fresh, until the clock reaches them.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::crash_point::crash_point;
use crate::mutant::mutant;
use crate::store::{Store, StoreError, stored_times};

/// A clock that steps back by less than this is only being adjusted.
const STEP: SignedDuration = SignedDuration::from_secs(60);

/// No action is put off, and no channel paused, for longer than an hour: a later time shows that the clock was set back.
const PUT_OFF_MAX_MS: i64 = 60 * 60 * 1000;

/// The audit event of a repair.
const REPAIRED: &str = "clock.repaired";

/// The newest rows of what stages write: moments that have come, rows of the audit log, and due times; the kind of each,
/// its number, its time, its event. Every stage checks them before it writes.
const NEWEST: &str = "
SELECT 'past', id, started_at, NULL FROM (SELECT id, started_at FROM scans ORDER BY id DESC LIMIT 20)
UNION ALL
SELECT 'log', id, at, event FROM (SELECT id, at, event FROM audit ORDER BY id DESC LIMIT 20)
UNION ALL
SELECT 'due', id, due_at, NULL FROM (SELECT id, due_at FROM actions INDEXED BY actions_due
  WHERE state IN ('pending', 'sent', 'unknown') AND due_at IS NOT NULL ORDER BY due_at DESC LIMIT 1)
UNION ALL SELECT 'due', 0, retry_at, NULL FROM channels WHERE retry_at IS NOT NULL
UNION ALL SELECT 'past', 0, failing_since, NULL FROM channels WHERE failing_since IS NOT NULL
UNION ALL SELECT 'past', 0, tried_at, NULL FROM stock_sources WHERE tried_at IS NOT NULL
UNION ALL SELECT 'past', 0, worked_at, NULL FROM lease WHERE worked_at IS NOT NULL";

/// The moment that must have come already, by what is stored. Rows of the audit log from before the last repair keep
/// their times, and prove nothing.
fn newest(rows: &[(String, i64, i64, Option<String>)]) -> Result<Option<i64>, StoreError> {
    let repaired = rows
        .iter()
        .filter(|(_, _, _, event)| event.as_deref() == Some(REPAIRED));
    let repaired = repaired.map(|(_, id, ..)| *id).max();
    let mut newest = None;
    for (what, id, at, _) in rows {
        let at = match what.as_str() {
            "past" => Some(*at),
            "log" => repaired
                .is_none_or(|repaired| *id >= repaired)
                .then_some(*at),
            "due" => Some(at.saturating_sub(PUT_OFF_MAX_MS)),
            _ => return Err(StoreError::corrupt("a stored moment", what)),
        };
        newest = newest.max(at);
    }
    Ok(newest)
}

impl Store {
    /// Repairs times that lie in the future since the clock was set back. Returns by how much it was set
    /// back, if it was.
    pub async fn repair_times(
        &self,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<SignedDuration>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, i64, i64, Option<String>)> =
            sqlx::query_as(NEWEST).fetch_all(&mut *reader).await?;
        drop(reader);
        let Some(newest) = newest(&rows)?.map(crate::store::at).transpose()? else {
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
        tx.audit_row(now, "qabyl", (None, None), REPAIRED, detail);
        crash_point("repair.before_commit");
        tx.commit().await?;
        crash_point("repair.after_commit");
        Ok(Some(back))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn row(what: &str, id: i64, at: i64, event: &str) -> (String, i64, i64, Option<String>) {
        (what.to_owned(), id, at, Some(event.to_owned()))
    }

    #[test]
    fn rows_of_the_log_from_before_the_last_repair_prove_nothing() {
        let before = row("log", 1, 9_000, "order.decided");
        let repair = row("log", 2, 100, REPAIRED);
        let after = row("log", 3, 200, "order.decided");
        assert_eq!(newest(std::slice::from_ref(&before)).unwrap(), Some(9_000));
        assert_eq!(newest(&[before, repair, after]).unwrap(), Some(200));
    }

    #[test]
    fn an_action_may_be_due_an_hour_ahead_and_a_scan_may_not() {
        let due = row("due", 1, 3_600_500, "");
        let scan = row("past", 1, 400, "");
        assert_eq!(newest(&[due, scan]).unwrap(), Some(500));
        assert_eq!(newest(&[]).unwrap(), None);
    }
}
