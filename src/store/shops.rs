//! The state of a shop as a whole: paused by a person, denied access by Kaspi, clock skew.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::denial::Denial;
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};

/// What stops a shop, and its clock skew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShopState {
    /// Why it was paused, while it is.
    pub paused: Option<String>,
    /// Since when Kaspi denies access to its token, and with which message.
    pub denied: Option<(Timestamp, String)>,
    /// Kaspi's clock minus ours, in seconds.
    pub clock_skew_s: Option<i64>,
}

#[derive(FromRow)]
struct Row {
    paused_why: Option<String>,
    denied_at: Option<i64>,
    denied_why: Option<String>,
    clock_skew_s: Option<i64>,
}

impl Store {
    /// Adds the shop. Idempotent.
    pub async fn add_shop(&self, shop: &ShopName) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO shops (name) VALUES (?) ON CONFLICT DO NOTHING")
            .bind(shop.as_str())
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// The shop's state.
    pub async fn shop_state(&self, shop: &ShopName) -> Result<ShopState, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT paused_why, denied_at, denied_why, clock_skew_s FROM shops WHERE name = ?",
        )
        .bind(shop.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        let Some(row) = row else {
            return Ok(ShopState::default());
        };
        let denied = match (row.denied_at, row.denied_why) {
            (Some(since), Some(why)) => Some((at(since)?, why)),
            _ => None,
        };
        Ok(ShopState {
            paused: row.paused_why,
            denied,
            clock_skew_s: row.clock_skew_s,
        })
    }

    /// Pauses the shop (`Some(why)`) or resumes it.
    pub async fn set_paused(
        &self,
        shop: &ShopName,
        why: Option<&str>,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO shops (name, paused_at, paused_why) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET paused_at = ?2, paused_why = ?3",
        )
        .bind(shop.as_str())
        .bind(why.map(|_| ms(now)))
        .bind(why)
        .execute(tx.conn()?)
        .await?;
        let event = if why.is_some() {
            "shop.paused"
        } else {
            "shop.resumed"
        };
        tx.audit(now, actor, (shop, None), event, json!({ "why": why }));
        tx.commit().await
    }

    /// Records that Kaspi denies the shop access, or grants it again. Every change has its notice: the channels
    /// leave out those that no longer state what is so. Returns whether it changed.
    pub async fn set_denied(
        &self,
        shop: &ShopName,
        denied: Option<(Denial, &str)>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let why = denied.map(|(_, why)| why);
        if self.shop_state(shop).await?.denied.is_some() == why.is_some() {
            return Ok(false);
        }
        let mut tx = self.write().await?;
        sqlx::query("UPDATE shops SET denied_at = ?2, denied_why = ?3 WHERE name = ?1")
            .bind(shop.as_str())
            .bind(why.map(|_| ms(now)))
            .bind(why)
            .execute(tx.conn()?)
            .await?;
        let event = if why.is_some() {
            "shop.denied"
        } else {
            "shop.admitted"
        };
        tx.audit(now, "qabyl", (shop, None), event, json!({ "why": why }));
        let kind = if why.is_some() {
            Kind::ShopDenied
        } else {
            Kind::ShopAdmitted
        };
        let facts = json!({ "code": denied.map(|(denial, _)| denial.code()) });
        let notice = Notice::of_shop(kind, shop, &ms(now).to_string(), facts);
        tx.notice(now, notice);
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes that finished orders placed before this moment were deleted.
pub(crate) async fn note_deleted(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    before: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE shops SET orders_deleted_before = ?1
         WHERE name = ?2 AND (orders_deleted_before IS NULL OR orders_deleted_before < ?1)",
    )
    .bind(ms(before))
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
