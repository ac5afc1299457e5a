//! What an order takes from which level, by its lines.

use super::facts::skus;
use crate::domain::ids::ShopName;
use crate::domain::ledger::Take;
use crate::domain::order::{Line, Lines, Order};
use crate::store::{StoreError, WriteTx, orders};

/// What an order takes by its stored lines; `None` while they are not known.
pub(crate) async fn known_takes(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
) -> Result<Option<Vec<Take>>, StoreError> {
    let lines = orders::known_lines(tx, shop, &order.id).await?;
    if lines.is_empty() {
        return Ok(None);
    }
    Ok(Some(takes(tx, order, lines).await?))
}

/// What these lines of an order take.
pub(crate) async fn takes(
    tx: &mut WriteTx<'_>,
    order: &Order,
    lines: Vec<Line>,
) -> Result<Vec<Take>, StoreError> {
    let lines = Lines::Known(lines);
    let names: Vec<&str> = skus(&lines).collect();
    let ledger = tx.listings(&names).await?;
    Ok(ledger.takes(&lines, order.pickup_point.as_ref()))
}
