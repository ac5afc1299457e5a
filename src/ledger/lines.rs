//! Lines that were read for an order are believed by their sums, or because two readings agree.

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::{OrderId, ShopName};
use crate::domain::line_sums::{self, Sums};
use crate::domain::lines_reading::Failure;
use crate::domain::order::{Line, Order, UnreadableLines};
use crate::store::{StoreError, WriteTx, orders, shops};

/// Two readings that agree are this far apart at least: entries appear one after the other.
const APART: SignedDuration = SignedDuration::from_secs(10);

/// Stores lines that are the order's. Lines that contradict its total are read again; they are believed where a
/// second reading agrees, has as many lines as the order names entries, and no order of the shop was ever seen to
/// add up. Returns whether they were stored.
pub(crate) async fn take(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    lines: &[Line],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let why = match line_sums::compare(order, lines) {
        Sums::Differ(why) => why,
        Sums::Agree => {
            shops::note_sums_agree(tx, shop, now).await?;
            orders::put_lines(tx, shop, &order.id, lines, now).await?;
            return Ok(true);
        }
        Sums::Unknown => {
            orders::put_lines(tx, shop, &order.id, lines, now).await?;
            return Ok(true);
        }
    };
    let digest = line_sums::digest(lines);
    let before = orders::doubted_lines(tx, shop, &order.id).await?;
    let before = before.filter(|(doubted, _)| *doubted == digest);
    let is_seen_twice = before
        .as_ref()
        .is_some_and(|(_, seen_at)| now.duration_since(*seen_at) >= APART);
    let is_whole = order
        .entries
        .is_none_or(|named| usize::try_from(named).is_ok_and(|named| named == lines.len()));
    if is_seen_twice && is_whole && !shops::do_sums_agree(tx, shop).await? {
        orders::put_lines(tx, shop, &order.id, lines, now).await?;
        return Ok(true);
    }
    if before.is_none() {
        orders::doubt_lines(tx, shop, &order.id, &digest, now).await?;
    }
    // One reading may be of the wrong moment; a second one is not.
    let unreadable = is_seen_twice.then(|| UnreadableLines::of_any(why));
    let failure = unreadable
        .as_ref()
        .map_or(Failure::NoAnswer, Failure::Unreadable);
    let retry_at = now.saturating_add(APART).unwrap_or(now);
    request_failed(tx, shop, &order.id, failure, retry_at).await?;
    Ok(false)
}

/// Stores that a request for the lines of an order had no result, and when they are asked for again.
pub(crate) async fn request_failed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    failure: Failure<'_>,
    retry_at: Timestamp,
) -> Result<(), StoreError> {
    let Some(reading) = orders::lines_reading(tx, shop, order).await? else {
        return Ok(());
    };
    let reading = reading.failed(failure, retry_at);
    orders::set_lines_reading(tx, shop, order, &reading).await
}
