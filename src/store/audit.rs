//! The append-only trail: every write carries its row in the same transaction.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::ids::{OrderId, ShopName};

/// One row of the trail.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: `qabyl` or a person's name.
    pub actor: String,
    /// Which shop, if one.
    pub shop: Option<String>,
    /// Which order's code, if one.
    pub code: Option<String>,
    /// What happened.
    pub event: String,
    /// Its details, JSON.
    pub detail: String,
}

impl WriteTx<'_> {
    /// Adds a row about an order.
    pub(super) async fn audit(
        &mut self,
        now: Timestamp,
        actor: &str,
        subject: (&ShopName, Option<&OrderId>),
        event: &str,
        detail: Value,
    ) -> Result<(), StoreError> {
        let epoch = self.epoch;
        sqlx::query(
            "INSERT INTO audit (at, actor, epoch, shop, order_id, event, detail)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(ms(now))
        .bind(actor)
        .bind(epoch)
        .bind(subject.0.as_str())
        .bind(subject.1.map(OrderId::as_str))
        .bind(event)
        .bind(detail.to_string())
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct Row {
    at: i64,
    actor: String,
    shop: Option<String>,
    code: Option<String>,
    event: String,
    detail: String,
}

impl Store {
    /// The last `limit` rows, newest last; those of one order when its code is given.
    pub async fn audit_rows(
        &self,
        code: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.at, a.actor, a.shop, o.code, a.event, a.detail FROM audit a
             LEFT JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
             WHERE ?1 IS NULL OR o.code = ?1 ORDER BY a.id DESC LIMIT ?2",
        )
        .bind(code)
        .bind(limit)
        .fetch_all(&mut *reader)
        .await?;
        rows.into_iter()
            .rev()
            .map(|row| {
                Ok(AuditRow {
                    at: at(row.at)?,
                    actor: row.actor,
                    shop: row.shop,
                    code: row.code,
                    event: row.event,
                    detail: row.detail,
                })
            })
            .collect()
    }
}
