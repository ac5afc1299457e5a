//! An amended order (its total changed) is decided again: its lines are read again, an action not sent yet is
//! withdrawn, and its reservations follow its new lines.

use jiff::Timestamp;
use serde_json::json;

use super::changed_promises;
use super::demand::known_demands;
use super::transitions::close;
use crate::domain::action::End;
use crate::domain::ids::ShopName;
use crate::domain::order::{Order, Status};
use crate::domain::reservation::Event;
use crate::domain::stock_ledger::Demand;
use crate::store::reservations::{Origin, close_reservations, insert_reservations};
use crate::store::{StoreError, WriteTx, orders};

const WHY: &str = "the order was amended";

/// Deletes the lines of an order, and withdraws the engine's unsent action. Returns whether there was one.
pub(crate) async fn forget_lines(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<bool, StoreError> {
    orders::forget_lines(tx, shop, &order.id).await?;
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&order.id)),
        "order.amended",
        json!({ "total": order.total }),
    );
    let unsent: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM actions WHERE shop = ? AND order_id = ? AND state = 'pending'
           AND attempts = 0 AND origin = 'engine'",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    let Some(action) = unsent else {
        return Ok(false);
    };
    if !close(tx, action, End::Superseded, WHY, now).await? {
        return Ok(false);
    }
    close_reservations(tx, shop, order, Event::Released(WHY.to_owned()), now).await?;
    Ok(true)
}

/// Replaces the active reservations of an order by those its lines ask for, where it has any.
pub(crate) async fn adjust_reservations(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let held: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT sku, warehouse, quantity FROM reservations
         WHERE shop = ? AND order_id = ? AND state = 'active' ORDER BY sku, warehouse",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_all(tx.conn()?)
    .await?;
    if held.is_empty() {
        return Ok(());
    }
    let Some(mut demands) = known_demands(tx, shop, order).await? else {
        return Ok(());
    };
    if changed_promises::keeps_doubt(tx, shop, order, &demands, now).await? {
        return Ok(());
    }
    demands.sort();
    let same = |(demand, (sku, _, quantity)): (&Demand, &(String, String, i64))| {
        demand.sku.as_str() == sku && demand.quantity == *quantity
    };
    if demands.len() == held.len() && demands.iter().zip(&held).all(same) {
        return Ok(());
    }
    close_reservations(tx, shop, order, Event::Released(WHY.to_owned()), now).await?;
    let origin = if order.status == Status::ApprovedByBank {
        Origin::Decision
    } else {
        Origin::Observed { left: None }
    };
    insert_reservations(tx, shop, order, &demands, origin, now).await
}
