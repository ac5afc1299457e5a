//! Read model: the orders of a day, and what became of each. They add up.

use jiff::{SignedDuration, Timestamp};

use super::new_orders::new_orders;
use super::{Store, StoreError, ms};
use crate::domain::hold::Progress;
use crate::domain::ids::ShopName;
use crate::domain::order::{State, Status};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Orders first seen in a span of time, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DaySums {
    /// All of them: the sum of the others.
    pub new: u64,
    /// Accepted, by whomever, and what followed.
    pub accepted: u64,
    /// Cancelled, by whomever.
    pub cancelled: u64,
    /// Waiting for a person.
    pub held: u64,
    /// Waiting for something else.
    pub waiting: u64,
    /// Decided, and not yet shown so by Kaspi.
    pub decided: u64,
    /// Not decided yet.
    pub undecided: u64,
    /// In a state that waits for the buyer or the bank, or is not known.
    pub other: u64,
}

/// Of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HourSums {
    /// Orders first seen.
    pub seen: u64,
    /// Accepts that Kaspi confirmed.
    pub accepted: u64,
    /// Cancels that Kaspi confirmed.
    pub cancelled: u64,
}

/// The kinds of orders first seen since then.
pub(crate) const KINDS: &str = "
SELECT id, state, status FROM orders INDEXED BY orders_seen WHERE shop = ?1 AND first_seen_at >= ?2";

pub(crate) const HOURS: &str = "
SELECT what, hour, n FROM counts_by_hour WHERE shop = ?1 AND what IN ('seen', 'accept', 'cancel') AND hour >= ?2";

/// How long each confirmed accept took from the moment when its order was first seen.
pub(crate) const ACCEPT_TIMES: &str = "
SELECT a.closed_at - o.first_seen_at FROM actions a INDEXED BY actions_confirmed
CROSS JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
WHERE a.shop = ?1 AND a.state = 'confirmed' AND a.kind = 'accept' AND a.closed_at >= ?2";

impl Store {
    /// What became of the orders of a shop that were first seen since then.
    pub async fn day_sums(&self, shop: &ShopName, since: Timestamp) -> Result<DaySums, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, String, String)> = sqlx::query_as(KINDS)
            .bind(shop.as_str())
            .bind(ms(since))
            .fetch_all(&mut *reader)
            .await?;
        let open = new_orders(&mut reader, Some(shop.as_str())).await?;
        let open: std::collections::HashMap<&str, Progress> = open
            .iter()
            .map(|order| (order.id.as_str(), order.progress))
            .collect();
        let mut sums = DaySums::default();
        for (id, state, status) in &rows {
            let (state, status) = (State::from(state.as_str()), Status::from(status.as_str()));
            sums.new += 1;
            *sums.of(&state, &status, open.get(id.as_str()).copied()) += 1;
        }
        Ok(sums)
    }

    /// The counts of each of the last hours, oldest first; the hour of `now` is the last one.
    pub async fn hour_sums(
        &self,
        shop: &ShopName,
        hours: usize,
        now: Timestamp,
    ) -> Result<Vec<HourSums>, StoreError> {
        let last = ms(now).div_euclid(HOUR_MS);
        let first = last - i64::try_from(hours).unwrap_or_default() + 1;
        let mut reader = self.read().await?;
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(HOURS)
            .bind(shop.as_str())
            .bind(first)
            .fetch_all(&mut *reader)
            .await?;
        let mut sums = vec![HourSums::default(); hours];
        for (what, hour, count) in rows {
            let place = usize::try_from(hour - first).ok();
            let Some(of_hour) = place.and_then(|place| sums.get_mut(place)) else {
                continue;
            };
            let counted = match what.as_str() {
                "seen" => &mut of_hour.seen,
                "accept" => &mut of_hour.accepted,
                _ => &mut of_hour.cancelled,
            };
            *counted = count.unsigned_abs();
        }
        Ok(sums)
    }

    /// How long accepts took that were confirmed since then, shortest first.
    pub async fn accept_times(
        &self,
        shop: &ShopName,
        since: Timestamp,
    ) -> Result<Vec<SignedDuration>, StoreError> {
        let mut reader = self.read().await?;
        let found = sqlx::query_scalar(ACCEPT_TIMES)
            .bind(shop.as_str())
            .bind(ms(since));
        let mut times: Vec<i64> = found.fetch_all(&mut *reader).await?;
        times.sort_unstable();
        let times = times.into_iter().map(SignedDuration::from_millis);
        Ok(times.collect())
    }
}

impl DaySums {
    /// The sum that an order of this kind is counted in.
    const fn of(&mut self, state: &State, status: &Status, progress: Option<Progress>) -> &mut u64 {
        if matches!(state, State::New) && matches!(status, Status::ApprovedByBank) {
            return match progress {
                Some(Progress::Held) => &mut self.held,
                Some(Progress::Waits) => &mut self.waiting,
                Some(Progress::Decided) => &mut self.decided,
                Some(Progress::Undecided) | None => &mut self.undecided,
            };
        }
        match status {
            Status::Cancelled => &mut self.cancelled,
            Status::AcceptedByMerchant | Status::Completed | Status::Returned => &mut self.accepted,
            _ => &mut self.other,
        }
    }
}
