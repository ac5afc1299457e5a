//! The facts of a scenario: everything plain and in order, unless it says otherwise.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use toml::{Table, Value};

use super::input::{
    Input, LineInput, New, OrderInput, ShopInput, ShortageInput, Unreadable, WorldInput,
};
use super::value::{Count, Known, SinceOrNever, Span, Text, WordOr};
use crate::diagnostics::{Mistake, Segment, nearest};
use crate::domain::availability::{ClosedBy, Doubt, Reason};
use crate::domain::evidence::{Cause, Evidence, Interval, Unaccounted};
use crate::domain::facts::{
    Collapse, Counters, Facts, LineFacts, LinesFacts, ShopFacts, ShortageSeen,
};
use crate::domain::ids::{
    Account, EmptyId, EntryId, OrderCode, OrderId, PickupPoint, ShopName, Sku,
};
use crate::domain::money::Money;
use crate::domain::order::{
    DeliveryMode, Field, Line, Order, PaymentMode, State, Status, UnitType, UnreadField,
};
use crate::domain::stock::{Level, LineStock, UnknownStock};
use crate::domain::unaccounted::MayHold;

const HALF_AN_HOUR: SignedDuration = SignedDuration::from_mins(30);

/// All that the scenario decides on, but for what stands under `facts`.
pub(super) fn of(input: &Input, now: Timestamp) -> Result<Facts, EmptyId> {
    let shop = match &input.shop.name {
        Some(Text(name)) => ShopName::new(name)?,
        None => ShopName::new("main")?,
    };
    let mut facts = Facts {
        shop: Some(shop),
        order: order(&input.order, now)?,
        first_seen_at: None,
        lines: in_doubt_since(
            lines(input.lines.as_ref(), now)?,
            input.shortage.as_ref(),
            now,
        ),
        shortage: None,
        sent: input.order.sent,
        namesakes: if input.order.same_number {
            vec![OrderId::new("another")?]
        } else {
            Vec::new()
        },
        shop_facts: shop_facts(&input.world, &input.shop, now)?,
    };
    if facts.is_short() {
        facts.shortage = shortage(input.shortage.as_ref(), now);
    }
    Ok(facts)
}

/// A prepaid order, approved five minutes ago, that Kaspi carries from the first pickup point.
fn order(input: &OrderInput, now: Timestamp) -> Result<Order, EmptyId> {
    let age = input.age.unwrap_or(Span(SignedDuration::from_mins(5)));
    let approved = age.before(now);
    let created = input
        .created
        .map_or(Span(SignedDuration::from_mins(5)).before(now), |age| {
            age.before(now)
        });
    let total = input
        .total
        .map_or(Money::from_tenge(10_000), |total| total.0);
    Ok(Order {
        state: known(input.state.as_ref(), State::New),
        status: known(input.status.as_ref(), Status::ApprovedByBank),
        approved_at: Some(approved),
        total: Some(total),
        payment_mode: Some(known(input.payment_mode.as_ref(), PaymentMode::Prepaid)),
        delivery_mode: Some(known(input.delivery_mode.as_ref(), DeliveryMode::Local)),
        kaspi_delivery: Some(input.kaspi_delivery.unwrap_or(true)),
        express: input.express,
        signature_required: input.signature,
        pre_order: input.preorder,
        pickup_point: Some(match &input.pickup_point {
            Some(Text(point)) => PickupPoint::new(point)?,
            None => PickupPoint::new("30000001_PP1")?,
        }),
        unread: if input.unread {
            vec![UnreadField {
                field: Field::TotalPrice,
                raw: "null or missing".to_owned(),
            }]
        } else {
            Vec::new()
        },
        ..Order::new(
            OrderId::new("scenario")?,
            OrderCode::new("900000001")?,
            created.min(approved),
        )
    })
}

fn known<T: Clone>(word: Option<&Known<T>>, plain: T) -> T {
    word.map_or(plain, |Known(word)| word.clone())
}

fn lines(
    input: Option<&WordOr<Unreadable, Vec<LineInput>>>,
    now: Timestamp,
) -> Result<LinesFacts, EmptyId> {
    let plain = [LineInput::default()];
    let inputs = match input {
        Some(WordOr::Word(_)) => {
            return Ok(LinesFacts::Unreadable("the scenario says so".to_owned()));
        }
        Some(WordOr::Value(lines)) => lines.as_slice(),
        None => &plain,
    };
    let lines = (1..)
        .zip(inputs)
        .map(|(number, input)| line(number, input, now));
    let mut lines: Vec<LineFacts> = lines.collect::<Result<_, _>>()?;
    let wanted: Vec<i64> = lines.iter().map(|line| wanted(line, &lines)).collect();
    for (line, wanted) in lines.iter_mut().zip(wanted) {
        line.wanted = wanted;
    }
    Ok(LinesFacts::Known(lines))
}

/// Units that all lines together want of this line's level.
fn wanted(line: &LineFacts, lines: &[LineFacts]) -> i64 {
    let same = |other: &&LineFacts| {
        other.line.entry == line.line.entry
            || (other.line.sku == line.line.sku && other.line.sku.is_some())
    };
    let units = lines
        .iter()
        .filter(same)
        .map(|line| i64::from(line.line.quantity));
    units.sum()
}

/// One unit of an SKU that has ten on hand, counted half an hour ago.
fn line(number: i64, input: &LineInput, now: Timestamp) -> Result<LineFacts, EmptyId> {
    let sku = match &input.sku {
        Some(Text(sku)) => Sku::new(sku)?,
        None => Sku::new(format!("SKU-{number}"))?,
    };
    let units = |count: Option<Count>| count.map_or(0, Count::units);
    let age = input.stock_age.unwrap_or(Span(HALF_AN_HOUR));
    let stock = if input.stock.is_some() {
        LineStock::Unknown(UnknownStock::NotListed(sku.clone()))
    } else {
        LineStock::Known(Level {
            warehouse: input
                .warehouse
                .as_ref()
                .map_or_else(|| "PP1".to_owned(), |Text(name)| name.clone()),
            on_hand: input.on_hand.map_or(10, Count::units),
            reserved_confirmed: units(input.reserved),
            reserved_pending: units(input.pending),
            returned: units(input.returned),
            is_unbounded: false,
            recent_demand: 0,
            safety_stock: units(input.safety_stock),
            as_of: age.before(now),
            source: "stock.csv".to_owned(),
            doubts: doubts(units(input.pending), units(input.returned), now),
        })
    };
    Ok(LineFacts {
        line: Line {
            entry: EntryId::new(format!("line{number}"))?,
            number,
            sku: Some(sku),
            quantity: input.quantity.map_or(1, |count| count.small().max(1)),
            unit: if input.measured {
                UnitType::Measurable
            } else {
                UnitType::Pieces
            },
            unit_price: None,
            total: None,
            name: None,
            category: input.category.as_ref().map(|Text(name)| name.clone()),
            master_product: None,
        },
        stock,
        wanted: 1,
        parts: Vec::new(),
    })
}

/// Units in doubt have been so for as long as the shortage they may explain.
fn in_doubt_since(
    mut lines: LinesFacts,
    shortage: Option<&WordOr<New, ShortageInput>>,
    now: Timestamp,
) -> LinesFacts {
    let Some(WordOr::Value(ShortageInput {
        since: Some(since), ..
    })) = shortage
    else {
        return lines;
    };
    if let LinesFacts::Known(lines) = &mut lines {
        for line in lines {
            if let LineStock::Known(level) = &mut line.stock {
                let doubts = level.doubts.iter_mut();
                doubts.for_each(|doubt| doubt.since = Some(since.before(now)));
            }
        }
    }
    lines
}

/// The doubts of units whose accept is not seen yet, and of units given back.
fn doubts(pending: i64, returned: i64, now: Timestamp) -> Vec<Doubt> {
    let all = [
        (pending, Reason::NotConfirmed, ClosedBy::Sweep),
        (returned, Reason::GivenBack, ClosedBy::NextCount),
    ];
    let doubts = all.into_iter().filter(|(units, ..)| *units > 0);
    let doubts = doubts.map(|(units, why, closed_by)| Doubt {
        units,
        order: None,
        why,
        closed_by,
        by: None,
        since: Some(now),
    });
    doubts.collect()
}

/// The state of the shop: nothing stands in the way, unless the scenario says otherwise.
fn shop_facts(world: &WorldInput, shop: &ShopInput, now: Timestamp) -> Result<ShopFacts, EmptyId> {
    let orders = |count: Option<Count>| count.map_or(0, Count::orders);
    Ok(ShopFacts {
        counters: Counters {
            decided: orders(shop.decided),
            cancelled: orders(shop.cancelled),
            cancelled_last_hour: orders(shop.cancelled_last_hour),
            accepted_last_hour: orders(shop.accepted_last_hour),
        },
        collapse: world.collapse.as_ref().map(|collapse| Collapse {
            fell: collapse.fell.orders(),
            had: collapse.had.orders(),
            source: "stock.csv".to_owned(),
            at: Span(HALF_AN_HOUR).before(now),
        }),
        evidence: evidence(world, now)?,
        restored_at: world.restored.map(|since| since.before(now)),
        clock_skew_s: Some(world.clock_skew.map_or(0, |skew| skew.0.as_secs())),
        paused: shop.paused.as_ref().map(|Text(reason)| reason.clone()),
        account: shop
            .account
            .as_ref()
            .map(|Text(account)| Account::new(account))
            .transpose()?,
        mismatch: shop.mismatch.as_ref().map(|Text(why)| why.clone()),
    })
}

/// Accepted orders and the archive were read from a minute ago until now, and every order is accounted for.
fn evidence(world: &WorldInput, now: Timestamp) -> Result<Evidence, EmptyId> {
    let at = |since: SinceOrNever| since.0.map(|since| Interval::at(since.before(now)));
    let sweep = Interval {
        start: Span(SignedDuration::from_mins(1)).before(now),
        end: now,
    };
    let accepted = world.swept.map_or(Some(sweep), at);
    let mut unaccounted = Vec::new();
    if world.unaccounted {
        unaccounted.push(elsewhere(Cause::LinesAwaited)?);
    }
    if world.unreadable {
        unaccounted.push(elsewhere(Cause::LinesUnreadable)?);
    }
    if let Some(since) = world.missing {
        let since = since.before(now);
        unaccounted.push(elsewhere(Cause::MissingFromNewList { since })?);
    }
    Ok(Evidence {
        accepted,
        archive: world.swept_archive.map_or(accepted, at),
        unaccounted,
        unread_shops: Vec::new(),
        other_shops: Vec::new(),
    })
}

/// Another order, which may hold units that no reservation counts.
fn elsewhere(cause: Cause) -> Result<Unaccounted, EmptyId> {
    Ok(Unaccounted {
        shop: None,
        order: OrderId::new("elsewhere")?,
        code: OrderCode::new("900000002")?,
        cause,
        may_hold: MayHold::Any,
        left_by: None,
    })
}

/// Seen in three scans over half an hour: proven, unless the scenario says otherwise.
fn shortage(input: Option<&WordOr<New, ShortageInput>>, now: Timestamp) -> Option<ShortageSeen> {
    match input {
        Some(WordOr::Word(_)) => None,
        Some(WordOr::Value(seen)) => Some(ShortageSeen {
            since: seen.since.map_or(now, |since| since.before(now)),
            scans: seen.scans.map_or(2, Count::small),
        }),
        None => Some(ShortageSeen {
            since: Span(HALF_AN_HOUR).before(now),
            scans: 3,
        }),
    }
}

/// Facts under the names they are stored by, put over the others: everything that a decision looks at can be written,
/// even what has no key of its own. A moment is written as `"5m ago"`.
///
/// # Errors
/// A name that no fact has, or a value that the fact cannot be; with the path to it.
pub(super) fn put_over(
    facts: Facts,
    own: &Table,
    now: Timestamp,
) -> Result<Facts, (Vec<Segment>, Mistake)> {
    if own.is_empty() {
        return Ok(facts);
    }
    let whole = |error: serde_json::Error| (Vec::new(), Mistake::new(error.to_string()));
    let mut stored = serde_json::to_value(facts).map_err(whole)?;
    put_table(&mut stored, own, now, &mut Vec::new())?;
    serde_path_to_error::deserialize(stored).map_err(|error| {
        let path = error.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
            _ => None,
        });
        (path.collect(), Mistake::new(error.inner().to_string()))
    })
}

fn put_table(
    stored: &mut Json,
    own: &Table,
    now: Timestamp,
    path: &mut Vec<Segment>,
) -> Result<(), (Vec<Segment>, Mistake)> {
    for (key, value) in own {
        path.push(Segment::Key(key.clone()));
        let known: Vec<String> = stored
            .as_object()
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default();
        let Some(fact) = stored.get_mut(key) else {
            let mistake = Mistake::new("there is no such fact");
            let near = nearest(key, known.iter().map(String::as_str));
            let hint = near.map_or_else(
                || format!("there are {}", known.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            return Err((path.clone(), mistake.hint(hint)));
        };
        match value {
            Value::Table(inner) if fact.is_object() => put_table(fact, inner, now, path)?,
            value => *fact = json(value, now),
        }
        path.pop();
    }
    Ok(())
}

fn json(value: &Value, now: Timestamp) -> Json {
    match value {
        Value::String(text) => {
            let since = text.strip_suffix("ago").and_then(Span::parse);
            let moment = since.map(|since| since.before(now).to_string());
            Json::String(moment.unwrap_or_else(|| text.clone()))
        }
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Boolean(is) => Json::from(*is),
        Value::Datetime(date) => Json::from(date.to_string()),
        Value::Array(items) => items.iter().map(|item| json(item, now)).collect(),
        Value::Table(table) => {
            let entries = table.iter();
            entries
                .map(|(key, value)| (key.clone(), json(value, now)))
                .collect()
        }
    }
}
