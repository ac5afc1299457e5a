//! A decision written with its reservations, its action, its notification and its audit row (R1).

use jiff::Timestamp;
use serde_json::json;

use crate::crash_point::crash_point;
use crate::domain::action::Origin as AskedBy;
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::ids::ShopName;
use crate::domain::reservation::Event;
use crate::domain::stock_ledger::Demand;
use crate::domain::verdict::Verdict;
use crate::mutant::mutant;
use crate::store::reservations::{Origin, close_reservations, insert_reservations};
use crate::store::{StoreError, WriteTx, actions, decisions};

/// A decision to be written.
pub(crate) struct NewDecision<'a> {
    /// What it rests on.
    pub(crate) facts: &'a Facts,
    /// The decision.
    pub(crate) decision: &'a Decision,
    /// The policy's digest.
    pub(crate) policy_digest: &'a str,
    /// Units an accept takes; empty in a dry run.
    pub(crate) demands: &'a [Demand],
    /// Whether it is to be carried out.
    pub(crate) act: bool,
}

pub(crate) async fn record(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    new: &NewDecision<'_>,
    actor: &str,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let order = &new.facts.order;
    let decided = decisions::Row {
        facts: new.facts,
        decision: new.decision,
        policy_digest: new.policy_digest,
        actor,
    };
    let id = decisions::insert(tx, shop, &decided, now).await?;
    crash_point("decision.inserted");
    if new.act {
        // Units reserved while the order had an unknown status are the ones it takes now.
        if !new.demands.is_empty() {
            close_reservations(
                tx,
                shop,
                order,
                Event::Released("decided again".to_owned()),
                now,
            )
            .await?;
        }
        if !mutant("r1_reservations_lost") {
            insert_reservations(tx, shop, order, new.demands, Origin::Decision, now).await?;
        }
        let origin = if actor == "qabyl" {
            AskedBy::Engine
        } else {
            AskedBy::Person
        };
        actions::insert(tx, shop, &order.id, id, &new.decision.verdict, origin, now).await?;
    }
    if new.act && new.decision.verdict == Verdict::Hold {
        tx.notice_hold(shop, order, now).await?;
    }
    let detail = json!({
        "decision": id, "verdict": new.decision.verdict.word(), "rule": new.decision.rule,
        "policy": new.policy_digest, "acts": new.act,
    });
    tx.audit(now, actor, (shop, Some(&order.id)), "order.decided", detail);
    Ok(id)
}
