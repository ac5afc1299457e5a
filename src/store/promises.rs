//! Read model: what is promised of stock levels, with the orders it is promised to.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::unaccounted::lines_state;
use super::{StoreError, at, ms};
use crate::domain::availability::{Changed, Overlap, Place, Promise, Units};
use crate::domain::ids::{OrderCode, OrderId, ShopName};
use crate::domain::order::{self, Status};
use crate::domain::reservation::{Departure, DepartureKind, State};
use crate::domain::stock_ledger::{Listing, RecentDemand};

/// The level that a promise names.
const HERE: &str = "here";
/// A level that a promise without a pickup point may be one of.
const UNPLACED: &str = "unplaced";

#[derive(FromRow)]
struct Row {
    level: i64,
    place: String,
    shop: String,
    order_id: String,
    code: String,
    quantity: i64,
    made_at: i64,
    state: String,
    confirmed_at: Option<i64>,
    closed_at: Option<i64>,
    departure: Option<String>,
    left_after: Option<i64>,
    order_state: String,
    status: String,
    created_at: i64,
    listed_at: Option<i64>,
    approved_at: Option<String>,
    seen_at: i64,
    kaspi_delivery: Option<bool>,
    handed_over_at: Option<String>,
    said_handed_over: Option<i64>,
    pre_order: Option<bool>,
    unread_fields: bool,
    lines_state: String,
    doubted: i64,
    changed: Option<String>,
    stock_name: String,
    sold_now: String,
    level_stock: String,
    is_reverted: bool,
    namesakes: i64,
}

/// A level, and what promises to look for.
pub(crate) struct Wanted<'a> {
    /// The stock that it is of; empty: that of every shop.
    pub(crate) stock: &'a str,
    /// The level.
    pub(crate) listing: &'a Listing,
    /// Promises closed or confirmed since then may still matter to it.
    pub(crate) since: Option<Timestamp>,
    /// Whether orders without a pickup point may leave from here: the SKU has no common pool.
    pub(crate) with_unplaced: bool,
}

/// Promises of the places `?1` ([SKU, warehouse, moment, level, place, stock] each) that are open, or were closed or
/// confirmed since that moment: no older one can change what the level's number means.
/// Of a named stock, those that were made from it, and those of shops that sell from it now.
pub(crate) const PROMISES: &str = "
SELECT j.value ->> 3 AS level, j.value ->> 4 AS place, r.shop, r.order_id, o.code, r.quantity, r.made_at, r.state,
  r.confirmed_at, r.closed_at, r.departure, r.left_after,
  r.doubted, r.changed, r.stock_name, s.stock AS sold_now, j.value ->> 5 AS level_stock, o.state AS order_state, o.status, o.seen_at,
  o.created_at, o.listed_at, o.body ->> '$.approved_at' AS approved_at,
  o.body ->> '$.kaspi_delivery' AS kaspi_delivery, o.body ->> '$.handed_over_at' AS handed_over_at,
  o.body ->> '$.pre_order' AS pre_order, o.unread_fields, o.lines_state,
  o.handed_over_at AS said_handed_over, v.order_id IS NOT NULL AS is_reverted,
  (SELECT COUNT(*) FROM orders n INDEXED BY orders_code WHERE n.code = o.code AND n.shop = o.shop AND n.id <> o.id)
    AS namesakes
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
  SELECT p.id FROM reverted_statuses v CROSS JOIN reservations p INDEXED BY reservations_of
    ON p.shop = v.shop AND p.order_id = v.order_id
  WHERE p.sku = j.value ->> 0 AND p.warehouse = j.value ->> 1 AND p.state = 'consumed'
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_released
  WHERE sku = j.value ->> 0 AND warehouse = j.value ->> 1 AND state = 'released' AND closed_at > j.value ->> 2)
CROSS JOIN shops s ON s.name = r.shop AND (j.value ->> 5 = '' OR j.value ->> 5 IN (r.stock_name, s.stock))
CROSS JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
LEFT JOIN reverted_statuses v ON v.shop = r.shop AND v.order_id = r.order_id
WHERE j.value ->> 4 = 'here' OR o.body ->> '$.pickup_point' IS NULL";

/// Of the SKUs `?1` (JSON), the largest of the orders accepted since `?2`, and the units of the busiest period `?3` (ms):
/// of shops that sell from the stock `?4`, or sold from it then; NULL: from any.
pub(crate) const RECENT_DEMAND: &str = "
WITH recent AS (
  SELECT r.sku, r.quantity, r.made_at / ?3 AS period
  FROM json_each(?1) j CROSS JOIN reservations r INDEXED BY reservations_made
    ON r.sku = j.value AND r.made_at >= ?2
  CROSS JOIN shops s ON s.name = r.shop AND (?4 IS NULL OR ?4 IN (r.stock_name, s.stock))),
busiest AS (SELECT sku, SUM(quantity) AS units, MAX(quantity) AS largest FROM recent GROUP BY sku, period)
SELECT sku, MAX(largest), MAX(units) FROM busiest GROUP BY sku";

/// Of each SKU with orders since then from this stock, or from any, the largest of them and the units of its busiest
/// period.
pub(crate) async fn recent_demand(
    connection: &mut SqliteConnection,
    (stock, skus): (Option<&str>, &[&str]),
    since: Timestamp,
    period: SignedDuration,
) -> Result<HashMap<String, RecentDemand>, StoreError> {
    let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX).max(1);
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(RECENT_DEMAND)
        .bind(json!(skus).to_string())
        .bind(ms(since))
        .bind(period)
        .bind(stock)
        .fetch_all(connection)
        .await?;
    let demand = |(sku, largest, busiest)| (sku, RecentDemand { largest, busiest });
    Ok(rows.into_iter().map(demand).collect())
}

/// What is promised of each of these levels.
pub(crate) async fn since(
    connection: &mut SqliteConnection,
    levels: &[Wanted<'_>],
) -> Result<Vec<Vec<Promise>>, StoreError> {
    let mut places = Vec::with_capacity(levels.len());
    for (index, wanted) in levels.iter().enumerate() {
        let (stock, listing, since) = (wanted.stock, wanted.listing, wanted.since.map(ms));
        places.push(json!([
            listing.sku,
            listing.warehouse,
            since,
            index,
            HERE,
            stock
        ]));
        if wanted.with_unplaced {
            places.push(json!([listing.sku, "", since, index, UNPLACED, stock]));
        }
    }
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
    let approved_at = row.approved_at.as_deref().map(str::parse::<Timestamp>);
    let approved_at = approved_at
        .transpose()
        .map_err(|_| StoreError::corrupt("an order", &row.order_id))?;
    let changed = row.changed.as_deref().map(|word| {
        Changed::parse(word).ok_or_else(|| StoreError::corrupt("a reservation's change", word))
    });
    let changed = changed.transpose()?;
    let there = [row.listed_at.map(at).transpose()?, approved_at];
    let created_at = at(row.created_at)?;
    let order_state = order::State::from(row.order_state.as_str());
    let is_by_kaspi = order_state == order::State::KaspiDelivery;
    let units = units(&row)?;
    Ok(Promise {
        overlap: if row.level_stock.is_empty() || row.stock_name == row.sold_now {
            changed.map(|changed| Overlap {
                units: row.doubted,
                changed,
            })
        } else {
            Some(Overlap {
                units: row.quantity,
                changed: Changed::Stock,
            })
        },
        shop: ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", row.shop))?,
        order: OrderId::new(&row.order_id)
            .map_err(|_| StoreError::corrupt("an order id", row.order_id))?,
        code: OrderCode::new(&row.code)
            .map_err(|_| StoreError::corrupt("an order code", row.code))?,
        quantity: row.quantity,
        made_at: at(row.made_at)?,
        confirmed_at: row.confirmed_at.map(at).transpose()?,
        there_at: there.into_iter().flatten().fold(created_at, Timestamp::max),
        seen_at: at(row.seen_at)?,
        kaspi_delivery: is_by_kaspi || row.kaspi_delivery == Some(true),
        is_departure_dated: matches!(units, Units::Left(_))
            && (row.handed_over_at.is_some() || row.said_handed_over.is_some()),
        pre_order: row.pre_order == Some(true),
        units,
        place: if row.place == HERE {
            Place::Here
        } else {
            Place::Unknown
        },
        state: order_state,
        status: Status::from(row.status),
        is_unread: row.unread_fields || lines_state(&row.lines_state)?.are_unknown(),
        is_reverted: row.is_reverted,
        has_namesake: row.namesakes > 0,
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
