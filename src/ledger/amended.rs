//! An amended order (its total changed) is decided again: its lines are read again, an action not sent yet is
//! withdrawn, and its reservations follow its new lines.

use jiff::Timestamp;
use serde_json::json;

use super::changed_promises;
use super::demand::known_demands;
use super::transitions::close;
use crate::domain::action::End;
use crate::domain::hold::HoldCause;
use crate::domain::ids::ShopName;
use crate::domain::order::{Order, Status};
use crate::domain::reservation::Event;
use crate::domain::stock_ledger::Demand;
use crate::mutant::mutant;
use crate::store::reservations::{Origin, close_reservations, insert_reservations};
use crate::store::{StoreError, WriteTx, orders};

const WHY: &str = "the order was amended";
/// The audit row of that.
const AMENDED: &str = "order.amended";
/// Buyers change an order once or twice; an order that keeps changing cannot be trusted.
const AMENDED_MAX: u64 = 3;

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
        AMENDED,
        json!({ "total": order.total }),
    );
    if order.awaits_merchant() {
        hold_if_unsteady(tx, shop, order, now).await?;
    }
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

/// Holds an order that was amended so often that its readings contradict each other: the order that is sent may not
/// be the one that was decided.
async fn hold_if_unsteady(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    // The present one is not written yet.
    let times = 1 + tx.audit_rows_of((shop, &order.id), AMENDED).await?;
    if times != AMENDED_MAX || mutant("r8_unsteady_order_decided") {
        return Ok(());
    }
    let why = format!("its total or its lines changed {times} times: look at it in the cabinet");
    let cause = (why.as_str(), HoldCause::Changed);
    orders::hold(tx, (shop, &order.id), cause, "qabyl", now).await?;
    tx.notice_hold(shop, order, now).await
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
