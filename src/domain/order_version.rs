//! What a person has seen of an order when deciding about it. A decision about an order that has changed since says
//! nothing about the order as it is now.

use sha2::{Digest as _, Sha256};

use super::facts::{Facts, LinesFacts};
use super::money::Money;
use super::order::{Line, Lines, Order, Status};
use crate::text::hex;

/// An order as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderVersion {
    /// Its goods in words; `None` where its lines were not read.
    goods: Option<String>,
    /// `None` where it was not read.
    total: Option<Money>,
    status: Status,
}

impl OrderVersion {
    /// As it is stored.
    pub fn of(order: &Order, lines: &Lines) -> Self {
        let goods = match lines {
            Lines::Known(lines) => Some(goods(lines.iter())),
            Lines::Unreadable(_) => None,
        };
        Self {
            goods,
            total: order.total,
            status: order.status.clone(),
        }
    }

    /// As it was when it was decided.
    pub fn when_decided(facts: &Facts) -> Self {
        let goods = match &facts.lines {
            LinesFacts::Known(lines) => Some(goods(lines.iter().map(|line| &line.line))),
            LinesFacts::Unreadable(_) => None,
        };
        Self {
            goods,
            total: facts.order.total,
            status: facts.order.status.clone(),
        }
    }

    /// How the order differs now from this version of it, in words; `None` where it is the same. Goods that were not
    /// read when it was decided differ by the total alone.
    pub fn changed_to(&self, now: &Self) -> Option<String> {
        let same_goods = self.goods.is_none() || self.goods == now.goods;
        if same_goods && self.total == now.total {
            return None;
        }
        Some(format!(
            "the decision was about {}, and the order is now {}: decide again (`qabyl explain`)",
            self.words(),
            now.words()
        ))
    }

    /// In words: goods, total and status.
    pub fn words(&self) -> String {
        let goods = self.goods.as_deref().unwrap_or("unread lines");
        let total = self
            .total
            .map_or_else(|| "an unread total".to_owned(), |total| total.to_string());
        format!("{goods} for {total}, {}", self.status)
    }

    /// A short name of this version, by which a person or a program says which one they saw. Lines that were not read
    /// and no lines have the same: neither says what to send.
    pub fn token(&self) -> String {
        let goods = self.goods.as_deref().unwrap_or_default();
        let total = self.total.map(|total| total.tiyn().to_string());
        let text = [goods, total.as_deref().unwrap_or("?"), self.status.as_str()].join("\u{1f}");
        let mut token = hex(&Sha256::digest(text));
        token.truncate(8);
        token
    }
}

fn goods<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let line = |line: &Line| {
        let sku = line.sku.as_ref().map_or("no SKU", |sku| sku.as_str());
        format!("{sku} × {}", line.quantity)
    };
    lines.map(line).collect::<Vec<_>>().join(", ")
}
