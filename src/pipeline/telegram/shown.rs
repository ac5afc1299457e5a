//! What of an order a message shows: its version, its goods with their stock, and reasons with the titles of rules.

use crate::domain::facts::{LineFacts, LinesFacts};
use crate::domain::order::Lines;
use crate::domain::order_version::OrderVersion;
use crate::domain::stock::LineStock;
use crate::lang::Lang;
use crate::notify::Goods;
use crate::pipeline::Ctx;
use crate::store::OrderView;

/// The version of the order.
pub(super) fn version(view: &OrderView) -> String {
    OrderVersion::of(&view.order, &Lines::Known(view.lines.clone())).token()
}

fn available(line: &LineFacts) -> Option<i64> {
    match &line.stock {
        LineStock::Known(level) => Some(level.available()),
        LineStock::Unknown(_) => None,
    }
}

/// The goods of an order with the stock that its newest decision saw.
pub(super) fn goods(view: &OrderView) -> Vec<Goods> {
    let decided = view.decision.as_ref().map(|d| &d.facts.lines);
    let lines = view.lines.iter().map(|line| {
        let seen = match decided {
            Some(LinesFacts::Known(lines)) => lines.iter().find(|seen| seen.line == *line),
            _ => None,
        };
        let sku = line.sku.as_ref().map(|sku| sku.as_str().to_owned());
        let name = match (&line.name, sku) {
            (Some(name), Some(sku)) => format!("{name} ({sku})"),
            (Some(name), None) => name.clone(),
            (None, sku) => sku.unwrap_or_else(|| "?".to_owned()),
        };
        Goods {
            name,
            quantity: i64::from(line.quantity),
            available: seen.and_then(available),
        }
    });
    lines.collect()
}

/// Reasons with the titles of rules in place of their names, where the rules in force have any in that language.
pub(in crate::pipeline) fn titled(
    ctx: Option<&Ctx>,
    because: Vec<String>,
    language: Lang,
) -> Vec<String> {
    let Some(ctx) = ctx else { return because };
    let policy = ctx.policy();
    let title = |word: String| {
        let name = word.strip_prefix("rule:");
        let title = name.and_then(|name| policy.rules.title(name, language.code()));
        title.map_or(word.clone(), |title| format!("rule:{title}"))
    };
    because.into_iter().map(title).collect()
}
