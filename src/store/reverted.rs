//! The table `reverted_statuses`: statuses that readings show after a later one of the same order.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms, orders};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::Order;
use crate::domain::reverted::Reverted;

#[derive(FromRow)]
struct Row {
    order_id: String,
    body: String,
    stored: String,
    since: i64,
    shown_at: i64,
    seen_at: i64,
    lists: i64,
    lists_against: i64,
    counted_at: Option<i64>,
}

/// An order that readings show in an earlier status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevertedOrder {
    /// The order as they show it.
    pub(crate) shown: Order,
    /// The order as it is stored.
    pub(crate) stored: Order,
    /// Since when.
    pub(crate) since: Timestamp,
    /// How far lists agree.
    pub(crate) counted: Reverted,
}

impl Row {
    fn order(self) -> Result<RevertedOrder, StoreError> {
        let count = |lists: i64| u32::try_from(lists).unwrap_or(u32::MAX);
        let corrupt = || StoreError::corrupt("a reverted status", &self.order_id);
        let shown = orders::parse_order(&self.body).map_err(|_| corrupt())?;
        Ok(RevertedOrder {
            shown,
            stored: orders::parse_order(&self.stored)?,
            since: at(self.since)?,
            counted: Reverted {
                shown_at: at(self.shown_at)?,
                stored_seen_at: at(self.seen_at)?,
                lists: count(self.lists),
                lists_against: count(self.lists_against),
                counted_at: self.counted_at.map(at).transpose()?,
            },
        })
    }
}

/// Those of a shop.
pub(crate) const OF_SHOP: &str = "
SELECT v.order_id, v.body, o.body AS stored, v.since, v.shown_at, o.seen_at, v.lists, v.lists_against, v.counted_at
FROM reverted_statuses v JOIN orders o ON o.shop = v.shop AND o.id = v.order_id
WHERE v.shop = ? ORDER BY v.since, v.order_id";

impl Store {
    /// Orders of a shop that readings show in an earlier status, the oldest first.
    pub(crate) async fn reverted(&self, shop: &ShopName) -> Result<Vec<RevertedOrder>, StoreError> {
        let mut reader = self.read().await?;
        of_shop(&mut reader, shop).await
    }
}

pub(crate) async fn of_shop(
    connection: &mut sqlx::SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<RevertedOrder>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(OF_SHOP)
        .bind(shop.as_str())
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(Row::order).collect()
}

/// Notes a reading that shows an earlier status. One in another status than the readings before it begins again.
/// Returns whether it is news.
pub(crate) async fn note(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, asked_at): (&Order, Timestamp),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let known: Option<(String, i64)> = sqlx::query_as(
        "SELECT body ->> '$.status', shown_at FROM reverted_statuses WHERE shop = ? AND order_id = ?",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    let known = known.filter(|(status, _)| status == order.status.as_str());
    let shown_at = known
        .as_ref()
        .map_or(i64::MIN, |(_, at)| *at)
        .max(ms(asked_at));
    if known.is_none() {
        delete(tx, shop, &order.id).await?;
    }
    sqlx::query(
        "INSERT INTO reverted_statuses (shop, order_id, body, since, shown_at, lists, lists_against)
         VALUES (?1, ?2, ?3, ?5, ?4, 0, 0)
         ON CONFLICT (shop, order_id) DO UPDATE SET body = ?3, shown_at = ?4",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(orders::body(order)?)
    .bind(shown_at)
    .bind(ms(now))
    .execute(tx.conn()?)
    .await?;
    Ok(known.is_none())
}

/// Stores how far lists agree.
pub(crate) async fn count(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, counted): (&OrderId, Reverted),
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE reverted_statuses SET lists = ?, lists_against = ?, counted_at = ? WHERE shop = ? AND order_id = ?",
    )
    .bind(counted.lists)
    .bind(counted.lists_against)
    .bind(counted.counted_at.map(ms))
    .bind(shop.as_str())
    .bind(order.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Deletes one: it is settled.
pub(crate) async fn delete(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reverted_statuses WHERE shop = ? AND order_id = ?")
        .bind(shop.as_str())
        .bind(order.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// After a restore nothing that was read before counts.
pub(crate) async fn delete_all(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM reverted_statuses")
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
