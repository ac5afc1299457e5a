//! Units that an order needs from each level, by its lines.

use super::facts::skus;
use crate::domain::ids::ShopName;
use crate::domain::order::{Line, Lines, Order};
use crate::domain::stock_ledger::Demand;
use crate::store::{StoreError, WriteTx, lines, orders};

/// Units that an order needs by its stored lines, or by what a person said of it; `None` while they are unknown.
pub(crate) async fn known_demands(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
) -> Result<Option<Vec<Demand>>, StoreError> {
    let reading = orders::lines_reading(tx, shop, &order.id).await?;
    if !reading.is_some_and(|reading| reading.lines.are_known()) {
        return Ok(None);
    }
    let lines = lines::of_order(tx, shop, &order.id).await?;
    Ok(Some(demands(tx, (shop, order), lines).await?))
}

/// Units that these lines of an order need.
pub(crate) async fn demands(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &Order),
    lines: Vec<Line>,
) -> Result<Vec<Demand>, StoreError> {
    let lines = Lines::Known(lines);
    let names: Vec<&str> = skus(&lines).collect();
    let ledger = tx.listings(shop, &names).await?;
    Ok(ledger.demands(&lines, order.pickup_point.as_ref()))
}
