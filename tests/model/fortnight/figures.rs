//! What came of a fortnight.

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) orders: u32,
    pub(super) accepted: u32,
    pub(super) cancelled: u32,
    /// Neither accepted nor on its way to be cancelled when first looked at.
    pub(super) in_doubt_at_first: u32,
    pub(super) held_at_deadline: u32,
    pub(super) wrong: u32,
    pub(super) oversold: u32,
    /// Looks at which the bounds did not contain the truth.
    pub(super) unsound: u32,
}

impl Figures {
    pub(super) fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.accepted += other.accepted;
        self.cancelled += other.cancelled;
        self.in_doubt_at_first += other.in_doubt_at_first;
        self.held_at_deadline += other.held_at_deadline;
        self.wrong += other.wrong;
        self.oversold += other.oversold;
        self.unsound += other.unsound;
    }

    pub(super) fn print(&self, name: &str) {
        let share = |many: u32| 100.0 * f64::from(many) / f64::from(self.orders.max(1));
        println!(
            "fortnight: {name}: {} orders; accepted {:.2} %, cancelled {:.2} %, in doubt at first sight {:.2} %, \
             held at their deadline {:.2} %; wrong cancels {} ({:.3} %), oversold {}, bounds without the truth {}",
            self.orders,
            share(self.accepted),
            share(self.cancelled),
            share(self.in_doubt_at_first),
            share(self.held_at_deadline),
            self.wrong,
            share(self.wrong),
            self.oversold,
            self.unsound,
        );
    }
}
