//! The questions a rule can ask. The README's table says what to touch to add one.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Condition, Range, line_holds};
use crate::domain::availability::{Bound, Coverage, Possible};
use crate::domain::calendar::{DaySpan, DayTime, Weekday, local};
use crate::domain::facts::{Counters, Facts, LineFacts};
use crate::domain::money::Money;
use crate::domain::schedule::Schedule;
use crate::domain::stock::{Level, LineStock};

/// A question about an order.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Must be packed within 60 minutes.
    Express(bool),
    /// A pre-order.
    Preorder(bool),
    /// Needs the buyer's signature.
    Signature(bool),
    /// Carried by Kaspi.
    KaspiDelivery(bool),
    /// Time since it was approved (or created).
    Age(Range<SignedDuration>),
    /// Time left until the merchant's deadline; negative once it has passed.
    DeadlineIn(Range<SignedDuration>),
    /// One of these days, in Almaty, at the moment of the decision.
    Weekday(Vec<Weekday>),
    /// Within these hours, in Almaty, at the moment of the decision.
    Hour(DaySpan),
    /// Sum of the order.
    Total(Range<Money>),
    /// Units in all lines together.
    Quantity(Range<i64>),
    /// Number of lines.
    Lines(Range<i64>),
    /// One of these delivery modes of Kaspi's API.
    DeliveryMode(Vec<String>),
    /// One of these payment modes of Kaspi's API.
    PaymentMode(Vec<String>),
    /// Sent from one of these points, whole (`10000001_PP1`) or short (`PP1`).
    PickupPoint(Vec<String>),
    /// A count over the shop's recent orders.
    Shop(ShopCount, Range<i64>),
    /// Share of cancelled among decided orders, 0 to 1, over the window of the cancel budget.
    ShopCancelledShare(Range<f64>),
    /// At least one line meets the condition.
    AnyLine(Condition<LineCriterion>),
    /// Every line meets the condition, and there is at least one.
    AllLines(Condition<LineCriterion>),
}

/// A count over the shop's recent orders; the first three over the window of the cancel budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopCount {
    /// Orders decided: no longer waiting for the merchant.
    Decided,
    /// Of those, not cancelled by the merchant.
    Accepted,
    /// Of those, cancelled by the merchant or at the deadline.
    Cancelled,
    /// Accepts within the hour.
    AcceptedLastHour,
    /// Cancels within the hour.
    CancelledLastHour,
}

impl ShopCount {
    /// All, with their keys in a rule.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("shop_decided", Self::Decided),
        ("shop_accepted", Self::Accepted),
        ("shop_cancelled", Self::Cancelled),
        ("shop_accepted_last_hour", Self::AcceptedLastHour),
        ("shop_cancelled_last_hour", Self::CancelledLastHour),
    ];

    /// Its key in a rule.
    pub fn word(self) -> &'static str {
        let of = Self::WORDS.iter().find(|(_, count)| *count == self);
        of.map_or("", |(word, _)| word)
    }

    /// Its value.
    pub fn of(self, counters: &Counters) -> i64 {
        let count = match self {
            Self::Decided => counters.decided,
            Self::Accepted => counters.accepted(),
            Self::Cancelled => counters.cancelled,
            Self::AcceptedLastHour => counters.accepted_last_hour,
            Self::CancelledLastHour => counters.cancelled_last_hour,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

/// A question about one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineCriterion {
    /// One of these SKUs.
    Sku(Vec<String>),
    /// In one of these categories.
    Category(Vec<String>),
    /// Units ordered on the line.
    Quantity(Range<i64>),
    /// Weighed or measured goods.
    Measured(bool),
    /// What is known of its stock.
    Stock(StockWord),
    /// Units on hand. False while stock is unknown, as are the next three.
    OnHand(Range<i64>),
    /// Units promised.
    Reserved(Range<i64>),
    /// Units available.
    Available(Range<i64>),
    /// Units missing.
    Shortage(Range<i64>),
}

/// What a rule may ask of what is known of a line's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StockWord {
    /// A source bounds it, or there is enough of it for certain.
    Known,
    /// Nothing bounds it, and there is not enough of it for certain.
    Unknown,
    /// Its bounds differ for what is wanted: the units may be there or not.
    Doubtful,
}

impl StockWord {
    /// All, with their words in a rule.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("known", Self::Known),
        ("unknown", Self::Unknown),
        ("doubtful", Self::Doubtful),
    ];

    /// Its word in a rule.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Doubtful => "doubtful",
        }
    }

    /// The word for this line; a line in doubt is known, too.
    pub fn of(line: &LineFacts) -> Self {
        match line.coverage() {
            Coverage::InDoubt if line.is_unbounded() => Self::Unknown,
            Coverage::InDoubt => Self::Doubtful,
            Coverage::Covered | Coverage::Missing => Self::Known,
        }
    }

    fn holds(self, line: &LineFacts) -> bool {
        let found = Self::of(line);
        found == self || self == Self::Known && found == Self::Doubtful
    }
}

impl Criterion {
    /// The answer for these facts.
    pub fn holds(&self, facts: &Facts, bound: Bound, schedule: &Schedule, now: Timestamp) -> bool {
        let order = &facts.order;
        match self {
            Self::Express(wanted) => order.express == *wanted,
            Self::Preorder(wanted) => order.pre_order == *wanted,
            Self::Signature(wanted) => order.signature_required == *wanted,
            Self::KaspiDelivery(wanted) => order.kaspi_delivery == Some(*wanted),
            Self::Age(range) => range.contains(facts.age(now)),
            Self::DeadlineIn(range) => range.contains(schedule.left(order, now)),
            Self::Weekday(days) => days.contains(&Weekday::of(local(now).date())),
            Self::Hour(span) => span.contains(DayTime::of(local(now))),
            // No rule applies to an unknown sum: an interlock holds such an order.
            Self::Total(range) => order.total.is_some_and(|total| range.contains(total)),
            Self::Quantity(range) => range.contains(
                facts
                    .lines()
                    .iter()
                    .map(|l| i64::from(l.line.quantity))
                    .sum(),
            ),
            Self::Lines(range) => {
                range.contains(i64::try_from(facts.lines().len()).unwrap_or(i64::MAX))
            }
            Self::DeliveryMode(words) => order
                .delivery_mode
                .as_ref()
                .is_some_and(|mode| has(words, mode.as_str())),
            Self::PaymentMode(words) => order
                .payment_mode
                .as_ref()
                .is_some_and(|mode| has(words, mode.as_str())),
            Self::PickupPoint(points) => order
                .pickup_point
                .as_ref()
                .is_some_and(|point| has(points, point.as_str()) || has(points, point.short())),
            Self::Shop(count, range) => range.contains(count.of(&facts.shop_facts.counters)),
            Self::ShopCancelledShare(range) => {
                range.contains(facts.shop_facts.counters.cancelled_share())
            }
            Self::AnyLine(condition) => facts
                .lines()
                .iter()
                .any(|line| line_holds(condition, line, bound)),
            Self::AllLines(condition) => {
                !facts.lines().is_empty()
                    && facts
                        .lines()
                        .iter()
                        .all(|line| line_holds(condition, line, bound))
            }
        }
    }
}

impl LineCriterion {
    /// The answer for this line, of stock by that bound.
    pub fn holds(&self, line: &LineFacts, bound: Bound) -> bool {
        let level = |ask: &dyn Fn(&Level) -> bool| match &line.stock {
            LineStock::Known(level) => ask(level),
            LineStock::Unknown(_) => false,
        };
        match self {
            Self::Sku(skus) => line
                .line
                .sku
                .as_ref()
                .is_some_and(|sku| has(skus, sku.as_str())),
            Self::Category(codes) => line
                .line
                .category
                .as_ref()
                .is_some_and(|code| has(codes, code)),
            Self::Quantity(range) => range.contains(i64::from(line.line.quantity)),
            Self::Measured(wanted) => line.is_measured() == *wanted,
            Self::Stock(word) => word.holds(line),
            Self::OnHand(range) => level(&|level| range.contains(level.on_hand)),
            Self::Reserved(range) => level(&|level| range.contains(level.reserved())),
            Self::Available(range) => level(&|level| match (bound, level.interval().possible) {
                (Bound::Certain, _) => range.contains(level.available()),
                (Bound::Possible, Possible::Bounded(units)) => range.contains(units),
                (Bound::Possible, Possible::Unbounded) => false,
            }),
            Self::Shortage(range) => line
                .shortage_at(bound)
                .is_some_and(|units| range.contains(units)),
        }
    }
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|known| known == word)
}
