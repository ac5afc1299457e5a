//! What stock allowed at each accept and each cancel, by what could be known then (I2, I3).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use qabyl::store::OrderView;
use qabyl_sandbox::{EffectRow, OfferForm, Order, Status, World, WriteKind};

use super::{Known, Moved, Sight};

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

/// Goods without a SKU are asked about again after a quarter of an hour (docs/ARCHITECTURE.md), by the next
/// sweep that is answered.
const LINKED_BY: SignedDuration = SignedDuration::from_mins(22);

/// What an order that moved just before counts as.
#[derive(Clone, Copy)]
enum Moves {
    /// Held wherever it lay since then, and where it lies.
    Everywhere {
        unseen: SignedDuration,
        /// The feed takes orders off: at a point where no list showed one, too.
        is_available: bool,
    },
    /// Held nowhere.
    Nowhere { unseen: SignedDuration },
}

impl Moves {
    /// The levels at which units of an SKU of the order count.
    fn levels(
        self,
        (world, known): (&World, &Known),
        order: &Order,
        sku: &str,
        at: Timestamp,
    ) -> BTreeSet<String> {
        let now = known.level(order, sku, at);
        match self {
            Self::Nowhere { unseen } if known.has_moved(order.code(), at - unseen, at) => {
                BTreeSet::new()
            }
            Self::Nowhere { .. } => BTreeSet::from([now]),
            Self::Everywhere {
                unseen,
                is_available,
            } => {
                let mut levels = BTreeSet::from([now]);
                let mut came = None;
                let of_order = |moved: &&Moved| moved.code == order.code() && moved.at <= at;
                for moved in known.moves.iter().filter(of_order) {
                    let just_before = moved.at - SignedDuration::from_millis(1);
                    let level = known.level(order, sku, just_before);
                    let is_untraced = is_available
                        && came.is_some_and(|came| {
                            is_unshown(world, order, (came, moved.at))
                                && known.last_count(&level, at) <= Some(moved.at)
                        });
                    if moved.at > at - unseen || is_untraced {
                        levels.insert(level);
                    }
                    came = Some(moved.at);
                }
                levels
            }
        }
    }
}

/// Whether no list showed an accepted order from when it came to a point until it left that.
fn is_unshown(world: &World, order: &Order, (came, left): (Timestamp, Timestamp)) -> bool {
    let state = order.accepted_state();
    let mut lists = world.ledger().requests().iter();
    !lists.any(|row| {
        let is_list = row.state.as_deref() == Some(state.as_str()) && row.answered == Some(200);
        is_list && came + UNSEEN_FREED <= row.at && row.at <= left
    })
}

/// Units promised at Kaspi at a moment, of each level of the shelf. `counts` picks the effects and SKUs that count; lines
/// cancelled until `shrunk_by` count.
fn promised(
    world: &World,
    known: &Known,
    (at, shrunk_by, moves): (Timestamp, Timestamp, Moves),
    counts: impl Fn(&EffectRow, &str) -> bool,
) -> BTreeMap<String, i64> {
    let levels = |code: &str, sku: &str| {
        let order = world.order(code);
        order.map_or_else(BTreeSet::new, |order| {
            moves.levels((world, known), order, sku, at)
        })
    };
    let mut units: BTreeMap<String, i64> = BTreeMap::new();
    for row in world.ledger().effects().iter().filter(|row| row.at <= at) {
        let on_its_way = world
            .order(&row.code)
            .and_then(|order| order.handed_over_at)
            .is_some_and(|left| left <= row.at);
        let sign = match (&row.from, &row.to) {
            (Status::ApprovedByBank | Status::Cancelled, Status::AcceptedByMerchant) => 1,
            // What the courier has is not back on the shelf by a word.
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) if on_its_way => 0,
            (Status::AcceptedByMerchant, Status::Cancelled | Status::Cancelling) => -1,
            _ => continue,
        };
        for (sku, quantity) in row.units.iter().filter(|(sku, _)| counts(row, sku)) {
            for level in levels(&row.code, sku) {
                *units.entry(level).or_default() += sign * i64::from(*quantity);
            }
        }
    }
    for shrunk in known.shrunk.iter().filter(|shrunk| shrunk.at <= shrunk_by) {
        let mut effects = world.ledger().effects().iter();
        let is_counted = effects.any(|row| {
            let is_accept = row.code == shrunk.code && row.to == Status::AcceptedByMerchant;
            is_accept && row.at <= at && counts(row, &shrunk.sku)
        });
        if is_counted {
            for level in levels(&shrunk.code, &shrunk.sku) {
                *units.entry(level).or_default() -= 1;
            }
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

/// Units of each level that are promised at least, by what could be known then.
fn held_at_least(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
    at: Timestamp,
) -> BTreeMap<String, i64> {
    // Goods that Kaspi links to no SKU of ours could not be counted.
    let lines = views.iter().flat_map(|view| {
        let skus = view.lines.iter().filter_map(|line| line.sku.as_ref());
        skus.map(|sku| (view.order.code.as_str(), sku.as_str()))
    });
    let listed: BTreeSet<_> = lines.collect();
    let known_codes: BTreeSet<&str> = views.iter().map(|view| view.order.code.as_str()).collect();
    // One that was never seen says nothing of its lines: it should have been.
    let is_told = |effect: &EffectRow, sku: &str| {
        let code = effect.code.as_str();
        listed.contains(&(code, sku)) || !known_codes.contains(code) && is_linked(world, code, sku)
    };
    // Others' clicks of the last minutes could not be known, nor those after our POST.
    let foreign = |effect: &EffectRow| {
        let taken = effect.to == Status::AcceptedByMerchant;
        let by_people = known.by_people.contains(&effect.code);
        let order = world.order(&effect.code);
        let is_listed = order.is_none_or(|order| sight.is_listed(order));
        let unseen = if is_listed {
            sight.unseen
        } else {
            sight.deep()
        };
        taken && (!effect.cause.is_write() || by_people) && effect.at > at - unseen
    };
    // What an alias takes that others sold while it was not mapped is known once it is.
    let is_mapped = |effect: &EffectRow, sku: &str| {
        !sku.starts_with('X')
            || effect.cause.is_write()
            || known.was_mapped(effect.at + sight.unseen, at)
    };
    let when = (
        at,
        at,
        Moves::Nowhere {
            unseen: sight.unseen,
        },
    );
    promised(world, known, when, |effect, sku| {
        !foreign(effect)
            && !is_preorder(world, &effect.code)
            && is_mapped(effect, sku)
            && is_told(effect, sku)
            && is_linked_by(world, effect, sku, at)
            && !is_left_to_the_count(world, known, (&effect.code, sku), (at, sight.lag))
    })
}

/// Units of each level that are promised at most: what came free just now could not be known.
fn held_at_most(
    world: &World,
    known: &Known,
    sight: &Sight,
    at: Timestamp,
) -> BTreeMap<String, i64> {
    let before = at - UNSEEN_FREED;
    let frees = |effect: &EffectRow| {
        let is_untraced = sight.is_available && is_untraced(world, effect);
        effect.to != Status::AcceptedByMerchant && (effect.at > before || is_untraced)
    };
    let moves = Moves::Everywhere {
        unseen: UNSEEN_FREED,
        is_available: sight.is_available,
    };
    let when = (at, before, moves);
    promised(world, known, when, |effect, _| !frees(effect))
}

/// Whether an order's goods are still to come.
fn is_preorder(world: &World, code: &str) -> bool {
    world.order(code).is_some_and(|order| order.seed.pre_order)
}

/// What the product believes of one level.
pub(crate) struct Believed {
    /// The SKU, at its point if there are several.
    pub(crate) level: String,
    pub(crate) certain: i64,
    pub(crate) possible: i64,
}

/// What is certain is free, and what is free is possible, by what could be known now.
pub(crate) fn bounds(
    world: &World,
    known: &Known,
    (views, believed): (&[OrderView], &[Believed]),
    (sight, now): (&Sight, Timestamp),
) -> Result<(), String> {
    let least = held_at_least(world, known, views, sight, now);
    let most = held_at_most(world, known, sight, now);
    for believed in believed {
        let level = &believed.level;
        let held = |held: &BTreeMap<String, i64>| held.get(level).copied().unwrap_or(0);
        let there = || known.capacities(level, now - ARRIVING, now);
        let (Some(fewest), Some(all)) = (there().min(), there().max()) else {
            continue;
        };
        // What people sold beyond the shelf is no less than nothing in a count.
        if believed.certain > (all - held(&least)).max(0) {
            return Err(format!(
                "I2: {} of {level} are certain at {now}, {} of {all} there are promised",
                believed.certain,
                held(&least)
            ));
        }
        if believed.possible < fewest - held(&most) {
            return Err(format!(
                "I3: {} of {level} are possible at {now}, {} of {fewest} there are promised",
                believed.possible,
                held(&most)
            ));
        }
    }
    Ok(())
}

/// I3: at every cancel of ours, some line was short by what was known then.
pub(super) fn no_wrong_cancel(
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
            .filter(|code| !known.by_people.contains(*code))
        else {
            continue;
        };
        let Some(order) = world.order(code) else {
            continue;
        };
        let held = held_at_most(world, known, sight, row.at);
        let mut wanted: BTreeMap<String, i64> = BTreeMap::new();
        for line in order.lines() {
            let level = known.level(order, &line.sku, row.at);
            *wanted.entry(level).or_default() += i64::from(line.quantity);
        }
        let short = wanted.iter().any(|(sku, wanted)| {
            let Some(capacity) = known.capacities(sku, row.at - SENDING, row.at).min() else {
                return false;
            };
            let held = held.get(sku).copied().unwrap_or(0);
            *wanted > capacity - held
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
pub(super) fn no_oversell(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
) -> Result<(), String> {
    for row in world.ledger().effects() {
        let ours = row.cause.is_write() && row.to == Status::AcceptedByMerchant;
        if !ours || known.by_people.contains(&row.code) || is_preorder(world, &row.code) {
            continue;
        }
        let held = held_at_least(world, known, views, sight, row.at);
        let Some(order) = world.order(&row.code) else {
            continue;
        };
        for (sku, _) in &row.units {
            let sku = &known.level(order, sku, row.at);
            let Some(capacity) = known.capacities(sku, row.at - ARRIVING, row.at).max() else {
                return Err(format!(
                    "I2: {} was accepted with unknown stock of {sku}",
                    row.code
                ));
            };
            let held = held.get(sku).copied().unwrap_or(0);
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
/// others accepted the order before and completed it after, and no list showed it in between.
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
    let counted = known.last_count(&known.level(order, sku, at), at);
    !was_shown && counted.is_some_and(|counted| order.approved_at < counted)
}
