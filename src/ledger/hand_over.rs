//! A person says that the goods of an accepted order left the shelf, and when: Kaspi shows a courier's hand-over late,
//! and an own delivery or a pickup only once it is finished.

use jiff::Timestamp;
use serde_json::json;

use crate::domain::calendar::stamp;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Order, Status};
use crate::domain::reservation::{Departure, Event};
use crate::domain::unaccounted::has_unknown_status;
use crate::mutant::mutant;
use crate::store::reservations::close_reservations;
use crate::store::{Store, StoreError, orders};

impl Store {
    /// Records that the goods of an accepted order left the shelf at that time: their promise is kept, and no count
    /// made since includes them.
    pub async fn hand_over(
        &self,
        (shop, id): (&ShopName, &OrderId),
        at: Timestamp,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let Some((order, _)) = tx.order_and_lines(shop, id).await? else {
            return Err(StoreError::NoOrder(id.as_str().to_owned()));
        };
        check(&order, at, now).map_err(StoreError::Refused)?;
        let left = if mutant("r9_handed_over_unknown") {
            Departure::Unknown { by: at }
        } else {
            Departure::Between { after: at, by: at }
        };
        let event = Event::Left(left, "handed over, as a person said".to_owned());
        if close_reservations(&mut tx, shop, &order, event, now).await? == 0 {
            return Err(StoreError::Refused(format!(
                "no units of order {0} are promised any more, or none are counted yet: `qabyl orders show {0}` shows its lines",
                order.code
            )));
        }
        orders::set_handed_over(&mut tx, (shop, id), Some(at)).await?;
        let detail = json!({ "at": at });
        tx.audit(now, actor, (shop, Some(id)), "order.handed_over", detail);
        tx.commit_manual_decision().await
    }
}

/// Refuses an order that is not accepted, and a time when its goods cannot have left.
fn check(order: &Order, at: Timestamp, now: Timestamp) -> Result<(), String> {
    let code = &order.code;
    let is_unclear =
        has_unknown_status(&order.state, &order.status) && order.is_in_accepted_state();
    if order.status != Status::AcceptedByMerchant && !is_unclear {
        return Err(format!(
            "order {code} is {} + {}: only the goods of an accepted order are handed over",
            order.state, order.status
        ));
    }
    if at > now {
        return Err(format!("{} is in the future", stamp(at)));
    }
    if at < order.created_at {
        return Err(format!(
            "order {code} was placed {}: its goods cannot have left {}",
            stamp(order.created_at),
            stamp(at)
        ));
    }
    Ok(())
}
