//! What the model remembers: Kaspi's truth, Qabyl's rows, the act stage's memory, and the monitors'
//! notes. Time is not a number: each thing that ages carries what its age means.

use qabyl::domain::action::State as ActionState;

/// Where an order stands at Kaspi, or in a reading of it. Other statuses follow these and change
/// nothing here: no goods leave the shelf in the model, so no reservation is ever consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Not placed yet, or not visible yet, or no row.
    Absent,
    /// `NEW` and `APPROVED_BY_BANK`.
    New,
    /// `ACCEPTED_BY_MERCHANT`.
    Accepted,
    /// `CANCELLED`.
    Cancelled,
}

/// What a POST asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Accept,
    Cancel,
}

/// `actions.due_at`, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Due {
    /// Reached, or so close that nothing else happens before.
    Now,
    /// Not before `settle` has passed.
    AfterSettle,
    /// NULL: a person must.
    Never,
}

/// The outcome of an action's last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Last {
    /// No attempt yet, or one that left nothing to remember.
    None,
    /// Its row has no end.
    Open,
    Applied,
    Rejected,
    /// 429, or proven not sent.
    Unhandled,
    Unknown,
}

/// A row of `actions`, the newest of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Action {
    pub(crate) ask: Ask,
    pub(crate) state: ActionState,
    /// `attempts`: those proven not to have left are taken off again.
    pub(crate) attempts: u8,
    /// Of those, the ones that Kaspi asked to come back later.
    pub(crate) snoozed: u8,
    pub(crate) last: Last,
    pub(crate) due: Due,
    /// Decided no longer ago than `sighting_age_max`.
    pub(crate) fresh: bool,
}

/// `orders.shortage_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shortage {
    /// Complete scans that showed it; more than two say no more than two.
    pub(crate) scans: u8,
    /// First seen a quarter of an hour ago, or longer.
    pub(crate) old: bool,
    /// The last complete scan is counted.
    pub(crate) counted: bool,
}

/// The order's row in `reservations`; a released one is as good as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reserved {
    No,
    /// Active, not seen as accepted yet.
    Promised,
    /// Active, and Kaspi showed the order as accepted.
    Confirmed,
}

/// What the act stage has in hand of an order. It is in memory only: a crash loses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Hand {
    Idle,
    /// The order was just read: its POST may be begun. An aged reading is dropped at once, so it
    /// needs no flag.
    Ready,
    /// The attempt is committed, the POST not yet sent; `fresh` while the sighting is.
    Started {
        ask: Ask,
        fresh: bool,
    },
    /// The POST left; `done` once Kaspi has handled it.
    Waiting {
        ask: Ask,
        done: bool,
    },
}

/// What is proven of the POSTs sent so far: the monitor of "no blind repeat". It follows what is
/// sent and read, not what the database says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// None left, or Kaspi said that it did not handle it.
    Clean,
    /// One left and may still take effect.
    Open,
    /// It can no longer take effect, and its order was not read since.
    Settled,
    /// Its order was read since.
    ReadBack,
}

/// One order, on both sides.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row's flags, each on its own"
)]
pub(crate) struct Sold {
    // Kaspi.
    pub(crate) truth: Seen,
    /// What a lagging replica, or an answer under way since then, may still show.
    pub(crate) oldest: Seen,
    /// A POST nobody waits for any more may still take effect; by [`Ask`], as the next two.
    pub(crate) late: [bool; 2],
    // The database.
    pub(crate) stored: Seen,
    /// `listed_at` is no older than `sighting_age_max`.
    pub(crate) listed: bool,
    /// `listed_scan` is the last complete scan.
    pub(crate) in_scan: bool,
    pub(crate) held: bool,
    pub(crate) shortage: Shortage,
    pub(crate) action: Option<Action>,
    /// A closed action had `attempts > 0`.
    pub(crate) sent: [bool; 2],
    pub(crate) reserved: Reserved,
    // Memory.
    pub(crate) hand: Hand,
    // Monitors.
    /// A POST left.
    pub(crate) left: [bool; 2],
    /// A closed accept was sent, and nobody gave its units back since.
    pub(crate) keeps_units: bool,
    pub(crate) proof: Proof,
    pub(crate) read_accepted: bool,
}

impl Sold {
    pub(crate) const fn unplaced() -> Self {
        Self {
            truth: Seen::Absent,
            oldest: Seen::Absent,
            late: [false; 2],
            stored: Seen::Absent,
            listed: false,
            in_scan: false,
            held: false,
            shortage: Shortage {
                scans: 0,
                old: false,
                counted: false,
            },
            action: None,
            sent: [false; 2],
            reserved: Reserved::No,
            hand: Hand::Idle,
            left: [false; 2],
            keeps_units: false,
            proof: Proof::Clean,
            read_accepted: false,
        }
    }

    /// The live action, if there is one.
    pub(crate) fn live(&self) -> Option<Action> {
        match self.action {
            Some(action) if action.state.is_live() => Some(action),
            _ => None,
        }
    }

    /// Whether an action of this kind has attempts, as `SELECT … WHERE attempts > 0` finds it.
    pub(crate) fn was_sent(&self, ask: Ask) -> bool {
        let of_live = |action: Action| action.ask == ask && action.attempts > 0;
        self.sent[ask as usize] || self.live().is_some_and(of_live)
    }

    /// Whether its units are owed to the buyer as far as Qabyl can know: read as accepted, or an
    /// accept is decided, or was sent, and no reading showed the order as cancelled, nor did a person
    /// give its units back.
    pub(crate) fn is_owed(&self) -> bool {
        let promised =
            self.live().is_some_and(|action| action.ask == Ask::Accept) || self.keeps_units;
        self.stored == Seen::Accepted || (promised && self.stored != Seen::Cancelled)
    }

    /// Leaves out what no longer makes a difference, so that equal situations are one state.
    /// `returns` where a row may become NEW again, as it never does while ranks count.
    pub(crate) fn tidy(&mut self, returns: bool) {
        if self.stored != Seen::New && !returns {
            (self.listed, self.in_scan, self.held) = (false, false, false);
            self.keeps_units = false;
            self.shortage = Shortage::default();
        }
        if self.shortage.scans == 2 {
            self.shortage.counted = true;
        }
        if self.stored == Seen::Cancelled && !returns {
            self.read_accepted = false;
        }
        self.late[Ask::Accept as usize] &= self.truth <= Seen::New;
        self.late[Ask::Cancel as usize] &= self.truth != Seen::Cancelled;
        if let Some(action) = &mut self.action {
            // It counts for an accept that was not sent, or may prove not to have been.
            let is_unsent =
                action.attempts == 0 || (action.attempts == 1 && action.last == Last::Open);
            action.fresh &= action.ask == Ask::Accept && is_unsent;
        }
    }
}

/// How old the last complete sweep of accepted orders is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Swept {
    Never,
    /// Older than `sweep_max_age`.
    Old,
    /// Not older than that.
    Recent,
    /// Not older than `cancel_sweep_age_max`.
    JustNow,
}

/// Disturbances that may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    /// All kinds together.
    pub(crate) any: u8,
    pub(crate) crashes: u8,
    pub(crate) imports: u8,
    /// Doings of buyers and of people in the cabinet.
    pub(crate) clicks: u8,
}

/// The whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State<const N: usize> {
    pub(crate) orders: [Sold; N],
    /// The stock level, as imported.
    pub(crate) on_hand: u8,
    /// It was counted after the last sweep began.
    pub(crate) counted_since: bool,
    pub(crate) swept: Swept,
    /// The process died, and the act stage has not started again.
    pub(crate) recovering: bool,
    pub(crate) left: Left,
    /// Rounds of undisturbed work done; 0 while disturbances may still come.
    pub(crate) calm: u8,
    /// What the monitors saw go wrong, a bit for each [`Breach`].
    pub(crate) breaches: u16,
}

impl<const N: usize> State<N> {
    pub(crate) fn breach(&mut self, breach: Breach) {
        self.breaches |= breach.bit();
    }

    pub(crate) fn has(&self, breach: Breach) -> bool {
        self.breaches & breach.bit() != 0
    }

    pub(crate) fn tidy(&mut self, returns: bool) {
        let left = &mut self.left;
        left.crashes = left.crashes.min(left.any);
        left.imports = left.imports.min(left.any);
        left.clicks = left.clicks.min(left.any);
        let is_open = |order: &Sold| order.live().is_some_and(|action| action.last == Last::Open);
        self.recovering &= self.orders.iter().any(is_open);
        for order in &mut self.orders {
            if left.any == 0 {
                order.oldest = order.truth;
            }
            order.tidy(returns);
        }
    }
}

/// A step that must never be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breach {
    /// I2
    Oversold,
    /// I3
    Covered,
    /// I3
    ReadAccepted,
    /// R8
    Unproven,
    /// R9
    Overdrawn,
    /// R4
    Blind,
    /// R4
    Unsighted,
    /// I9
    Undurable,
    /// R6
    HoldersUnread,
    /// R3
    GivenUp,
    Reopened,
    Flipped,
}

impl Breach {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}
