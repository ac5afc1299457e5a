//! SKUs that orders were cancelled for because stock was short, and what is known of an SKU for a price list.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use super::lines::parse_line;
use super::{Store, StoreError, ms};
use crate::domain::facts::Facts;
use crate::domain::ids::Sku;
use crate::domain::money::Money;

/// How an SKU was last sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// Its name at Kaspi.
    pub name: Option<String>,
    /// Its price, where one was given.
    pub price: Option<Money>,
}

impl Store {
    /// SKUs as Kaspi sells them that orders were cancelled for since then: those that were short, and
    /// where it is unknown which was, all of the order.
    pub async fn cancelled_for_stock(
        &self,
        since: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut reader = self.read().await?;
        let decided: Vec<String> = sqlx::query_scalar(
            "SELECT d.facts FROM actions a JOIN decisions d ON d.id = a.decision_id
             WHERE a.kind = 'cancel' AND a.reason = 'MERCHANT_OUT_OF_STOCK' AND a.made_at >= ?
               AND a.state IN ('sent', 'unknown', 'confirmed')",
        )
        .bind(ms(since))
        .fetch_all(&mut *reader)
        .await?;
        let others: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT l.sku FROM orders o JOIN lines l ON l.shop = o.shop AND l.order_id = o.id
             WHERE o.cancellation_reason = 'MERCHANT_OUT_OF_STOCK' AND o.seen_at >= ? AND l.sku IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.shop = o.shop AND a.order_id = o.id
                 AND a.kind = 'cancel' AND a.attempts > 0)",
        )
        .bind(ms(since))
        .fetch_all(&mut *reader)
        .await?;
        let mut skus: BTreeSet<String> = others.into_iter().collect();
        for facts in decided {
            let facts: Facts = serde_json::from_str(&facts)
                .map_err(|_| StoreError::corrupt("a decision's facts", "a cancel"))?;
            let lines = facts.lines();
            let short = lines
                .iter()
                .any(|line| line.shortage_for_accept() > Some(0));
            let lines = lines.iter();
            let of_short = lines.filter(|line| !short || line.shortage_for_accept() > Some(0));
            let names = of_short.filter_map(|line| line.line.sku.as_ref());
            skus.extend(names.map(ToString::to_string));
        }
        Ok(skus)
    }

    /// How these SKUs were last sold.
    pub async fn last_sold(&self, skus: &[Sku]) -> Result<BTreeMap<Sku, Sold>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT body, MAX(rowid) FROM lines WHERE sku IN (SELECT value FROM json_each(?)) GROUP BY sku",
        )
        .bind(json!(skus).to_string())
        .fetch_all(&mut *reader)
        .await?;
        let mut sold = BTreeMap::new();
        for (body, _) in rows {
            let line = parse_line(&body)?;
            if let Some(sku) = line.sku {
                let (name, price) = (line.name, line.unit_price);
                sold.insert(sku, Sold { name, price });
            }
        }
        Ok(sold)
    }
}
