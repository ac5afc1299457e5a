//! The JSON of orders and entries, in every form that fields were observed in (KASPI_API §2, §4).

use serde_json::{Map, Value, json};

use super::{
    customer::Customer,
    order::{LineSeed, Order},
    overrides::{self, Part},
    settings::{EntriesForm, Settings},
    terms::{OfferForm, Payment, Status, UnitType},
    wire::{base64, mix},
};

const BASE: &str = "https://kaspi.kz/shop/api/v2";

/// Time to deliver: two days.
const PLANNED_MS: i64 = 48 * 3600 * 1000;

/// The opaque id of a line.
pub(super) fn entry_id(order: &Order, number: usize) -> String {
    base64(format!("{}##{number}", order.code()).as_bytes(), true)
}

/// Kaspi's number of a product, which is not the merchant's SKU.
fn catalogue_code(sku: &str) -> String {
    (100_000_000 + mix(0, &["catalogue", sku]) % 900_000_000).to_string()
}

/// The opaque id of a master product.
pub(super) fn master_id(sku: &str) -> String {
    base64(catalogue_code(sku).as_bytes(), true)
}

/// The fields of one order. Some are absent and some null, always the same ones for an order.
struct Fields<'a> {
    settings: &'a Settings,
    code: &'a str,
    map: Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn new(settings: &'a Settings, code: &'a str) -> Self {
        Self {
            settings,
            code,
            map: Map::new(),
        }
    }

    /// A number that depends on the order and the field only.
    fn draw(&self, name: &str) -> u64 {
        mix(self.settings.seed, &[self.code, name])
    }

    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.map.insert(name.to_owned(), value.into());
    }

    /// A value; without one the field is null or absent, at random.
    fn put_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        match value {
            Some(value) => self.put(name, value),
            None if self.draw(name).is_multiple_of(2) => self.put(name, Value::Null),
            None => {}
        }
    }

    /// A flag; when not set it is `false` or absent, at random.
    fn put_flag(&mut self, name: &str, value: bool) {
        if value || !self.draw(name).is_multiple_of(3) {
            self.put(name, value);
        }
    }

    /// A price in KZT, as `4000.0` or as `4000` at random.
    fn put_price(&mut self, name: &str, kzt: u64) {
        let price = match u32::try_from(kzt) {
            Ok(kzt) if self.draw("price").is_multiple_of(2) => Value::from(f64::from(kzt)),
            _ => Value::from(kzt),
        };
        self.put(name, price);
    }
}

/// One order as a resource. `read` is the number of the request that reads it.
pub(super) fn order(order: &Order, settings: &Settings, read: u64) -> Value {
    let id = &order.id;
    let mut shown = json!({
        "type": "orders",
        "id": id,
        "attributes": attributes(order, settings, read),
        "relationships": relationships(order, settings),
        "links": {"self": format!("{BASE}/orders/{id}")},
    });
    overrides::apply(&order.overrides, Part::Order, &mut shown);
    shown
}

/// The answer to `GET /orders/{id}`.
pub(super) fn order_document(one: &Order, settings: &Settings, read: u64) -> Value {
    json!({"data": order(one, settings, read), "included": []})
}

/// The answer to `GET /orders/{id}/entries`.
pub(super) fn entries_document(order: &Order, settings: &Settings) -> Value {
    let mut shown = entries(order, settings).into();
    overrides::apply(&order.overrides, Part::Entries, &mut shown);
    json!({"data": shown, "included": []})
}

fn attributes(order: &Order, settings: &Settings, read: u64) -> Value {
    let seed = &order.seed;
    let customer = Customer::of(order, settings);
    let created_ms = seed.created_at.as_millisecond();
    let mut fields = Fields::new(settings, order.code());
    fields.put("code", order.code());
    fields.put("creationDate", created_ms);
    fields.put("state", order.state.as_str());
    fields.put("status", order.status.as_str());
    fields.put_price("totalPrice", order.total_kzt());
    let approved = !fields.draw("unapproved").is_multiple_of(16);
    fields.put_some(
        "approvedByBankDate",
        approved.then(|| order.approved_at.as_millisecond()),
    );
    let planned = !fields.draw("unplanned").is_multiple_of(4);
    fields.put_some(
        "plannedDeliveryDate",
        planned.then_some(created_ms + PLANNED_MS),
    );
    fields.put_some("reservationDate", None::<i64>);
    match seed.payment {
        Payment::Prepaid => {
            fields.put("paymentMode", "PREPAID");
            fields.put_some("creditTerm", None::<u32>);
        }
        Payment::Credit { months } => {
            fields.put("paymentMode", "PAY_WITH_CREDIT");
            fields.put("creditTerm", months);
        }
    }
    fields.put("deliveryMode", seed.delivery_mode.as_str());
    fields.put_flag("isKaspiDelivery", seed.kaspi_delivery);
    fields.put_flag("preOrder", seed.pre_order);
    fields.put_flag("signatureRequired", seed.signature_required);
    fields.put_flag("assembled", order.handed_over_at.is_some());
    fields.put_price("deliveryCost", if seed.kaspi_delivery { 500 } else { 0 });
    let cost = !fields.draw("costless").is_multiple_of(3);
    fields.put_some("deliveryCostForSeller", cost.then_some(0.0));
    fields.put_some("pickupPointId", seed.pickup_point.clone());
    if let Some(reason) = &order.cancellation_reason {
        fields.put("cancellationReason", reason.as_str());
    }
    fields.put_some("customer", customer.value());
    fields.put_some("deliveryAddress", customer.address());
    fields.put_some("kaspiDelivery", kaspi_delivery(order, settings, read));
    fields.map.into()
}

/// `attributes.kaspiDelivery`; the waybill's signature differs in every read.
fn kaspi_delivery(order: &Order, settings: &Settings, read: u64) -> Option<Value> {
    let seed = &order.seed;
    if !seed.kaspi_delivery && !seed.express {
        return None;
    }
    let accepted = order.status == Status::AcceptedByMerchant;
    let number = mix(settings.seed, &["waybill", order.code()]) % 1_000_000_000;
    let signature = mix(
        settings.seed ^ read.rotate_left(32),
        &["signature", order.code()],
    );
    let waybill = accepted.then(|| {
        format!("https://kaspi.kz/logistics/waybill/{number}.pdf?X-Signature={signature:016x}")
    });
    Some(json!({
        "waybill": waybill,
        "waybillNumber": accepted.then(|| number.to_string()),
        "courierTransmissionDate": order.handed_over_at.map(jiff::Timestamp::as_millisecond),
        "courierTransmissionPlanningDate": order.approved_at.as_millisecond() + PLANNED_MS / 2,
        "express": seed.express,
        "returnedToWarehouse": false,
        "firstMileCourier": null,
    }))
}

fn relationships(order: &Order, settings: &Settings) -> Value {
    let id = &order.id;
    let links = json!({
        "self": format!("{BASE}/orders/{id}/relationships/entries"),
        "related": format!("{BASE}/orders/{id}/entries"),
    });
    let with_data = match settings.entries_form {
        EntriesForm::Data => true,
        EntriesForm::LinksOnly => false,
        EntriesForm::Mixed => !mix(settings.seed, &["entries", order.code()]).is_multiple_of(3),
    };
    let entries = if with_data {
        let ids = (0..order.lines().len())
            .filter(|number| !order.removed.contains(number))
            .map(|number| json!({"type": "orderentries", "id": entry_id(order, number)}));
        json!({"data": ids.collect::<Vec<_>>(), "links": links})
    } else {
        json!({"links": links})
    };
    let customer = Customer::of(order, settings);
    json!({"entries": entries, "user": {"data": {"type": "customers", "id": customer.id()}, "links": {}}})
}

/// The buyer as an included resource.
pub(super) fn user(order: &Order, settings: &Settings) -> Option<Value> {
    let customer = Customer::of(order, settings);
    let attributes = customer.value()?;
    Some(json!({"type": "customers", "id": customer.id(), "attributes": attributes}))
}

/// Every line of one order, as resources.
pub(super) fn entries(order: &Order, settings: &Settings) -> Vec<Value> {
    order
        .lines()
        .iter()
        .enumerate()
        .filter(|(number, _)| !order.removed.contains(number))
        .map(|(number, line)| entry(order, number, line, settings))
        .collect()
}

fn entry(order: &Order, number: usize, line: &LineSeed, settings: &Settings) -> Value {
    let mut fields = Fields::new(settings, order.code());
    fields.put("entryNumber", number);
    fields.put("quantity", line.quantity);
    fields.put_price("basePrice", u64::from(line.unit_price_kzt));
    fields.put_price("totalPrice", line.total_kzt());
    fields.put_price("deliveryCost", 0);
    let weighed = !fields.draw("weightless").is_multiple_of(3);
    fields.put_some("weight", weighed.then_some(0.5));
    if line.unit_type != UnitType::Pieces || !fields.draw("unitless").is_multiple_of(3) {
        fields.put("unitType", line.unit_type.as_str());
    }
    fields.put(
        "category",
        json!({"code": "Master - Household", "title": "Товары для дома"}),
    );
    if line.offer == OfferForm::Offer {
        fields.put("offer", json!({"code": line.sku, "name": line.name}));
    }
    fields.put_flag("isImeiRequired", false);
    let id = entry_id(order, number);
    let mut shown = json!({
        "type": "orderentries",
        "id": id,
        "attributes": fields.map,
        "relationships": {
            "product": {
                "links": {
                    "self": format!("{BASE}/orderentries/{id}/relationships/product"),
                    "related": format!("{BASE}/orderentries/{id}/product"),
                },
                "data": {"type": "masterproducts", "id": master_id(&line.sku)},
            },
            "deliveryPointOfService": {
                "links": {"related": format!("{BASE}/orderentries/{id}/deliveryPointOfService")},
                "data": {"type": "pointofservices", "id": "MTAwMDAwMDFfUFAx"},
            },
        },
        "links": {"self": format!("{BASE}/orderentries/{id}")},
    });
    overrides::apply(&order.overrides, Part::Entry(number), &mut shown);
    shown
}

/// The answer to `GET /masterproducts/{id}/merchantProduct`; `data` is null without an offer.
pub(super) fn merchant_product(id: &str, linked: Option<&(String, String)>) -> Value {
    let data = linked.map(|(sku, name)| {
        json!({
            "type": "merchantproducts",
            "id": id,
            "attributes": {"code": sku, "name": name, "manufacturer": null},
            "relationships": {},
        })
    });
    json!({"data": data, "included": []})
}

/// The answer to `GET /orderentries/{id}/product`: Kaspi's code of the card, not the SKU.
pub(super) fn catalogue_product(line: &LineSeed) -> Value {
    json!({
        "data": {
            "type": "masterproducts",
            "id": master_id(&line.sku),
            "attributes": {"code": catalogue_code(&line.sku), "name": line.name, "manufacturer": null},
            "relationships": {},
        },
        "included": [],
    })
}
