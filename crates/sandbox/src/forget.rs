//! Deletes old orders from a world that runs for months, as Kaspi's archive does.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{
    order::Order,
    render,
    terms::State,
    world::{Event, World},
};

impl World {
    /// Deletes archived orders placed before `before`, and the ledger's rows from before it. An order
    /// with a scheduled event stays. Returns the number of deleted orders; the ledger's total number of
    /// requests stays as it was.
    pub fn forget(&mut self, before: Timestamp) -> usize {
        let scheduled: BTreeSet<usize> = self.queue.values().filter_map(Event::index).collect();
        let stays = |(place, order): &(usize, Order)| {
            order.state != State::Archive
                || order.seed.created_at >= before
                || scheduled.contains(place)
        };
        let known = self.orders.len();
        let kept: Vec<(usize, Order)> = std::mem::take(&mut self.orders)
            .into_iter()
            .enumerate()
            .filter(stays)
            .collect();
        let places: HashMap<usize, usize> = kept
            .iter()
            .enumerate()
            .map(|(new, (old, _))| (*old, new))
            .collect();
        self.orders = kept.into_iter().map(|(_, order)| order).collect();
        self.orders.shrink_to_fit();
        for event in self.queue.values_mut() {
            event.reindex(&places);
        }
        self.rebuild_indexes();
        self.ledger.forget(before);
        known - self.orders.len()
    }

    fn rebuild_indexes(&mut self) {
        self.by_created.clear();
        self.by_code.clear();
        self.by_id.clear();
        self.by_entry.clear();
        for (place, order) in self.orders.iter().enumerate() {
            let created = order.seed.created_at.as_millisecond();
            self.by_created.insert((created, place));
            self.by_code.insert(order.code().to_owned(), place);
            self.by_id.insert(order.id.clone(), place);
            for number in 0..order.lines().len() {
                let entry = render::entry_id(order, number);
                self.by_entry.insert(entry, (place, number));
            }
        }
    }
}

impl Event {
    /// The index of the order it is about; external events name orders by code.
    fn index(&self) -> Option<usize> {
        match self {
            Self::AutoAccept(index)
            | Self::Deadline(index)
            | Self::CancelDone(index)
            | Self::Late { index, .. } => Some(*index),
            Self::External(_) | Self::Command(_) => None,
        }
    }

    fn reindex(&mut self, places: &HashMap<usize, usize>) {
        match self {
            Self::AutoAccept(index)
            | Self::Deadline(index)
            | Self::CancelDone(index)
            | Self::Late { index, .. } => {
                // An order with a scheduled event stays.
                *index = places.get(index).copied().unwrap_or(*index);
            }
            Self::External(_) | Self::Command(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Settings, Status, external::ExternalEvent, order::OrderSeed};
    use super::*;

    #[test]
    fn archived_orders_are_deleted_and_the_rest_work_on() {
        let start: Timestamp = "2026-03-02T06:00:00Z".parse().unwrap();
        let hours = |n: u64| start + Duration::from_hours(n);
        let mut world = World::new(Settings::default());
        for n in 0..6 {
            let order = OrderSeed::new(&format!("90000000{n}"), hours(n)).line("A", 1);
            assert!(world.place(order));
        }
        // Of the first four, one is cancelled, one accepted, one waits for its deadline, one for the buyer.
        assert!(world.buyer_cancels("900000000", hours(1)));
        assert!(world.cabinet_accepts("900000001", hours(1)));
        world.at(hours(30), ExternalEvent::Completed("900000001".to_owned()));
        world.at(
            hours(4),
            ExternalEvent::BuyerCancels("900000003".to_owned()),
        );
        world.advance(hours(4));
        // Only the first has no scheduled event left: its deadline has passed.
        assert_eq!(world.forget(hours(4)), 1, "{:?}", world.orders());
        assert!(world.order("900000000").is_none());
        assert!(
            world.place(OrderSeed::new("900000000", hours(5))),
            "its code is free again"
        );
        world.advance(hours(40));
        let status = |code: &str| world.order(code).unwrap().status.clone();
        assert_eq!(status("900000001"), Status::Completed);
        assert_eq!(status("900000004"), Status::Cancelled, "by its deadline");
        assert_eq!(world.orders().len(), 6);
    }
}
