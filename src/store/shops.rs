//! What a person or Kaspi did to a shop as a whole: pause, refusal of the token, clock.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, at, ms};
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};

/// A refusal that comes and goes is told to a person once in so long, in ms.
const TOLD_EVERY_MS: i64 = 15 * 60 * 1000;

/// A shop's switches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShopState {
    /// Who paused it and why.
    pub paused: Option<String>,
    /// Since when, and with what words, Kaspi refuses its token.
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
    /// Makes the shop known. Idempotent.
    pub async fn add_shop(&self, shop: &ShopName) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO shops (name) VALUES (?) ON CONFLICT DO NOTHING")
            .bind(shop.as_str())
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }

    /// The shop's switches.
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

    /// Pauses the shop (`Some(why)`) or lets it go on.
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

    /// Records that Kaspi refuses the shop's token (`Some(why)`), or takes it again. Returns
    /// whether that is news.
    pub async fn set_denied(
        &self,
        shop: &ShopName,
        why: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
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
        // One that comes and goes is told once in a while.
        let span = ms(now) / TOLD_EVERY_MS;
        let notice = Notice::of_shop(kind, shop, &span.to_string(), json!({}));
        tx.notice(now, notice);
        tx.commit().await?;
        Ok(true)
    }
}
