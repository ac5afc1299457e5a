//! Orders accepted elsewhere hold stock too (R6). They are all read before the first accept, and one that was
//! just found is read before the next. Where few units are left, one of those orders may hold the very unit
//! that is wanted: they are read again, in every shop that sells from the same stock. One whose lines cannot be read blocks accepts of the
//! SKUs it may contain until it is read; other SKUs are not affected.

use jiff::SignedDuration;

use super::case::{Case, Finding, Remedy};
use crate::domain::evidence::{Gap, Unaccounted, Use};

/// When the order is decided again.
const DECIDE_AGAIN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn check(case: &Case<'_>) -> Option<Finding> {
    let accept = if case.facts.takes_last_units(case.limits.last_units) {
        Use::AcceptLastUnits {
            order_seen_at: case.facts.first_seen_at,
        }
    } else {
        Use::Accept
    };
    let evidence = &case.facts.shop_facts.evidence;
    let gap = evidence.gap(accept, &case.limits.freshness, case.now)?;
    let why = gap.to_string();
    let others = evidence.other_shops.iter().map(|other| other.shop.clone());
    let sweep = match accept {
        Use::AcceptLastUnits { .. } if !evidence.other_shops.is_empty() => {
            Remedy::GroupSweep(others.collect())
        }
        _ => Remedy::Sweep,
    };
    let remedy = match gap {
        // Whoever looks at it in the cabinet knows; another request does not.
        Gap::Unaccounted(orders) if orders.iter().any(Unaccounted::needs_person) => {
            return Some(Finding::hold(Remedy::Person, why));
        }
        // A sweep of this shop would not help: the others must be read.
        Gap::ShopsNeverRead(shops) => Remedy::OtherShops(shops),
        Gap::ShopsNotRead(shops) => {
            Remedy::OtherShops(shops.into_iter().map(|other| other.shop).collect())
        }
        Gap::Unaccounted(orders) if orders.iter().all(|order| order.shop.is_some()) => {
            Remedy::OtherShops(orders.into_iter().filter_map(|order| order.shop).collect())
        }
        Gap::Unaccounted(orders) => {
            Remedy::Orders(orders.into_iter().map(|order| order.order).collect())
        }
        _ => sweep,
    };
    Some(Finding::wait(case.after(DECIDE_AGAIN), remedy, why))
}
