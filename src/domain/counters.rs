//! What a shop did lately, for the cancel budget and the hourly limits.

use serde::{Deserialize, Serialize};

use super::action::State;
use super::verdict::CancelReason;

/// Counts over the shop's recent decisions, for the cancel budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Orders accepted or cancelled within the budget's window.
    pub decided: u64,
    /// Of those, cancelled by the merchant, or by Kaspi at the deadline.
    pub cancelled: u64,
    /// Cancels within the last hour, pending ones included.
    pub cancelled_last_hour: u64,
    /// Accepts within the last hour.
    pub accepted_last_hour: u64,
}

/// What is stored of a shop's orders and actions of late, as far as it is counted.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Number of orders first seen within the budget's window.
    pub orders: u64,
    /// Of those, the ones that wait for the merchant: their number, by the state of their live action.
    pub waiting: Vec<(Option<State>, u64)>,
    /// Of those, the ones that count as cancelled ([`counts_as_cancel`]).
    pub cancelled: u64,
    /// Number of accepts decided within the last hour, by state.
    pub accepts_last_hour: Vec<(State, u64)>,
    /// Number of cancels decided within the last hour, by state.
    pub cancels_last_hour: Vec<(State, u64)>,
}

/// Whether an order counts against the cancel budget: Kaspi shows that goods were missing, whoever cancelled it, or a
/// cancel of ours was neither refused nor superseded. `cancels` are the states of its cancels.
pub fn counts_as_cancel(reason: Option<&str>, cancels: &[State]) -> bool {
    let is_ours = |state: &State| !matches!(state, State::Refused | State::Superseded);
    reason == Some(CancelReason::MerchantOutOfStock.as_str()) || cancels.iter().any(is_ours)
}

impl Stored {
    /// All orders of the window count as decided, except those that wait without a live action. For the hourly limits
    /// an action counts until it is superseded: it may have been sent.
    pub fn counters(&self) -> Counters {
        let waiting = self.waiting.iter();
        let undecided = waiting.filter(|(live, _)| live.is_none());
        let undecided: u64 = undecided.map(|(_, orders)| orders).sum();
        let not_superseded = |actions: &[(State, u64)]| -> u64 {
            let counted = actions
                .iter()
                .filter(|(state, _)| *state != State::Superseded);
            counted.map(|(_, actions)| actions).sum()
        };
        Counters {
            decided: self.orders.saturating_sub(undecided),
            cancelled: self.cancelled,
            cancelled_last_hour: not_superseded(&self.cancels_last_hour),
            accepted_last_hour: not_superseded(&self.accepts_last_hour),
        }
    }
}

impl Counters {
    /// Orders decided and not cancelled.
    pub const fn accepted(&self) -> u64 {
        self.decided.saturating_sub(self.cancelled)
    }

    /// The share of cancelled among decided orders, from 0 to 1; 0 while none is decided.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of orders stay far below 2^52"
    )]
    pub fn cancelled_share(&self) -> f64 {
        if self.decided == 0 {
            return 0.0;
        }
        self.cancelled as f64 / self.decided as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_wait_without_a_live_action_are_not_decided() {
        let stored = Stored {
            orders: 10,
            waiting: vec![
                (None, 4),
                (Some(State::Pending), 2),
                (Some(State::Unknown), 1),
            ],
            ..Stored::default()
        };
        assert_eq!(stored.counters().decided, 6);
    }

    #[test]
    fn an_order_counts_as_cancelled_whoever_cancelled_it() {
        let counting = State::ALL.map(|state| counts_as_cancel(None, &[state]));
        let expected = State::ALL.map(|state| !matches!(state, State::Refused | State::Superseded));
        assert_eq!(counting, expected);
        assert!(counts_as_cancel(Some("MERCHANT_OUT_OF_STOCK"), &[]));
        assert!(!counts_as_cancel(Some("BUYER_CANCELLATION"), &[]));
        let both = [State::Refused, State::Confirmed];
        assert!(counts_as_cancel(None, &both), "one of them counts");
    }

    #[test]
    fn a_refused_action_counts_for_its_hour_and_a_superseded_one_does_not() {
        let all = State::ALL.map(|state| (state, 1)).to_vec();
        let stored = Stored {
            accepts_last_hour: all.clone(),
            cancels_last_hour: all[..5].to_vec(),
            ..Stored::default()
        };
        let counters = stored.counters();
        assert_eq!(
            (counters.accepted_last_hour, counters.cancelled_last_hour),
            (5, 5)
        );
    }
}
