//! From the wire's shapes to the domain's values. What is missing or not understood is said, never
//! guessed.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::reader::{OrderRead, Page, UnreadableOrder};
use super::wire;
use crate::domain::ids::{EntryId, MasterProduct, OrderCode, OrderId, PickupPoint, Sku};
use crate::domain::money::Money;
use crate::domain::order::{Line, Lines, Order, State, Status, UnitType};

/// Parses one whole JSON object and says which field was wrong.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    // A list would be taken for the fields in their order: `[[]]` for a page without orders.
    if !text.trim_start().starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| told(&error))?;
    json.end()
        .map_err(|_| "there is more after the JSON".to_owned())?;
    Ok(read)
}

/// What is wrong, without the text it was found in, which may be personal.
fn told(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.inner().classify() {
        serde_json::error::Category::Data => {
            let text = error.inner().to_string();
            let end = text.find(" at line").unwrap_or(text.len());
            let told = text.get(..end).unwrap_or_default();
            // "invalid type: string \"…\"" repeats the value: only the expectation is told.
            match told.split_once(", expected ") {
                Some((_, expected)) => format!("{}: expected {expected}", error.path()),
                None => format!("{}: {told}", error.path()),
            }
        }
        // These are met in fields that are not read too, whose names are not ours.
        serde_json::error::Category::Eof => "the text ends too soon".to_owned(),
        _ => "not JSON".to_owned(),
    }
}

/// The order of a single answer; `None` where Kaspi says there is none.
pub(super) fn single(bytes: &[u8]) -> Result<Option<Order>, String> {
    let single: wire::Single<wire::Order> = parse(bytes)?;
    single.data.as_ref().map(order).transpose()
}

/// The lines of an entries answer. A whole JSON text of another shape is this order's matter, not an
/// outage.
pub(super) fn entries(bytes: &[u8]) -> Result<Lines, String> {
    match parse::<wire::EntryList>(bytes) {
        Ok(list) => Ok(lines(&list.data)),
        Err(why) if is_json(bytes) => Ok(Lines::Unreadable(why)),
        Err(why) => Err(why),
    }
}

/// The SKU of a merchant product answer; `None` where it tells none.
pub(super) fn merchant_sku(bytes: &[u8]) -> Result<Option<Sku>, String> {
    let single: wire::Single<wire::MerchantProduct> = parse(bytes)?;
    Ok(single
        .data
        .and_then(|data| data.attributes.code)
        .and_then(|code| Sku::new(code).ok()))
}

/// Whether it is one whole JSON text.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

pub(super) fn page(bytes: &[u8]) -> Result<Page, String> {
    let list: wire::OrderList = parse(bytes)?;
    let mut entries = Included::new();
    for raw in list.included.unwrap_or_default() {
        // Included resources of other types do not parse as entries, and are not wanted.
        if let Ok(entry) = serde_json::from_str::<wire::Entry>(raw.get()) {
            match entries.entry(entry.id.clone()) {
                // Which of the two is right cannot be told from here.
                Occupied(mut twice) => drop(twice.insert(None)),
                Vacant(place) => drop(place.insert(Some(entry))),
            }
        }
    }
    let mut page = Page {
        orders: Vec::with_capacity(list.data.len()),
        unreadable: Vec::new(),
        page_count: list.meta.as_ref().and_then(|meta| meta.page_count),
        total_count: list.meta.as_ref().and_then(|meta| meta.total_count),
    };
    for raw in list.data {
        match order_read(&raw, &mut entries) {
            Ok(read) => page.orders.push(read),
            Err(why) => {
                let name: wire::OrderName = serde_json::from_str(raw.get()).unwrap_or_default();
                let code = name.attributes.and_then(|attributes| attributes.code);
                page.unreadable.push(UnreadableOrder {
                    id: name.id,
                    code,
                    why,
                });
            }
        }
    }
    Ok(page)
}

/// Entries that came with a page; `None` where one is taken already, or came twice.
type Included = HashMap<String, Option<wire::Entry>>;

fn order_read(raw: &RawValue, entries: &mut Included) -> Result<OrderRead, String> {
    let wire: wire::Order = parse(raw.get().as_bytes())?;
    let lines = included_lines(&wire, entries);
    Ok(OrderRead {
        order: order(&wire)?,
        lines,
    })
}

/// The order's lines when every entry it names is included and tells its SKU; otherwise they are
/// asked for by themselves. An entry is one line of one order: it is taken out, so that a page does
/// not grow by naming it again.
fn included_lines(order: &wire::Order, entries: &mut Included) -> Option<Vec<Line>> {
    let relationship = order.relationships.as_ref()?.entries.as_ref()?;
    let links = match relationship.data.as_ref()? {
        wire::Links::Many(links) => links.as_slice(),
        wire::Links::One(link) => std::slice::from_ref(link),
    };
    if links.is_empty() {
        return None;
    }
    links
        .iter()
        .map(|link| {
            let entry = entries.get_mut(&link.id)?.take()?;
            line(&entry).ok().filter(|line| line.sku.is_some())
        })
        .collect()
}

fn order(wire: &wire::Order) -> Result<Order, String> {
    let a = &wire.attributes;
    let text = |error: crate::domain::ids::EmptyId| error.to_string();
    let delivery = a.kaspi_delivery.as_ref();
    Ok(Order {
        id: OrderId::new(&wire.id).map_err(text)?,
        code: OrderCode::new(&a.code).map_err(text)?,
        state: State::from(a.state.as_str()),
        status: Status::from(a.status.as_str()),
        created_at: time(&a.creation_date).ok_or("attributes.creationDate is no time")?,
        approved_at: a.approved_by_bank_date.as_deref().and_then(time),
        total: money(&a.total_price).ok_or("attributes.totalPrice is no amount")?,
        payment_mode: a.payment_mode.as_deref().map(Into::into),
        credit_term_months: a.credit_term.as_deref().and_then(whole),
        delivery_mode: a.delivery_mode.as_deref().map(Into::into),
        kaspi_delivery: a.is_kaspi_delivery,
        express: delivery
            .and_then(|delivery| delivery.express)
            .unwrap_or(false),
        signature_required: a.signature_required.unwrap_or(false),
        pre_order: a.pre_order.unwrap_or(false),
        pickup_point: a
            .pickup_point_id
            .as_deref()
            .and_then(|id| PickupPoint::new(id).ok()),
        planned_delivery_at: a.planned_delivery_date.as_deref().and_then(time),
        handed_over_at: delivery
            .and_then(|delivery| delivery.courier_transmission_date.as_deref())
            .and_then(time),
        cancellation_reason: a.cancellation_reason.clone(),
    })
}

/// Lines from entries; unreadable as a whole when one of them is.
fn lines(entries: &[wire::Entry]) -> Lines {
    if entries.is_empty() {
        return Lines::Unreadable("Kaspi shows no entries".to_owned());
    }
    let mut ids = HashSet::new();
    if !entries.iter().all(|entry| ids.insert(entry.id.trim())) {
        return Lines::Unreadable("one entry stands there twice".to_owned());
    }
    entries
        .iter()
        .map(line)
        .collect::<Result<Vec<_>, _>>()
        .map_or_else(Lines::Unreadable, Lines::Known)
}

fn line(wire: &wire::Entry) -> Result<Line, String> {
    let a = &wire.attributes;
    let quantity = whole(&a.quantity)
        .and_then(|quantity| u32::try_from(quantity).ok())
        .filter(|quantity| *quantity > 0)
        .ok_or("an entry's quantity is not a whole number of at least 1")?;
    let product = wire.relationships.as_ref().and_then(|r| r.product.as_ref());
    let master_product = product
        .and_then(|product| product.data.as_ref())
        .and_then(|link| match link {
            wire::Links::One(link) => MasterProduct::new(&link.id).ok(),
            wire::Links::Many(links) => links
                .first()
                .and_then(|link| MasterProduct::new(&link.id).ok()),
        });
    let offer = a.offer.as_ref();
    Ok(Line {
        entry: EntryId::new(&wire.id).map_err(|error| error.to_string())?,
        number: a.entry_number.as_deref().and_then(whole).unwrap_or(0),
        sku: offer
            .and_then(|offer| offer.code.as_deref())
            .and_then(|code| Sku::new(code).ok()),
        quantity,
        unit: a.unit_type.as_deref().map_or(UnitType::Pieces, Into::into),
        unit_price: a.base_price.as_deref().and_then(money).unwrap_or_default(),
        total: a.total_price.as_deref().and_then(money).unwrap_or_default(),
        name: offer.and_then(|offer| offer.name.clone()),
        category: a
            .category
            .as_ref()
            .and_then(|category| category.code.clone()),
        master_product,
    })
}

fn money(raw: &RawValue) -> Option<Money> {
    Money::parse(raw.get().trim_matches('"')).ok()
}

/// Epoch milliseconds (KASPI_API §2).
fn time(raw: &RawValue) -> Option<Timestamp> {
    whole(raw).and_then(|ms| Timestamp::from_millisecond(ms).ok())
}

/// A whole number, also where it comes as `2.0` or as text.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be whole and in range"
)]
fn whole(raw: &RawValue) -> Option<i64> {
    match serde_json::from_str(raw.get()).ok()? {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}
