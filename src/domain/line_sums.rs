//! Whether lines are those of an order, by their sums: an answer that leaves one out, or is of another version of
//! the order, does not add up to its total.

use super::money::Money;
use super::order::{Line, Order};
use crate::mutant::mutant;

/// What the sums say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sums {
    /// The lines add up to the order's total.
    Agree,
    /// A price or the total is unknown: nothing contradicts the lines.
    Unknown,
    /// They contradict it, or themselves.
    Differ(String),
}

/// Compares the lines of an order with its total. Kaspi's total is the sum of the lines; where it includes the
/// delivery, that is known by its cost.
pub fn compare(order: &Order, lines: &[Line]) -> Sums {
    if mutant("r15_line_sums_ignored") {
        return Sums::Unknown;
    }
    let mut sum: Option<i64> = Some(0);
    for line in lines {
        let by_price = line
            .unit_price
            .map(|price| price.tiyn().saturating_mul(i64::from(line.quantity)));
        let stated = line.total.map(Money::tiyn);
        if let (Some(by_price), Some(stated)) = (by_price, stated)
            && by_price != stated
        {
            return Sums::Differ(format!(
                "line {} of {} units does not add up: {} each, {} in all",
                line.number,
                line.quantity,
                line.unit_price.unwrap_or_default(),
                Money::from_tiyn(stated)
            ));
        }
        let of_line = stated.or(by_price);
        sum = sum
            .zip(of_line)
            .map(|(sum, of_line)| sum.saturating_add(of_line));
    }
    let (Some(sum), Some(total)) = (sum, order.total) else {
        return Sums::Unknown;
    };
    let delivery = order.delivery_cost.unwrap_or_default().tiyn();
    if sum == total.tiyn() || sum.saturating_add(delivery) == total.tiyn() {
        return Sums::Agree;
    }
    Sums::Differ(format!(
        "its lines add up to {}, and its total is {total}",
        Money::from_tiyn(sum)
    ))
}

/// Lines as far as they say what an order holds, in one text: lines that differ in it are others.
pub fn digest(lines: &[Line]) -> String {
    let mut lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let sku = line.sku.as_ref().map_or("", |sku| sku.as_str());
            format!("{}\u{1f}{sku}\u{1f}{}", line.entry, line.quantity)
        })
        .collect();
    lines.sort();
    lines.join("\u{1e}")
}
