//! Deletes finished orders and audit rows after their retention period, a batch at a time, and old imports that
//! no level comes from.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::finished_orders::{self, FinishedOrder};
use crate::domain::ids::ShopName;
use crate::domain::order::Order;
use crate::domain::retention;
use crate::store::{
    Store, StoreError, WriteTx, actions, at, attempts, audit, decisions, ms, orders, reservations,
    shops, stock,
};

/// When the newest orders were placed, by Kaspi's clock: ours may be wrong by years.
const NEWEST: &str = "
SELECT MAX(created_at) FROM (SELECT created_at FROM orders INDEXED BY orders_seen
  WHERE shop = ? ORDER BY first_seen_at DESC LIMIT 100)";

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

    /// Deletes up to `limit` finished orders of a shop that are older than its newest orders by more than `keep`,
    /// with all their rows. Returns how many.
    pub async fn delete_orders(
        &self,
        shop: &ShopName,
        keep: SignedDuration,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let Some(before) = self.deleted_before(&[shop], keep, now).await? else {
            return Ok(0);
        };
        // Found without the write lock, so that other writers need not wait, and checked again with it.
        let found = self.deletable_orders(shop, before, limit).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let finished = finished_orders::still(&mut tx, shop, &found, before).await?;
        delete_all(&mut tx, shop, &finished, now).await?;
        shops::note_deleted(&mut tx, shop, before).await?;
        tx.commit().await?;
        Ok(finished.len())
    }

    /// Deletes up to `limit` audit rows that are older than the newest orders by more than `keep`. Returns how many.
    pub async fn delete_audit_rows(
        &self,
        keep: SignedDuration,
        limit: u32,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let shops = self.shops().await?;
        let shops: Vec<&ShopName> = shops.iter().collect();
        let Some(before) = self.deleted_before(&shops, keep, now).await? else {
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
                self.delete_rows(&old, before).await?;
                return Ok(old.len());
            }
            // Rows of a clock that ran ahead may stand before older ones.
            match rows.last() {
                Some((last, _)) if rows.iter().all(|(_, at)| *at > ms(now)) => after = *last,
                _ => return Ok(0),
            }
        }
    }

    async fn delete_rows(&self, ids: &[i64], before: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        audit::delete(&mut tx, &json!(ids).to_string(), before).await?;
        tx.commit().await
    }

    /// Deletes up to `limit` imports that are older than `keep` and that no level comes from. Returns how many.
    pub async fn delete_imports(
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
        // A new level never refers to an existing import.
        let mut tx = self.write().await?;
        stock::delete_imports(&mut tx, &json!(ids).to_string()).await?;
        tx.commit().await?;
        Ok(ids.len())
    }

    /// The moment before which rows are deleted: `keep` before now, or before the newest order where that is earlier,
    /// so that a clock set wrong by years deletes nothing.
    async fn deleted_before(
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

async fn delete_all(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    finished: &[FinishedOrder],
    now: Timestamp,
) -> Result<(), StoreError> {
    let ids: Vec<&str> = finished.iter().map(|row| row.id.as_str()).collect();
    let ids = json!(ids).to_string();
    // Rows that refer to others come first.
    attempts::delete_of(tx, shop, &ids).await?;
    actions::delete_of(tx, shop, &ids).await?;
    reservations::delete_of(tx, shop, &ids).await?;
    decisions::delete_of(tx, shop, &ids).await?;
    orders::delete(tx, shop, &ids).await?;
    for row in finished {
        let id = orders::order_id(&row.id)?;
        let detail = json!({ "code": row.code, "status": row.status });
        tx.audit(now, "qabyl", (shop, Some(&id)), "order.deleted", detail);
    }
    Ok(())
}

impl WriteTx<'_> {
    /// Which of these unknown orders were deleted after their retention period: they are finished and were placed
    /// before the stored mark. A list that shows one of them shows nothing new.
    pub(crate) async fn deleted_orders<'o>(
        &mut self,
        shop: &ShopName,
        unknown: impl Iterator<Item = &'o Order>,
    ) -> Result<BTreeSet<&'o str>, StoreError> {
        let finished = unknown.filter(|order| retention::is_finished(&order.state, &order.status));
        let finished: Vec<&Order> = finished.collect();
        if finished.is_empty() {
            return Ok(BTreeSet::new());
        }
        let since: Option<Option<i64>> =
            sqlx::query_scalar("SELECT orders_deleted_before FROM shops WHERE name = ?")
                .bind(shop.as_str())
                .fetch_optional(self.conn()?)
                .await?;
        let since = since.flatten();
        let old = |order: &&Order| since.is_some_and(|since| ms(order.created_at) < since);
        Ok(finished
            .into_iter()
            .filter(old)
            .map(|order| order.id.as_str())
            .collect())
    }
}
