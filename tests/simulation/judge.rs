//! What must hold after every story: the invariants, judged by the world's ledger and the database.

mod actions;
mod promises;

pub(crate) use self::promises::{Believed, bounds};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::store::{OrderFilter, OrderView};
use qabyl_sandbox::{Order, Status, World};

use crate::link::Link;
use crate::shop::Process;

/// An effect is read by then, where replicas lag by up to a minute.
pub(crate) const SEEN_BY: SignedDuration = SignedDuration::from_secs(120);

/// What an action's end rests on may have been read so long before it: `actions.sighting_age_max`, and
/// what a request takes.
pub(crate) const LAST_LOOK: SignedDuration = SignedDuration::from_secs(40);

/// Others' doings younger than this could not be known: the age a sweep may have, and a sighting; and where
/// replicas lag, or answers fail, how long that may take.
pub(crate) const UNSEEN: SignedDuration = SignedDuration::from_secs(7 * 60);

/// Where every answer is right and comes at once, the last units rest on a sweep of just now and a sighting.
pub(crate) const UNSEEN_CALM: SignedDuration = SignedDuration::from_secs(60);

/// A list is made so often that an order this far within its reach is in one.
const LOOK: Duration = Duration::from_mins(10);

/// By then an order is in a list, or in a deep one.
const SEEN_SOON: SignedDuration = SignedDuration::from_mins(4);
const SEEN_DEEP: SignedDuration = SignedDuration::from_mins(70);

/// What the story knows and the ledger does not.
#[derive(Default)]
pub(crate) struct Known {
    /// SKU to when units came in or were lost, and how many there had been in all by then.
    arrivals: BTreeMap<String, Vec<(Timestamp, u32)>>,
    /// Orders a person decided: theirs to answer for.
    pub(crate) by_people: BTreeSet<String>,
    /// Units cancelled of accepted orders.
    pub(crate) shrunk: Vec<Shrunk>,
    /// When aliases were mapped, and unmapped.
    pub(crate) maps: Vec<(Timestamp, bool)>,
    /// Whether each SKU lies at two pickup points.
    pub(crate) has_points: bool,
    /// Orders that moved to another pickup point.
    pub(crate) moves: Vec<Moved>,
}

/// An order that is to be sent from another pickup point than before.
pub(crate) struct Moved {
    pub(crate) code: String,
    pub(crate) at: Timestamp,
    /// The point's short name.
    pub(crate) from: String,
}

/// One unit of an accepted order that was cancelled.
pub(crate) struct Shrunk {
    pub(crate) code: String,
    pub(crate) at: Timestamp,
    pub(crate) sku: String,
}

/// What an SKU is on the shelf: `X3` is an alias of `S3`, mapped or not.
pub(crate) fn shelf_sku(sku: &str) -> String {
    match sku.strip_prefix('X') {
        Some(number) => format!("S{number}"),
        None => sku.to_owned(),
    }
}

/// The short name of the pickup point that an order is sent from now.
pub(crate) fn point_of(order: &Order) -> &str {
    let point = order.seed.pickup_point.as_deref().unwrap_or_default();
    point.rsplit('_').next().unwrap_or_default()
}

impl Known {
    /// Nothing is known yet.
    pub(crate) fn new(has_points: bool) -> Self {
        Self {
            has_points,
            ..Self::default()
        }
    }

    /// Where an order's goods of an SKU lay then: an SKU of the shelf, at the order's pickup point if there are several.
    pub(crate) fn level(&self, order: &Order, sku: &str, at: Timestamp) -> String {
        let sku = shelf_sku(sku);
        if !self.has_points {
            return sku;
        }
        let mut later = self.moves.iter().filter(|moved| moved.at > at);
        let moved = later.find(|moved| moved.code == order.code());
        let point = moved.map_or_else(|| point_of(order), |moved| moved.from.as_str());
        format!("{sku}@{point}")
    }

    /// Whether an order moved between.
    pub(crate) fn has_moved(&self, code: &str, from: Timestamp, to: Timestamp) -> bool {
        let mut moves = self.moves.iter();
        moves.any(|moved| moved.code == code && from < moved.at && moved.at <= to)
    }

    /// Units there have been in all, without those that were lost.
    pub(crate) fn capacity(&self, sku: &str) -> u32 {
        let rows = self.arrivals.get(sku);
        rows.and_then(|rows| rows.last()).map_or(0, |(_, all)| *all)
    }

    /// Whether aliases are mapped now.
    pub(crate) fn is_mapped(&self) -> bool {
        self.maps.last().is_some_and(|(_, mapped)| *mapped)
    }

    /// Whether aliases were mapped at some time between.
    fn was_mapped(&self, from: Timestamp, to: Timestamp) -> bool {
        let before = self.maps.iter().rev().find(|(at, _)| *at <= from);
        let mut since = self.maps.iter().filter(|(at, _)| from < *at && *at <= to);
        before.is_some_and(|(_, mapped)| *mapped) || since.any(|(_, mapped)| *mapped)
    }

    /// Notes how many units there have been in all from now on.
    pub(crate) fn counted(&mut self, sku: &str, all: u32, at: Timestamp) {
        let rows = self.arrivals.entry(sku.to_owned()).or_default();
        rows.push((at, all));
    }

    /// When the units were last counted by then.
    fn last_count(&self, sku: &str, at: Timestamp) -> Option<Timestamp> {
        let rows = self.arrivals.get(sku).map_or(&[][..], Vec::as_slice);
        rows.iter()
            .map(|(counted, _)| *counted)
            .rfind(|it| *it <= at)
    }

    /// What the capacity was from `from` on, until `to`.
    fn capacities(&self, sku: &str, from: Timestamp, to: Timestamp) -> impl Iterator<Item = i64> {
        let rows = self.arrivals.get(sku).map_or(&[][..], Vec::as_slice);
        let first = rows.iter().rposition(|(at, _)| *at <= from).unwrap_or(0);
        let until = rows.iter().skip(first).take_while(move |(at, _)| *at <= to);
        until.map(|(_, all)| i64::from(*all))
    }
}

/// What the product could see in a story.
pub(crate) struct Sight {
    /// Nothing hid from it how much time had passed.
    pub(crate) settles: bool,
    /// Its clock was never set.
    pub(crate) is_steady: bool,
    /// Others' doings younger than this could not be known.
    pub(crate) unseen: SignedDuration,
    /// The feed has accepted orders taken off.
    pub(crate) is_available: bool,
    /// By when an effect is read: replicas may lag.
    pub(crate) lag: SignedDuration,
    /// What was approved later than this is left to the deep scan.
    pub(crate) lookback: Duration,
}

impl Sight {
    /// Whether an order is approved so soon that an ordinary list shows it.
    fn is_listed(&self, order: &Order) -> bool {
        let late = order.visible_at.duration_since(order.seed.created_at);
        Duration::try_from(late).is_ok_and(|late| late + LOOK < self.lookback)
    }

    /// By when another one is in a deep list; a clock that was set may put that off for ever.
    fn deep(&self) -> SignedDuration {
        if self.is_steady {
            SEEN_DEEP
        } else {
            SignedDuration::from_hours(48)
        }
    }
}

pub(crate) async fn judge(
    link: &Link,
    process: &Process,
    known: &Known,
    sight: &Sight,
) -> Result<(), String> {
    let filter = OrderFilter {
        limit: 100_000,
        ..OrderFilter::default()
    };
    let views = process.store.orders(&filter).await.unwrap();
    link.world(|world, now| {
        actions::never_both(world, known)?;
        actions::no_blind_repeat(world, &views)?;
        promises::no_wrong_cancel(world, known, &views, sight)?;
        promises::no_oversell(world, known, &views, sight)?;
        actions::actions_end_true(world, known, &views, sight)?;
        if sight.settles {
            actions::no_early_repeat(world)?;
        }
        same_as_kaspi(world, &views, sight, now)?;
        actions::attempts_precede_posts(world, &views)
    })?;
    books_balance(process).await?;
    counted(process).await?;
    audited(process, &views).await
}

/// I6: the audit log agrees with the tables.
async fn books_balance(process: &Process) -> Result<(), String> {
    let check = process.store.check_stock().await.unwrap();
    match check.differences.first() {
        Some(first) => Err(format!("I6: the check do not balance: {first:?}")),
        None => Ok(()),
    }
}

/// R8: what is counted for the cancel budget, and by hour, is what the orders and actions say.
async fn counted(process: &Process) -> Result<(), String> {
    let wrong = process.store.miscounted().await.unwrap();
    match wrong.first() {
        Some(first) => Err(format!("R8: counted otherwise than stored: {first}")),
        None => Ok(()),
    }
}

/// I4, I5: known as Kaspi holds it; what still waits is held, and somebody is notified why.
fn same_as_kaspi(
    world: &World,
    views: &[OrderView],
    sight: &Sight,
    now: Timestamp,
) -> Result<(), String> {
    let is_seen = |order: &&Order| {
        let soon = sight.is_listed(order);
        order.visible_at + if soon { SEEN_SOON } else { sight.deep() } < now
    };
    for order in world.orders().iter().filter(is_seen) {
        let code = order.code();
        let Some(view) = views.iter().find(|view| view.order.code.as_str() == code) else {
            let ours = world.ledger().posts_for(code);
            // One that came and went between two looks owes nobody anything.
            let is_open = matches!(
                order.status,
                Status::ApprovedByBank | Status::AcceptedByMerchant
            );
            if is_open || !ours.is_empty() {
                return Err(format!(
                    "I4: {code}, created {} and visible from {}, was missed",
                    order.seed.created_at, order.visible_at
                ));
            }
            continue;
        };
        let effects = world.ledger().effects().iter();
        let last = effects.rev().find(|row| row.code == code);
        if last.is_some_and(|row| now.duration_since(row.at) < SEEN_BY) {
            continue;
        }
        let (state, status) = (view.order.state.as_str(), view.order.status.as_str());
        if (state, status) != (order.state.as_str(), order.status.as_str()) {
            return Err(format!(
                "I5: {code} is {} + {}, known as {state} + {status}",
                order.state, order.status
            ));
        }
        let is_reported = view.held.is_some()
            || view
                .decision
                .as_ref()
                .is_some_and(|d| d.decision.verdict.word() == "hold")
            || view
                .actions
                .iter()
                .any(|action| action.closed_at.is_none() && action.due_at.is_none());
        if order.status == Status::ApprovedByBank && !is_reported {
            return Err(format!(
                "I4: {code} waits and nobody is notified: {:#?}",
                view.decision
            ));
        }
    }
    Ok(())
}

async fn audited(process: &Process, views: &[OrderView]) -> Result<(), String> {
    let rows = process.store.audit_rows(None, u32::MAX).await.unwrap();
    let decided: BTreeSet<_> = rows
        .iter()
        .filter(|row| row.event == "order.decided")
        .filter_map(|row| row.code.as_deref())
        .collect();
    let silent = views
        .iter()
        .find(|view| view.decision.is_some() && !decided.contains(view.order.code.as_str()));
    match silent {
        Some(view) => Err(format!(
            "{} was decided without an audit row",
            view.order.code
        )),
        None => Ok(()),
    }
}
