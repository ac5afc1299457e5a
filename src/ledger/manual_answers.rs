//! A person's accept or cancel: about the version of the order that was seen, and with the interlocks that object named.

use jiff::Timestamp;
use serde_json::json;

use super::decisions::{self, NewDecision};
use super::facts::{DecidingInput, skus};
use super::manual_decisions::withdraw_unsent;
use crate::domain::decision::{Decision, SAID_BY_PERSON};
use crate::domain::facts::Facts;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::{Name, check_all};
use crate::domain::limits::Limits;
use crate::domain::order::{Lines, Order, Status};
use crate::domain::order_version::OrderVersion;
use crate::domain::people::Refusal;
use crate::domain::verdict::Verdict;
use crate::mutant::mutant;
use crate::store::{StoreError, WriteTx, orders};

/// The policy named in a person's decision.
const PERSON: &str = "person";

/// Decisions of an order looked through for the version that a person saw.
const VERSIONS_MAX: i64 = 50;

/// Refuses a decision about another version of the order than the present one, with what differs.
pub(super) async fn check_version(
    tx: &mut WriteTx<'_>,
    (shop, order, lines): (&ShopName, &Order, &Lines),
    seen: Option<&str>,
) -> Result<(), StoreError> {
    let now = OrderVersion::of(order, lines);
    let Some(seen) = seen.filter(|seen| *seen != now.token()) else {
        return Ok(());
    };
    if mutant("r2_version_unchecked") {
        return Ok(());
    }
    let decided: Vec<String> = sqlx::query_scalar(
        "SELECT facts FROM decisions WHERE shop = ? AND order_id = ? ORDER BY id DESC LIMIT ?",
    )
    .bind(shop.as_str())
    .bind(order.id.as_str())
    .bind(VERSIONS_MAX)
    .fetch_all(tx.conn()?)
    .await?;
    let facts = decided
        .iter()
        .filter_map(|text| serde_json::from_str::<Facts>(text).ok());
    let mut versions = facts.map(|facts| OrderVersion::when_decided(&facts));
    let before = versions.find(|version| version.token() == seen);
    let was = before.map_or_else(|| format!("version {seen}"), |before| before.words());
    Err(Refusal::Changed(format!(
        "order {0} has changed: the decision is about {was}, and it is now {1} (version {2}): look at it again \
         (`qabyl explain {0}`)",
        order.code,
        now.words(),
        now.token()
    ))
    .into())
}

/// Records an accept or a cancel. Returns the interlocks that objected to it.
pub(super) async fn answer(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    (order, lines): (Order, Lines),
    (verdict, input, limits): (&Verdict, &DecidingInput, Option<&Limits>),
    (actor, overrides): (&str, Option<&[Name]>),
    now: Timestamp,
) -> Result<Vec<(Name, String)>, StoreError> {
    let id = order.id.clone();
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
    withdraw_unsent(tx, shop, &order, now).await?;
    let names: Vec<&str> = skus(&lines).collect();
    let stock = tx.stock(input.stock, (shop, &names), None, now).await?;
    let ledger = stock.ledger(None);
    let mut facts = Facts {
        shop: Some(shop.clone()),
        lines: ledger.facts(&lines, order.pickup_point.as_ref()),
        shortage: tx.shortage(shop, &id).await?,
        shop_facts: tx.shop_facts(shop, input, now).await?,
        sent: None,
        namesakes: Vec::new(),
        order,
        // A manual decision waits for no sweep.
        first_seen_at: None,
    };
    let evidence = facts.shop_facts.evidence.about(&facts.lines.wanted());
    facts.shop_facts.evidence = evidence;
    let overridden = overridden(&facts, verdict, (limits, overrides), now)?;
    let demands = match verdict {
        Verdict::Accept if !tx.has_reservation(shop, &id).await? => {
            ledger.demands(&lines, facts.order.pickup_point.as_ref())
        }
        _ => Vec::new(),
    };
    let decision = Decision {
        verdict: verdict.clone(),
        proposed: verdict.clone(),
        overruled: None,
        rule: SAID_BY_PERSON.to_owned(),
        objections: Vec::new(),
    };
    let new = NewDecision {
        facts: &facts,
        decision: &decision,
        policy_digest: PERSON,
        demands: &demands,
        act: true,
    };
    decisions::record(tx, shop, &new, actor, now).await?;
    if !overridden.is_empty() {
        let names: Vec<&str> = overridden.iter().map(|(name, _)| name.as_str()).collect();
        let detail = json!({ "interlocks": names });
        tx.audit(
            now,
            actor,
            (shop, Some(&id)),
            "interlocks.overridden",
            detail,
        );
    }
    orders::end_hold(tx, shop, &id).await?;
    Ok(overridden)
}

/// The interlocks that object to a verdict. Where those that may be overridden are named, another one refuses it.
fn overridden(
    facts: &Facts,
    verdict: &Verdict,
    (limits, overrides): (Option<&Limits>, Option<&[Name]>),
    now: Timestamp,
) -> Result<Vec<(Name, String)>, StoreError> {
    let Some(limits) = limits else {
        return Ok(Vec::new());
    };
    let objections = check_all(facts, limits, verdict, now).into_iter();
    let objections: Vec<(Name, String)> = objections
        .map(|objection| (objection.interlock, objection.why))
        .collect();
    let Some(named) = overrides else {
        return Ok(objections);
    };
    let others = objections.iter().filter(|(name, _)| !named.contains(name));
    let others: Vec<(Name, String)> = others.cloned().collect();
    if others.is_empty() || mutant("r15_override_of_one_is_of_all") {
        return Ok(objections);
    }
    Err(Refusal::Objected(others).into())
}

impl WriteTx<'_> {
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
