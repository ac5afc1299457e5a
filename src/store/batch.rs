//! Changes that many readings have in common, written in one statement each: a sweep brings hundreds of readings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{StoreError, WriteTx, actions, ms, orders, reservations};
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

impl Batch {
    /// An order as it was when its reading was requested; when the answer came does not matter. `status_since` is given
    /// where its status is another one than before.
    pub(crate) fn update(
        &mut self,
        shop: &ShopName,
        (order, asked_at): (&Order, i64),
        body: &str,
        status_since: Option<Timestamp>,
    ) {
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
            i32::from(!order.unread.is_empty()),
            status_since.map(ms),
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
        orders::update(tx, &updated).await?;
        actions::write(tx, &self.closed).await?;
        let confirmed: Vec<&str> = self.confirmed.iter().map(String::as_str).collect();
        reservations::confirm(tx, shop, &confirmed, now).await?;
        Ok(())
    }
}
