//! Names the orders that could not be read in the log: each once, and again while lists go on showing it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Ctx;
use crate::events::log_event;

/// How often an unreadable order is logged while lists show it.
const LOG_EVERY: Duration = Duration::from_mins(30);

/// Orders that could not be read, by code, with the ticks at which each was last logged.
#[derive(Default)]
pub(super) struct Unreadable(Mutex<HashMap<String, Duration>>);

impl Unreadable {
    /// The unreadable orders that are to be logged now, with the reason of each.
    fn to_log<'a>(
        &self,
        orders: &'a [(String, String)],
        now: Duration,
    ) -> Vec<&'a (String, String)> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now.saturating_sub(*at) < LOG_EVERY);
        let mut news = Vec::new();
        for order in orders {
            logged.entry(order.0.clone()).or_insert_with(|| {
                news.push(order);
                now
            });
        }
        news
    }
}

impl Ctx {
    /// Logs orders that could not be read, by code, with what could not.
    pub(super) fn log_unreadable(&self, orders: &[(String, String)]) {
        for (code, why) in self.unreadable.to_log(orders, self.clock.ticks()) {
            log_event!(
                ORDER_UNREADABLE, shop = %self.shop, order.code = %code, code = "K006",
                hint = "look at the order in the cabinet; `qabyl explain` and `qabyl status` show what it holds up",
                "an order could not be read: {why}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_cannot_be_read_is_logged_every_half_hour() {
        let unreadable = Unreadable::default();
        let bad = |code: &str| (code.to_owned(), "totalPrice is missing".to_owned());
        let (one, two) = ([bad("1")], [bad("1"), bad("2")]);
        let logged = |orders: &[(String, String)], minutes| {
            let logged = unreadable.to_log(orders, Duration::from_mins(minutes));
            logged
                .iter()
                .map(|(code, _)| code.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(logged(&one, 0), ["1"]);
        assert_eq!(logged(&one, 1), [""; 0]);
        assert_eq!(logged(&two, 2), ["2"], "another one");
        assert_eq!(logged(&two, 30), ["1"]);
        assert_eq!(logged(&two, 33), ["2"]);
    }
}
