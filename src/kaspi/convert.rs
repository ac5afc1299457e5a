//! From Kaspi's JSON to the domain's values. A value that is missing or cannot be read is an error that names
//! its field, never a guess.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::bounded::Scalar;
use super::json::{is_json, parse};
use super::page::{OrderRead, Page, UnreadableOrder};
use super::wire;
use crate::domain::ids::{EntryId, MasterProduct, OrderCode, OrderId, PickupPoint, Sku};
use crate::domain::money::Money;
use crate::domain::order::{Line, Lines, Order, State, Status, UnitType};
use crate::text::shown;

/// Longest order or entry in bytes: twenty times what Kaspi sends. A longer one is not parsed.
const RESOURCE_BYTES_MAX: usize = 64 * 1024;

/// Longest id, code or SKU in bytes. Kaspi's have about 40 characters.
const NAME_BYTES_MAX: usize = 200;

/// Longest text for people that is kept, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// Parses one resource of a list, unless it is too large to be one.
fn resource<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    if raw.get().len() > RESOURCE_BYTES_MAX {
        return Err(format!("longer than {RESOURCE_BYTES_MAX} bytes"));
    }
    parse(raw.get().as_bytes())
}

/// A text that names something: short, and safe in a path, a terminal and a log.
fn name(text: &str) -> Result<&str, String> {
    if text.len() > NAME_BYTES_MAX {
        return Err(format!("a name longer than {NAME_BYTES_MAX} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("a name with control characters".to_owned());
    }
    if text
        .trim()
        .split('/')
        .any(|part| matches!(part, "." | ".."))
    {
        return Err("a name with . or .. as a part of a path".to_owned());
    }
    Ok(text)
}

/// A text that people read.
fn text(text: &str) -> String {
    shown(text, TEXT_CHARS_MAX)
}

/// Kaspi's message in an error answer; empty where there is none.
pub(super) fn error_title(body: &[u8]) -> String {
    let errors: wire::Errors = serde_json::from_slice(body).unwrap_or_default();
    let title = errors.errors.into_iter().find_map(|error| error.title);
    title.as_deref().map(text).unwrap_or_default()
}

pub(super) fn page(bytes: &[u8]) -> Result<Page, String> {
    let list: wire::OrderList<'_> = parse(bytes)?;
    let mut entries = Included::new();
    for raw in list.included.map(|first| first.0).unwrap_or_default() {
        // Included resources of other types do not parse as entries and are skipped.
        if let Ok(entry) = resource::<wire::Entry>(raw) {
            match entries.entry(entry.id.clone()) {
                // It is unknown which of the two is right.
                Occupied(mut twice) => drop(twice.insert(None)),
                Vacant(place) => drop(place.insert(Some(entry))),
            }
        }
    }
    let meta = list
        .meta
        .map(|raw| resource::<wire::Meta>(raw).unwrap_or_default());
    let meta = meta.unwrap_or_default();
    let count = |count: Option<Scalar>| count?.whole().and_then(|count| u64::try_from(count).ok());
    let mut page = Page {
        orders: Vec::with_capacity(list.data.0.len()),
        unreadable: Vec::new(),
        page_count: count(meta.page_count).and_then(|count| count.try_into().ok()),
        total_count: count(meta.total_count),
    };
    for raw in list.data.0 {
        match order_read(raw, &mut entries) {
            Ok(read) => page.orders.push(read),
            Err(why) => {
                let name: wire::OrderName = resource(raw).unwrap_or_default();
                let code = name.attributes.and_then(|attributes| attributes.code);
                page.unreadable.push(UnreadableOrder {
                    id: name.id.as_deref().map(text),
                    code: code.as_deref().map(text),
                    why,
                });
            }
        }
    }
    Ok(page)
}

/// The one order of an answer.
pub(super) fn single_order(bytes: &[u8]) -> Result<Order, String> {
    let single: wire::Single<'_> = parse(bytes)?;
    order(&resource(single.data)?)
}

/// Entries included in a page; `None` where one is used already, or came twice.
type Included = HashMap<String, Option<wire::Entry>>;

fn order_read(raw: &RawValue, entries: &mut Included) -> Result<OrderRead, String> {
    let wire: wire::Order = resource(raw)?;
    let lines = included_lines(&wire, entries);
    Ok(OrderRead {
        order: order(&wire)?,
        lines,
    })
}

/// The order's lines, where every entry it names is included with its SKU; otherwise they are read singly. An
/// entry is one line of one order: it is removed from the map, so that naming it again adds nothing.
fn included_lines(order: &wire::Order, entries: &mut Included) -> Option<Vec<Line>> {
    let relationship = order.relationships.as_ref()?.entries.as_ref()?;
    let links = &relationship.data.as_ref()?.0;
    if links.is_empty() {
        return None;
    }
    links
        .iter()
        .map(|link| {
            line(&entries.get_mut(&link.id)?.take()?)
                .ok()
                .filter(|line| line.sku.is_some())
        })
        .collect()
}

fn order(wire: &wire::Order) -> Result<Order, String> {
    let a = &wire.attributes;
    let empty = |error: crate::domain::ids::EmptyId| error.to_string();
    let delivery = a.kaspi_delivery.as_ref();
    Ok(Order {
        id: OrderId::new(name(&wire.id)?).map_err(empty)?,
        code: OrderCode::new(name(&a.code)?).map_err(empty)?,
        state: State::from(text(&a.state)),
        status: Status::from(text(&a.status)),
        created_at: time(&a.creation_date).ok_or("attributes.creationDate is not a time")?,
        approved_at: a.approved_by_bank_date.as_ref().and_then(time),
        total: money(&a.total_price).ok_or("attributes.totalPrice is not an amount")?,
        payment_mode: a.payment_mode.as_deref().map(|word| text(word).into()),
        credit_term_months: a.credit_term.as_ref().and_then(Scalar::whole),
        delivery_mode: a.delivery_mode.as_deref().map(|word| text(word).into()),
        kaspi_delivery: a.is_kaspi_delivery,
        express: delivery
            .and_then(|delivery| delivery.express)
            .unwrap_or(false),
        signature_required: a.signature_required.unwrap_or(false),
        pre_order: a.pre_order.unwrap_or(false),
        pickup_point: a
            .pickup_point_id
            .as_deref()
            .and_then(|id| PickupPoint::new(name(id).ok()?).ok()),
        planned_delivery_at: a.planned_delivery_date.as_ref().and_then(time),
        handed_over_at: delivery
            .and_then(|delivery| delivery.courier_transmission_date.as_ref())
            .and_then(time),
        cancellation_reason: a.cancellation_reason.as_deref().map(text),
    })
}

/// The lines of an entries answer; unreadable as a whole when one of them is.
pub(super) fn lines(bytes: &[u8]) -> Result<Lines, String> {
    let list: wire::EntryList<'_> = match parse(bytes) {
        Ok(list) => list,
        // Valid JSON of another shape concerns this order only; it is not an outage.
        Err(why) if is_json(bytes) => return Ok(Lines::Unreadable(why)),
        Err(why) => return Err(why),
    };
    if list.data.0.is_empty() {
        return Ok(Lines::Unreadable("Kaspi shows no entries".to_owned()));
    }
    let lines = list.data.0.iter().map(|raw| line(&resource(raw)?));
    let lines = match lines.collect::<Result<Vec<_>, _>>() {
        Ok(lines) => lines,
        Err(why) => return Ok(Lines::Unreadable(why)),
    };
    let mut ids = HashSet::new();
    if !lines.iter().all(|line| ids.insert(&line.entry)) {
        return Ok(Lines::Unreadable(
            "the same entry is listed twice".to_owned(),
        ));
    }
    Ok(Lines::Known(lines))
}

fn line(wire: &wire::Entry) -> Result<Line, String> {
    let a = &wire.attributes;
    let quantity = (a.quantity.whole())
        .and_then(|quantity| u32::try_from(quantity).ok())
        .filter(|quantity| *quantity > 0)
        .ok_or("an entry's quantity is not a whole number of at least 1")?;
    let product = wire.relationships.as_ref().and_then(|r| r.product.as_ref());
    let master_product = product
        .and_then(|product| product.data.as_ref())
        .and_then(|links| links.0.first())
        .and_then(|link| MasterProduct::new(name(&link.id).ok()?).ok());
    let offer = a.offer.as_ref();
    let sku = offer.and_then(|offer| offer.code.as_deref());
    Ok(Line {
        entry: EntryId::new(name(&wire.id)?).map_err(|error| error.to_string())?,
        number: a.entry_number.as_ref().and_then(Scalar::whole).unwrap_or(0),
        sku: sku
            .map(name)
            .transpose()?
            .and_then(|code| Sku::new(code).ok()),
        quantity,
        unit: (a.unit_type.as_deref()).map_or(UnitType::Pieces, |word| text(word).into()),
        unit_price: a.base_price.as_deref().and_then(money).unwrap_or_default(),
        total: a.total_price.as_deref().and_then(money).unwrap_or_default(),
        name: offer.and_then(|offer| offer.name.as_deref().map(text)),
        category: (a.category.as_ref())
            .and_then(|category| category.code.as_deref())
            .map(text),
        master_product,
    })
}

/// The SKU of a master product; `None` when the merchant offers none.
pub(super) fn merchant_product(bytes: &[u8]) -> Result<Option<Sku>, String> {
    let maybe: wire::Maybe<wire::MerchantProduct> = parse(bytes)?;
    let code = maybe.data.and_then(|data| data.attributes.code);
    let code = code.as_deref().map(name).transpose()?;
    Ok(code.and_then(|code| Sku::new(code).ok()))
}

/// Whether the answer to a write contradicts it: it has errors, or names another order.
pub(super) fn contradicts(bytes: &[u8], id: &OrderId) -> bool {
    let Ok(echo) = parse::<wire::Echo<'_>>(bytes) else {
        return false;
    };
    let is_ours = |raw: &RawValue| {
        let answered: Result<String, _> = serde_json::from_str(raw.get());
        answered.is_ok_and(|answered| answered == id.as_str())
    };
    let answered = echo.data.and_then(|data| data.id);
    echo.errors.is_some() || answered.is_some_and(|raw| !is_ours(raw))
}

fn money(raw: &RawValue) -> Option<Money> {
    Money::parse(raw.get().trim_matches('"')).ok()
}

/// Epoch milliseconds (KASPI_API §2).
fn time(value: &Scalar) -> Option<Timestamp> {
    (value.whole()).and_then(|ms| Timestamp::from_millisecond(ms).ok())
}
