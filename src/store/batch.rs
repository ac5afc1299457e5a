//! What many readings change alike, written in one statement each: a sweep brings hundreds.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{StoreError, WriteTx, actions, ms, reservations};
use crate::domain::ids::ShopName;
use crate::domain::order::Order;
use crate::domain::unaccounted::has_unknown_status;

/// Changes that many readings have in common, written in one statement each: a sweep brings hundreds.
#[derive(Default)]
pub(crate) struct Batch {
    /// Order id to its columns; of two readings of one order the later one stays.
    updated: BTreeMap<String, serde_json::Value>,
    /// Actions that ended.
    pub(crate) closed: Vec<actions::Change>,
    /// Orders that Kaspi shows as accepted.
    pub(crate) confirmed: Vec<String>,
}

// Joined by key alone, so that the rows drive and the tables are searched.
pub(crate) const UPDATE_ORDERS: &str = "
UPDATE orders SET code = j.value ->> 1, state = j.value ->> 2, status = j.value ->> 3,
  created_at = j.value ->> 4, cancellation_reason = j.value ->> 5, body = j.value ->> 6,
  seen_at = MAX(seen_at, j.value ->> 8), unknown_status = j.value ->> 9,
  status_since = IIF(status = j.value ->> 3, status_since, ?2)
FROM json_each(?1) j WHERE shop = j.value ->> 7 AND orders.id = j.value ->> 0";

pub(crate) const TOUCH: &str = "
UPDATE orders SET seen_at = MAX(seen_at, j.value ->> 1)
FROM json_each(?1) j WHERE shop = j.value ->> 2 AND orders.id = j.value ->> 0";

impl Batch {
    /// An order as it was when its reading was asked for: how long that took to come says nothing.
    pub(crate) fn update(&mut self, shop: &ShopName, (order, asked_at): (&Order, i64), body: &str) {
        let columns = json!([
            order.id.as_str(),
            order.code.as_str(),
            order.state.as_str(),
            order.status.as_str(),
            ms(order.created_at),
            order.cancellation_reason,
            body,
            shop.as_str(),
            asked_at,
            i32::from(has_unknown_status(&order.state, &order.status)),
        ]);
        self.updated.insert(order.id.to_string(), columns);
    }

    pub(crate) async fn write(
        self,
        tx: &mut WriteTx<'_>,
        shop: &ShopName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated: Vec<_> = self.updated.into_values().collect();
        if !updated.is_empty() {
            sqlx::query(UPDATE_ORDERS)
                .bind(json!(updated).to_string())
                .bind(ms(now))
                .execute(tx.conn()?)
                .await?;
        }
        actions::write(tx, &self.closed).await?;
        let confirmed: Vec<&str> = self.confirmed.iter().map(String::as_str).collect();
        reservations::confirm(tx, shop, &confirmed, now).await?;
        Ok(())
    }
}

/// Notes of orders that are as they were, when that was asked: id, time and shop of each.
pub(crate) async fn touch(
    tx: &mut WriteTx<'_>,
    seen: &[serde_json::Value],
) -> Result<(), StoreError> {
    if seen.is_empty() {
        return Ok(());
    }
    sqlx::query(TOUCH)
        .bind(json!(seen).to_string())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
