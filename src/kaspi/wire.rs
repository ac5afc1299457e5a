//! Kaspi's JSON as it comes. Fields about people are not here at all, so they cannot be kept, logged
//! or shown (KASPI_API §2).

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Reads a JSON object and nothing else: a list would be taken for the fields in their order.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_map(Object(PhantomData))
}

/// A list of orders: each is kept raw, so that one that is not understood loses no other.
#[derive(Debug, Deserialize)]
pub(super) struct OrderList {
    pub(super) data: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(super) included: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    pub(super) meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) page_count: Option<u32>,
    pub(super) total_count: Option<u64>,
}

/// A single resource; `data` may be null. Without any, the answer is about something else.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(super) struct Single<T> {
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) data: Option<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    #[serde(deserialize_with = "object")]
    pub(super) attributes: OrderAttributes,
    #[serde(default)]
    pub(super) relationships: Option<OrderRelationships>,
}

/// Enough of an order to name one that is not understood.
#[derive(Debug, Deserialize, Default)]
pub(super) struct OrderName {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) attributes: Option<CodeOnly>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CodeOnly {
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderAttributes {
    pub(super) code: String,
    // Kept raw, so that no part of a value is named when it is wrong.
    pub(super) total_price: Box<RawValue>,
    pub(super) creation_date: Box<RawValue>,
    pub(super) state: String,
    pub(super) status: String,
    pub(super) approved_by_bank_date: Option<Box<RawValue>>,
    pub(super) planned_delivery_date: Option<Box<RawValue>>,
    pub(super) payment_mode: Option<String>,
    pub(super) credit_term: Option<Box<RawValue>>,
    pub(super) delivery_mode: Option<String>,
    pub(super) is_kaspi_delivery: Option<bool>,
    pub(super) signature_required: Option<bool>,
    pub(super) pre_order: Option<bool>,
    pub(super) pickup_point_id: Option<String>,
    pub(super) cancellation_reason: Option<String>,
    pub(super) kaspi_delivery: Option<KaspiDelivery>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KaspiDelivery {
    pub(super) courier_transmission_date: Option<Box<RawValue>>,
    pub(super) express: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OrderRelationships {
    #[serde(default)]
    pub(super) entries: Option<Relationship>,
}

/// `data` is a list, one, null or absent, with or without links (KASPI_API §2).
#[derive(Debug, Deserialize)]
pub(super) struct Relationship {
    #[serde(default)]
    pub(super) data: Option<Links>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Links {
    Many(Vec<Link>),
    One(Link),
}

#[derive(Debug, Deserialize, Clone)]
pub(super) struct Link {
    pub(super) id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct EntryList {
    pub(super) data: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
    #[serde(deserialize_with = "object")]
    pub(super) attributes: EntryAttributes,
    #[serde(default)]
    pub(super) relationships: Option<EntryRelationships>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EntryRelationships {
    #[serde(default)]
    pub(super) product: Option<Relationship>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryAttributes {
    pub(super) entry_number: Option<Box<RawValue>>,
    pub(super) quantity: Box<RawValue>,
    pub(super) base_price: Option<Box<RawValue>>,
    pub(super) total_price: Option<Box<RawValue>>,
    pub(super) unit_type: Option<String>,
    pub(super) category: Option<Category>,
    pub(super) offer: Option<Offer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    pub(super) code: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MerchantProduct {
    pub(super) attributes: CodeOnly,
}

#[derive(Debug, Deserialize, Default)]
pub(super) struct Errors {
    #[serde(default)]
    pub(super) errors: Vec<ErrorTitle>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ErrorTitle {
    pub(super) title: Option<String>,
}

/// Body of a write (KASPI_API §5).
#[derive(Debug, Serialize)]
pub(super) struct Write<'a> {
    pub(super) data: WriteData<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct WriteData<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) id: &'a str,
    pub(super) attributes: WriteAttributes<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WriteAttributes<'a> {
    pub(super) code: &'a str,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cancellation_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cancellation_comment: Option<&'a str>,
}
