//! Applies the status of an order to its reservations: they are made, confirmed, consumed or released.

use jiff::{SignedDuration, Timestamp};

use super::demand::known_demands;
use super::departures::left_within;
use super::known_orders::{Counts, Known};
use super::observe::Reading;
use crate::domain::ids::ShopName;
use crate::domain::order::Order;
use crate::domain::reconcile::{self, ReservationEffect};
use crate::domain::reservation::{Departure, Event};
use crate::mutant::mutant;
use crate::store::reservations::{
    Origin, close_reservations, confirm, insert_reservations, reopen,
};
use crate::store::{StoreError, WriteTx, orders};

/// Applies the order's status to its reservations. Returns how many were released.
pub(crate) async fn reconcile_units(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, skew): (&Order, Option<SignedDuration>),
    row: Option<&Known>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let held = row.map(Known::held).transpose()?.unwrap_or_default();
    let Counts {
        kept,
        active,
        unconfirmed,
        ..
    } = held;
    match reconcile::reservation_effect(order) {
        // It was on its way, or had an unknown status: until the next count its units are neither on the shelf
        // nor missing.
        ReservationEffect::Release if active > 0 && !row.is_none_or(Known::is_plain) => {
            in_doubt(tx, shop, order, now).await?;
        }
        ReservationEffect::Doubt if active > 0 => in_doubt(tx, shop, order, now).await?,
        ReservationEffect::Release if active > 0 => {
            let why = order.cancellation_reason.as_deref().unwrap_or("cancelled");
            let event = Event::Released(why.to_owned());
            return close_reservations(tx, shop, order, event, now).await;
        }
        ReservationEffect::Consume if active > 0 => {
            let seen_at = row.map_or(Ok(now), |row| crate::store::at(row.seen_at))?;
            let (after, by) = left_within(order, skew, (seen_at, now));
            let left = Departure::Between { after, by };
            let event = Event::Left(left, order.status.to_string());
            close_reservations(tx, shop, order, event, now).await?;
        }
        ReservationEffect::Reserve if unconfirmed > 0 => {
            confirm(tx, shop, &[order.id.as_str()], now).await?;
        }
        ReservationEffect::Reserve if kept == 0 => {
            reserve_seen(tx, shop, order, None, now).await?;
        }
        ReservationEffect::Consume if kept == 0 => {
            // The stored reading already showed that they had left, as when lines are read late: it is no evidence
            // that they were on the shelf.
            let had_left = row.map(|row| orders::parse_order(&row.body)).transpose()?;
            let had_left = had_left.is_some_and(|before| before.handed_over_at.is_some());
            let before = row.filter(|_| !had_left);
            let before = before
                .map(|row| Ok::<_, StoreError>((row.is_there()?, row.seen_at)))
                .transpose()?;
            let left = tx.left_unseen(shop, (order, skew), before, now).await?;
            if let Some((after, by)) = left {
                let left = Departure::Between { after, by };
                reserve_seen(tx, shop, order, Some(left), now).await?;
            } else if row.is_none() {
                orders::lines_not_needed(tx, shop, &order.id).await?;
            }
        }
        ReservationEffect::Keep
        | ReservationEffect::Release
        | ReservationEffect::Consume
        | ReservationEffect::Reserve
        | ReservationEffect::Doubt => {}
    }
    Ok(0)
}

async fn in_doubt(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let left = if mutant("r9_unknown_departure_is_certain") {
        let after = order.created_at.min(now);
        Departure::Between { after, by: now }
    } else {
        Departure::Unknown { by: now }
    };
    let event = Event::Left(left, order.status.to_string());
    close_reservations(tx, shop, order, event, now).await?;
    Ok(())
}

/// Opens the reservations of an order again whose units had left: it went back to an earlier status. Where it is new
/// again, all of them are released: it is decided again.
pub(crate) async fn reopen_units(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    match reconcile::reservation_effect(order) {
        ReservationEffect::Reserve => {
            orders::set_handed_over(tx, (shop, &order.id), None).await?;
            reopen(tx, shop, order, now).await
        }
        ReservationEffect::Keep if order.awaits_merchant() => {
            orders::set_handed_over(tx, (shop, &order.id), None).await?;
            reopen(tx, shop, order, now).await?;
            let why = "Kaspi shows the order as new again".to_owned();
            close_reservations(tx, shop, order, Event::Released(why), now).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Kaspi shows another date at which the courier took an order's goods, or none any more: they left at that date, or may
/// be there after all. What a person said of them stands.
pub(crate) async fn correct_departure(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (before, reading): (Option<&Order>, &Reading),
    (seen_at, now): (i64, Timestamp),
) -> Result<(), StoreError> {
    let order = &reading.order;
    let was = before.and_then(|before| before.handed_over_at);
    if was.is_none() || was == order.handed_over_at || mutant("r9_departure_stays_shown") {
        return Ok(());
    }
    let effect = reconcile::reservation_effect(order);
    let is_dated = effect == ReservationEffect::Consume && order.handed_over_at.is_some();
    if !is_dated && effect != ReservationEffect::Reserve
        || orders::said_handed_over(tx, (shop, &order.id)).await?
    {
        return Ok(());
    }
    reopen(tx, shop, order, now).await?;
    if is_dated {
        let seen_at = crate::store::at(seen_at)?;
        let (after, by) = left_within(order, reading.skew, (seen_at, now));
        let left = Departure::Between { after, by };
        let event = Event::Left(left, "another hand-over date".to_owned());
        close_reservations(tx, shop, order, event, now).await?;
    }
    Ok(())
}

/// Reserves the units of an order accepted elsewhere (R6), as consumed where they have left. Does nothing while its
/// lines are unknown: once they are read, this runs again.
pub(crate) async fn reserve_seen(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    left: Option<Departure>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Goods without a SKU of ours take nothing that is counted, however often they are seen.
    let demands = known_demands(tx, shop, order).await?.unwrap_or_default();
    if demands.is_empty() {
        return Ok(());
    }
    insert_reservations(tx, shop, order, &demands, Origin::Observed { left }, now).await
}
