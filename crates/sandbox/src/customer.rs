//! Invented buyers, with personal data in every form Kaspi sends (KASPI_API §2).

use serde_json::{Value, json};

use super::{
    order::Order,
    settings::Settings,
    wire::{base64, mix},
};

/// Shown instead of the phone number once the merchant no longer needs it.
const PHONE_MASK: &str = "+0(000)-000-00-00";

const FIRST_NAMES: [&str; 10] = [
    "Айгерим",
    "Нурлан",
    "Данияр",
    "Асель",
    "Ерлан",
    "Мадина",
    "Тимур",
    "Жанна",
    "Руслан",
    "Ольга",
];
const LAST_NAMES: [&str; 8] = ["А", "Б", "Ж", "К", "М", "Н", "С", "Т"];
const TOWNS: [&str; 7] = [
    "Алматы",
    "Астана",
    "Шымкент",
    "Караганда",
    "Актобе",
    "Павлодар",
    "Костанай",
];
const STREETS: [&str; 6] = [
    "Абая",
    "Толе би",
    "Кабанбай батыра",
    "Сатпаева",
    "Назарбаева",
    "Жандосова",
];

fn pick<'a>(list: &[&'a str], draw: u64) -> &'a str {
    let place = usize::try_from(draw % 1009).unwrap_or_default() % list.len();
    list[place]
}

/// The buyer of one order.
pub(super) struct Customer<'a> {
    draw: u64,
    canary: Option<&'a str>,
}

impl<'a> Customer<'a> {
    pub(super) fn of(order: &Order, settings: &'a Settings) -> Self {
        Self {
            draw: mix(settings.seed, &["customer", order.code()]),
            canary: settings.canary.as_deref(),
        }
    }

    fn marked(&self, text: &str) -> String {
        self.canary
            .map_or_else(|| text.to_owned(), |canary| format!("{text} {canary}"))
    }

    fn phone(&self) -> String {
        let invented = format!("700{:07}", self.draw % 10_000_000);
        self.canary.map_or(invented, str::to_owned)
    }

    /// Base64 of the phone number.
    pub(super) fn id(&self) -> String {
        base64(self.phone().as_bytes(), false)
    }

    /// `attributes.customer`; `None` = absent.
    pub(super) fn value(&self) -> Option<Value> {
        let first = self.marked(pick(&FIRST_NAMES, self.draw >> 8));
        let last = self.marked(pick(&LAST_NAMES, self.draw >> 16));
        let full = format!("{first} {last}");
        let id = self.id();
        Some(match self.draw % 8 {
            0 => return None,
            1 => {
                json!({"id": null, "name": null, "cellPhone": null, "firstName": null, "lastName": null})
            }
            2 => {
                json!({"id": id, "name": full, "cellPhone": PHONE_MASK, "firstName": first, "lastName": last})
            }
            3 => json!({"id": id, "cellPhone": self.phone(), "firstName": first}),
            4 => {
                json!({"id": id, "name": full, "cellPhone": self.phone(), "firstName": first, "lastName": last})
            }
            _ => {
                json!({"id": id, "name": null, "cellPhone": self.phone(), "firstName": first, "lastName": last})
            }
        })
    }

    /// `attributes.deliveryAddress`; `None` = absent or null.
    pub(super) fn address(&self) -> Option<Value> {
        let town = pick(&TOWNS, self.draw >> 24);
        let street = self.marked(pick(&STREETS, self.draw >> 32));
        let building = 1 + (self.draw >> 40) % 150;
        Some(match (self.draw >> 5) % 6 {
            0 => return None,
            1 => json!({
                "streetName": null, "streetNumber": null, "town": town, "district": null, "building": null,
                "apartment": null, "formattedAddress": self.marked(&format!("{town}, ")),
                "latitude": null, "longitude": null,
            }),
            _ => json!({
                "streetName": street, "streetNumber": building.to_string(), "town": town, "district": null,
                "building": null, "apartment": (1 + (self.draw >> 48) % 90).to_string(),
                "formattedAddress": format!("{town}, {street}, {building}"),
                "latitude": 43.238, "longitude": 76.945,
            }),
        })
    }
}
