//! Letting the past go, a little at a time: orders that are over and old, the old end of the trail,
//! imports that no level comes from any more.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Order, State};
use crate::store::{Store, StoreError, WriteTx, at, ms};

/// Whether an order `o` may go: over, not seen since `?2`, and without anything that still counts.
/// Units that left the shelf or came back after a level was counted, or that a feed may not know of, still do.
macro_rules! may_go {
    () => {
        "o.first_seen_at < ?2 AND o.created_at < ?2 AND o.seen_at < ?2
  AND o.state = 'ARCHIVE' AND o.status IN ('COMPLETED', 'CANCELLED', 'RETURNED')
  AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id
                  AND a.state IN ('pending', 'sent', 'unknown'))
  AND NOT EXISTS (
    SELECT 1 FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id
      AND (r.state = 'active' OR EXISTS (
        SELECT 1 FROM stock s WHERE s.sku = r.sku AND s.warehouse = r.warehouse
          AND (r.closed_at > s.as_of OR r.confirmed_at > s.as_of))))"
    };
}

/// The oldest orders of the shop `?1` that may go, at most `?3`.
const FIND: &str = concat!(
    "SELECT o.id FROM orders o INDEXED BY orders_seen WHERE o.shop = ?1 AND ",
    may_go!(),
    " ORDER BY o.first_seen_at LIMIT ?3"
);

/// Those of the orders `?3` (JSON) that still may go.
const STILL: &str = concat!(
    "SELECT o.id, o.code, o.status FROM json_each(?3) j CROSS JOIN orders o ON o.shop = ?1 AND o.id = j.value
     WHERE ",
    may_go!()
);

/// What goes with the orders `?2` (JSON) of the shop `?1`, what points at a row before the row.
const DROPS: [&str; 6] = [
    "DELETE FROM attempts WHERE action_id IN (SELECT id FROM actions WHERE shop = ?1
       AND order_id IN (SELECT value FROM json_each(?2)))",
    "DELETE FROM actions WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))",
    "DELETE FROM reservations WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))",
    "DELETE FROM lines WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))",
    "DELETE FROM decisions WHERE shop = ?1 AND order_id IN (SELECT value FROM json_each(?2))",
    "DELETE FROM orders WHERE shop = ?1 AND id IN (SELECT value FROM json_each(?2))",
];

/// When the newest orders were placed, by Kaspi's clock: ours may be wrong by years.
const NEWEST: &str = "
SELECT MAX(created_at) FROM (SELECT created_at FROM orders INDEXED BY orders_seen
  WHERE shop = ? ORDER BY first_seen_at DESC LIMIT 100)";

/// Id, code, status.
type Over = (String, String, String);

impl Store {
    /// All shops that were ever known.
    pub async fn shops(&self) -> Result<Vec<ShopName>, StoreError> {
        let mut reader = self.read().await?;
        let names: Vec<String> = sqlx::query_scalar("SELECT name FROM shops ORDER BY name")
            .fetch_all(&mut *reader)
            .await?;
        let name =
            |name: &String| ShopName::new(name).map_err(|_| StoreError::corrupt("a shop", name));
        names.iter().map(name).collect()
    }

    /// Lets up to `limit` orders of a shop go that are over and `keep` older than its newest ones, with
    /// all that belongs to them. Gives their number.
    pub async fn drop_orders(
        &self,
        shop: &ShopName,
        keep: SignedDuration,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let Some(before) = self.before(&[shop], keep, now).await? else {
            return Ok(0);
        };
        // Looked for without holding anybody up, and looked at again once nobody else can write.
        let mut reader = self.read().await?;
        let found: Vec<String> = sqlx::query_scalar(FIND)
            .bind(shop.as_str())
            .bind(ms(before))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await?;
        drop(reader);
        if found.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let over: Vec<Over> = sqlx::query_as(STILL)
            .bind(shop.as_str())
            .bind(ms(before))
            .bind(json!(found).to_string())
            .fetch_all(tx.conn()?)
            .await?;
        drop_all(&mut tx, shop, &over, now).await?;
        sqlx::query(
            "UPDATE shops SET orders_deleted_before = MAX(COALESCE(orders_deleted_before, 0), ?) WHERE name = ?",
        )
        .bind(ms(before))
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
        tx.commit().await?;
        Ok(over.len())
    }

    /// Lets up to `limit` rows of the trail go that are `keep` older than the newest orders. Gives
    /// their number.
    pub async fn drop_trail(
        &self,
        keep: SignedDuration,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let shops = self.shops().await?;
        let shops: Vec<&ShopName> = shops.iter().collect();
        let Some(before) = self.before(&shops, keep, now).await? else {
            return Ok(0);
        };
        let mut after = 0;
        loop {
            let mut reader = self.read().await?;
            let rows: Vec<(i64, i64)> =
                sqlx::query_as("SELECT id, at FROM audit WHERE id > ? ORDER BY id LIMIT ?")
                    .bind(after)
                    .bind(limit)
                    .fetch_all(&mut *reader)
                    .await?;
            drop(reader);
            let old: Vec<i64> = rows
                .iter()
                .filter_map(|(id, at)| (*at < ms(before)).then_some(*id))
                .collect();
            if !old.is_empty() {
                self.shorten_trail(&old, before).await?;
                return Ok(old.len());
            }
            // Rows of a clock that ran ahead may stand before older ones.
            match rows.last() {
                Some((last, _)) if rows.iter().all(|(_, at)| *at > ms(now)) => after = *last,
                _ => return Ok(0),
            }
        }
    }

    async fn shorten_trail(&self, ids: &[i64], before: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE audit_retention SET deleted_before = ?1 WHERE deleted_before IS NULL OR deleted_before < ?1")
            .bind(ms(before))
            .execute(tx.conn()?)
            .await?;
        sqlx::query("DELETE FROM audit WHERE id IN (SELECT value FROM json_each(?))")
            .bind(json!(ids).to_string())
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// Lets up to `limit` imports go that are older than `keep` and that no level comes from. Gives
    /// their number.
    pub async fn drop_imports(
        &self,
        keep: SignedDuration,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let before = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
        let mut reader = self.read().await?;
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM stock_imports i WHERE at < ?
               AND NOT EXISTS (SELECT 1 FROM stock s WHERE s.import_id = i.id)
               AND NOT EXISTS (SELECT 1 FROM stock s WHERE s.fell_in = i.id) ORDER BY id LIMIT ?",
        )
        .bind(ms(before))
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        drop(reader);
        if ids.is_empty() {
            return Ok(0);
        }
        // No level is ever given to an import that is there already.
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM stock_imports WHERE id IN (SELECT value FROM json_each(?))")
            .bind(json!(ids).to_string())
            .execute(tx.conn()?)
            .await?;
        tx.commit().await?;
        Ok(ids.len())
    }

    /// `keep` before now, or before the newest order where that is earlier: a clock set wrong by years
    /// lets nothing go.
    async fn before(
        &self,
        shops: &[&ShopName],
        keep: SignedDuration,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let mut newest: Option<i64> = None;
        for shop in shops {
            let of_shop: Option<i64> = sqlx::query_scalar(NEWEST)
                .bind(shop.as_str())
                .fetch_one(&mut *reader)
                .await?;
            newest = newest.max(of_shop);
        }
        let newest = newest.map(at).transpose()?;
        Ok(newest.and_then(|newest| newest.min(now).saturating_sub(keep).ok()))
    }
}

async fn drop_all(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    over: &[Over],
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = over.iter().map(|(id, ..)| id.as_str()).collect();
    let ids = json!(ids).to_string();
    for statement in DROPS {
        sqlx::query(statement)
            .bind(shop.as_str())
            .bind(&ids)
            .execute(tx.conn()?)
            .await?;
    }
    for (id, code, status) in over {
        let id = OrderId::new(id).map_err(|_| StoreError::corrupt("an order id", id))?;
        let detail = json!({ "code": code, "status": status });
        tx.audit(now, "qabyl", (shop, Some(&id)), "order.deleted", detail);
    }
    Ok(())
}

impl WriteTx<'_> {
    /// Of orders that are not known, those that were let go: over, and placed before the mark. A list
    /// that reaches back so far shows nothing new by them.
    pub(crate) async fn let_go<'o>(
        &mut self,
        shop: &ShopName,
        unknown: impl Iterator<Item = &'o Order>,
    ) -> Result<BTreeSet<&'o str>, StoreError> {
        let over = unknown.filter(|order| order.state == State::Archive && order.status.is_final());
        let over: Vec<&Order> = over.collect();
        if over.is_empty() {
            return Ok(BTreeSet::new());
        }
        let since: Option<Option<i64>> =
            sqlx::query_scalar("SELECT orders_deleted_before FROM shops WHERE name = ?")
                .bind(shop.as_str())
                .fetch_optional(self.conn()?)
                .await?;
        let since = since.flatten();
        let old = |order: &&Order| since.is_some_and(|since| ms(order.created_at) < since);
        Ok(over
            .into_iter()
            .filter(old)
            .map(|order| order.id.as_str())
            .collect())
    }
}
