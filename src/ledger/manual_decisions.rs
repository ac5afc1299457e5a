//! Manual decisions about one order: hold, release, accept, cancel. The command line and the HTTP API take them here,
//! as every other channel will: with a named actor, whose role is checked here and nowhere else, the version of the
//! order that the person saw, and a key by which a repeated request is recognised. They go through the same decisions
//! and actions as the engine's own.

use std::fmt;

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::facts::DecidingInput;
use super::manual_answers::{answer, check_version};
use super::transitions::close;
use crate::crash_point::crash_point;
use crate::domain::action::End;
use crate::domain::hold::HoldCause;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::Name;
use crate::domain::limits::Limits;
use crate::domain::order::{Lines, Order};
use crate::domain::people::{Actor, Refusal, Verb};
use crate::domain::reservation::Event;
use crate::domain::verdict::Verdict;
use crate::mutant::mutant;
use crate::store::reservations::close_reservations;
use crate::store::{KeyedRequest, Store, StoreError, WriteTx, orders};
use crate::store::{manual_cancels, manual_keys};

/// What a person decides about an order.
#[derive(Debug, Clone)]
pub enum Manual<'a> {
    /// Accept or cancel it. With the limits, the interlocks that object are named.
    Answer {
        /// Which.
        verdict: &'a Verdict,
        /// How the ledger is read.
        input: &'a DecidingInput,
        /// The limits in force.
        limits: Option<&'a Limits>,
        /// What may be sent.
        terms: Terms<'a>,
    },
    /// Hold it, and why.
    Hold(&'a str),
    /// End its hold.
    Release,
}

/// What may be sent for people.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// Why nothing is sent for the shop, such as `in mode propose`; `None` where it acts.
    pub sends_nothing: Option<&'a str>,
    /// The most cancels of one person within an hour.
    pub cancels_per_person_max: Option<u64>,
}

impl Manual<'_> {
    /// What a role must allow for it.
    const fn verb(&self) -> Verb {
        match self {
            Self::Answer { verdict, .. } => match verdict {
                Verdict::Accept => Verb::Accept,
                _ => Verb::Cancel,
            },
            Self::Hold(_) => Verb::Hold,
            Self::Release => Verb::Release,
        }
    }

    /// All of it in one text: a repeated request is the same in every word.
    fn words(&self) -> String {
        match self {
            Self::Answer { verdict, .. } => match verdict {
                Verdict::Cancel { reason, comment } => {
                    format!("cancel:{}:{comment}", reason.as_str())
                }
                other => other.word().to_owned(),
            },
            Self::Hold(why) => format!("hold:{why}"),
            Self::Release => "release".to_owned(),
        }
    }
}

/// A person's decision about one order.
#[derive(Debug, Clone)]
pub struct ManualDecision<'a> {
    /// What is decided.
    pub what: Manual<'a>,
    /// Who decides.
    pub actor: &'a Actor,
    /// The version of the order that they saw; `None`: as it is stored now.
    pub version: Option<&'a str>,
    /// Recognises the same request sent twice.
    pub key: Option<Key<'a>>,
    /// The interlocks that are overridden; `None`: every interlock that objects is overridden.
    pub overrides: Option<&'a [Name]>,
}

/// Recognises the same request sent twice.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The key.
    pub key: &'a str,
    /// All that is asked for, in one text; `None`: what is decided about which order.
    pub request: Option<&'a str>,
    /// The answer that the same request gets again.
    pub answer: &'a (dyn Fn(&Taken) -> String + Sync),
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl<'a> Key<'a> {
    /// A key whose request is the decision itself, and whose answer says that it was taken.
    pub const fn plain(key: &'a str) -> Self {
        Self {
            key,
            request: None,
            answer: &|_| String::new(),
        }
    }
}

impl<'a> ManualDecision<'a> {
    /// One about the order as it is stored, whatever interlocks object.
    pub const fn plain(what: Manual<'a>, actor: &'a Actor) -> Self {
        Self {
            what,
            actor,
            version: None,
            key: None,
            overrides: None,
        }
    }
}

/// What became of a manual decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// The answer that the same request had before: nothing was done again.
    pub repeated: Option<String>,
    /// The interlocks that objected, with their reasons.
    pub overridden: Vec<(Name, String)>,
}

/// Orders with this code or id.
pub(super) const FOUND: &str = "
SELECT shop, id, state || ' + ' || status FROM (
  SELECT shop, id, state, status, first_seen_at FROM orders INDEXED BY orders_code WHERE code = ?1
  UNION
  SELECT o.shop, o.id, o.state, o.status, o.first_seen_at
  FROM shops s CROSS JOIN orders o ON o.shop = s.name AND o.id = ?2)
ORDER BY shop, first_seen_at, id";

#[derive(FromRow)]
struct Live {
    id: i64,
    kind: String,
    state: String,
    attempts: i64,
}

impl Store {
    /// The shop and id of the order with this code or id; `shop` narrows it where two shops share codes. Where one shop
    /// has several orders with the code, each is found by its id.
    pub async fn find_order(
        &self,
        code: &str,
        shop: Option<&str>,
    ) -> Result<(ShopName, OrderId), StoreError> {
        self.find_order_among(code, |name| shop.is_none_or(|shop| shop == name.as_str()))
            .await
    }

    /// The same, among the orders of those shops alone.
    pub async fn find_order_among(
        &self,
        code: &str,
        is_visible: impl Fn(&ShopName) -> bool,
    ) -> Result<(ShopName, OrderId), StoreError> {
        let as_id = OrderId::new(code).map_err(|_| StoreError::NoOrder(code.to_owned()))?;
        let mut found = Vec::new();
        {
            let mut reader = self.read().await?;
            let rows: Vec<(String, String, String)> = sqlx::query_as(FOUND)
                .bind(code)
                .bind(as_id.as_str())
                .fetch_all(&mut *reader)
                .await?;
            for (shop, id, status) in rows {
                let name =
                    ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", &shop))?;
                if is_visible(&name) {
                    found.push((name, id, status));
                }
            }
        }
        let (first, others) = match &found[..] {
            [] => return Err(StoreError::NoOrder(code.to_owned())),
            [first, others @ ..] => (first, others),
        };
        if others.is_empty() {
            let (shop, id, _) = first;
            let id = OrderId::new(id).map_err(|_| StoreError::corrupt("an order id", id))?;
            return Ok((shop.clone(), id));
        }
        let named = found
            .iter()
            .map(|(shop, id, status)| format!("{id} of shop {shop}, {status}"));
        let named = named.collect::<Vec<_>>().join("; ");
        let is_one_shop = others.iter().all(|(shop, ..)| *shop == first.0);
        Err(StoreError::Refused(if is_one_shop {
            format!(
                "shop {} has several orders {code}: name one by its id in place of the number ({named})",
                first.0
            )
        } else {
            format!(
                "several shops have an order {code}: name one with --shop, or by its id in place of the number ({named})"
            )
        }))
    }

    /// Takes a manual decision about an order: the one way for every channel.
    pub async fn decide_manually(
        &self,
        order: (&ShopName, &OrderId),
        decision: &ManualDecision<'_>,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let mut tx = self.write().await?;
        let taken = tx.decide_manually(order, decision, now).await?;
        if taken.repeated.is_none() {
            tx.commit_manual_decision().await?;
        }
        Ok(taken)
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
        let by = Actor::command_line(actor, actor);
        let hold = ManualDecision::plain(Manual::Hold(why), &by);
        self.decide_manually((shop, id), &hold, now).await?;
        Ok(())
    }

    /// Ends a person's hold, so that the engine decides the order again.
    pub async fn release_order(
        &self,
        shop: &ShopName,
        id: &OrderId,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let by = Actor::command_line(actor, actor);
        let release = ManualDecision::plain(Manual::Release, &by);
        self.decide_manually((shop, id), &release, now).await?;
        Ok(())
    }

    /// Records a person's accept or cancel of the order as it is stored, which the act stage carries out.
    pub async fn order_by_person(
        &self,
        shop: &ShopName,
        id: &OrderId,
        verdict: &Verdict,
        input: &DecidingInput,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let answer = Manual::Answer {
            verdict,
            input,
            limits: None,
            terms: Terms::default(),
        };
        let by = Actor::command_line(actor, actor);
        let decision = ManualDecision::plain(answer, &by);
        self.decide_manually((shop, id), &decision, now).await?;
        Ok(())
    }
}

/// Refuses an accept or a cancel that would never be sent, and cancels of one person without end.
async fn check_terms(
    tx: &mut WriteTx<'_>,
    (shop, actor): (&ShopName, &Actor),
    (verdict, terms): (&Verdict, Terms<'_>),
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(why) = terms.sends_nothing {
        return Err(Refusal::SendsNothing(format!(
            "shop {shop} is {why}, and nothing is sent for it: set mode = \"act\" for it, or decide the order in the \
             cabinet"
        ))
        .into());
    }
    if !matches!(verdict, Verdict::Cancel { .. }) {
        return Ok(());
    }
    let cancels = manual_cancels::within_an_hour(tx, actor.person(), now).await?;
    let max = terms
        .cancels_per_person_max
        .filter(|_| !mutant("r8_people_cancel_without_end"));
    if let Some(max) = max.filter(|max| cancels >= *max) {
        return Err(Refusal::TooManyCancels {
            person: actor.name().to_owned(),
            max,
        }
        .into());
    }
    manual_cancels::note(tx, actor.person(), now).await
}

async fn hold(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    (why, actor): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    if order.status.rank().is_some_and(|rank| rank > 0) {
        return Err(StoreError::Refused(format!(
            "order {} is {} + {}: nothing is left to be decided, and so nothing to hold",
            order.code, order.state, order.status
        )));
    }
    withdraw_unsent(tx, shop, order, now).await?;
    let cause = (why, HoldCause::Person);
    orders::hold(tx, (shop, &order.id), cause, actor, now).await
}

async fn release(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !orders::end_hold(tx, shop, &order.id).await? {
        return Err(StoreError::Refused(
            "the order is not held by a person; a rule's hold ends when the rule's reason does, \
             or with `qabyl accept` or `qabyl cancel`"
                .to_owned(),
        ));
    }
    // Units kept for an accept that Kaspi refused are released: the next decision reserves them again.
    if order.awaits_merchant() && !tx.has_live_action(shop, &order.id).await? {
        let why = "released for another decision";
        close_reservations(tx, shop, order, Event::Released(why.to_owned()), now).await?;
    }
    tx.audit(
        now,
        actor,
        (shop, Some(&order.id)),
        "order.released",
        json!({}),
    );
    Ok(())
}

async fn stored(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    id: &OrderId,
) -> Result<(Order, Lines), StoreError> {
    tx.order_and_lines(shop, id)
        .await?
        .ok_or_else(|| StoreError::NoOrder(id.as_str().to_owned()))
}

/// Withdraws a live action that was not sent; one that was sent stands in the way.
pub(super) async fn withdraw_unsent(
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
    /// Takes a manual decision about an order, to be committed by the caller. After an error nothing may be.
    pub(super) async fn decide_manually(
        &mut self,
        (shop, id): (&ShopName, &OrderId),
        decision: &ManualDecision<'_>,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let actor = decision.actor;
        if !mutant("r17_role_unchecked") {
            actor.check(decision.what.verb(), shop)?;
        }
        self.by(actor, Some(shop));
        let own_words = format!("{} {}", id.as_str(), decision.what.words());
        let keyed = decision.key.map(|key| KeyedRequest {
            person: actor.person(),
            key: key.key,
            request: key.request.unwrap_or(&own_words),
        });
        if let Some(keyed) = &keyed {
            let answer = manual_keys::answer(self.conn()?, keyed, now).await?;
            if let Some(answer) = answer.filter(|_| !mutant("r17_key_unchecked")) {
                return Ok(Taken {
                    repeated: Some(answer),
                    ..Taken::default()
                });
            }
        }
        let (order, lines) = stored(self, shop, id).await?;
        check_version(self, (shop, &order, &lines), decision.version).await?;
        let overridden = match &decision.what {
            Manual::Hold(why) => {
                hold(self, shop, &order, (why, actor.name()), now).await?;
                Vec::new()
            }
            Manual::Release => {
                release(self, shop, &order, actor.name(), now).await?;
                Vec::new()
            }
            Manual::Answer {
                verdict,
                input,
                limits,
                terms,
            } => {
                check_terms(self, (shop, actor), (verdict, *terms), now).await?;
                let by = (actor.name(), decision.overrides);
                answer(
                    self,
                    shop,
                    (order, lines),
                    (verdict, input, *limits),
                    by,
                    now,
                )
                .await?
            }
        };
        let taken = Taken {
            repeated: None,
            overridden,
        };
        if let (Some(keyed), Some(key)) = (&keyed, decision.key) {
            manual_keys::keep(self, keyed, &(key.answer)(&taken), now).await?;
        }
        Ok(taken)
    }

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
}
