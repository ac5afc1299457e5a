//! The table `decisions`. A row is never changed.

use jiff::Timestamp;

use super::{StoreError, WriteTx, ms};
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::ids::ShopName;
use crate::domain::verdict::Verdict;

/// A decision to be stored.
pub(crate) struct Row<'a> {
    /// What it rests on.
    pub(crate) facts: &'a Facts,
    /// The decision.
    pub(crate) decision: &'a Decision,
    /// The policy's digest.
    pub(crate) policy_digest: &'a str,
    /// Who decided.
    pub(crate) actor: &'a str,
}

/// Writes a decision and returns its number.
pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    new: &Row<'_>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let order = &new.facts.order;
    let json = |value: serde_json::Result<String>| {
        value.map_err(|_| StoreError::corrupt("a decision", order.code.as_str()))
    };
    let wait_until = match new.decision.verdict {
        Verdict::Wait { until } => Some(ms(until)),
        _ => None,
    };
    let id = sqlx::query_scalar(
        "INSERT INTO decisions (shop, order_id, at, verdict, wait_until, rule, actor, policy_digest, body, facts)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(ms(now))
    .bind(new.decision.verdict.word())
    .bind(wait_until)
    .bind(&new.decision.rule)
    .bind(new.actor)
    .bind(new.policy_digest)
    .bind(json(serde_json::to_string(new.decision))?)
    .bind(json(serde_json::to_string(new.facts))?)
    .fetch_one(tx.conn()?)
    .await?;
    Ok(id)
}

/// Deletes the decisions of these orders (JSON), whose actions are deleted already.
pub(crate) async fn delete_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    let statement =
        "DELETE FROM decisions WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))";
    tx.execute_for(statement, shop, orders).await
}
