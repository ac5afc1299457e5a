//! From Kaspi's JSON to the domain's values. A field that cannot be read is unknown and named, never a guess; lines
//! that cannot be read are unreadable as a whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use serde_json::value::RawValue;

use super::bounded::Scalar;
use super::entries::line;
use super::fields::{Fields, flag, money, name, name_or_number, string, text, time, whole};
use super::json::{parse, resource};
use super::page::{Asked, OrderRead, Page, UnreadableOrder};
use super::wire;
use crate::domain::ids::{OrderCode, OrderId, PickupPoint, Sku};
use crate::domain::order::{Field, Line, Order, State, Status};

/// Kaspi's message in an error answer; empty where there is none.
pub(super) fn error_title(body: &[u8]) -> String {
    let errors: wire::Errors = serde_json::from_slice(body).unwrap_or_default();
    let title = errors.errors.into_iter().find_map(|error| error.title);
    title.as_deref().map(text).unwrap_or_default()
}

pub(super) fn page(bytes: &[u8], asked: &Asked) -> Result<Page, String> {
    let list: wire::OrderList<'_> = parse(bytes)?;
    let mut entries = Included::new();
    for raw in list.included.map(|first| first.0).unwrap_or_default() {
        let Some((id, entry)) = included_entry(raw) else {
            continue;
        };
        match entries.entry(id) {
            // It is unknown which of the two is right.
            Occupied(mut twice) => drop(twice.insert(None)),
            Vacant(place) => drop(place.insert(Some(entry))),
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
        match order_read(raw, asked, &mut entries) {
            Ok(read) => page.orders.push(read),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    Ok(page)
}

/// The one order of an answer. What is not said of its state stays as `asked`.
pub(super) fn single_order(bytes: &[u8], asked: &Asked) -> Result<Order, String> {
    let single: wire::Single<'_> = parse(bytes)?;
    let wire: wire::Resource<'_> = resource(single.data)?;
    let order = order(&wire, asked).map_err(|unreadable| unreadable.why)?;
    // No list says where it is.
    let needed = [Field::Attributes, Field::State, Field::Status];
    let mut unread = order.unread.iter();
    match unread.find(|unread| needed.contains(&unread.field)) {
        Some(unread) => Err(unread.to_string()),
        None => Ok(order),
    }
}

/// Entries included in a page; `None` where one is used already, or came twice.
type Included<'a> = HashMap<String, Option<wire::Resource<'a>>>;

/// An included entry and its id; resources of other types are skipped.
fn included_entry(raw: &RawValue) -> Option<(String, wire::Resource<'_>)> {
    let entry: wire::Resource<'_> = resource(raw).ok()?;
    let is_entry = entry
        .kind
        .is_none_or(|kind| string(kind).as_deref() == Some("orderentries"));
    let id = string(entry.id.filter(|_| is_entry)?)?;
    Some((id, entry))
}

fn order_read(
    raw: &RawValue,
    asked: &Asked,
    entries: &mut Included<'_>,
) -> Result<OrderRead, UnreadableOrder> {
    let wire: wire::Resource<'_> =
        resource(raw).map_err(|why| UnreadableOrder { code: None, why })?;
    let links = entry_links(&wire);
    let lines = links
        .as_ref()
        .and_then(|links| included_lines(links, entries));
    Ok(OrderRead {
        order: order(&wire, asked)?,
        lines,
    })
}

/// The ids of the entries that an order names, if it names any.
fn entry_links(order: &wire::Resource<'_>) -> Option<Vec<String>> {
    let relationships: wire::OrderRelationships = resource(order.relationships?).ok()?;
    let links = relationships.entries?.data?.0;
    let ids: Vec<String> = links.into_iter().map(|link| link.id).collect();
    (!ids.is_empty()).then_some(ids)
}

/// The lines of these entries, where every one is included with its SKU; otherwise they are read singly. An
/// entry is one line of one order: it is removed from the map, so that naming it again adds nothing.
fn included_lines(links: &[String], entries: &mut Included<'_>) -> Option<Vec<Line>> {
    let mut lines = Vec::with_capacity(links.len());
    for id in links {
        let entry = entries.get_mut(id)?.take()?;
        if let Some(line) = line(&entry).ok()? {
            line.sku.as_ref()?;
            lines.push(line);
        }
    }
    Some(lines)
}

fn order(wire: &wire::Resource<'_>, asked: &Asked) -> Result<Order, UnreadableOrder> {
    let mut fields = Fields::default();
    let a: wire::OrderAttributes<'_> = if let Some(raw) = wire.attributes {
        fields.object(Field::Attributes, Some(raw))
    } else {
        fields.note(Field::Attributes, None);
        wire::OrderAttributes::default()
    };
    let code = a.code.and_then(name_or_number);
    let id = wire.id.and_then(name_or_number);
    let Some(id) = id.and_then(|id| OrderId::new(id).ok()) else {
        return Err(UnreadableOrder {
            code,
            why: "its id is missing or no name".to_owned(),
        });
    };
    // A number is understood, and is not what Kaspi documents.
    let has_code_as_text = a.code.and_then(string).is_some() && code.is_some();
    if !has_code_as_text {
        fields.note(Field::Code, a.code);
    }
    let code = code.and_then(|code| OrderCode::new(code).ok());
    let delivery: wire::KaspiDelivery<'_> = fields.object(Field::KaspiDelivery, a.kaspi_delivery);
    let approved_at = fields.optional(Field::ApprovedByBankDate, a.approved_by_bank_date, time);
    let created_at = fields.required(Field::CreationDate, a.creation_date, time);
    let state: State = fields.word(Field::State, a.state, asked.state.as_ref());
    let status: Status = fields.word(Field::Status, a.status, asked.status.as_ref());
    let mut words = |field, raw| fields.words(field, raw);
    let payment_mode = words(Field::PaymentMode, a.payment_mode);
    let delivery_mode = words(Field::DeliveryMode, a.delivery_mode);
    let cancellation_reason = words(Field::CancellationReason, a.cancellation_reason);
    let pickup_point = fields.optional(Field::PickupPointId, a.pickup_point_id, |raw| {
        let id = string(raw)?;
        Some(PickupPoint::new(name(&id).ok()?).ok())
    });
    let mut is_set = |field, raw| fields.optional(field, raw, flag);
    let kaspi_delivery = is_set(Field::IsKaspiDelivery, a.is_kaspi_delivery);
    let express = is_set(Field::Express, delivery.express);
    let signature_required = is_set(Field::SignatureRequired, a.signature_required);
    let pre_order = is_set(Field::PreOrder, a.pre_order);
    let order = Order {
        code: match code {
            Some(code) => code,
            // People can name it by its id at least.
            None => OrderCode::new(id.as_str()).map_err(|error| UnreadableOrder {
                code: None,
                why: error.to_string(),
            })?,
        },
        id,
        state,
        status,
        created_at: created_at.or(approved_at).unwrap_or(asked.placed_at),
        approved_at,
        total: fields.required(Field::TotalPrice, a.total_price, money),
        payment_mode: payment_mode.map(Into::into),
        credit_term_months: fields.optional(Field::CreditTerm, a.credit_term, whole),
        delivery_mode: delivery_mode.map(Into::into),
        kaspi_delivery,
        express: express.unwrap_or(false),
        signature_required: signature_required.unwrap_or(false),
        pre_order: pre_order.unwrap_or(false),
        pickup_point: pickup_point.flatten(),
        planned_delivery_at: fields.optional(
            Field::PlannedDeliveryDate,
            a.planned_delivery_date,
            time,
        ),
        handed_over_at: fields.optional(
            Field::CourierTransmissionDate,
            delivery.courier_transmission_date,
            time,
        ),
        cancellation_reason,
        delivery_cost: a.delivery_cost.and_then(money),
        entries: entry_links(wire).and_then(|links| u32::try_from(links.len()).ok()),
        unread: Vec::new(),
    };
    Ok(Order {
        unread: fields.into_unread(),
        ..order
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
        answered.is_ok_and(|answered| OrderId::new(answered).is_ok_and(|answered| answered == *id))
    };
    let answered = echo.data.and_then(|data| data.id);
    echo.errors.is_some() || answered.is_some_and(|raw| !is_ours(raw))
}
