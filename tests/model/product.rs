//! The product's own pure code, asked once for each question that can come up here and remembered:
//! it is pure, so the answer stays.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::action::{Kind, RetryPolicy, State as ActionState};
use qabyl::domain::availability::Promised;
use qabyl::domain::backoff::Backoff;
use qabyl::domain::candidate::Sent;
use qabyl::domain::decision::decide;
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, Sku};
use qabyl::domain::interlocks::Name;
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{Line, Lines, Order, State, Status, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::reconcile::{self, ActionEnd, LiveAction, ReservationEffect};
use qabyl::domain::stock_ledger::{Demand, Ledger, Listing};
use qabyl::domain::verdict::{CancelReason, Verdict};
use qabyl::rules_file::default_rules;

use crate::broken::Off;
use crate::state::{Ask, Due, Seen, Shortage, Swept};

/// Units of one SKU that the tables reach to.
pub(crate) const UNITS_MAX: u8 = 5;
/// POSTs of one action that the tables reach to.
const ATTEMPTS_MAX: u8 = 16;

/// What a decision looks at, for an order of one line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) on_hand: u8,
    /// Units promised to orders seen as accepted, and to others.
    pub(crate) confirmed: u8,
    pub(crate) pending: u8,
    /// Units promised since the ledger was read; negative for those of the order itself.
    pub(crate) since: i8,
    pub(crate) wanted: u8,
    pub(crate) shortage: Shortage,
    pub(crate) swept: Swept,
    /// The level was counted after that sweep.
    pub(crate) counted_since: bool,
    pub(crate) sent: Option<Ask>,
}

/// A verdict without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Accept,
    Cancel,
    Hold,
    Wait,
}

/// A decision, as far as the stages look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ruling {
    pub(crate) verdict: Word,
    pub(crate) proposed: Word,
    pub(crate) is_short: bool,
    /// Nothing but `cancel_evidence` objects.
    pub(crate) wants_evidence: bool,
    /// Units an accept takes.
    pub(crate) takes: u8,
}

/// The tables.
pub(crate) struct Product {
    policy: Policy,
    now: Timestamp,
    rulings: Vec<AtomicU16>,
    ends: [[[ActionEnd; 2]; 2]; 4],
    reservation_effect: [ReservationEffect; 4],
    overtakes: [[bool; 4]; 4],
    settles: [bool; ATTEMPTS_MAX as usize],
}

const READINGS: [Seen; 4] = [Seen::Absent, Seen::New, Seen::Accepted, Seen::Cancelled];

impl Product {
    pub(crate) fn new(off: Option<Off>) -> Self {
        let mut limits = Limits::default();
        if off == Some(Off::Twice) {
            limits.cancel_confirm_after = None;
        }
        let now: Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
        let end = |read: Seen, ask: Ask, attempted: bool| {
            let live = LiveAction {
                kind: kind(ask),
                state: ActionState::Unknown,
                attempted,
                cancels_accepted_order: false,
            };
            reconcile::action_end(&order(read, now), &live)
        };
        let overtakes = |stored: Seen, read: Seen| {
            reconcile::overtakes(status(stored).rank(), status(read).rank())
        };
        let size = usize::from(UNITS_MAX + 1).pow(3) * 11 * 4 * 6 * 4 * 2 * 3;
        Self {
            policy: Policy::new(default_rules(), limits, "model".to_owned()),
            now,
            rulings: (0..size).map(|_| AtomicU16::new(0)).collect(),
            ends: READINGS.map(|read| {
                [Ask::Accept, Ask::Cancel]
                    .map(|ask| [false, true].map(|attempted| end(read, ask, attempted)))
            }),
            reservation_effect: READINGS
                .map(|read| reconcile::reservation_effect(&order(read, now))),
            overtakes: READINGS.map(|stored| READINGS.map(|read| overtakes(stored, read))),
            settles: std::array::from_fn(|n| settles(u32::try_from(n).unwrap(), now)),
        }
    }

    pub(crate) fn action_end(&self, read: Seen, ask: Ask, attempted: bool) -> ActionEnd {
        self.ends[read as usize][ask as usize][usize::from(attempted)]
    }

    pub(crate) fn reservation_effect(&self, read: Seen) -> ReservationEffect {
        self.reservation_effect[read as usize]
    }

    pub(crate) fn overtakes(&self, stored: Seen, read: Seen) -> bool {
        self.overtakes[stored as usize][read as usize]
    }

    /// When `RetryPolicy` has an action looked at again after its `n`th POST.
    pub(crate) fn due_after(&self, n: u8) -> Due {
        if self.settles[usize::from(n)] {
            Due::AfterSettle
        } else {
            Due::Now
        }
    }

    /// Decides.
    pub(crate) fn rule(&self, scene: &Scene) -> Ruling {
        let cell = &self.rulings[index(scene)];
        let known = cell.load(Ordering::Relaxed);
        if known != 0 {
            return unpack(known);
        }
        let ruling = self.decide(scene);
        cell.store(pack(ruling), Ordering::Relaxed);
        ruling
    }

    fn decide(&self, scene: &Scene) -> Ruling {
        let lines = lines(scene.wanted);
        let mut ledger = Ledger::new(0);
        let as_of = if scene.counted_since {
            self.ago(0)
        } else {
            self.ago(7200)
        };
        let listing = Listing {
            sku: sku(),
            warehouse: String::new(),
            on_hand: Some(i64::from(scene.on_hand)),
            is_at_least: false,
            as_of: Some(as_of),
            source: "stock.csv".to_owned(),
        };
        let promised = Promised {
            confirmed: i64::from(scene.confirmed),
            in_doubt: i64::from(scene.pending),
            ..Promised::default()
        };
        ledger.list(listing, promised);
        if scene.since != 0 {
            ledger.promise(
                &[Demand {
                    sku: sku(),
                    warehouse: String::new(),
                    quantity: i64::from(scene.since),
                }],
                None,
                self.now,
            );
        }
        let facts = Facts {
            shop: None,
            order: order(Seen::New, self.now),
            first_seen_at: None,
            lines: ledger.facts(&lines, None),
            shortage: self.shortage(scene.shortage),
            sent: scene.sent.map(|ask| Sent::by(&kind(ask))),
            namesakes: Vec::new(),
            shop_facts: self.shop_facts(scene.swept),
        };
        let decision = decide(&facts, &self.policy, self.now);
        let takes: i64 = ledger
            .demands(&lines, None)
            .iter()
            .map(|t| t.quantity)
            .sum();
        Ruling {
            verdict: word(&decision.verdict),
            proposed: word(&decision.proposed),
            is_short: facts.is_short(),
            wants_evidence: decision
                .objections
                .iter()
                .all(|objection| objection.interlock == Name::CancelEvidence),
            takes: u8::try_from(takes).unwrap(),
        }
    }

    fn ago(&self, seconds: i64) -> Timestamp {
        self.now - SignedDuration::from_secs(seconds)
    }

    fn shortage(&self, shortage: Shortage) -> Option<ShortageSeen> {
        (shortage.scans > 0).then(|| ShortageSeen {
            since: self.ago(if shortage.old { 16 * 60 } else { 60 }),
            scans: u32::from(shortage.scans),
        })
    }

    fn shop_facts(&self, swept: Swept) -> ShopFacts {
        let at = match swept {
            Swept::Never => None,
            Swept::Old => Some(self.ago(3600)),
            Swept::Recent => Some(self.ago(120)),
            Swept::JustNow => Some(self.ago(2)),
        };
        ShopFacts {
            restored_at: None,
            counters: Counters::default(),
            collapse: None,
            evidence: Evidence {
                accepted: at.map(Interval::at),
                archive: at.map(Interval::at),
                unaccounted: Vec::new(),
                unread_shops: Vec::new(),
                other_shops: Vec::new(),
            },
            clock_skew_s: Some(0),
            paused: None,
            account: None,
            mismatch: None,
        }
    }
}

/// Whether no pause after attempt `n`, with the least spread, is shorter than `settle`.
fn settles(n: u32, now: Timestamp) -> bool {
    let settle = SignedDuration::from_mins(3);
    let policy = RetryPolicy {
        settle,
        attempts_max: u32::from(ATTEMPTS_MAX),
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_mins(5)),
    };
    [0.0, 0.5, 1.0]
        .iter()
        .all(|jitter| policy.due_after(now, n, *jitter) >= now + settle)
}

fn status(seen: Seen) -> Status {
    match seen {
        Seen::Absent | Seen::New => Status::ApprovedByBank,
        Seen::Accepted => Status::AcceptedByMerchant,
        Seen::Cancelled => Status::Cancelled,
    }
}

fn kind(ask: Ask) -> Kind {
    match ask {
        Ask::Accept => Kind::Accept,
        Ask::Cancel => Kind::Cancel {
            reason: CancelReason::MerchantOutOfStock,
            comment: String::new(),
        },
    }
}

fn word(verdict: &Verdict) -> Word {
    match verdict {
        Verdict::Accept => Word::Accept,
        Verdict::Cancel { .. } => Word::Cancel,
        Verdict::Hold => Word::Hold,
        Verdict::Wait { .. } => Word::Wait,
    }
}

fn sku() -> Sku {
    Sku::new("SKU-1").unwrap()
}

fn order(seen: Seen, now: Timestamp) -> Order {
    let id = OrderId::new("id1").unwrap();
    let code = OrderCode::new("900000001").unwrap();
    Order {
        state: match seen {
            Seen::Absent | Seen::New => State::New,
            Seen::Accepted => State::KaspiDelivery,
            Seen::Cancelled => State::Archive,
        },
        status: status(seen),
        total: Some(Money::from_tenge(1000)),
        ..Order::new(id, code, now - SignedDuration::from_mins(30))
    }
}

fn lines(wanted: u8) -> Lines {
    Lines::Known(vec![Line {
        entry: EntryId::new("entry1").unwrap(),
        number: 1,
        sku: Some(sku()),
        quantity: u32::from(wanted),
        unit: UnitType::Pieces,
        unit_price: Some(Money::from_tenge(1000)),
        total: Some(Money::from_tenge(1000)),
        name: None,
        category: None,
        master_product: None,
    }])
}

/// A place for each scene.
fn index(scene: &Scene) -> usize {
    let shortage = match scene.shortage {
        Shortage { scans: 0, .. } => 0,
        Shortage { scans, old, .. } => usize::from(scans) * 2 + usize::from(old),
    };
    let sent = scene.sent.map_or(0, |ask| 1 + ask as usize);
    let since = usize::try_from(scene.since + 5).unwrap();
    let digits = [
        (usize::from(UNITS_MAX + 1), usize::from(scene.on_hand)),
        (usize::from(UNITS_MAX + 1), usize::from(scene.confirmed)),
        (usize::from(UNITS_MAX + 1), usize::from(scene.pending)),
        (11, since),
        (4, usize::from(scene.wanted)),
        (6, shortage),
        (4, scene.swept as usize),
        (2, usize::from(scene.counted_since)),
        (3, sent),
    ];
    digits.iter().fold(0, |place, (size, digit)| {
        assert!(digit < size, "{scene:?} is beyond the tables");
        place * size + digit
    })
}

const WORDS: [Word; 4] = [Word::Accept, Word::Cancel, Word::Hold, Word::Wait];

/// Never 0, which stands for a ruling not asked for yet.
fn pack(ruling: Ruling) -> u16 {
    let bits = (ruling.verdict as u16)
        | (ruling.proposed as u16) << 2
        | u16::from(ruling.is_short) << 4
        | u16::from(ruling.wants_evidence) << 5
        | u16::from(ruling.takes) << 6;
    bits | 1 << 15
}

fn unpack(bits: u16) -> Ruling {
    Ruling {
        verdict: WORDS[usize::from(bits & 3)],
        proposed: WORDS[usize::from(bits >> 2 & 3)],
        is_short: bits >> 4 & 1 == 1,
        wants_evidence: bits >> 5 & 1 == 1,
        takes: u8::try_from(bits >> 6 & 0xff).unwrap(),
    }
}
