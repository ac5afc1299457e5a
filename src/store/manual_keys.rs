//! The table `manual_keys`: requests of people that were taken, so that the same one sent twice is done once.

use jiff::{SignedDuration, Timestamp};
use sqlx::FromRow;

use super::{StoreError, WriteTx, ms};
use crate::domain::ids::{OrderId, ShopName};

/// How long a key is remembered: a client repeats within minutes.
const KEPT: SignedDuration = SignedDuration::from_hours(48);

/// What was asked for.
pub(crate) struct Request<'a> {
    pub(crate) shop: &'a ShopName,
    pub(crate) order: &'a OrderId,
    pub(crate) actor: &'a str,
    pub(crate) words: &'a str,
}

#[derive(FromRow)]
struct Row {
    shop: String,
    order_id: String,
    actor: String,
    request: String,
}

/// Notes a request under its key. `false` where the same one was taken before; another one is refused.
pub(crate) async fn begin(
    tx: &mut WriteTx<'_>,
    key: &str,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let since = now.saturating_sub(KEPT).unwrap_or(now);
    tx.execute_at(&["DELETE FROM manual_keys WHERE at < ?"], since)
        .await?;
    let known: Option<Row> =
        sqlx::query_as("SELECT shop, order_id, actor, request FROM manual_keys WHERE key = ?")
            .bind(key)
            .fetch_optional(tx.conn()?)
            .await?;
    if let Some(row) = known {
        let of = (
            row.shop.as_str(),
            row.order_id.as_str(),
            row.actor.as_str(),
            row.request.as_str(),
        );
        let wanted = (
            request.shop.as_str(),
            request.order.as_str(),
            request.actor,
            request.words,
        );
        if of == wanted {
            return Ok(false);
        }
        return Err(StoreError::Refused(
            "this key was used for another request: use a new one for each decision".to_owned(),
        ));
    }
    sqlx::query("INSERT INTO manual_keys (key, at, shop, order_id, actor, request) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(key)
        .bind(ms(now))
        .bind(request.shop.as_str())
        .bind(request.order.as_str())
        .bind(request.actor)
        .bind(request.words)
        .execute(tx.conn()?)
        .await?;
    Ok(true)
}
