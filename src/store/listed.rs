//! Read model: which orders a command lists. It costs what is listed and what is open, not what is stored.

use sqlx::{FromRow, SqliteConnection};

use super::StoreError;
use super::new_orders::{NewOrder, new_orders};
use crate::domain::ids::OrderId;
use crate::domain::order::State;

/// Which orders to list.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of one shop.
    pub shop: Option<String>,
    /// With one id.
    pub id: Option<OrderId>,
    /// In one of Kaspi's states.
    pub state: Option<String>,
    /// In one of Kaspi's statuses.
    pub status: Option<String>,
    /// Created at or after.
    pub since: Option<i64>,
    /// Behind the order with this creation and id, which was the last one listed.
    pub after: Option<(i64, OrderId)>,
    /// Only those that need a person.
    pub held: bool,
    /// Every order that waits for the merchant or has a live action too, however many there are.
    pub all_open: bool,
    /// Maximum number, newest first; those that need a person oldest first, as they have the least time.
    pub limit: u32,
}

/// An order that is listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(super) struct Listed {
    pub(super) shop: String,
    pub(super) id: String,
    created_at: i64,
}

/// The newest orders of each shop, state and status that there are, by the index of these: any of them may be asked for
/// alone, and stay few among many others.
pub(crate) const NEWEST: &str = "
WITH RECURSIVE kinds (shop, state, status) AS (
  SELECT * FROM (SELECT shop, state, status FROM orders INDEXED BY orders_open ORDER BY shop, state, status LIMIT 1)
  UNION ALL
  SELECT n.shop, n.state, n.status FROM kinds k CROSS JOIN orders n
  WHERE n.rowid = COALESCE(
    (SELECT o.rowid FROM orders o INDEXED BY orders_open WHERE o.shop = k.shop AND o.state = k.state
       AND o.status > k.status ORDER BY o.status LIMIT 1),
    (SELECT o.rowid FROM orders o INDEXED BY orders_open WHERE o.shop = k.shop AND o.state > k.state
       ORDER BY o.state, o.status LIMIT 1),
    (SELECT o.rowid FROM orders o INDEXED BY orders_open WHERE o.shop > k.shop
       ORDER BY o.shop, o.state, o.status LIMIT 1)))
SELECT o.shop, o.id, o.created_at FROM kinds k CROSS JOIN orders o
WHERE (?1 IS NULL OR k.shop = ?1) AND (?2 IS NULL OR k.state = ?2) AND (?3 IS NULL OR k.status = ?3)
  AND o.rowid IN (SELECT p.rowid FROM orders p INDEXED BY orders_open
    WHERE p.shop = k.shop AND p.state = k.state AND p.status = k.status AND p.created_at BETWEEN ?4 AND ?5
      AND (p.created_at < ?5 OR p.id < ?6) ORDER BY p.created_at DESC, p.id DESC LIMIT ?7)
ORDER BY o.created_at DESC, o.id DESC LIMIT ?7";

const ONE: &str = "
SELECT o.shop, o.id, o.created_at FROM shops s CROSS JOIN orders o ON o.shop = s.name AND o.id = ?2
WHERE ?1 IS NULL OR s.name = ?1";

/// Orders that wait for the merchant, or have a live action.
pub(crate) const OPEN: &str = "
SELECT o.shop, o.id, o.created_at FROM shops s CROSS JOIN orders o INDEXED BY orders_waiting
WHERE o.shop = s.name AND o.status = 'APPROVED_BY_BANK' AND o.state = 'NEW' AND (?1 IS NULL OR s.name = ?1)
UNION
SELECT o.shop, o.id, o.created_at FROM actions a INDEXED BY actions_due
CROSS JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
WHERE a.state IN ('pending', 'sent', 'unknown') AND (?1 IS NULL OR a.shop = ?1)";

/// The orders of the filter, in the order in which they are shown.
pub(super) async fn listed(
    reader: &mut SqliteConnection,
    filter: &OrderFilter,
) -> Result<Vec<Listed>, StoreError> {
    if filter.held {
        return held(reader, filter).await;
    }
    let shop = filter.shop.as_deref();
    if let Some(id) = &filter.id {
        let one = sqlx::query_as(ONE).bind(shop).bind(id.as_str());
        return Ok(one.fetch_all(reader).await?);
    }
    let (behind, id) = match &filter.after {
        Some((created_at, id)) => (*created_at, id.as_str()),
        None => (i64::MAX, ""),
    };
    let mut listed: Vec<Listed> = sqlx::query_as(NEWEST)
        .bind(shop)
        .bind(filter.state.as_deref())
        .bind(filter.status.as_deref())
        .bind(filter.since.unwrap_or(i64::MIN))
        .bind(behind)
        .bind(id)
        .bind(filter.limit)
        .fetch_all(&mut *reader)
        .await?;
    if filter.all_open {
        let open: Vec<Listed> = sqlx::query_as(OPEN).bind(shop).fetch_all(reader).await?;
        listed.extend(open);
        listed.sort_by(|a, b| (b.created_at, &b.id, &b.shop).cmp(&(a.created_at, &a.id, &a.shop)));
        listed.dedup();
    }
    Ok(listed)
}

/// The orders of the filter that need a person, oldest first.
async fn held(
    reader: &mut SqliteConnection,
    filter: &OrderFilter,
) -> Result<Vec<Listed>, StoreError> {
    let is_state = |wanted: &String| wanted == State::New.as_str();
    let is_wanted = |order: &NewOrder| {
        let is_status = |wanted: &String| wanted == order.status.as_str();
        let is_behind = filter.after.as_ref().is_none_or(|(created_at, id)| {
            order.created_at > *created_at
                || (order.created_at == *created_at && order.id.as_str() < id.as_str())
        });
        order.needs_person()
            && is_behind
            && filter.id.as_ref().is_none_or(|id| id.as_str() == order.id)
            && filter.state.as_ref().is_none_or(is_state)
            && filter.status.as_ref().is_none_or(is_status)
            && filter.since.is_none_or(|since| order.created_at >= since)
    };
    let mut orders = new_orders(reader, filter.shop.as_deref()).await?;
    orders.retain(is_wanted);
    orders.sort_by(|a, b| (a.created_at, &b.id).cmp(&(b.created_at, &a.id)));
    orders.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
    let listed = orders.into_iter().map(|order| Listed {
        shop: order.shop,
        id: order.id,
        created_at: order.created_at,
    });
    Ok(listed.collect())
}
