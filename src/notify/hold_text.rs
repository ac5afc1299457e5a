//! What a message with buttons says of a held order.

use jiff::Timestamp;

use super::messages::{FACT_CHARS_MAX, MessageWriter, local};
use crate::domain::money::Money;
use crate::text::shown;

/// Goods named in one message; of the others the number.
const GOODS_MAX: usize = 15;

/// Goods of an order with what is left of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goods {
    /// Their name, or the SKU.
    pub name: String,
    /// Units ordered.
    pub quantity: i64,
    /// Units available; `None` where it is unknown.
    pub available: Option<i64>,
}

/// A held order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOrder {
    /// Its shop.
    pub shop: String,
    /// Its number.
    pub code: String,
    /// Its goods; none where its lines are not known.
    pub goods: Vec<Goods>,
    /// Its sum.
    pub total: Option<Money>,
    /// The word of Kaspi's API for how it travels.
    pub delivery: Option<String>,
    /// Whether it must be packed within the hour.
    pub express: bool,
    /// When Kaspi cancels it.
    pub deadline: Timestamp,
    /// Why it waits, in words of the list that messages translate.
    pub because: Vec<String>,
}

impl MessageWriter {
    /// What a message says of a held order.
    pub fn held_order(&self, order: &HeldOrder) -> String {
        let time = local(order.deadline);
        let lines = [
            self.order(order),
            self.words("telegram-deadline", &[("time", time)]),
            self.words("telegram-reason", &[("why", self.reasons(&order.because))]),
        ];
        lines.join("\n")
    }

    /// Its goods, sum and delivery.
    pub fn order(&self, order: &HeldOrder) -> String {
        let mut lines = vec![self.words(
            "telegram-order",
            &[("order", short(&order.code)), ("shop", short(&order.shop))],
        )];
        lines.extend(order.goods.iter().take(GOODS_MAX).map(|of| self.goods(of)));
        if order.goods.is_empty() {
            lines.push(self.words("telegram-goods_unread", &[]));
        }
        if let Some(more) = order.goods.len().checked_sub(GOODS_MAX).filter(|n| *n > 0) {
            lines.push(self.words("telegram-goods_more", &[("count", more.to_string())]));
        }
        let sum = order.total.map(|total| total.to_string());
        lines.extend(sum.map(|sum| self.words("telegram-sum", &[("sum", sum)])));
        lines.extend(self.delivery(order));
        lines.join("\n")
    }

    /// The stock of a held order's goods and why it waits, in one short text.
    pub fn why_held(&self, order: &HeldOrder) -> String {
        let goods = order.goods.iter().map(|of| self.goods(of));
        let reasons = std::iter::once(self.reasons(&order.because));
        reasons.chain(goods).collect::<Vec<_>>().join("\n")
    }

    /// Reasons in words.
    pub fn reasons(&self, because: &[String]) -> String {
        let because: Vec<&str> = because.iter().map(String::as_str).collect();
        self.why(&serde_json::json!(because))
    }

    fn goods(&self, of: &Goods) -> String {
        let mut values = vec![
            ("goods", short(&of.name)),
            ("quantity", of.quantity.to_string()),
        ];
        let Some(available) = of.available else {
            return self.words("telegram-goods_unknown", &values);
        };
        values.push(("available", available.to_string()));
        self.words("telegram-goods", &values)
    }

    fn delivery(&self, order: &HeldOrder) -> Option<String> {
        let delivery = order.delivery.as_deref().map(|word| {
            // Kaspi may send a value that has no translation yet.
            let known = self.language.find(&format!("delivery-{word}"), &[]);
            known.unwrap_or_else(|| short(word))
        });
        let express = order.express.then(|| self.words("telegram-express", &[]));
        let parts: Vec<String> = delivery.into_iter().chain(express).collect();
        let values = [("delivery", parts.join(", "))];
        (!parts.is_empty()).then(|| self.words("telegram-delivery", &values))
    }
}

fn short(text: &str) -> String {
    shown(text, FACT_CHARS_MAX)
}
