//! `order` and `lines` of a scenario: a plain order of one line that is there, unless it says otherwise.
//! What cannot be read is on record with the reader, which refuses the file in the end.

use jiff::{SignedDuration, Timestamp};
use toml::de::DeValue;

use super::{ago, fields};
use crate::domain::facts::{LineFacts, LinesFacts};
use crate::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, Sku};
use crate::domain::money::Money;
use crate::domain::order::{DeliveryMode, Line, Order, PaymentMode, State, Status, UnitType};
use crate::domain::stock::{Level, LineStock, UnknownStock};
use crate::rules_file::reader::{Entry, Reader, Value};
use crate::rules_file::values::{count, duration, text, truth, word};

const ORDER_KEYS: [&str; 13] = [
    "age",
    "created",
    "total",
    "express",
    "preorder",
    "signature",
    "kaspi_delivery",
    "delivery_mode",
    "payment_mode",
    "pickup_point",
    "state",
    "status",
    "sent",
];
const LINE_KEYS: [&str; 11] = [
    "sku",
    "quantity",
    "category",
    "measured",
    "stock",
    "on_hand",
    "reserved",
    "pending",
    "safety_stock",
    "stock_age",
    "warehouse",
];
const UNREADABLE: &str = "unreadable";
const UNKNOWN: &str = "unknown";

/// The order, and the action that was once sent for it.
pub(super) fn order(
    reader: &mut Reader<'_>,
    value: Option<&Value<'_>>,
    now: Timestamp,
) -> Option<(Order, Option<String>)> {
    let mut order = plain(now)?;
    let mut sent = None;
    let Some(value) = value else {
        return Some((order, sent));
    };
    for Entry { key, value, .. } in fields(reader, "order", value, &ORDER_KEYS)? {
        match key {
            "age" => {
                let since = duration(reader, key, value).map(|age| ago(now, age));
                order.approved_at = since.or(order.approved_at);
            }
            "created" => {
                let since = duration(reader, key, value).map(|age| ago(now, age));
                order.created_at = since.unwrap_or(order.created_at);
            }
            "total" => {
                let tenge = count(reader, key, value, "a whole number of tenge");
                order.total = Money::from_tenge(tenge.unwrap_or_default());
            }
            "express" => order.express = truth(reader, key, value).unwrap_or_default(),
            "preorder" => order.pre_order = truth(reader, key, value).unwrap_or_default(),
            "signature" => order.signature_required = truth(reader, key, value).unwrap_or_default(),
            "kaspi_delivery" => order.kaspi_delivery = truth(reader, key, value),
            "delivery_mode" => {
                order.delivery_mode =
                    word(reader, key, value, DeliveryMode::WORDS).map(DeliveryMode::from);
            }
            "payment_mode" => {
                order.payment_mode =
                    word(reader, key, value, PaymentMode::WORDS).map(PaymentMode::from);
            }
            "pickup_point" => {
                order.pickup_point =
                    text(reader, key, value).and_then(|text| PickupPoint::new(text).ok());
            }
            "state" => {
                let state = word(reader, key, value, State::WORDS);
                order.state = state.map_or(State::New, State::from);
            }
            "status" => {
                let status = word(reader, key, value, Status::WORDS);
                order.status = status.map_or(Status::ApprovedByBank, Status::from);
            }
            "sent" => sent = word(reader, key, value, &["accept", "cancel"]),
            _ => {}
        }
    }
    if order.created_at > order.waiting_since() {
        order.created_at = order.waiting_since();
    }
    Some((order, sent))
}

/// A prepaid order of five minutes ago that Kaspi carries from the first point.
fn plain(now: Timestamp) -> Option<Order> {
    let approved = ago(now, SignedDuration::from_mins(5));
    Some(Order {
        id: OrderId::new("scenario").ok()?,
        code: OrderCode::new("900000001").ok()?,
        state: State::New,
        status: Status::ApprovedByBank,
        created_at: approved,
        approved_at: Some(approved),
        total: Money::from_tenge(10_000),
        payment_mode: Some(PaymentMode::Prepaid),
        credit_term_months: None,
        delivery_mode: Some(DeliveryMode::Local),
        kaspi_delivery: Some(true),
        express: false,
        signature_required: false,
        pre_order: false,
        pickup_point: PickupPoint::new("30000001_PP1").ok(),
        planned_delivery_at: None,
        handed_over_at: None,
        cancellation_reason: None,
    })
}

/// The lines with their stock.
pub(super) fn lines(
    reader: &mut Reader<'_>,
    value: Option<&Value<'_>>,
    now: Timestamp,
) -> Option<LinesFacts> {
    let Some(value) = value else {
        return Some(LinesFacts::Known(vec![line(1, now)?]));
    };
    let items = match value.get_ref() {
        DeValue::String(word) if word == UNREADABLE => {
            return Some(LinesFacts::Unreadable("the scenario says so".to_owned()));
        }
        DeValue::Array(items) => items,
        _ => {
            let wanted =
                format!("a list of tables such as [{{ sku = \"A\" }}], or \"{UNREADABLE}\"");
            reader.expected("lines", &wanted, value);
            return None;
        }
    };
    let mut lines = Vec::new();
    for (number, item) in (1..).zip(items) {
        lines.push(read_line(reader, number, item, now)?);
    }
    let wanted: Vec<i64> = lines.iter().map(|line| wanted(line, &lines)).collect();
    for (line, wanted) in lines.iter_mut().zip(wanted) {
        line.wanted = wanted;
    }
    Some(LinesFacts::Known(lines))
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

fn line(number: i64, now: Timestamp) -> Option<LineFacts> {
    Some(LineFacts {
        line: Line {
            entry: EntryId::new(format!("line{number}")).ok()?,
            number,
            sku: Sku::new(format!("SKU-{number}")).ok(),
            quantity: 1,
            unit: UnitType::Pieces,
            unit_price: Money::default(),
            total: Money::default(),
            name: None,
            category: None,
            master_product: None,
        },
        stock: LineStock::Known(Level {
            warehouse: "PP1".to_owned(),
            on_hand: 10,
            reserved_confirmed: 0,
            reserved_pending: 0,
            returned: 0,
            safety_stock: 0,
            as_of: ago(now, SignedDuration::from_mins(30)),
            source: "stock.csv".to_owned(),
        }),
        wanted: 1,
        parts: Vec::new(),
    })
}

fn read_line(
    reader: &mut Reader<'_>,
    number: i64,
    value: &Value<'_>,
    now: Timestamp,
) -> Option<LineFacts> {
    let mut read = line(number, now)?;
    let LineStock::Known(mut level) = read.stock.clone() else {
        return None;
    };
    let mut unknown = false;
    for Entry { key, value, .. } in fields(reader, "a line", value, &LINE_KEYS)? {
        let line = &mut read.line;
        let mut units = || count(reader, key, value, "a whole number").unwrap_or_default();
        match key {
            "quantity" => line.quantity = u32::try_from(units()).unwrap_or(u32::MAX).max(1),
            "on_hand" => level.on_hand = units(),
            "reserved" => level.reserved_confirmed = units(),
            "pending" => level.reserved_pending = units(),
            "safety_stock" => level.safety_stock = units(),
            "sku" => line.sku = text(reader, key, value).and_then(|sku| Sku::new(sku).ok()),
            "category" => line.category = text(reader, key, value),
            "warehouse" => level.warehouse = text(reader, key, value).unwrap_or_default(),
            "measured" if truth(reader, key, value) == Some(true) => {
                line.unit = UnitType::Measurable;
            }
            "stock" => unknown = word(reader, key, value, &[UNKNOWN]).is_some(),
            "stock_age" => {
                let age = duration(reader, key, value);
                level.as_of = ago(now, age.unwrap_or_default());
            }
            _ => {}
        }
    }
    read.stock = match (&read.line.sku, unknown) {
        (Some(sku), true) => LineStock::Unknown(UnknownStock::NotListed(sku.clone())),
        (None, true) => LineStock::Unknown(UnknownStock::NoSku),
        (_, false) => LineStock::Known(level),
    };
    Some(read)
}
