//! Deletes finished orders and audit rows after their retention period, a batch at a time, and old imports that
//! no level comes from.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use crate::domain::ids::ShopName;
use crate::domain::order::{Order, State, Status};
use crate::domain::retention::{self, StoredOrder, StoredReservation};
use crate::store::{
    Store, StoreError, WriteTx, actions, at, attempts, audit, decisions, ms, orders, reservations,
    shops, stock,
};

/// The columns of a [`StoredRow`].
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
struct StoredRow {
    id: String,
    code: String,
    state: String,
    status: String,
    created_at: i64,
    first_seen_at: i64,
    seen_at: i64,
    has_live_action: bool,
    reservations: String,
}

impl StoredRow {
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
fn deletable(rows: Vec<StoredRow>, before: Timestamp) -> Result<Vec<StoredRow>, StoreError> {
    let mut deletable = Vec::new();
    for row in rows {
        if row.order()?.may_be_deleted(before) {
            deletable.push(row);
        }
    }
    Ok(deletable)
}

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
        let rows: Vec<StoredRow> = sqlx::query_as(OF_IDS)
            .bind(shop.as_str())
            .bind(json!(found).to_string())
            .fetch_all(tx.conn()?)
            .await?;
        let finished = deletable(rows, before)?;
        delete_all(&mut tx, shop, &finished, now).await?;
        shops::note_deleted(&mut tx, shop, before).await?;
        tx.commit().await?;
        Ok(finished.len())
    }

    /// The oldest orders of a shop that may be deleted, at most `limit`.
    async fn deletable_orders(
        &self,
        shop: &ShopName,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let mut behind = (i64::MIN, String::new());
        let mut found = Vec::new();
        loop {
            let rows: Vec<StoredRow> = sqlx::query_as(OLDEST)
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
    finished: &[StoredRow],
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
