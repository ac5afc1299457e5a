//! Orders that readings show in an earlier status than one before: noted, in doubt, and settled by complete lists.

use jiff::Timestamp;
use serde_json::json;

use super::known_orders::Known;
use super::observe::{Observed, Reading, Trust, observe};
use super::order_units::reserve_seen;
use super::{lines, unread_orders::UnreadOrder};
use crate::domain::calendar::stamp;
use crate::domain::hold::HoldCause;
use crate::domain::ids::ShopName;
use crate::domain::order::Order;
use crate::domain::reconcile::{self, ReservationEffect};
use crate::domain::reverted::Settled;
use crate::events::log_event;
use crate::mutant::mutant;
use crate::store::reverted::{self, RevertedOrder};
use crate::store::{Scan, Store, StoreError, WriteTx, at, ms, orders};

/// The audit row of an order whose earlier status is believed.
const BELIEVED: &str = "status.believed";
/// The same, where it awaits a decision again.
const NEW_AGAIN: &str = "status.new_again";

/// Notes a reading that shows an earlier status than the stored one. What it would hold, if it is so, is reserved, and
/// in doubt until that is settled.
pub(crate) async fn note(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    row: &Known,
    reading: &Reading,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (order, asked_at) = (&reading.order, reading.asked_at.min(now));
    if asked_at <= at(row.seen_at)? || mutant("r11_reverted_status_ignored") {
        // It was asked for before the reading that showed the later one.
        return Ok(());
    }
    if reverted::note(tx, shop, (order, asked_at), now).await? {
        let stored = orders::parse_order(&row.body)?;
        let (before, shown) = (words(&stored), words(order));
        log_event!(
            ORDER_STATUS_REVERTED, shop = %shop, order.code = %order.code, before = %before, shown = %shown,
            "Kaspi shows an order in an earlier status than before: it is in doubt until lists agree"
        );
        let detail = json!({ "before": before, "shown": shown });
        tx.audit(
            now,
            "qabyl",
            (shop, Some(&order.id)),
            "status.reverted",
            detail,
        );
        orders::lines_needed(tx, shop, &order.id).await?;
    }
    let may_hold = matches!(
        reconcile::reservation_effect(order),
        ReservationEffect::Reserve | ReservationEffect::Consume | ReservationEffect::Doubt
    );
    if !may_hold || row.held()?.kept > 0 {
        return Ok(());
    }
    if let (true, Some(read)) = (row.lines()?.are_unknown(), &reading.lines) {
        lines::take(tx, shop, order, read, now).await?;
    }
    reserve_seen(tx, shop, order, None, now).await
}

/// An order's state and status.
fn words(order: &Order) -> String {
    format!("{} + {}", order.state, order.status)
}

impl Store {
    /// Counts a complete list for the orders that readings show in an earlier status, and settles those that so many
    /// lists in a row agree on.
    pub async fn settle_reverted(
        &self,
        shop: &ShopName,
        scan: &Scan,
        needed: u32,
        now: Timestamp,
    ) -> Result<Observed, StoreError> {
        if scan.problem.is_some() || self.reverted(shop).await?.is_empty() {
            return Ok(Observed::default());
        }
        // Stored times have milliseconds.
        let begun_at = at(ms(scan.started_at))?;
        let mut tx = self.write().await?;
        let mut believed = Vec::new();
        for found in reverted::of_shop(tx.conn()?, shop).await? {
            let id = &found.shown.id;
            let counted = found.counted.after_list(begun_at);
            let Some(settled) = counted.settled(needed) else {
                reverted::count(&mut tx, shop, (id, counted)).await?;
                continue;
            };
            reverted::delete(&mut tx, shop, id).await?;
            if settled == Settled::Dismissed {
                let detail = json!({ "stored": words(&found.stored) });
                tx.audit(now, "qabyl", (shop, Some(id)), "status.dismissed", detail);
                continue;
            }
            believe(&mut tx, shop, &found, now).await?;
            believed.push(Reading {
                order: found.shown,
                lines: None,
                asked_at: counted.shown_at,
                skew: None,
            });
        }
        let observed = observe(&mut tx, shop, (&believed, Trust::Settled), now).await?;
        tx.commit().await?;
        Ok(observed)
    }

    /// Orders that readings show in an earlier status, for people.
    pub(crate) async fn reverted_orders(
        &self,
        shop: &ShopName,
    ) -> Result<Vec<UnreadOrder>, StoreError> {
        let found = self.reverted(shop).await?.into_iter();
        let order = |found: RevertedOrder| UnreadOrder {
            problem: format!(
                "Kaspi shows it as {} since {}, and showed it as {} before; its units are in doubt until lists agree",
                words(&found.shown),
                stamp(found.since),
                words(&found.stored),
            ),
            id: found.shown.id,
            code: found.shown.code,
            uncounted: None,
            needs_person: false,
        };
        Ok(found.map(order).collect())
    }
}

/// Records that an order went back. One that is new again for the second time is held: it would be answered for ever.
async fn believe(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    found: &RevertedOrder,
    now: Timestamp,
) -> Result<(), StoreError> {
    let order = &found.shown;
    let (before, shown) = (words(&found.stored), words(order));
    log_event!(
        ORDER_STATUS_BELIEVED, shop = %shop, order.code = %order.code, before = %before, shown = %shown,
        "complete lists agree that an order went back to an earlier status: it goes on from there"
    );
    let detail = json!({ "before": before, "shown": shown });
    let event = if order.awaits_merchant() {
        NEW_AGAIN
    } else {
        BELIEVED
    };
    let is_repeated = tx.audit_rows_of((shop, &order.id), event).await? > 0;
    tx.audit(now, "qabyl", (shop, Some(&order.id)), event, detail);
    if is_repeated && order.awaits_merchant() && !mutant("r2_new_again_for_ever") {
        let why = "Kaspi shows it as new again, as once before after it was answered";
        let cause = (why, HoldCause::Contradiction);
        orders::hold(tx, (shop, &order.id), cause, "qabyl", now).await?;
        tx.notice_hold(shop, order, now).await?;
    }
    Ok(())
}
