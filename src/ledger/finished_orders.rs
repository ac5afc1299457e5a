//! The finished orders of a shop that may be deleted, as they are stored.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::domain::ids::ShopName;
use crate::domain::order::{State, Status};
use crate::domain::retention::{StoredOrder, StoredReservation};
use crate::store::{Store, StoreError, WriteTx, at, ms};

/// The columns of a [`FinishedOrder`].
macro_rules! stored {
    () => {
        "
SELECT o.id, o.code, o.state, o.status, o.created_at, o.first_seen_at, o.seen_at, a.id IS NOT NULL AS has_live_action,
  (SELECT json_group_array(json_array(r.confirmed_at, r.closed_at,
     (SELECT MIN(as_of) FROM stock s WHERE s.sku = r.sku AND s.warehouse = r.warehouse)))
   FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id) AS reservations"
    };
}

/// Orders of the shop `?1` first seen before `?2`, the oldest first, behind `(?3, ?4)`.
const OLDEST: &str = concat!(
    stored!(),
    "
FROM orders o INDEXED BY orders_seen
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')
WHERE o.shop = ?1 AND o.first_seen_at < ?2 AND (o.first_seen_at, o.id) > (?3, ?4)
ORDER BY o.first_seen_at, o.id LIMIT ?5"
);

/// These orders (JSON) of the shop `?1`.
const OF_IDS: &str = concat!(
    stored!(),
    "
FROM json_each(?2) j CROSS JOIN orders o ON o.shop = ?1 AND o.id = j.value
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')"
);

#[derive(FromRow)]
pub(super) struct FinishedOrder {
    pub(super) id: String,
    pub(super) code: String,
    state: String,
    pub(super) status: String,
    created_at: i64,
    first_seen_at: i64,
    seen_at: i64,
    has_live_action: bool,
    reservations: String,
}

impl FinishedOrder {
    fn order(&self) -> Result<StoredOrder, StoreError> {
        let corrupt = |_| StoreError::corrupt("the reservations of an order", &self.reservations);
        let rows: Vec<[Option<i64>; 3]> =
            serde_json::from_str(&self.reservations).map_err(corrupt)?;
        let reservation = |[confirmed_at, closed_at, counted_at]: [Option<i64>; 3]| {
            Ok(StoredReservation {
                confirmed_at: confirmed_at.map(at).transpose()?,
                closed_at: closed_at.map(at).transpose()?,
                counted_at: counted_at.map(at).transpose()?,
            })
        };
        let reservations = rows.into_iter().map(reservation);
        Ok(StoredOrder {
            state: State::from(self.state.as_str()),
            status: Status::from(self.status.as_str()),
            newest: at(self.created_at.max(self.first_seen_at).max(self.seen_at))?,
            has_live_action: self.has_live_action,
            reservations: reservations.collect::<Result<_, StoreError>>()?,
        })
    }
}

/// Those of these orders that may be deleted.
fn deletable(
    rows: Vec<FinishedOrder>,
    before: Timestamp,
) -> Result<Vec<FinishedOrder>, StoreError> {
    let mut deletable = Vec::new();
    for row in rows {
        if row.order()?.may_be_deleted(before) {
            deletable.push(row);
        }
    }
    Ok(deletable)
}

/// Those of these orders that still may be deleted.
pub(super) async fn still(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ids: &[String],
    before: Timestamp,
) -> Result<Vec<FinishedOrder>, StoreError> {
    let rows: Vec<FinishedOrder> = sqlx::query_as(OF_IDS)
        .bind(shop.as_str())
        .bind(json!(ids).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    deletable(rows, before)
}

impl Store {
    /// The oldest orders of a shop that may be deleted, at most `limit`.
    pub(super) async fn deletable_orders(
        &self,
        shop: &ShopName,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let mut behind = (i64::MIN, String::new());
        let mut found = Vec::new();
        loop {
            let rows: Vec<FinishedOrder> = sqlx::query_as(OLDEST)
                .bind(shop.as_str())
                .bind(ms(before))
                .bind(behind.0)
                .bind(&behind.1)
                .bind(limit)
                .fetch_all(&mut *reader)
                .await?;
            let is_last = rows.len() < limit as usize;
            if let Some(last) = rows.last() {
                behind = (last.first_seen_at, last.id.clone());
            }
            found.extend(deletable(rows, before)?.into_iter().map(|row| row.id));
            if is_last || found.len() >= limit as usize {
                found.truncate(limit as usize);
                return Ok(found);
            }
        }
    }
}
