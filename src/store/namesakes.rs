//! Read model: orders of one shop that have one number.

use serde_json::json;
use sqlx::SqliteConnection;

use super::orders::{order_id, parse_order};
use super::{StoreError, WriteTx};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::Order;

/// The shop's orders with these numbers, of numbers that several have.
pub(crate) const SAME_NUMBER: &str = "
SELECT DISTINCT o.code, o.id FROM json_each(?2) j CROSS JOIN orders o INDEXED BY orders_code ON o.code = j.value
JOIN orders n INDEXED BY orders_code ON n.code = o.code AND n.shop = ?1 AND n.id <> o.id
WHERE o.shop = ?1 ORDER BY o.code, o.first_seen_at, o.id";

/// The shop's orders with these numbers, of numbers that several have: number and id of each.
pub(crate) async fn with_numbers(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    codes: &[&str],
) -> Result<Vec<(String, OrderId)>, StoreError> {
    let found: Vec<(String, String)> = sqlx::query_as(SAME_NUMBER)
        .bind(shop.as_str())
        .bind(json!(codes).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    let named = found
        .into_iter()
        .map(|(code, id)| Ok((code, order_id(&id)?)));
    named.collect()
}

/// Open orders of a shop whose number another of its orders has, each with one of those.
pub(crate) const NAMESAKES: &str = "
SELECT o.body, n.id, n.state, n.status FROM orders o INDEXED BY orders_open
CROSS JOIN orders n INDEXED BY orders_code ON n.code = o.code AND n.shop = o.shop AND n.id <> o.id
WHERE o.shop = ?1 AND o.state IN ('NEW', 'SIGN_REQUIRED', 'PICKUP', 'DELIVERY', 'KASPI_DELIVERY')
ORDER BY o.created_at, o.id, n.id";

/// Open orders of a shop whose number another of its orders has, with those others in words.
pub(crate) async fn namesakes(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<(Order, Vec<String>)>, StoreError> {
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(NAMESAKES)
        .bind(shop.as_str())
        .fetch_all(connection)
        .await?;
    let mut found: Vec<(Order, Vec<String>)> = Vec::new();
    for (body, id, state, status) in rows {
        let order = parse_order(&body)?;
        let words = format!("{id} ({state} + {status})");
        match found.last_mut().filter(|(last, _)| last.id == order.id) {
            Some((_, others)) => others.push(words),
            None => found.push((order, vec![words])),
        }
    }
    Ok(found)
}
