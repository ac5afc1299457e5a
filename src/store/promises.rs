//! Read model: what is promised of stock levels, with the orders it is promised to.

use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::{StoreError, at, ms};
use crate::domain::availability::{Promise, Units};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{self, Status};
use crate::domain::reservation::{Departure, DepartureKind, State};
use crate::domain::stock_sources::StockReading;

#[derive(FromRow)]
struct Row {
    level: i64,
    shop: String,
    order_id: String,
    quantity: i64,
    state: String,
    confirmed_at: Option<i64>,
    closed_at: Option<i64>,
    departure: Option<String>,
    left_after: Option<i64>,
    order_state: String,
    status: String,
    created_at: i64,
}

/// Promises of the levels `?1` ([SKU, warehouse, moment] each) that are open, or were closed or confirmed
/// since that moment: no older one can change what the level's number means.
pub(crate) const PROMISES: &str = "
SELECT j.key AS level, r.shop, r.order_id, r.quantity, r.state, r.confirmed_at, r.closed_at, r.departure, r.left_after,
  o.state AS order_state, o.status, o.created_at
FROM json_each(?1) j
CROSS JOIN reservations r ON r.id IN (
  SELECT id FROM reservations INDEXED BY reservations_of_level
  WHERE sku = j.value ->> 0 AND warehouse = j.value ->> 1 AND state <> 'released' AND closed_at IS NULL
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_of_level
  WHERE sku = j.value ->> 0 AND warehouse = j.value ->> 1 AND state <> 'released' AND closed_at > j.value ->> 2
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_confirmed
  WHERE sku = j.value ->> 0 AND warehouse = j.value ->> 1 AND state = 'consumed' AND confirmed_at > j.value ->> 2
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_released
  WHERE sku = j.value ->> 0 AND warehouse = j.value ->> 1 AND state = 'released' AND closed_at > j.value ->> 2)
CROSS JOIN orders o ON o.shop = r.shop AND o.id = r.order_id";

/// What is promised of each of these levels.
pub(crate) async fn since(
    connection: &mut SqliteConnection,
    levels: &[StockReading],
) -> Result<Vec<Vec<Promise>>, StoreError> {
    let places: Vec<_> = levels
        .iter()
        .map(|StockReading { listing, .. }| {
            json!([listing.sku, listing.warehouse, listing.as_of.map(ms)])
        })
        .collect();
    let rows: Vec<Row> = sqlx::query_as(PROMISES)
        .bind(json!(places).to_string())
        .fetch_all(connection)
        .await?;
    let mut promises: Vec<Vec<Promise>> = levels.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let of_level = usize::try_from(row.level).ok();
        if let Some(of_level) = of_level.and_then(|level| promises.get_mut(level)) {
            of_level.push(promise(row)?);
        }
    }
    Ok(promises)
}

fn promise(row: Row) -> Result<Promise, StoreError> {
    Ok(Promise {
        units: units(&row)?,
        shop: ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", row.shop))?,
        order: OrderId::new(&row.order_id)
            .map_err(|_| StoreError::corrupt("an order id", row.order_id))?,
        quantity: row.quantity,
        confirmed_at: row.confirmed_at.map(at).transpose()?,
        placed_at: at(row.created_at)?,
        state: order::State::from(row.order_state),
        status: Status::from(row.status),
    })
}

fn units(row: &Row) -> Result<Units, StoreError> {
    let corrupt = || StoreError::corrupt("a reservation's state", row.state.as_str());
    let state = State::parse(&row.state).ok_or_else(corrupt)?;
    let closed_at = row.closed_at.map(at).transpose()?;
    let left_after = row.left_after.map(at).transpose()?;
    match (state, closed_at, row.departure.as_deref(), left_after) {
        (State::Active, None, ..) => Ok(Units::Reserved),
        (State::Released, Some(at), ..) => Ok(Units::Released { at }),
        (State::Consumed, Some(by), Some(kind), after) => {
            match (DepartureKind::parse(kind), after) {
                (Some(DepartureKind::Interval), Some(after)) => {
                    Ok(Units::Left(Departure::Between { after, by }))
                }
                (Some(DepartureKind::Unknown), None) => Ok(Units::Left(Departure::Unknown { by })),
                _ => Err(corrupt()),
            }
        }
        _ => Err(corrupt()),
    }
}
