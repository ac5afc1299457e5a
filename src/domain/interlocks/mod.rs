//! Interlocks: conditions in code, one file each, that a proposal to accept or cancel an order must meet
//! whatever the merchant's rules say. Each may turn the proposal into a hold or a wait, none into an action. All
//! of them are asked, so that an explanation shows every obstacle at once.
//!
//! To add one: a file here with its `check`, its entry in the table below, its text in
//! `src/lang/*/reasons.ftl`, and a scenario in `tests/scenarios/interlocks/`.

mod accepted_orders_fresh;
mod account;
mod already_sent;
mod cancel_budget;
mod cancel_evidence;
mod case;
mod clock_skew;
mod doubt;
mod lines;
mod overdrawn;
mod paused;
mod rate_caps;
mod restored;
mod same_number;
mod shortage_certain;
mod shortage_confirmed;
mod status;
mod stock_age;
mod stock_available;
mod stock_collapse;
mod unknown_stock;
mod unread_fields;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::case::{Case, Finding};
pub use self::case::{Effect, Remedy};
use super::facts::Facts;
use super::limits::Limits;
use super::verdict::Verdict;

/// What an interlock is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The order itself.
    Order,
    /// The stock of its lines.
    Stock,
    /// How fresh and complete the readings of Kaspi are.
    Evidence,
    /// Limits on what the shop does, and a person's pause.
    Limits,
}

impl Group {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Stock => "stock",
            Self::Evidence => "evidence",
            Self::Limits => "limits",
        }
    }
}

/// The proposals that an interlock is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposals {
    /// Accepts and cancels.
    All,
    /// Accepts and cancels, but for the accept of a pre-order, which needs no stock (KASPI_API §3).
    OnStock,
    /// Accepts, but for those of a pre-order.
    AcceptOnStock,
    /// Cancels.
    Cancel,
    /// Cancels for `MERCHANT_OUT_OF_STOCK`.
    CancelForStock,
}

impl Proposals {
    /// The words of the table in `docs/RULES.md`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::All => "both",
            Self::OnStock => "both, except the accept of a pre-order",
            Self::AcceptOnStock => "accept, except of a pre-order",
            Self::Cancel => "cancel",
            Self::CancelForStock => "cancel for stock",
        }
    }

    fn contain(self, facts: &Facts, proposed: &Verdict) -> bool {
        let is_accept = matches!(proposed, Verdict::Accept);
        let is_cancel = matches!(proposed, Verdict::Cancel { .. });
        let is_accept_on_stock = is_accept && !facts.order.pre_order;
        match self {
            Self::All => is_accept || is_cancel,
            Self::OnStock => is_accept_on_stock || is_cancel,
            Self::AcceptOnStock => is_accept_on_stock,
            Self::Cancel => is_cancel,
            Self::CancelForStock => proposed.cancels_for_stock(),
        }
    }
}

/// An interlock's entry in the table.
pub struct Interlock {
    /// Its name.
    pub name: Name,
    /// What it is about.
    pub group: Group,
    /// The proposals it is asked about.
    pub proposals: Proposals,
    /// What it may turn them into: `hold`, `wait` or both.
    pub effects: &'static [&'static str],
    /// The settings that relax or tighten it, as `section.key`.
    pub settings: &'static [&'static str],
    /// When it objects, in one line.
    pub objects_when: &'static str,
    check: fn(&Case<'_>) -> Option<Finding>,
}

/// Declares the interlocks: name, file, group, proposals, effects, settings. From it come [`Name`], [`TABLE`]
/// and the table in `docs/RULES.md`.
macro_rules! interlocks {
    ($(#[doc = $doc:literal] $name:ident, $file:ident, $group:ident, $proposals:ident, $effects:expr, $settings:expr;)+) => {
        /// Which interlock objected. Its word is stored, logged and documented.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Name {
            $(#[doc = $doc] $name,)+
        }

        impl Name {
            /// All, in the order in which they are asked.
            pub const ALL: [Self; [$(stringify!($file)),+].len()] = [$(Self::$name),+];

            /// Its word, which is also the name of its file.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($file),)+
                }
            }
        }

        /// All interlocks, in the order in which they are asked.
        pub const TABLE: &[Interlock] = &[$(Interlock {
            name: Name::$name,
            group: Group::$group,
            proposals: Proposals::$proposals,
            effects: &$effects,
            settings: &$settings,
            objects_when: $doc,
            check: $file::check,
        }),+];
    };
}

interlocks! {
    /// Kaspi does not show the order as `NEW` + `APPROVED_BY_BANK`
    Status, status, Order, All, ["hold"], [];
    /// its pickup point belongs to another merchant, or the shop's token shows another shop's orders
    Account, account, Order, All, ["hold"], [];
    /// the other action was once sent for this order
    AlreadySent, already_sent, Order, All, ["hold"], [];
    /// the shop has another order with its number
    SameNumber, same_number, Order, All, ["hold"], [];
    /// a field of the order came in a form that cannot be read
    UnreadFields, unread_fields, Order, All, ["hold"], [];
    /// its lines cannot be read, there are none, or one is weighed or measured
    Lines, lines, Order, All, ["hold"], [];
    /// the stock of a line is unknown
    UnknownStock, unknown_stock, Stock, OnStock, ["hold"], [];
    /// the stock level of a line is older than the limit
    StockAge, stock_age, Stock, OnStock, ["hold"], ["interlocks.stock_max_age"];
    /// a line is not available for certain: units are missing, or in doubt
    StockAvailable, stock_available, Stock, AcceptOnStock, ["hold", "wait"], [];
    /// no line is short for certain: units in doubt may cover it
    ShortageCertain, shortage_certain, Stock, CancelForStock, ["hold", "wait"], [];
    /// the shortage was not seen in two scans this far apart
    ShortageConfirmed, shortage_confirmed, Stock, CancelForStock, ["wait"], ["interlocks.cancel_confirm_after"];
    /// a larger share of a source's SKUs fell to zero in one import (of all SKUs, in its first)
    StockCollapse, stock_collapse, Stock, CancelForStock, ["hold"], ["interlocks.stock_collapse_share"];
    /// more units of a line's SKU are promised for certain than are on hand
    Overdrawn, overdrawn, Stock, CancelForStock, ["hold"], [];
    /// accepted orders were not all read within three sweep periods, or an order accepted elsewhere that may hold what is wanted is not read; for the last units also where that sweep and the archive's are older than the limit or than the order's first sighting
    AcceptedOrdersFresh, accepted_orders_fresh, Evidence, AcceptOnStock, ["hold", "wait"], ["confirm.sweep_every", "confirm.last_units", "confirm.accept_sweep_age_max"];
    /// accepted orders were not all read within three sweep periods, or the sweep ended longer ago than the limit or began before the stock was counted
    CancelEvidence, cancel_evidence, Evidence, CancelForStock, ["wait"], ["confirm.sweep_every", "confirm.cancel_sweep_age_max"];
    /// this machine's clock differs from Kaspi's by more than five minutes
    ClockSkew, clock_skew, Evidence, Cancel, ["hold"], [];
    /// the database was restored from a backup and has not read everything since
    Restored, restored, Evidence, All, ["wait"], [];
    /// the share of cancelled orders would exceed the limit
    CancelBudget, cancel_budget, Limits, Cancel, ["hold"], ["interlocks.cancel_budget_share", "interlocks.cancel_budget_from"];
    /// as many orders were cancelled, or accepted, within the last hour as are allowed
    RateCaps, rate_caps, Limits, All, ["hold"], ["interlocks.cancels_per_hour_max", "actions.accepts_per_hour_max"];
    /// a person paused the shop (`qabyl pause`, `qabyl resume`)
    Paused, paused, Limits, All, ["hold"], [];
}

/// One interlock's objection, as it is stored with the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// Which interlock objects.
    pub interlock: Name,
    /// What the verdict becomes.
    pub effect: Effect,
    /// What answers the objection.
    pub remedy: Remedy,
    /// Why, with the figures it rests on.
    pub why: String,
}

/// Asks every interlock about what the rules propose. A proposal to hold or wait needs none.
pub fn check_all(
    facts: &Facts,
    limits: &Limits,
    proposed: &Verdict,
    now: Timestamp,
) -> Vec<Objection> {
    let case = Case {
        facts,
        limits,
        proposed,
        now,
    };
    let asked = TABLE
        .iter()
        .filter(|interlock| interlock.proposals.contain(facts, proposed));
    let findings = asked.filter_map(|interlock| Some((interlock.name, (interlock.check)(&case)?)));
    findings
        .map(|(interlock, finding)| Objection {
            interlock,
            effect: finding.effect,
            remedy: finding.remedy,
            why: finding.why,
        })
        .collect()
}
