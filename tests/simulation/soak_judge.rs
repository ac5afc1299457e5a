//! The invariants over a month: judged as it goes by, each thing once, so that nothing of the past need
//! be remembered. The same as in `judge`, for a world where only buyers and couriers are about.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use qabyl::store::{OrderFilter, OrderView};
use qabyl_sandbox::{EffectRow, RequestRow, Status, World, WriteKind};

use crate::link::Link;
use crate::shop::Process;

/// Units that came free less long ago could not be known: a cancel rests on readings made just before.
const UNSEEN_FREED: SignedDuration = SignedDuration::from_secs(75);
/// From the decision to the arrival of its POST.
const SENDING: SignedDuration = SignedDuration::from_secs(10);
/// How long a POST may take effect after it was sent, and be read again.
const LATE: SignedDuration = SignedDuration::from_secs(120);
/// What changed within it need not be read back yet.
const READ_BACK: SignedDuration = SignedDuration::from_mins(10);

#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) violations: Vec<String>,
    pub(crate) accepts: usize,
    pub(crate) cancels: usize,
    /// SKU to when units came in, and how many there had been in all by then; the last few.
    arrivals: BTreeMap<String, VecDeque<(Timestamp, i64)>>,
    /// Units of each SKU in accepted orders, ever; less those that came back.
    promised: BTreeMap<String, i64>,
    /// Units that came free: when, and of what.
    freed: VecDeque<(Timestamp, String, i64)>,
    /// Units that left the shelf with orders the world has forgotten, or will.
    departed: BTreeMap<String, u32>,
    counted: BTreeSet<String>,
    judged_until: Option<Timestamp>,
}

enum Row<'w> {
    Effect(&'w EffectRow),
    Cancel(&'w RequestRow),
}

impl Judge {
    pub(crate) fn arrive(&mut self, sku: &str, all: u32, at: Timestamp) {
        let rows = self.arrivals.entry(sku.to_owned()).or_default();
        rows.push_back((at, i64::from(all)));
        if rows.len() > 8 {
            rows.pop_front();
        }
    }

    fn capacity(&self, sku: &str, by: Timestamp) -> i64 {
        let rows = self.arrivals.get(sku);
        let last = rows.and_then(|rows| rows.iter().rev().find(|(at, _)| *at <= by));
        last.map_or(0, |(_, all)| *all)
    }

    /// Units of each SKU that have left the shelf for good.
    pub(crate) fn departed(&mut self, link: &Link) -> BTreeMap<String, u32> {
        link.world(|world, _| {
            for order in world.orders() {
                let left = order.handed_over_at.is_some() || order.status == Status::Completed;
                if left && self.counted.insert(order.code().to_owned()) {
                    for line in order.lines() {
                        *self.departed.entry(line.sku.clone()).or_default() += line.quantity;
                    }
                }
            }
            self.counted.retain(|code| world.order(code).is_some());
        });
        self.departed.clone()
    }

    /// Judges what happened since the last time, and what is known of it.
    pub(crate) async fn day(&mut self, link: &Link, process: &Process) {
        self.departed(link);
        let now = link.true_now();
        let since = now - SignedDuration::from_hours(30);
        let filter = OrderFilter {
            since: Some(since.as_millisecond()),
            limit: 100_000,
            ..OrderFilter::default()
        };
        let views = process.store.orders(&filter).await.unwrap();
        let views: HashMap<&str, &OrderView> = views
            .iter()
            .map(|view| (view.order.code.as_str(), view))
            .collect();
        link.world(|world, now| {
            self.what_was_done(world, &views);
            self.never_both(world);
            self.no_blind_repeat(world);
            self.same_as_kaspi(world, &views, (since, now));
        });
        self.judged_until = Some(now);
    }

    fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    fn is_new(&self, at: Timestamp) -> bool {
        self.judged_until.is_none_or(|until| at > until)
    }

    /// I2, I3: accepts of what was there, cancels of what was not.
    fn what_was_done(&mut self, world: &World, views: &HashMap<&str, &OrderView>) {
        let ledger = world.ledger();
        let effects = ledger.effects().iter().filter(|row| self.is_new(row.at));
        let cancels = ledger.requests().iter();
        let cancels =
            cancels.filter(|row| row.write == Some(WriteKind::Cancel) && self.is_new(row.at));
        let mut rows: Vec<(Timestamp, u8, Row<'_>)> = effects
            .map(|row| (row.at, 1, Row::Effect(row)))
            .chain(cancels.map(|row| (row.at, 0, Row::Cancel(row))))
            .collect();
        rows.sort_by_key(|(at, kind, _)| (*at, *kind));
        for (_, _, row) in rows {
            match row {
                Row::Effect(row) => self.effect(world, row),
                Row::Cancel(row) => self.cancel(world, row, views),
            }
        }
    }

    fn effect(&mut self, world: &World, row: &EffectRow) {
        let left = world
            .order(&row.code)
            .and_then(|order| order.handed_over_at);
        let is_pre_order = world
            .order(&row.code)
            .is_some_and(|order| order.seed.pre_order);
        match (&row.from, &row.to) {
            (Status::ApprovedByBank, Status::AcceptedByMerchant) => {
                self.accepts += 1;
                for (sku, quantity) in &row.units {
                    let held = self.promised.entry(sku.clone()).or_default();
                    *held += i64::from(*quantity);
                    let held = *held;
                    let there = self.capacity(sku, row.at);
                    if held > there && !is_pre_order {
                        let at = row.at;
                        self.violate(format!(
                            "I2: {held} of {sku} promised at {at}, {there} there"
                        ));
                    }
                }
            }
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling)
                if left.is_none_or(|left| left > row.at) =>
            {
                for (sku, quantity) in &row.units {
                    let quantity = i64::from(*quantity);
                    *self.promised.entry(sku.clone()).or_default() -= quantity;
                    self.freed.push_back((row.at, sku.clone(), quantity));
                }
            }
            _ => {}
        }
    }

    fn cancel(&mut self, world: &World, row: &RequestRow, views: &HashMap<&str, &OrderView>) {
        self.cancels += 1;
        let order = row.code.as_deref().and_then(|code| world.order(code));
        let Some(order) = order else { return };
        self.freed.retain(|(at, ..)| *at > row.at - UNSEEN_FREED);
        let short = order.lines().iter().any(|line| {
            let freed = self.freed.iter().filter(|(_, sku, _)| *sku == line.sku);
            let freed: i64 = freed.map(|(_, _, quantity)| quantity).sum();
            let held = self.promised.get(&line.sku).copied().unwrap_or(0) + freed;
            i64::from(line.quantity) > self.capacity(&line.sku, row.at - SENDING) - held
        });
        if !short {
            let (code, at) = (order.code().to_owned(), row.at);
            let stock: Vec<(&str, u32, i64, i64)> = order
                .lines()
                .iter()
                .map(|line| {
                    let held = self.promised.get(&line.sku).copied().unwrap_or(0);
                    (
                        line.sku.as_str(),
                        line.quantity,
                        self.capacity(&line.sku, at),
                        held,
                    )
                })
                .collect();
            let seen = views
                .get(order.code())
                .and_then(|view| view.decision.as_ref());
            let seen: Option<Vec<_>> = seen.map(|decision| {
                let lines = decision.facts.lines().iter();
                lines.map(|line| line.stock.clone()).collect()
            });
            let what = format!(
                "I3: {code} was cancelled at {at} and stock covered it: SKU, wanted, there, promised {stock:?}; seen {seen:?}"
            );
            self.violate(what);
        }
    }

    fn never_both(&mut self, world: &World) {
        for code in world.ledger().both_actions_sent() {
            self.violate(format!("I1: accept and cancel were both sent for {code}"));
        }
    }

    fn no_blind_repeat(&mut self, world: &World) {
        let ledger = world.ledger();
        for row in ledger.blind_repeats() {
            let code = row.code.as_deref().unwrap_or_default();
            let ours = ledger.effects().iter().find(|effect| {
                effect.code == code && effect.cause.is_write() && effect.request != Some(row.n)
            });
            if self.is_new(row.at)
                && ours.is_some_and(|effect| row.at.duration_since(effect.at) > LATE)
            {
                self.violate(format!("blind repeat of {row:?}; effect {ours:?}"));
            }
        }
    }

    /// I4, I5, I9: every order known as Kaspi holds it, what waits is reported, every POST has its row.
    fn same_as_kaspi(
        &mut self,
        world: &World,
        views: &HashMap<&str, &OrderView>,
        (since, now): (Timestamp, Timestamp),
    ) {
        let ledger = world.ledger();
        let mut changed: HashMap<&str, Timestamp> = HashMap::new();
        for row in ledger.effects() {
            changed.insert(&row.code, row.at);
        }
        let mut posts: HashMap<&str, usize> = HashMap::new();
        for row in ledger.requests().iter().filter(|row| row.write.is_some()) {
            *posts
                .entry(row.code.as_deref().unwrap_or_default())
                .or_default() += 1;
        }
        let settled = |order: &&qabyl_sandbox::Order| {
            let last = changed
                .get(order.code())
                .copied()
                .unwrap_or(order.visible_at);
            order.seed.created_at >= since && last.max(order.visible_at) + READ_BACK < now
        };
        for order in world.orders().iter().filter(settled) {
            let code = order.code();
            let sent = posts.get(code).copied().unwrap_or(0);
            let Some(view) = views.get(code) else {
                if order.status == Status::ApprovedByBank || sent > 0 {
                    self.violate(format!("I4: {code} was missed"));
                }
                continue;
            };
            let known = (view.order.state.as_str(), view.order.status.as_str());
            if known != (order.state.as_str(), order.status.as_str()) {
                let held = (&order.state, &order.status);
                self.violate(format!("I5: {code} is {held:?}, known as {known:?}"));
            }
            let attempts: usize = view
                .actions
                .iter()
                .map(|action| action.attempts.len())
                .sum();
            if attempts < sent {
                self.violate(format!(
                    "I9: {sent} POSTs for {code} and {attempts} attempts"
                ));
            }
            let is_live = view.actions.iter().any(|action| action.closed_at.is_none());
            let is_reported = view.held.is_some() || view.decision.is_some() || is_live;
            if order.status == Status::ApprovedByBank && !is_reported {
                self.violate(format!("I4: {code} waits and was not decided"));
            }
        }
    }
}
