//! A `[[scenario]]` as it is written. What is left out is plain and in order: `facts.rs` fills it in.

use serde::Deserialize;
use toml::Table;

use super::value::{Count, Known, Moment, SinceOrNever, Span, Tenge, Text, WordOr};
use crate::domain::candidate::Sent;
use crate::domain::interlocks;
use crate::domain::order::{DeliveryMode, PaymentMode, State, Status};
use crate::domain::verdict::CancelReason;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) now: Moment,
    #[serde(default)]
    pub(super) order: OrderInput,
    pub(super) lines: Option<WordOr<Unreadable, Vec<LineInput>>>,
    #[serde(default)]
    pub(super) shop: ShopInput,
    pub(super) shortage: Option<WordOr<New, ShortageInput>>,
    #[serde(default)]
    pub(super) world: WorldInput,
    /// Facts by their own names, over all that the other keys say.
    #[serde(default)]
    pub(super) facts: Table,
    pub(super) expect: Expect,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub(super) struct OrderInput {
    /// Since the approval.
    pub(super) age: Option<Span>,
    /// Since the creation.
    pub(super) created: Option<Span>,
    pub(super) total: Option<Tenge>,
    #[serde(default)]
    pub(super) express: bool,
    #[serde(default)]
    pub(super) preorder: bool,
    #[serde(default)]
    pub(super) signature: bool,
    pub(super) kaspi_delivery: Option<bool>,
    pub(super) delivery_mode: Option<Known<DeliveryMode>>,
    pub(super) payment_mode: Option<Known<PaymentMode>>,
    pub(super) pickup_point: Option<Text>,
    pub(super) state: Option<Known<State>>,
    pub(super) status: Option<Known<Status>>,
    /// Whether its sum came in a form that cannot be read.
    #[serde(default)]
    pub(super) unread: bool,
    /// Whether the shop has another order with its number.
    #[serde(default)]
    pub(super) same_number: bool,
    /// The action that was once sent for it.
    pub(super) sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unreadable {
    Unreadable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineInput {
    pub(super) sku: Option<Text>,
    pub(super) quantity: Option<Count>,
    pub(super) category: Option<Text>,
    #[serde(default)]
    pub(super) measured: bool,
    pub(super) stock: Option<Unknown>,
    pub(super) on_hand: Option<Count>,
    pub(super) reserved: Option<Count>,
    pub(super) pending: Option<Count>,
    pub(super) returned: Option<Count>,
    pub(super) safety_stock: Option<Count>,
    pub(super) stock_age: Option<Span>,
    pub(super) warehouse: Option<Text>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unknown {
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShopInput {
    pub(super) name: Option<Text>,
    pub(super) decided: Option<Count>,
    pub(super) cancelled: Option<Count>,
    pub(super) accepted_last_hour: Option<Count>,
    pub(super) cancelled_last_hour: Option<Count>,
    pub(super) paused: Option<Text>,
    /// Its merchant account.
    pub(super) account: Option<Text>,
    /// Why its token may be another shop's.
    pub(super) mismatch: Option<Text>,
}

/// Not seen before.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum New {
    New,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShortageInput {
    pub(super) since: Option<Span>,
    pub(super) scans: Option<Count>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorldInput {
    /// Since accepted orders were read.
    pub(super) swept: Option<SinceOrNever>,
    /// Since the archive was read.
    pub(super) swept_archive: Option<SinceOrNever>,
    /// Whether an order was accepted elsewhere whose lines are not read.
    #[serde(default)]
    pub(super) unaccounted: bool,
    /// Whether one was, whose lines cannot be read.
    #[serde(default)]
    pub(super) unreadable: bool,
    /// Since an order left the list of new ones and was not read.
    pub(super) missing: Option<Span>,
    pub(super) restored: Option<Span>,
    pub(super) clock_skew: Option<Span>,
    pub(super) collapse: Option<CollapseInput>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CollapseInput {
    pub(super) fell: Count,
    pub(super) had: Count,
}

/// What is expected of a decision; what is left out may be anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What is decided.
    pub verdict: ExpectedVerdict,
    /// The rule that applies.
    pub rule: Option<String>,
    /// Exactly these interlocks object; an empty list says that none does.
    pub interlocks: Option<Vec<interlocks::Name>>,
    /// Why it is cancelled.
    pub reason: Option<CancelReason>,
    pub(super) wait: Option<Span>,
    /// Whether the deadline overruled the rule.
    pub overruled: Option<bool>,
}

/// A verdict without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedVerdict {
    /// Accept the order.
    Accept,
    /// Cancel the order.
    Cancel,
    /// A person decides.
    Hold,
    /// Decide again later.
    Wait,
}

impl ExpectedVerdict {
    /// The word, as a decision's verdict says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel => "cancel",
            Self::Hold => "hold",
            Self::Wait => "wait",
        }
    }
}
