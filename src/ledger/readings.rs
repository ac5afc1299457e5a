//! Readings of lists, of single orders and of lines: each set is stored in one transaction.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::identity;
use super::observe::{self, Observed, Reading, Trust};
use super::{amended, departures, known_orders, lines, order_units};
use crate::crash_point::crash_point;
use crate::domain::ids::ShopName;
use crate::domain::lines_reading::Failure;
use crate::domain::order::{Lines, Order};
use crate::mutant::mutant;
use crate::store::{Scan, ScanKind, Store, StoreError, WriteTx, ms, orders, scans, shops};

/// An order as it was stored, and its lines or why there are none this time.
pub type LinesRead = (Order, Result<Lines, NoLines>);

/// Why an order's lines were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLines {
    /// They were asked for, in vain.
    Failed,
    /// Asking was put off.
    PutOff,
}

impl Store {
    /// Stores a part of a list of new orders that is still being read.
    pub async fn record_listed(
        &self,
        shop: &ShopName,
        readings: &[Reading],
        now: Timestamp,
    ) -> Result<Observed, StoreError> {
        let mut tx = self.write().await?;
        let mut observed = Observed::default();
        if store_own(&mut tx, shop, readings, (&mut observed, now)).await? {
            mark_listed(&mut tx, shop, readings, None).await?;
        }
        tx.commit().await?;
        Ok(observed)
    }

    /// Stores a scan with all it read in one transaction. Of a long one, `earlier` orders were stored
    /// by [`Store::record_listed`] or [`Store::record_readings`] already.
    pub async fn record_scan(
        &self,
        shop: &ShopName,
        scan: &Scan,
        (readings, earlier): (&[Reading], usize),
        now: Timestamp,
    ) -> Result<Observed, StoreError> {
        let mut tx = self.write().await?;
        let mut observed = Observed::default();
        let is_own = store_own(&mut tx, shop, readings, (&mut observed, now)).await?;
        let orders = readings.len() + earlier;
        let mut scan = scan.clone();
        let mismatch = identity::mismatch(&mut tx, shop).await?;
        scan.problem = mismatch.or(scan.problem);
        let scan = &scan;
        let id = scans::insert(&mut tx, shop, scan, orders).await?;
        if scan.kind == ScanKind::New && is_own {
            let complete = scan.problem.is_none().then_some(id);
            mark_listed(&mut tx, shop, readings, complete).await?;
            if let (Some(id), 1..) = (complete, earlier) {
                // Only this stage lists new orders: those listed since this scan began were listed by it.
                orders::mark_listed_since(&mut tx, shop, id, scan.started_at).await?;
            }
        }
        if scan.kind == ScanKind::Sweep && scan.problem.is_none() {
            // It is read again: the others wait for it as before.
            if shops::set_waived(&mut tx, shop, None).await? {
                tx.audit(now, "qabyl", (shop, None), "shop.waiver_ended", json!({}));
            }
        }
        scans::delete_old(&mut tx, now).await?;
        match scan.kind {
            ScanKind::New => crash_point("scan.before_commit"),
            ScanKind::Sweep => crash_point("sweep.before_commit"),
        }
        tx.commit().await?;
        match scan.kind {
            ScanKind::New => crash_point("scan.after_commit"),
            ScanKind::Sweep => crash_point("sweep.after_commit"),
        }
        Ok(observed)
    }

    /// Stores readings that belong to no list of new orders.
    pub async fn record_readings(
        &self,
        shop: &ShopName,
        readings: &[Reading],
        now: Timestamp,
    ) -> Result<Observed, StoreError> {
        if readings.is_empty() {
            return Ok(Observed::default());
        }
        let mut tx = self.write().await?;
        let mut observed = Observed::default();
        store_own(&mut tx, shop, readings, (&mut observed, now)).await?;
        let ends = !observed.ended.is_empty();
        if ends {
            crash_point("action_end.before_commit");
        }
        tx.commit().await?;
        if ends {
            crash_point("action_end.after_commit");
        }
        Ok(observed)
    }

    /// Stores the reading of one order.
    pub async fn record_reading(
        &self,
        shop: &ShopName,
        reading: Reading,
        now: Timestamp,
    ) -> Result<Observed, StoreError> {
        self.record_readings(shop, &[reading], now).await
    }

    /// Stores the lines read for orders, and what they mean for their reservations. `skew` is Kaspi's
    /// clock minus ours, where it is known.
    pub async fn record_lines(
        &self,
        shop: &ShopName,
        (read, skew): (&[LinesRead], Option<SignedDuration>),
        retry_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for (asked, answer) in read {
            // It may have moved on since it was asked about: what is stored says what its lines mean.
            let Some((stored, _)) = tx.order_and_lines(shop, &asked.id).await? else {
                continue;
            };
            if stored.total != asked.total {
                // Amended since: its lines are requested again.
                continue;
            }
            let order = if mutant("r5_lines_of_earlier_status") {
                asked
            } else {
                &stored
            };
            match answer {
                Ok(Lines::Known(lines)) => {
                    let linked =
                        crate::store::lines::newly_linked(&mut tx, shop, &order.id, lines).await?;
                    if !lines::take(&mut tx, shop, order, lines, now).await? {
                        continue;
                    }
                    amended::adjust_reservations(&mut tx, shop, order, now).await?;
                    if !mutant("r9_linked_after_departure_ignored") {
                        departures::add_late_linked_goods(&mut tx, shop, order, linked, now)
                            .await?;
                    }
                }
                Ok(Lines::Unreadable(unread)) => {
                    let failure = Failure::Unreadable(unread);
                    lines::request_failed(&mut tx, shop, &order.id, failure, retry_at).await?;
                }
                Err(why) => {
                    let failure = match why {
                        NoLines::Failed => Failure::NoAnswer,
                        NoLines::PutOff => Failure::PutOff,
                    };
                    lines::request_failed(&mut tx, shop, &order.id, failure, retry_at).await?;
                }
            }
            let known = known_orders::known(&mut tx, shop, &[order.id.as_str()]).await?;
            let row = known.get(order.id.as_str());
            order_units::reconcile_units(&mut tx, shop, (order, skew), row, now).await?;
        }
        crash_point("lines.before_commit");
        tx.commit().await?;
        crash_point("lines.after_commit");
        Ok(())
    }
}

/// Stores readings that are the shop's own. `false` where they are not: nothing of them is stored.
async fn store_own(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    (observed, now): (&mut Observed, Timestamp),
) -> Result<bool, StoreError> {
    let is_own = identity::check(tx, shop, readings, (&mut *observed, now)).await?;
    if is_own {
        observed.add(observe::observe(tx, shop, (readings, Trust::Single), now).await?);
    }
    Ok(is_own)
}

/// Marks which orders a `NEW` list showed, and when its page was asked for.
async fn mark_listed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    readings: &[Reading],
    scan: Option<i64>,
) -> Result<(), StoreError> {
    let mut pages: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    for reading in readings {
        pages
            .entry(ms(reading.asked_at))
            .or_default()
            .push(reading.order.id.as_str());
    }
    for (asked_at, ids) in pages {
        orders::mark_listed(tx, shop, &ids, (asked_at, scan)).await?;
    }
    Ok(())
}
