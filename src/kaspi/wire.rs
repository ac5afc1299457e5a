//! Kaspi's JSON. Fields about people are not declared at all, so they cannot be stored, logged or shown
//! (KASPI_API §2). Nothing here takes more memory than the text it is read from.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::bounded::{FirstRaw, Links, RawList, Scalar};

/// Most orders on a page (KASPI_API §2).
pub(super) const ORDERS_MAX: usize = 100;

/// Most lines of one order that are read.
pub(super) const LINES_MAX: usize = 1_000;

/// Most included resources that are read; orders whose entries come after them are read singly.
const INCLUDED_MAX: usize = 5_000;

/// A list of orders, each as raw JSON, so that one that cannot be read does not lose the others.
#[derive(Debug, Deserialize)]
pub(super) struct OrderList<'a> {
    #[serde(borrow)]
    pub(super) data: RawList<'a, ORDERS_MAX>,
    #[serde(default, borrow)]
    pub(super) included: Option<FirstRaw<'a, INCLUDED_MAX>>,
    /// Raw: the counts are only advice, and a wrong one must not lose the page.
    #[serde(default, borrow)]
    pub(super) meta: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) page_count: Option<Scalar>,
    pub(super) total_count: Option<Scalar>,
}

/// A single resource as raw JSON.
#[derive(Debug, Deserialize)]
pub(super) struct Single<'a> {
    #[serde(borrow)]
    pub(super) data: &'a RawValue,
}

/// A single resource that may be null. Null says that there is none; a missing field is an error.
#[derive(Debug, Deserialize)]
pub(super) struct Maybe<T> {
    #[serde(
        deserialize_with = "Option::deserialize",
        bound(deserialize = "T: Deserialize<'de>")
    )]
    pub(super) data: Option<T>,
}

/// The parts of the answer to a write that can contradict it (KASPI_API §5).
#[derive(Debug, Deserialize)]
pub(super) struct Echo<'a> {
    #[serde(default, borrow)]
    pub(super) data: Option<Echoed<'a>>,
    #[serde(default)]
    pub(super) errors: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Echoed<'a> {
    #[serde(default, borrow)]
    pub(super) id: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) attributes: OrderAttributes,
    #[serde(default)]
    pub(super) relationships: Option<OrderRelationships>,
}

/// Enough of an order to name one that cannot be read.
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
    pub(super) total_price: Box<RawValue>,
    pub(super) creation_date: Scalar,
    pub(super) state: String,
    pub(super) status: String,
    pub(super) approved_by_bank_date: Option<Scalar>,
    pub(super) planned_delivery_date: Option<Scalar>,
    pub(super) payment_mode: Option<String>,
    pub(super) credit_term: Option<Scalar>,
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
    pub(super) courier_transmission_date: Option<Scalar>,
    pub(super) express: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OrderRelationships {
    #[serde(default)]
    pub(super) entries: Option<Relationship>,
}

/// `data` is a list, one resource, null or absent, with or without links (KASPI_API §2).
#[derive(Debug, Deserialize)]
pub(super) struct Relationship {
    #[serde(default)]
    pub(super) data: Option<Links<LINES_MAX>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EntryList<'a> {
    #[serde(borrow)]
    pub(super) data: RawList<'a, LINES_MAX>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) id: String,
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
    pub(super) entry_number: Option<Scalar>,
    pub(super) quantity: Scalar,
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
