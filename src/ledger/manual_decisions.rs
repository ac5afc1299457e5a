//! Manual decisions about one order: hold, release, accept, cancel. It goes through the same
//! decisions and actions as the engine's own.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::availability::Viewpoint;
use super::decisions::{self, NewDecision};
use super::facts::{DecidingInput, skus};
use super::transitions::close;
use crate::crash_point::crash_point;
use crate::domain::action::End;
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Order, Status};
use crate::domain::reservation::Event;
use crate::domain::verdict::Verdict;
use crate::store::reservations::close_reservations;
use crate::store::{Store, StoreError, WriteTx, orders};

/// The policy named in a person's decision.
const PERSON: &str = "person";

#[derive(FromRow)]
struct Live {
    id: i64,
    kind: String,
    state: String,
    attempts: i64,
}

impl Store {
    /// The shop and id of the order with this code or id; `shop` narrows it where two shops share codes.
    pub async fn find_order(
        &self,
        code: &str,
        shop: Option<&str>,
    ) -> Result<(ShopName, OrderId), StoreError> {
        let mut reader = self.read().await?;
        let found: Vec<(String, String)> = sqlx::query_as(
            "SELECT shop, id FROM orders WHERE (code = ?1 OR id = ?1) AND (?2 IS NULL OR shop = ?2)",
        )
        .bind(code)
        .bind(shop)
        .fetch_all(&mut *reader)
        .await?;
        match &found[..] {
            [(shop, id)] => Ok((
                ShopName::new(shop).map_err(|_| StoreError::corrupt("a shop", shop))?,
                OrderId::new(id).map_err(|_| StoreError::corrupt("an order id", id))?,
            )),
            [] => Err(StoreError::NoOrder(code.to_owned())),
            _ => Err(StoreError::Refused(format!(
                "several shops have an order {code}: name one with --shop"
            ))),
        }
    }

    /// Keeps an order from being decided until it is released. An action not sent yet is withdrawn.
    pub async fn hold_order(
        &self,
        shop: &ShopName,
        id: &OrderId,
        why: &str,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (order, _) = stored(&mut tx, shop, id).await?;
        if order.status.rank().is_some_and(|rank| rank > 0) {
            return Err(StoreError::Refused(format!(
                "order {} is {} + {}: nothing is left to be decided, and so nothing to hold",
                order.code, order.state, order.status
            )));
        }
        withdraw_unsent(&mut tx, shop, &order, now).await?;
        orders::hold(&mut tx, (shop, id), (why, HoldCause::Person), actor, now).await?;
        tx.commit_manual_decision().await
    }

    /// Ends a person's hold, so that the engine decides the order again.
    pub async fn release_order(
        &self,
        shop: &ShopName,
        id: &OrderId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if !orders::end_hold(&mut tx, shop, id).await? {
            return Err(StoreError::Refused(
                "the order is not held by a person; a rule's hold ends when the rule's reason does, \
                 or with `qabyl accept` or `qabyl cancel`"
                    .to_owned(),
            ));
        }
        // Units kept for an accept that Kaspi refused are released: the next decision reserves them again.
        let (order, _) = stored(&mut tx, shop, id).await?;
        if order.awaits_merchant() && !tx.has_live_action(shop, id).await? {
            let why = "released for another decision";
            close_reservations(&mut tx, shop, &order, Event::Released(why.to_owned()), now).await?;
        }
        tx.audit(now, actor, (shop, Some(id)), "order.released", json!({}));
        tx.commit_manual_decision().await
    }

    /// Records a person's accept or cancel, which the act stage carries out.
    pub async fn order_by_person(
        &self,
        shop: &ShopName,
        id: &OrderId,
        verdict: &Verdict,
        input: &DecidingInput,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (order, lines) = stored(&mut tx, shop, id).await?;
        let allowed = order.awaits_merchant()
            || (matches!(verdict, Verdict::Cancel { .. })
                && order.status == Status::AcceptedByMerchant);
        if !allowed {
            return Err(StoreError::Refused(format!(
                "order {} is {} + {}: it can no longer be {}ed",
                order.code,
                order.state,
                order.status,
                verdict.word()
            )));
        }
        withdraw_unsent(&mut tx, shop, &order, now).await?;
        let names: Vec<&str> = skus(&lines).collect();
        let ledger = tx
            .stock(input.stock, &names, Viewpoint::default(), now)
            .await?;
        let facts = Facts {
            shop: Some(shop.clone()),
            lines: ledger.facts(&lines, order.pickup_point.as_ref()),
            shortage: tx.shortage(shop, id).await?,
            shop_facts: tx.shop_facts(shop, input, now).await?,
            sent: None,
            order,
            // A manual decision waits for no sweep.
            first_seen_at: None,
        };
        let demands = match verdict {
            Verdict::Accept if !tx.has_reservation(shop, id).await? => {
                ledger.demands(&lines, facts.order.pickup_point.as_ref())
            }
            _ => Vec::new(),
        };
        let decision = Decision {
            verdict: verdict.clone(),
            proposed: verdict.clone(),
            overruled: None,
            rule: format!("{actor} said so"),
            objections: Vec::new(),
        };
        let new = NewDecision {
            facts: &facts,
            decision: &decision,
            policy_digest: PERSON,
            demands: &demands,
            act: true,
        };
        decisions::record(&mut tx, shop, &new, actor, now).await?;
        orders::end_hold(&mut tx, shop, id).await?;
        tx.commit_manual_decision().await
    }
}

async fn stored(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    id: &OrderId,
) -> Result<(Order, crate::domain::order::Lines), StoreError> {
    tx.order_and_lines(shop, id)
        .await?
        .ok_or_else(|| StoreError::NoOrder(id.as_str().to_owned()))
}

/// Withdraws a live action that was not sent; one that was sent stands in the way.
async fn withdraw_unsent(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    now: Timestamp,
) -> Result<(), StoreError> {
    let live: Option<Live> = sqlx::query_as(
        "SELECT id, kind, state, attempts FROM actions WHERE shop = ? AND order_id = ?
         AND state IN ('pending', 'sent', 'unknown')",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .fetch_optional(tx.conn()?)
    .await?;
    let Some(live) = live else { return Ok(()) };
    if live.attempts > 0 || live.state != "pending" {
        return Err(StoreError::Refused(format!(
            "the {} of order {} was sent and its outcome is not known yet: wait for its read-back \
             (`qabyl explain {}`)",
            live.kind, order.code, order.code
        )));
    }
    if !close(tx, live.id, End::Superseded, "a person decided", now).await? {
        return Err(StoreError::Refused(format!(
            "the {} of order {} ended in the meantime: look at it again (`qabyl explain {}`)",
            live.kind, order.code, order.code
        )));
    }
    close_reservations(
        tx,
        shop,
        order,
        Event::Released("a person decided".to_owned()),
        now,
    )
    .await?;
    Ok(())
}

impl WriteTx<'_> {
    pub(crate) async fn commit_manual_decision(self) -> Result<(), StoreError> {
        crash_point("person.before_commit");
        self.commit().await?;
        crash_point("person.after_commit");
        Ok(())
    }

    async fn has_live_action(&mut self, shop: &ShopName, id: &OrderId) -> Result<bool, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM actions WHERE shop = ? AND order_id = ?
             AND state IN ('pending', 'sent', 'unknown')",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_one(self.conn()?)
        .await?;
        Ok(count > 0)
    }

    async fn has_reservation(&mut self, shop: &ShopName, id: &OrderId) -> Result<bool, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM reservations WHERE shop = ? AND order_id = ? AND state <> 'released'",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_one(self.conn()?)
        .await?;
        Ok(count > 0)
    }
}
