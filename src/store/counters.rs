//! What counts for the cancel budget and the hourly limits: `orders.counts_as_cancel`, and the table `counts_by_hour`,
//! which triggers keep.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::actions::parse_state;
use super::{Store, StoreError, WriteTx, ms, orders};
use crate::domain::action::State;
use crate::domain::counters::{Counters, Stored, counts_as_cancel};
use crate::domain::ids::ShopName;
use crate::mutant::mutant;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Sum of the whole hours of the shop `?1` from `?3` on.
pub(crate) const WHOLE_HOURS: &str = "
SELECT SUM(n) FROM counts_by_hour WHERE shop = ?1 AND what = ?2 AND hour >= ?3";

/// Number of orders of the shop `?1` first seen since `?2` and before `?3`.
pub(crate) const SEEN: &str = "
SELECT COUNT(*) FROM orders INDEXED BY orders_seen WHERE shop = ?1 AND first_seen_at >= ?2 AND first_seen_at < ?3";

/// Those of them that count as cancelled.
pub(crate) const CANCELLED: &str = "
SELECT COUNT(*) FROM orders INDEXED BY orders_cancelled
WHERE shop = ?1 AND counts_as_cancel = 1 AND first_seen_at >= ?2 AND first_seen_at < ?3";

/// Number of orders first seen since `?2` that wait for the merchant, by the state of their live action.
pub(crate) const WAITING: &str = "
SELECT a.state, COUNT(*) FROM orders o INDEXED BY orders_waiting
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')
WHERE o.shop = ?1 AND o.status = 'APPROVED_BY_BANK' AND o.first_seen_at >= ?2 GROUP BY a.state";

/// Number of actions of the shop `?1` decided since `?2`, by kind and state.
pub(crate) const LAST_HOUR: &str = "
SELECT kind, state, COUNT(*) FROM actions INDEXED BY actions_made WHERE shop = ?1 AND made_at > ?2
GROUP BY kind, state";

/// A shop's counts: of the window of the cancel budget, and of the last hour.
pub(crate) async fn counters(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    window: SignedDuration,
    now: Timestamp,
) -> Result<Counters, StoreError> {
    let before = |span: SignedDuration| ms(now.saturating_sub(span).unwrap_or(Timestamp::MIN));
    let since = before(window);
    let orders = first_seen(connection, shop, ("seen", SEEN), since).await?;
    let cancelled = first_seen(connection, shop, ("counts_as_cancel", CANCELLED), since).await?;
    let waiting: Vec<(Option<String>, i64)> = sqlx::query_as(WAITING)
        .bind(shop.as_str())
        .bind(since)
        .fetch_all(&mut *connection)
        .await?;
    let waiting = waiting.into_iter().map(|(live, orders)| {
        let live = live.as_deref().map(parse_state).transpose()?;
        Ok((live, orders.unsigned_abs()))
    });
    let hour = before(SignedDuration::from_hours(1));
    let (accepts_last_hour, cancels_last_hour) = last_hour(connection, shop, hour).await?;
    let stored = Stored {
        orders,
        waiting: waiting.collect::<Result<_, StoreError>>()?,
        cancelled,
        accepts_last_hour,
        cancels_last_hour,
    };
    Ok(stored.counters())
}

/// Number of orders first seen since then: the whole hours' sum, and those of the hour that `since` is in.
async fn first_seen(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    (what, in_part): (&'static str, &'static str),
    since: i64,
) -> Result<u64, StoreError> {
    let whole_from = since.div_euclid(HOUR_MS) + i64::from(since.rem_euclid(HOUR_MS) > 0);
    let whole: Option<i64> = sqlx::query_scalar(WHOLE_HOURS)
        .bind(shop.as_str())
        .bind(what)
        .bind(whole_from)
        .fetch_one(&mut *connection)
        .await?;
    let part: i64 = sqlx::query_scalar(in_part)
        .bind(shop.as_str())
        .bind(since)
        .bind(whole_from.saturating_mul(HOUR_MS))
        .fetch_one(connection)
        .await?;
    Ok(whole.unwrap_or_default().unsigned_abs() + part.unsigned_abs())
}

type ByState = Vec<(State, u64)>;

/// Accepts and cancels decided since then, by state.
async fn last_hour(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    since: i64,
) -> Result<(ByState, ByState), StoreError> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(LAST_HOUR)
        .bind(shop.as_str())
        .bind(since)
        .fetch_all(connection)
        .await?;
    let (mut accepts, mut cancels) = (Vec::new(), Vec::new());
    for (kind, state, actions) in rows {
        let of_kind = if kind == "accept" {
            &mut accepts
        } else {
            &mut cancels
        };
        of_kind.push((parse_state(&state)?, actions.unsigned_abs()));
    }
    Ok((accepts, cancels))
}

/// Orders and actions whose part in the counts may have changed: recounted before the commit.
#[derive(Debug, Default)]
pub(crate) struct Recount {
    orders: BTreeSet<(String, String)>,
    actions: BTreeSet<i64>,
}

impl Recount {
    /// The order may count as cancelled now, or no longer.
    pub(crate) fn order(&mut self, shop: &str, order: &str) {
        self.orders.insert((shop.to_owned(), order.to_owned()));
    }

    /// The order of this action.
    pub(crate) fn action(&mut self, action: i64) {
        self.actions.insert(action);
    }

    fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.actions.is_empty()
    }
}

/// These orders (JSON), and those with one of these cancels (JSON).
pub(crate) const RECOUNTED: &str = "
WITH touched AS (
  SELECT value ->> 0 AS shop, value ->> 1 AS id FROM json_each(?1)
  UNION
  SELECT a.shop, a.order_id FROM json_each(?2) j CROSS JOIN actions a ON a.id = j.value WHERE a.kind = 'cancel')
SELECT o.shop, o.id, o.cancellation_reason, o.counts_as_cancel,
  (SELECT json_group_array(a.state) FROM actions a
   WHERE a.shop = o.shop AND a.order_id = o.id AND a.kind = 'cancel') AS cancels
FROM touched t CROSS JOIN orders o ON o.shop = t.shop AND o.id = t.id";

/// All orders that count as cancelled, or may.
const ALL: &str = "
WITH touched AS (
  SELECT shop, id FROM orders WHERE counts_as_cancel = 1 OR cancellation_reason IS NOT NULL
  UNION
  SELECT shop, order_id FROM actions WHERE kind = 'cancel')
SELECT o.shop, o.id, o.cancellation_reason, o.counts_as_cancel,
  (SELECT json_group_array(a.state) FROM actions a
   WHERE a.shop = o.shop AND a.order_id = o.id AND a.kind = 'cancel') AS cancels
FROM touched t CROSS JOIN orders o ON o.shop = t.shop AND o.id = t.id";

#[derive(FromRow)]
struct CountedRow {
    shop: String,
    id: String,
    cancellation_reason: Option<String>,
    counts_as_cancel: bool,
    cancels: String,
}

impl CountedRow {
    fn should_count(&self) -> Result<bool, StoreError> {
        let words: Vec<String> = serde_json::from_str(&self.cancels)
            .map_err(|_| StoreError::corrupt("states of cancels", &self.cancels))?;
        let cancels = words.iter().map(|word| parse_state(word));
        let cancels: Vec<State> = cancels.collect::<Result<_, _>>()?;
        Ok(counts_as_cancel(
            self.cancellation_reason.as_deref(),
            &cancels,
        ))
    }
}

impl WriteTx<'_> {
    /// Brings the counts up to date with what this write has changed so far.
    pub(crate) async fn write_counts(&mut self) -> Result<(), StoreError> {
        if self.recount.is_empty() || mutant("r8_cancel_not_counted") {
            return Ok(());
        }
        let touched = std::mem::take(&mut self.recount);
        let rows: Vec<CountedRow> = sqlx::query_as(RECOUNTED)
            .bind(json!(touched.orders).to_string())
            .bind(json!(touched.actions).to_string())
            .fetch_all(self.conn()?)
            .await?;
        self.set_counted(rows).await
    }

    /// Counts everything again, whatever was counted before.
    pub(crate) async fn count_all_again(&mut self) -> Result<(), StoreError> {
        let rows: Vec<CountedRow> = sqlx::query_as(ALL).fetch_all(self.conn()?).await?;
        self.set_counted(rows).await?;
        for statement in AGAIN {
            sqlx::query(statement).execute(self.conn()?).await?;
        }
        Ok(())
    }

    async fn set_counted(&mut self, rows: Vec<CountedRow>) -> Result<(), StoreError> {
        let mut changed = Vec::new();
        for row in rows {
            let counts = row.should_count()?;
            if counts != row.counts_as_cancel {
                changed.push(json!([row.shop, row.id, i32::from(counts)]));
            }
        }
        orders::set_counted(self, &changed).await
    }
}

/// The counts of all hours, from what is stored.
macro_rules! all_hours {
    () => {
        "
SELECT shop, 'seen' AS what, first_seen_at / 3600000 AS hour, COUNT(*) AS n FROM orders GROUP BY 1, 3
UNION ALL
SELECT shop, 'counts_as_cancel', first_seen_at / 3600000, COUNT(*) FROM orders WHERE counts_as_cancel = 1 GROUP BY 1, 3
UNION ALL
SELECT shop, kind, closed_at / 3600000, COUNT(*) FROM actions WHERE state = 'confirmed' GROUP BY 1, 2, 3"
    };
}

const AGAIN: [&str; 2] = [
    "DELETE FROM counts_by_hour",
    concat!("INSERT INTO counts_by_hour", all_hours!()),
];

const MISCOUNTED: &str = concat!(
    "SELECT shop, what, hour FROM (SELECT shop, what, hour, n FROM counts_by_hour WHERE n > 0 UNION ALL ",
    all_hours!(),
    ") GROUP BY shop, what, hour, n HAVING COUNT(*) <> 2"
);

impl Store {
    /// What is counted otherwise than the orders and actions say; nothing, unless something is wrong.
    pub async fn miscounted(&self) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<CountedRow> = sqlx::query_as(ALL).fetch_all(&mut *reader).await?;
        let mut wrong = Vec::new();
        for row in rows {
            if row.should_count()? != row.counts_as_cancel {
                wrong.push(format!("order {} of {}", row.id, row.shop));
            }
        }
        let hours: Vec<(String, String, i64)> =
            sqlx::query_as(MISCOUNTED).fetch_all(&mut *reader).await?;
        wrong.extend(
            hours
                .iter()
                .map(|(shop, what, hour)| format!("{what} of {shop} in hour {hour}")),
        );
        Ok(wrong)
    }

    /// The shop's counts, as the cancel budget sees them.
    pub async fn counters(
        &self,
        shop: &ShopName,
        window: SignedDuration,
        now: Timestamp,
    ) -> Result<Counters, StoreError> {
        let mut reader = self.read().await?;
        counters(&mut reader, shop, window, now).await
    }
}
