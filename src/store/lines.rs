//! Lines of orders.

use super::{StoreError, WriteTx};
use crate::domain::ids::{OrderId, ShopName, Sku};
use crate::domain::order::Line;

pub(crate) fn parse_line(body: &str) -> Result<Line, StoreError> {
    serde_json::from_str(body).map_err(|_| StoreError::corrupt("a line", body))
}

/// Writes lines. One that is known keeps its quantity; one without a SKU takes the SKU of its offer.
pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    lines: &[Line],
) -> Result<(), StoreError> {
    for line in lines {
        let body = serde_json::to_string(line)
            .map_err(|_| StoreError::corrupt("a line", line.entry.as_str()))?;
        sqlx::query(
            "INSERT INTO lines (shop, order_id, entry, number, sku, quantity, body)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (shop, order_id, entry) DO UPDATE
             SET sku = excluded.sku, body = excluded.body WHERE lines.sku IS NULL",
        )
        .bind(shop.as_str())
        .bind(order.as_str())
        .bind(line.entry.as_str())
        .bind(line.number)
        .bind(line.sku.as_ref().map(Sku::as_str))
        .bind(line.quantity)
        .bind(body)
        .execute(tx.conn()?)
        .await?;
    }
    Ok(())
}

/// Deletes the lines of an order.
pub(crate) async fn delete(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM lines WHERE shop = ? AND order_id = ?")
        .bind(shop.as_str())
        .bind(order.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Deletes the lines of these orders (JSON).
pub(crate) async fn delete_all(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    let lines = "DELETE FROM lines WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))";
    tx.execute_for(lines, shop, orders).await
}

/// The lines of an order.
pub(crate) async fn of_order(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
) -> Result<Vec<Line>, StoreError> {
    let bodies: Vec<String> = sqlx::query_scalar(
        "SELECT body FROM lines WHERE shop = ? AND order_id = ? ORDER BY number, entry",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    bodies.iter().map(|body| parse_line(body)).collect()
}

/// Those of `lines` that are known by a SKU now, and were stored without one.
pub(crate) async fn newly_linked(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    lines: &[Line],
) -> Result<Vec<Line>, StoreError> {
    let unlinked: Vec<String> = sqlx::query_scalar(
        "SELECT entry FROM lines WHERE shop = ? AND order_id = ? AND sku IS NULL",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    let is_new = |line: &&Line| {
        line.sku.is_some() && unlinked.iter().any(|entry| entry == line.entry.as_str())
    };
    Ok(lines.iter().filter(is_new).cloned().collect())
}
