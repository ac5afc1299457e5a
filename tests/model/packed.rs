//! Comparing and hashing states is most of the work: each order is one number for it, and what is
//! around the orders another.

use crate::state::{Hand, Sold, State};

impl Sold {
    fn packed(&self) -> u64 {
        let action = match self.action {
            None => 0,
            Some(action) => {
                1 | (action.ask as u64) << 1
                    | (action.state as u64) << 2
                    | u64::from(action.attempts) << 5
                    | u64::from(action.snoozed) << 9
                    | (action.last as u64) << 13
                    | (action.due as u64) << 16
                    | u64::from(action.fresh) << 18
            }
        };
        let hand = match self.hand {
            Hand::Idle => 0,
            Hand::Ready => 1,
            Hand::Started { ask, fresh } => 2 | (ask as u64) << 2 | u64::from(fresh) << 3,
            Hand::Waiting { ask, done } => 3 | (ask as u64) << 2 | u64::from(done) << 3,
        };
        action
            | hand << 19
            | (self.truth as u64) << 23
            | (self.oldest as u64) << 25
            | (self.stored as u64) << 27
            | (self.reserved as u64) << 29
            | (self.proof as u64) << 31
            | u64::from(self.shortage.scans) << 33
            | u64::from(self.shortage.old) << 35
            | u64::from(self.shortage.counted) << 36
            | u64::from(self.late[0]) << 37
            | u64::from(self.late[1]) << 38
            | u64::from(self.listed) << 39
            | u64::from(self.in_scan) << 40
            | u64::from(self.held) << 41
            | u64::from(self.sent[0]) << 42
            | u64::from(self.sent[1]) << 43
            | u64::from(self.left[0]) << 44
            | u64::from(self.left[1]) << 45
            | u64::from(self.read_accepted) << 46
            | u64::from(self.keeps_units) << 47
    }
}

impl<const N: usize> State<N> {
    fn packed(&self) -> ([u64; N], u64) {
        let mut orders = [0; N];
        for (place, order) in orders.iter_mut().zip(&self.orders) {
            *place = order.packed();
        }
        let around = u64::from(self.on_hand)
            | (self.swept as u64) << 8
            | u64::from(self.counted_since) << 10
            | u64::from(self.recovering) << 11
            | u64::from(self.left.any) << 12
            | u64::from(self.left.crashes) << 16
            | u64::from(self.left.imports) << 20
            | u64::from(self.left.clicks) << 24
            | u64::from(self.calm) << 28
            | u64::from(self.breaches) << 32;
        (orders, around)
    }
}

impl<const N: usize> PartialEq for State<N> {
    fn eq(&self, other: &Self) -> bool {
        self.packed() == other.packed()
    }
}

impl<const N: usize> Eq for State<N> {}

impl<const N: usize> std::hash::Hash for State<N> {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        let (orders, around) = self.packed();
        for order in orders {
            hasher.write_u64(order);
        }
        hasher.write_u64(around);
    }
}
