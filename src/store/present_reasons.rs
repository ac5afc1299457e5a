//! The table `present_reasons`: why an order is held or waits, as of the last pass. A decision is stored once for as
//! long as it says the same; the numbers in its reasons move on.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{StoreError, WriteTx, at, ms};
use crate::domain::ids::{OrderId, ShopName};

/// A reason of which only numbers changed is written again after this long.
const NUMBERS_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Notes the present reasons of these orders of a shop, where they differ from what is stored.
pub(crate) async fn note(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    reasons: &[(OrderId, String)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if reasons.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = reasons.iter().map(|(id, _)| id.as_str()).collect();
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT order_id, why, at FROM present_reasons
         WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))",
    )
    .bind(shop.as_str())
    .bind(json!(ids).to_string())
    .fetch_all(tx.conn()?)
    .await?;
    let mut stored = HashMap::with_capacity(rows.len());
    for (id, why, noted) in rows {
        stored.insert(id, (why, at(noted)?));
    }
    let is_news = |id: &OrderId, why: &str| match stored.get(id.as_str()) {
        None => true,
        Some((before, noted)) => is_news(before, why, now.duration_since(*noted)),
    };
    let news = reasons.iter().filter(|(id, why)| is_news(id, why));
    let news: Vec<_> = news.map(|(id, why)| json!([id.as_str(), why])).collect();
    if news.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO present_reasons (shop, order_id, why, at)
         SELECT ?1, value ->> 0, value ->> 1, ?2 FROM json_each(?3) WHERE true
         ON CONFLICT (shop, order_id) DO UPDATE SET why = excluded.why, at = excluded.at",
    )
    .bind(shop.as_str())
    .bind(ms(now))
    .bind(json!(news).to_string())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

fn is_news(before: &str, now: &str, age: SignedDuration) -> bool {
    let words = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    before != now && (words(before) != words(now) || age.abs() >= NUMBERS_EVERY)
}
