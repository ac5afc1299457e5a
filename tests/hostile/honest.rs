//! What an honest server would show of one order, and ways to spoil it.

use serde_json::{Value, json};

use crate::behaviour::{Call, Plan, Step};

pub(crate) const ID: &str = "OTAwMDAwMDAx";
pub(crate) const CODE: &str = "900000001";
pub(crate) const SKU: &str = "SKU-RIGHT";
pub(crate) const PERSON: &str = "canary-7f3a person";

pub(crate) fn order() -> Value {
    json!({"type": "orders", "id": ID, "attributes": {
        "code": CODE, "creationDate": 1_772_428_500_000_i64, "totalPrice": 25_980.0,
        "state": "NEW", "status": "APPROVED_BY_BANK", "deliveryMode": "DELIVERY_PICKUP",
        "creditTerm": 3, "preOrder": false, "pickupPointId": "10000001_PP1",
        "customer": {"id": PERSON, "name": PERSON, "cellPhone": PERSON},
        "deliveryAddress": {"formattedAddress": PERSON},
    }})
}

pub(crate) fn entry() -> Value {
    json!({"type": "orderentries", "id": "OTAwMDAwMDAxIyMw", "attributes": {
        "entryNumber": 0, "quantity": 2, "basePrice": 12_990.0, "totalPrice": 25_980.0,
        "unitType": "PIECES", "offer": {"code": SKU, "name": "thing"},
    }})
}

fn echo() -> Value {
    json!({"type": "orders", "id": ID, "attributes": {"code": CODE, "status": "ACCEPTED_BY_MERCHANT"}})
}

/// The whole document.
pub(crate) fn document(call: Call) -> Value {
    match call {
        Call::Page => {
            json!({"data": [order()], "included": [], "meta": {"pageCount": 1, "totalCount": 1}})
        }
        Call::Order => json!({"data": order()}),
        Call::Entries => json!({"data": [entry()], "included": []}),
        Call::Post => json!({"data": echo()}),
    }
}

pub(crate) fn body(call: Call) -> Vec<u8> {
    document(call).to_string().into_bytes()
}

/// The document with something else at these places; a place that is not there is left alone.
pub(crate) fn spoilt(call: Call, places: &[(&str, Value)]) -> Vec<u8> {
    let mut document = document(call);
    for (pointer, value) in places {
        if let Some(place) = document.pointer_mut(pointer) {
            *place = value.clone();
        }
    }
    document.to_string().into_bytes()
}

/// The one thing the document is about.
pub(crate) const fn thing(call: Call) -> &'static str {
    match call {
        Call::Page | Call::Entries => "/data/0",
        Call::Order | Call::Post => "/data",
    }
}

/// An answer with a right length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n", body.len());
    raw(status, &format!("{headers}{length}"), body)
}

/// An answer with these headers alone; each ends with CR LF.
pub(crate) fn raw(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let kind = "Content-Type: application/vnd.api+json;charset=UTF-8\r\n";
    let mut bytes = format!("HTTP/1.1 {status}\r\n{kind}{headers}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// One request, these bytes, the end.
pub(crate) fn says(bytes: Vec<u8>) -> Plan {
    vec![Step::Read, Step::Write(bytes)]
}

/// One request, these bytes, then silence.
pub(crate) fn says_and_holds(bytes: Vec<u8>) -> Plan {
    vec![Step::Read, Step::Write(bytes), Step::Hold]
}

pub(crate) fn html(title: &str) -> Vec<u8> {
    format!("<!DOCTYPE html><html><body><h1>{title}</h1><p>{PERSON}</p></body></html>").into_bytes()
}

pub(crate) fn errors(title: &str) -> Vec<u8> {
    json!({"errors": [{"title": title}]})
        .to_string()
        .into_bytes()
}
