//! The append-only record of requests and their effects, for tests to check against.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    faults::Fault,
    message::{Method, Wire},
    route::{EndpointKind, WriteKind},
    terms::Status,
};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Its number, from 1.
    pub n: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// Its method.
    pub method: Method,
    /// Its endpoint.
    pub kind: EndpointKind,
    /// The state a list was asked for.
    pub state: Option<String>,
    /// The id in its path or body.
    pub id: Option<String>,
    /// The code of the order it is about, if that order exists.
    pub code: Option<String>,
    /// What it asked for, if it is a write.
    pub write: Option<WriteKind>,
    /// Whether the order already was as the write asked when it arrived.
    pub blind_repeat: bool,
    /// The HTTP status the client could see; `None` = no byte was sent.
    pub answered: Option<u16>,
    /// What the transport did.
    pub wire: Wire,
    /// The fault applied.
    pub fault: Option<Fault>,
}

/// Who changed an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A write, at once.
    Api,
    /// A write, after its answer.
    Late,
    /// The buyer.
    Buyer,
    /// A person in the merchant's cabinet, or its auto-accept.
    Cabinet,
    /// Kaspi: the merchant's deadline passed.
    Deadline,
    /// Couriers and Kaspi: completion, the end of a cancel in transit.
    Kaspi,
    /// [`World::force`](super::World::force).
    Forced,
}

impl Cause {
    /// Whether a write caused it, at once or later.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Api | Self::Late)
    }
}

/// One change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectRow {
    /// The order.
    pub code: String,
    /// Its status before.
    pub from: Status,
    /// Its status after.
    pub to: Status,
    /// Who changed it.
    pub cause: Cause,
    /// The number of the request, if a write caused it.
    pub request: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// The order's SKUs and quantities.
    pub units: Vec<(String, u32)>,
}

/// One write about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Post {
    /// The request's number.
    pub n: u64,
    /// When it arrived.
    pub at: Timestamp,
    /// What it asked for.
    pub kind: WriteKind,
    /// Whether it changed the order, at once or by now.
    pub had_effect: bool,
    /// Whether the order already was as it asked when it arrived.
    pub blind_repeat: bool,
}

/// Requests and effects, in the order they happened.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    requests: Vec<RequestRow>,
    effects: Vec<EffectRow>,
    /// Number of deleted requests.
    deleted: usize,
}

impl Ledger {
    pub(super) fn record_request(&mut self, row: RequestRow) {
        self.requests.push(row);
    }

    pub(super) fn record_effect(&mut self, row: EffectRow) {
        self.effects.push(row);
    }

    /// Every request.
    pub fn requests(&self) -> &[RequestRow] {
        &self.requests
    }

    /// Every effect.
    pub fn effects(&self) -> &[EffectRow] {
        &self.effects
    }

    /// How many requests arrived.
    pub fn requests_total(&self) -> usize {
        self.deleted + self.requests.len()
    }

    /// Deletes the rows from before then.
    pub(super) fn forget(&mut self, before: Timestamp) {
        let known = self.requests.len();
        self.requests.retain(|row| row.at >= before);
        self.effects.retain(|row| row.at >= before);
        self.deleted += known - self.requests.len();
    }

    /// How many requests of one kind arrived.
    pub fn requests_of(&self, kind: EndpointKind) -> usize {
        self.requests.iter().filter(|row| row.kind == kind).count()
    }

    /// How many requests of each kind arrived.
    pub fn requests_by_kind(&self) -> BTreeMap<EndpointKind, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.requests {
            *counts.entry(row.kind).or_default() += 1;
        }
        counts
    }

    /// Orders accepted by a write.
    pub fn accepted_codes(&self) -> BTreeSet<String> {
        self.codes_by_write(|to| *to == Status::AcceptedByMerchant)
    }

    /// Orders cancelled by a write, also while in transit.
    pub fn cancelled_codes_by_api(&self) -> BTreeSet<String> {
        self.codes_by_write(|to| matches!(to, Status::Cancelled | Status::Cancelling))
    }

    fn codes_by_write(&self, wanted: impl Fn(&Status) -> bool) -> BTreeSet<String> {
        let done = self
            .effects
            .iter()
            .filter(|row| row.cause.is_write() && wanted(&row.to));
        done.map(|row| row.code.clone()).collect()
    }

    /// The writes about one order, oldest first.
    pub fn posts_for(&self, code: &str) -> Vec<Post> {
        let rows = self
            .requests
            .iter()
            .filter(|row| row.code.as_deref() == Some(code));
        rows.filter_map(|row| {
            Some(Post {
                n: row.n,
                at: row.at,
                kind: row.write?,
                had_effect: self
                    .effects
                    .iter()
                    .any(|effect| effect.request == Some(row.n)),
                blind_repeat: row.blind_repeat,
            })
        })
        .collect()
    }

    /// Writes that found the order already as they asked.
    pub fn blind_repeats(&self) -> Vec<&RequestRow> {
        self.requests
            .iter()
            .filter(|row| row.blind_repeat)
            .collect()
    }

    /// Orders for which both an accept and a cancel arrived, with or without effect.
    pub fn both_actions_sent(&self) -> BTreeSet<String> {
        let sent = |kind| {
            let rows = self
                .requests
                .iter()
                .filter(move |row| row.write == Some(kind));
            rows.filter_map(|row| row.code.clone())
                .collect::<BTreeSet<_>>()
        };
        sent(WriteKind::Accept)
            .intersection(&sent(WriteKind::Cancel))
            .cloned()
            .collect()
    }

    /// Units of every SKU in orders accepted by a write, even if they were cancelled later.
    pub fn units_accepted_by_sku(&self) -> BTreeMap<String, u64> {
        let mut units = BTreeMap::new();
        let accepted =
            |row: &&EffectRow| row.cause.is_write() && row.to == Status::AcceptedByMerchant;
        for (sku, quantity) in self
            .effects
            .iter()
            .filter(accepted)
            .flat_map(|row| &row.units)
        {
            *units.entry(sku.clone()).or_default() += u64::from(*quantity);
        }
        units
    }
}
