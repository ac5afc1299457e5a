//! What keeps a POST from being sent whatever its decision rested on: whose order it is, and whether it is still the
//! one that was decided about.

use super::due_actions::Due;
use crate::domain::facts::Facts;
use crate::domain::identity::foreign_order;
use crate::domain::ids::{Account, OrderCode, ShopName};
use crate::domain::order_version::OrderVersion;
use crate::mutant::mutant;
use crate::store::{StoreError, WriteTx, namesakes};

/// Why the order is not this shop's to act on: another shop acts on it, or, unless a person decided, it belongs to
/// another merchant.
pub(crate) async fn not_ours(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
    account: Option<&Account>,
) -> Result<Option<String>, StoreError> {
    let foreign = foreign_order(&due.order, account);
    if !due.by_person && foreign.is_some() && !mutant("r16_foreign_order") {
        return Ok(foreign);
    }
    if mutant("r16_both_shops_act") {
        return Ok(None);
    }
    action_of_other_shop(tx, shop, &due.order.code).await
}

/// Why an order must not be acted on before it is decided again: the shop has another with its number by now. A person
/// who decided about it named it by its id.
pub(crate) async fn namesake(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
) -> Result<Option<String>, StoreError> {
    if due.by_person || mutant("r15_order_under_two_ids_is_two") {
        return Ok(None);
    }
    let code = due.order.code.as_str();
    let found = namesakes::with_numbers(tx, shop, &[code]).await?;
    let other = found.into_iter().find(|(_, id)| *id != due.order.id);
    Ok(other.map(|(_, id)| format!("the shop has another order {code} by now, with the id {id}")))
}

/// How an order differs from the one that a person decided about. The engine's decisions are made again instead.
pub(crate) async fn changed_since_decided(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
) -> Result<Option<String>, StoreError> {
    if !due.by_person || mutant("r2_changed_since_decided") {
        return Ok(None);
    }
    let facts_text: String = sqlx::query_scalar("SELECT facts FROM decisions WHERE id = ?")
        .bind(due.decision)
        .fetch_one(tx.conn()?)
        .await?;
    let facts: Facts = serde_json::from_str(&facts_text)
        .map_err(|_| StoreError::corrupt("the facts of a decision", facts_text))?;
    let Some((order, lines)) = tx.order_and_lines(shop, &due.order.id).await? else {
        return Ok(None);
    };
    Ok(OrderVersion::when_decided(&facts).changed_to(&OrderVersion::of(&order, &lines)))
}

/// An action for an order with this number that another shop has: it is live, or was sent.
async fn action_of_other_shop(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    code: &OrderCode,
) -> Result<Option<String>, StoreError> {
    let found: Option<(String, String)> = sqlx::query_as(
        "SELECT a.kind, a.shop FROM orders o INDEXED BY orders_code
         JOIN actions a ON a.shop = o.shop AND a.order_id = o.id
         WHERE o.code = ? AND o.shop <> ? AND (a.attempts > 0 OR a.state IN ('pending', 'sent', 'unknown')) LIMIT 1",
    )
    .bind(code.as_str())
    .bind(shop.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    Ok(found.map(|(kind, other)| {
        format!("shop {other} has the same order, and its {kind} was decided there: look at the order in the cabinet")
    }))
}
