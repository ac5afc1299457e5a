//! What must hold after every story: the invariants, judged by the world's ledger and the database.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::sandbox::{EffectRow, OfferForm, Order, Status, World, WriteKind};
use qabyl::store::{ActionView, OrderFilter, OrderView};

use crate::link::Link;
use crate::shop::Process;

/// Others' doings younger than this could not be known: the age a sweep may have, and a sighting.
const UNSEEN: SignedDuration = SignedDuration::from_secs(5 * 60);

/// Units that came free longer ago than this must keep an order from being cancelled: replicas lag by
/// up to a minute, and a cancel rests on readings made just before it.
const UNSEEN_FREED: SignedDuration = SignedDuration::from_secs(75);

/// Between two readings an order may be accepted by somebody and given up, which leaves no trace; a feed
/// with accepted orders taken off may be without its units all the same.
const UNTRACED: SignedDuration = SignedDuration::from_mins(30);

/// From the decision to the arrival of its POST.
const SENDING: SignedDuration = SignedDuration::from_secs(10);

/// A POST under way may arrive, and have its effect, so much later than its units were counted.
const ARRIVING: SignedDuration = SignedDuration::from_secs(150);

/// An effect is read by then, where replicas lag by up to a minute.
pub(crate) const SEEN_BY: SignedDuration = SignedDuration::from_secs(120);

/// What an action's end rests on may have been read so long before it: `actions.sighting_age_max`, and
/// what a request takes.
pub(crate) const LAST_LOOK: SignedDuration = SignedDuration::from_secs(40);

/// Goods without a SKU are asked about again after a quarter of an hour (docs/ARCHITECTURE.md), by the next
/// sweep that is answered.
const LINKED_BY: SignedDuration = SignedDuration::from_mins(22);

/// A list is made so often that an order this far within its reach is in one.
const LOOK: Duration = Duration::from_mins(10);

/// By then an order is in a list, or in a deep one.
const SEEN_SOON: SignedDuration = SignedDuration::from_mins(4);
const SEEN_DEEP: SignedDuration = SignedDuration::from_mins(70);

/// `actions.settle` and `actions.attempts_max`, as they are by default.
const SETTLE: SignedDuration = SignedDuration::from_mins(3);
const ATTEMPTS_MAX: usize = 5;

/// What the story knows and the ledger does not.
#[derive(Default)]
pub(crate) struct Known {
    /// SKU to when units came in or were lost, and how many there had been in all by then.
    arrivals: BTreeMap<String, Vec<(Timestamp, u32)>>,
    /// Orders a person decided: theirs to answer for.
    pub(crate) by_hand: BTreeSet<String>,
}

impl Known {
    /// Units there have been in all, without those that were lost.
    pub(crate) fn capacity(&self, sku: &str) -> u32 {
        let rows = self.arrivals.get(sku);
        rows.and_then(|rows| rows.last()).map_or(0, |(_, all)| *all)
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
        never_both(world, known)?;
        no_blind_repeat(world, &views)?;
        no_wrong_cancel(world, known, &views, sight)?;
        no_oversell(world, known, &views, sight)?;
        actions_end_true(world, known, &views, sight)?;
        if sight.settles {
            no_early_repeat(world)?;
        }
        same_as_kaspi(world, &views, sight, now)?;
        attempts_precede_posts(world, &views)
    })?;
    books_balance(process).await?;
    audited(process, &views).await
}

/// I6: the trail tells what the tables hold.
async fn books_balance(process: &Process) -> Result<(), String> {
    let semantics = process.shop.ctx.settings.semantics;
    let books = process.store.check_books(semantics).await.unwrap();
    match books.differences.first() {
        Some(first) => Err(format!("I6: the books do not balance: {first:?}")),
        None => Ok(()),
    }
}

fn never_both(world: &World, known: &Known) -> Result<(), String> {
    let both = world.ledger().both_actions_sent();
    match both.iter().find(|code| !known.by_hand.contains(*code)) {
        Some(code) => Err(format!("I1: accept and cancel were both sent for {code}")),
        None => Ok(()),
    }
}

/// A POST again after the effect of an earlier one of ours could be read.
fn no_blind_repeat(world: &World, views: &[OrderView]) -> Result<(), String> {
    let ledger = world.ledger();
    for row in ledger.blind_repeats() {
        let code = row.code.as_deref().unwrap_or_default();
        let ours = ledger.effects().iter().find(|effect| {
            effect.code == code && effect.cause.is_write() && effect.request != Some(row.n)
        });
        // Two minutes: a late effect, or a lagging replica, may come between the reading and the POST.
        let seen = |effect: &EffectRow| row.at.duration_since(effect.at).as_secs() > 120;
        if ours.is_some_and(seen) {
            let attempts: Vec<_> = views
                .iter()
                .filter(|view| view.order.code.as_str() == code)
                .map(|view| &view.actions)
                .collect();
            return Err(format!(
                "blind repeat of {row:?}; effect {ours:?}; {attempts:#?}"
            ));
        }
    }
    Ok(())
}

/// Units promised at Kaspi at a moment, of each SKU. `counts` picks the effects and SKUs that count.
fn promised(
    world: &World,
    at: Timestamp,
    counts: impl Fn(&EffectRow, &str) -> bool,
) -> BTreeMap<&str, i64> {
    let mut units: BTreeMap<&str, i64> = BTreeMap::new();
    for row in world.ledger().effects().iter().filter(|row| row.at <= at) {
        let on_its_way = world
            .order(&row.code)
            .and_then(|order| order.handed_over_at)
            .is_some_and(|left| left <= row.at);
        let sign = match (&row.from, &row.to) {
            (Status::ApprovedByBank, Status::AcceptedByMerchant) => 1,
            // What the courier has is not back on the shelf by a word.
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) if on_its_way => 0,
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) => -1,
            _ => continue,
        };
        for (sku, quantity) in row.units.iter().filter(|(sku, _)| counts(row, sku)) {
            *units.entry(sku).or_default() += sign * i64::from(*quantity);
        }
    }
    units
}

/// Whether an order is given up here that somebody else accepted just before.
fn is_untraced(world: &World, given_up: &EffectRow) -> bool {
    let mut effects = world.ledger().effects().iter();
    effects.any(|row| {
        let is_foreign = row.to == Status::AcceptedByMerchant && !row.cause.is_write();
        let since = given_up.at.duration_since(row.at);
        row.code == given_up.code && is_foreign && !since.is_negative() && since <= UNTRACED
    })
}

/// I3: at every cancel of ours, some line was short by what was known then.
fn no_wrong_cancel(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
) -> Result<(), String> {
    for row in world
        .ledger()
        .requests()
        .iter()
        .filter(|row| row.write == Some(WriteKind::Cancel))
    {
        let Some(code) = row
            .code
            .as_deref()
            .filter(|code| !known.by_hand.contains(*code))
        else {
            continue;
        };
        let Some(order) = world.order(code) else {
            continue;
        };
        // What came free just now could not be known; nor what came in since.
        let before = row.at - UNSEEN_FREED;
        let frees = |effect: &EffectRow| {
            let is_untraced = sight.is_available && is_untraced(world, effect);
            effect.to != Status::AcceptedByMerchant && (effect.at > before || is_untraced)
        };
        let held = promised(world, row.at, |effect, _| !frees(effect));
        let short = order.lines().iter().any(|line| {
            let Some(capacity) = known.capacities(&line.sku, row.at - SENDING, row.at).min() else {
                return false;
            };
            let held = held.get(line.sku.as_str()).copied().unwrap_or(0);
            i64::from(line.quantity) > capacity - held
        });
        if !short {
            let view = views.iter().find(|view| view.order.code.as_str() == code);
            let seen = view
                .and_then(|view| view.decision.as_ref())
                .map(|d| d.facts.lines().to_vec());
            return Err(format!(
                "I3: {code} was cancelled at {} and stock covered it: {held:?}; seen {seen:?}",
                row.at
            ));
        }
    }
    Ok(())
}

/// I2: at every accept of ours that took effect, the units were there by what was known then.
fn no_oversell(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
) -> Result<(), String> {
    // Goods that Kaspi links to no SKU of ours could not be counted.
    let lines = views.iter().flat_map(|view| {
        let skus = view.lines.iter().filter_map(|line| line.sku.as_ref());
        skus.map(|sku| (view.order.code.as_str(), sku.as_str()))
    });
    let told: BTreeSet<_> = lines.collect();
    let known_codes: BTreeSet<&str> = views.iter().map(|view| view.order.code.as_str()).collect();
    // One that was never seen tells nothing of its lines: it should have been.
    let is_told = |effect: &EffectRow, sku: &str| {
        let code = effect.code.as_str();
        told.contains(&(code, sku)) || !known_codes.contains(code) && is_linked(world, code, sku)
    };
    for row in world.ledger().effects() {
        let ours = row.cause.is_write() && row.to == Status::AcceptedByMerchant;
        let is_preorder = world
            .order(&row.code)
            .is_some_and(|order| order.seed.pre_order);
        if !ours || known.by_hand.contains(&row.code) || is_preorder {
            continue;
        }
        // Others' clicks of the last minutes could not be known, nor those after our POST.
        let foreign = |effect: &EffectRow| {
            let taken = effect.to == Status::AcceptedByMerchant;
            let by_hand = known.by_hand.contains(&effect.code);
            let order = world.order(&effect.code);
            let is_listed = order.is_none_or(|order| sight.is_listed(order));
            let unseen = if is_listed {
                UNSEEN + SEEN_BY
            } else {
                sight.deep()
            };
            taken && (!effect.cause.is_write() || by_hand) && effect.at > row.at - unseen
        };
        let held = promised(world, row.at, |effect, sku| {
            !foreign(effect)
                && is_told(effect, sku)
                && is_linked_by(world, effect, sku, row.at)
                && !is_left_to_the_count(world, known, (&effect.code, sku), (row.at, sight.lag))
        });
        for (sku, _) in &row.units {
            let Some(capacity) = known.capacities(sku, row.at - ARRIVING, row.at).max() else {
                return Err(format!(
                    "I2: {} was accepted with unknown stock of {sku}",
                    row.code
                ));
            };
            let held = held.get(sku.as_str()).copied().unwrap_or(0);
            if held > capacity {
                return Err(format!(
                    "I2: {held} of {sku} promised at {}, {capacity} there",
                    row.at
                ));
            }
        }
    }
    Ok(())
}

/// Whether Kaspi links the goods of this line to a SKU of ours.
fn is_linked(world: &World, code: &str, sku: &str) -> bool {
    let order = world.order(code);
    let mut lines = order.iter().flat_map(|order| order.lines());
    lines.any(|line| line.sku == sku && line.offer != OfferForm::Unlinked)
}

/// Whether Kaspi had been asked again by then about goods that it linked to no SKU at first.
fn is_linked_by(world: &World, effect: &EffectRow, sku: &str, at: Timestamp) -> bool {
    let began = world.ledger().requests().first().map(|row| row.at);
    let since = began.map_or(effect.at, |began| began.max(effect.at));
    is_linked(world, &effect.code, sku) || at > since + LINKED_BY
}

/// Whether nobody could know that a count had these goods (docs/ARCHITECTURE.md, what it cannot know):
/// others accepted the order before, and were done with it after, and no list showed it meanwhile.
fn is_left_to_the_count(
    world: &World,
    known: &Known,
    (code, sku): (&str, &str),
    (at, lag): (Timestamp, SignedDuration),
) -> bool {
    let Some(order) = world.order(code).filter(|it| it.handed_over_at.is_none()) else {
        return false;
    };
    let effect = |to: Status| {
        let mut effects = world.ledger().effects().iter();
        effects.find(|row| row.code == code && row.to == to && !row.cause.is_write())
    };
    let accepted = effect(Status::AcceptedByMerchant).map(|row| row.at);
    let over = effect(Status::Completed).map(|row| row.at);
    let (Some(accepted), Some(over)) = (accepted, over) else {
        return false;
    };
    let seen_from = accepted.max(order.visible_at) + lag;
    let state = order.accepted_state();
    let mut lists = world.ledger().requests().iter();
    let was_shown = lists.any(|row| {
        let is_list = row.state.as_deref() == Some(state.as_str()) && row.answered == Some(200);
        is_list && seen_from <= row.at && row.at <= over
    });
    let counted = known.last_count(sku, at);
    !was_shown && counted.is_some_and(|counted| order.approved_at < counted)
}

/// R3, R4: no action ended otherwise than Kaspi shows it, was sent too often, or is still under way.
fn actions_end_true(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
) -> Result<(), String> {
    for view in views {
        let code = view.order.code.as_str();
        for (n, action) in view.actions.iter().enumerate() {
            let to = |row: &EffectRow| match action.kind.as_str() {
                "accept" => row.to == Status::AcceptedByMerchant,
                _ => matches!(row.to, Status::Cancelled | Status::Cancelling),
            };
            let of_it = |row: &&EffectRow| row.code == code && to(row);
            let mut effects = world.ledger().effects().iter().filter(of_it);
            let last = world
                .ledger()
                .effects()
                .iter()
                .rfind(|row| row.code == code);
            let seen = action.closed_at.map(|closed| closed - sight.lag);
            // A clock set back may put this action's end after the effect of one that came later.
            let tried = view.actions.iter().take(n + 1);
            let tried: usize = tried.map(|it| it.attempts.len()).sum();
            let is_laters = last.is_some_and(|row| posts_before(world, row) >= tried);
            let is_true = match (action.state.as_str(), seen) {
                ("confirmed", _) => effects.next().is_some(),
                // One that was overtaken by others had its effect all the same.
                ("refused", Some(seen)) => {
                    is_laters
                        || !last.is_some_and(|row| to(row) && row.cause.is_write() && row.at < seen)
                }
                _ => true,
            };
            let counted = action.attempts.iter().filter(|attempt| {
                let free = ["snoozed", "not_sent", "denied"];
                !attempt
                    .outcome
                    .as_deref()
                    .is_some_and(|outcome| free.contains(&outcome))
            });
            let is_bounded = counted.count() <= ATTEMPTS_MAX || known.by_hand.contains(code);
            let is_over = action
                .attempts
                .iter()
                .all(|attempt| attempt.outcome.is_some());
            let is_read =
                action.state != "refused" || !sight.is_steady || is_read_back(world, action);
            if !(is_true && is_bounded && is_over && is_read) {
                return Err(format!("R3: {code} does not hold {action:#?}"));
            }
        }
    }
    Ok(())
}

/// How many POSTs about its order came before the one that had this effect.
fn posts_before(world: &World, effect: &EffectRow) -> usize {
    let requests = world.ledger().requests().iter();
    requests
        .filter(|row| row.write.is_some() && row.code.as_ref() == Some(&effect.code))
        .take_while(|row| Some(row.n) != effect.request)
        .count()
}

/// R3: whether anything was read between the last POST of an action and its end, where the end does not
/// name a reading that was under way already.
fn is_read_back(world: &World, action: &ActionView) -> bool {
    let why = action.why.as_deref().unwrap_or_default();
    if why.starts_with("Kaspi shows") {
        return true;
    }
    let ended = action.attempts.last().and_then(|attempt| attempt.ended_at);
    let (Some(ended), Some(closed)) = (ended, action.closed_at) else {
        return true;
    };
    // The database holds milliseconds, the world what is smaller too.
    let closed = closed + SignedDuration::from_millis(1);
    let mut requests = world.ledger().requests().iter();
    requests.any(|row| row.write.is_none() && ended <= row.at && row.at < closed)
}

/// R4: a POST whose outcome was not a clear no is not repeated before it has settled.
fn no_early_repeat(world: &World) -> Result<(), String> {
    let mut last = BTreeMap::new();
    let posts = world.ledger().requests().iter();
    for row in posts.filter(|row| row.write.is_some()) {
        let is_open = !row
            .answered
            .is_some_and(|status| (400..500).contains(&status));
        let before = last.insert((&row.code, row.write), (row.at, is_open));
        if let Some((at, true)) = before
            && row.at.duration_since(at) < SETTLE
        {
            return Err(format!("R4: {row:?} repeats one of {at}"));
        }
    }
    Ok(())
}

/// I4, I5: known as Kaspi holds it; what still waits is held, and somebody is told why.
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
        let told = view.held.is_some()
            || view
                .decision
                .as_ref()
                .is_some_and(|d| d.decision.verdict.word() == "hold")
            || view
                .actions
                .iter()
                .any(|action| action.closed_at.is_none() && action.due_at.is_none());
        if order.status == Status::ApprovedByBank && !told {
            return Err(format!(
                "I4: {code} waits and nobody is told: {:#?}",
                view.decision
            ));
        }
    }
    Ok(())
}

/// I9: the row was there before the POST.
fn attempts_precede_posts(world: &World, views: &[OrderView]) -> Result<(), String> {
    for view in views {
        let code = view.order.code.as_str();
        let posts = world.ledger().posts_for(code);
        let attempts: usize = view
            .actions
            .iter()
            .map(|action| action.attempts.len())
            .sum();
        if attempts < posts.len() {
            return Err(format!(
                "I9: {} POSTs for {code} and {attempts} attempts",
                posts.len()
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
