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

/// A value as it came; `None` where it is null or absent.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// An order or an entry. Each part is read by itself, so that one that is wrong does not lose the others.
#[derive(Debug, Deserialize)]
pub(super) struct Resource<'a> {
    #[serde(default, borrow, rename = "type")]
    pub(super) kind: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) id: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) attributes: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) relationships: Raw<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CodeOnly {
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderAttributes<'a> {
    #[serde(default, borrow)]
    pub(super) code: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) total_price: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) delivery_cost: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) creation_date: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) state: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) status: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) approved_by_bank_date: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) planned_delivery_date: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) payment_mode: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) credit_term: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) delivery_mode: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) is_kaspi_delivery: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) signature_required: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) pre_order: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) pickup_point_id: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) cancellation_reason: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) kaspi_delivery: Raw<'a>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct KaspiDelivery<'a> {
    #[serde(default, borrow)]
    pub(super) courier_transmission_date: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) express: Raw<'a>,
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
pub(super) struct EntryRelationships {
    #[serde(default)]
    pub(super) product: Option<Relationship>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryAttributes<'a> {
    #[serde(default, borrow)]
    pub(super) entry_number: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) quantity: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) base_price: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) total_price: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) unit_type: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) category: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) offer: Raw<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category {
    pub(super) code: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
pub(super) struct Offer<'a> {
    #[serde(default, borrow)]
    pub(super) code: Raw<'a>,
    #[serde(default, borrow)]
    pub(super) name: Raw<'a>,
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
