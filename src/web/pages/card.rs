//! An order as a card shows it: what a person needs to decide, in their language.

use jiff::Timestamp;

use super::super::Shared;
use super::door::Visit;
use super::page::clock;
use super::stock::address;
use crate::domain::hold::because;
use crate::domain::ids::Sku;
use crate::domain::money::Money;
use crate::domain::order::{DeliveryMode, Line, Order};
use crate::domain::people::Verb;
use crate::lang::Lang;
use crate::ledger::StockView;
use crate::net;
use crate::pipeline::Ctx;
use crate::runtime::build;
use crate::status::orders::version;
use crate::store::{OrderView, StoreError};
use crate::text::{hex, shown};

/// Longest name of goods on a card, in characters.
const NAME_CHARS_MAX: usize = 120;
/// An order with less time than this is marked.
const LATE_MINUTES: i64 = 30;

/// One line of an order.
pub(super) struct Goods {
    pub(super) name: String,
    pub(super) sku: String,
    pub(super) quantity: String,
    pub(super) stock: String,
    /// The page of the SKU; empty where the line has none.
    pub(super) href: String,
    /// Whether the stock does not cover it, or is unknown.
    pub(super) is_short: bool,
}

/// An order, and what the visitor may do about it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each shows or hides one thing of a card"
)]
pub(super) struct Card {
    pub(super) shop: String,
    pub(super) code: String,
    /// The id within an address.
    pub(super) id: String,
    /// The id within a page.
    pub(super) anchor: String,
    pub(super) deadline: String,
    pub(super) left: String,
    pub(super) is_late: bool,
    pub(super) goods: Vec<Goods>,
    pub(super) sum: String,
    pub(super) delivery: String,
    pub(super) why: String,
    pub(super) version: String,
    /// What a form for several orders says of it.
    pub(super) pick: String,
    /// One form, one decision.
    pub(super) key: String,
    pub(super) is_waiting: bool,
    pub(super) is_held_by_person: bool,
    pub(super) may_accept: bool,
    pub(super) may_cancel: bool,
}

/// A key for one form; empty, which no form may have, where there is no randomness.
pub(super) fn fresh_key() -> String {
    net::random_bytes::<16>().map_or_else(|_| String::new(), |bytes| hex(&bytes))
}

/// Money as it is written in Kazakhstan: `12 990 ₸`.
pub(super) fn money(sum: Option<Money>) -> String {
    let Some(sum) = sum else {
        return "?".to_owned();
    };
    let (whole, part) = (sum.tiyn() / 100, sum.tiyn().unsigned_abs() % 100);
    let part = if part == 0 {
        String::new()
    } else {
        format!(",{part:02}")
    };
    format!("{}{part}\u{a0}₸", grouped(whole))
}

/// A number with blanks between thousands.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    if number < 0 { format!("−{out}") } else { out }
}

/// As it stands within an address.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex(&[byte]).to_uppercase());
        }
    }
    out
}

/// How the goods travel, in words.
pub(super) fn delivery(lang: Lang, order: &Order) -> String {
    let mode = order.delivery_mode.as_ref().map(DeliveryMode::as_str);
    let mode = mode.map(|mode| {
        let key = format!("web-delivery-{}", mode.to_lowercase());
        lang.find(&key, &[]).unwrap_or_else(|| shown(mode, 40))
    });
    let mut words: Vec<String> = mode.into_iter().collect();
    for (is, key) in [
        (order.express, "web-express"),
        (order.kaspi_delivery == Some(true), "web-kaspi-delivery"),
        (order.pre_order, "web-pre-order"),
    ] {
        if is {
            words.push(lang.word(key));
        }
    }
    words.join(" · ")
}

/// Why an order waits, as a sentence of the visitor's language.
pub(super) fn reason(lang: Lang, view: &OrderView) -> String {
    let cause = view.held_cause;
    let words = because(cause, view.decision.as_ref().map(|d| &d.decision));
    let words = words.iter().map(|word| match word.strip_prefix("rule:") {
        Some(rule) => said_by_rule(lang, rule),
        None => lang.word(&format!("why-{word}")),
    });
    let mut text = words.collect::<Vec<_>>().join("; ");
    if let Some(first) = text.chars().next() {
        let upper: String = first.to_uppercase().collect();
        text.replace_range(..first.len_utf8(), &upper);
    }
    text
}

/// What a rule says: the rules that come along have a sentence each.
fn said_by_rule(lang: Lang, rule: &str) -> String {
    let key = format!("web-rule-{}", rule.replace(' ', "-"));
    let own = lang.find(&key, &[]);
    own.unwrap_or_else(|| lang.text("why-rule", &[("rule", shown(rule, 80).into())]))
}

/// A rule as people read it: the sentence of one that comes along, the name of any other.
pub(super) fn named_rule(lang: Lang, rule: &str) -> String {
    let key = format!("web-rule-{}", rule.replace(' ', "-"));
    lang.find(&key, &[]).unwrap_or_else(|| shown(rule, 80))
}

/// What is available of a line now, and whether that covers it.
fn stock_of(lang: Lang, line: &Line, levels: &[&StockView], safety: i64) -> (String, bool) {
    let Some(sku) = &line.sku else {
        return (lang.word("web-stock-no-sku"), true);
    };
    let own = levels
        .iter()
        .filter(|view| view.listing.sku.as_str() == sku.as_str());
    let own: Vec<Option<i64>> = own
        .map(|view| {
            let promised = view.promised.confirmed + view.promised.in_doubt;
            Some(view.listing.on_hand? - promised - safety)
        })
        .collect();
    if own.is_empty() {
        return (lang.word("web-stock-unknown"), true);
    }
    let Some(most) = own.iter().flatten().max() else {
        return (lang.word("web-stock-unknown"), true);
    };
    let text = lang.text("web-stock-available", &[("count", (*most).into())]);
    (text, *most < i64::from(line.quantity))
}

/// The levels of what these orders contain, as the shop sees them.
pub(super) async fn levels(
    shared: &Shared,
    views: &[&OrderView],
) -> Result<Vec<StockView>, StoreError> {
    let lines = views.iter().flat_map(|view| &view.lines);
    let skus = lines.filter_map(|line| line.sku.as_ref());
    let mut skus: Vec<&str> = skus.map(Sku::as_str).collect();
    skus.sort_unstable();
    skus.dedup();
    let settings = build::stock_settings(&shared.loaded.config);
    shared
        .store
        .stock_levels(&settings, (None, Some(&skus)))
        .await
}

impl Card {
    /// The card of an order.
    pub(super) fn of(
        (shared, visit): (&Shared, &Visit),
        ctx: &Ctx,
        view: &OrderView,
        levels: &[StockView],
    ) -> Self {
        let (lang, order) = (visit.lang, &view.order);
        let now = ctx.kaspi_clock.now();
        let config = &shared.loaded.config;
        let mut shops = config.shops.iter();
        let stock = shops.find(|shop| shop.name == ctx.shop.as_str());
        let stock = stock.map_or("", |shop| shop.stock.as_str());
        let is_seen = |level: &&StockView| level.stock.is_empty() || level.stock == stock;
        let levels: Vec<&StockView> = levels.iter().filter(is_seen).collect();
        // Where a count by hand goes.
        let counted = if config.stock_of_unnamed().is_empty() {
            ""
        } else {
            stock
        };
        let safety = i64::from(config.stock.safety_stock);
        let goods = view.lines.iter().map(|line| {
            let (stock, is_short) = stock_of(lang, line, &levels, safety);
            let name = line.name.as_deref().unwrap_or_default();
            let sku = line.sku.as_ref().map_or("", |sku| sku.as_str());
            Goods {
                name: match (name, sku) {
                    ("", "") => lang.word("web-no-name"),
                    ("", sku) => shown(sku, NAME_CHARS_MAX),
                    (name, _) => shown(name, NAME_CHARS_MAX),
                },
                sku: shown(sku, NAME_CHARS_MAX),
                quantity: lang.text("web-pieces", &[("count", i64::from(line.quantity).into())]),
                stock,
                href: if sku.is_empty() {
                    String::new()
                } else {
                    address(sku, counted)
                },
                is_short,
            }
        });
        let (deadline, left, is_late) = deadline(lang, ctx, order, now);
        let may = |verb| {
            let visitor = visit.visitor.as_ref();
            visitor.is_some_and(|visitor| visitor.actor.may(verb, &ctx.shop))
        };
        Self {
            shop: view.shop.clone(),
            code: shown(order.code.as_str(), 40),
            id: encoded(order.id.as_str()),
            anchor: format!("o{}", hex(order.id.as_str().as_bytes())),
            deadline,
            left,
            is_late,
            goods: goods.collect(),
            sum: money(order.total),
            delivery: delivery(lang, order),
            why: reason(lang, view),
            version: version(view),
            pick: format!("{} {} {}", view.shop, version(view), order.id),
            key: fresh_key(),
            is_waiting: order.awaits_merchant(),
            is_held_by_person: view.held.is_some(),
            may_accept: may(Verb::Accept),
            may_cancel: may(Verb::Cancel),
        }
    }
}

/// Until when an order must be handled: the time, what is left, and whether that is little.
fn deadline(lang: Lang, ctx: &Ctx, order: &Order, now: Timestamp) -> (String, String, bool) {
    if !order.awaits_merchant() {
        return (String::new(), String::new(), false);
    }
    let schedule = ctx.policy().limits.schedule.clone();
    let (at, left) = (schedule.deadline_of(order), schedule.left(order, now));
    if left.is_negative() {
        return (clock(at, now), lang.word("web-deadline-past"), true);
    }
    (
        clock(at, now),
        lang.span(left),
        left.as_mins() < LATE_MINUTES,
    )
}

#[cfg(test)]
mod tests {
    use super::{encoded, grouped, money};
    use crate::domain::money::Money;

    #[test]
    fn money_is_written_as_in_kazakhstan() {
        assert_eq!(money(Some(Money::from_tenge(12_990))), "12\u{a0}990\u{a0}₸");
        assert_eq!(money(Some(Money::from_tiyn(99_950))), "999,50\u{a0}₸");
        assert_eq!(money(None), "?");
        assert_eq!(grouped(-1_234_567), "−1\u{a0}234\u{a0}567");
    }

    #[test]
    fn an_id_stands_in_an_address_as_it_is() {
        assert_eq!(encoded("MTIz+/=="), "MTIz%2B%2F%3D%3D");
    }
}
