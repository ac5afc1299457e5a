//! Attempts: each POST's row before it is sent, its outcome after.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::due_actions::Due;
use super::facts::skus;
use super::obstacles::{changed_since_decided, namesake, not_ours};
use super::recheck::{Recheck, Rechecked, Stored, decide_again, withdraw};
use super::transitions::{apply, close};
use crate::crash_point::crash_point;
use crate::domain::action::{End, Event, Kind, Outcome, OutcomeKind, RetryPolicy};
use crate::domain::evidence::{Evidence, Gap, Unaccounted, Use};
use crate::domain::hold::HoldCause;
use crate::domain::ids::ShopName;
use crate::domain::notice::{self, Notice};
use crate::domain::order::{State, Status};
use crate::mutant::mutant;
use crate::store::{Store, StoreError, WriteTx, actions, attempts, orders, shop_identity};

/// A POST that may now be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedAttempt {
    /// The action it serves.
    pub due: Due,
    /// Its row.
    pub id: i64,
    /// Its number, from 1.
    pub n: u32,
}

/// What came of POSTs about to leave.
#[derive(Debug, Default)]
pub struct StartedAttempts {
    /// Those whose rows are written: they may leave.
    pub attempts: Vec<StartedAttempt>,
    /// Whether a cancel was put off until accepted orders are read again.
    pub wants_sweep: bool,
    /// Other shops whose sweep is waited for.
    pub wants_sweep_of: BTreeSet<ShopName>,
}

/// Pause before an action is looked at again that waits for other orders to be read.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// A POST that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Which it is.
    pub attempt: StartedAttempt,
    /// What the answer proves.
    pub outcome: Outcome,
    /// The time from its first byte to its end.
    pub took: std::time::Duration,
    /// Spread of the pause after it, 0..=1.
    pub jitter: f64,
}

/// What the POST needs of the evidence. A manual decision needs none, nor does a pre-order; a cancel is decided
/// again with all interlocks.
fn evidence_needed(due: &Due) -> Option<Use> {
    if due.by_person || due.kind != Kind::Accept || due.order.pre_order {
        None
    } else if due.attempts() == 0 {
        Some(Use::FirstAttempt {
            decided_at: due.made_at,
        })
    } else {
        Some(Use::Repeat)
    }
}

/// What is known of the shop's orders, of those not accounted for only what may hold the order's units.
async fn evidence_about(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
    evidence: &Evidence,
) -> Result<Evidence, StoreError> {
    if evidence.unaccounted.is_empty() {
        return Ok(evidence.clone());
    }
    let Some((order, lines)) = tx.order_and_lines(shop, &due.order.id).await? else {
        return Ok(evidence.clone());
    };
    let names: Vec<&str> = skus(&lines).collect();
    let listed = tx.listings(shop, &names).await?;
    let lines = listed.facts(&lines, order.pickup_point.as_ref());
    Ok(evidence.about(&lines.wanted()))
}

async fn still_due(tx: &mut WriteTx<'_>, due: &Due, now: Timestamp) -> Result<bool, StoreError> {
    let stored = actions::load(tx, due.action).await?;
    let order: Option<(String, String)> = sqlx::query_as(
        "SELECT o.state, o.status FROM actions a JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
         WHERE a.id = ?",
    )
    .bind(due.action)
    .fetch_optional(tx.conn()?)
    .await?;
    Ok(order.is_some_and(|(state, status)| {
        due.is_still_due(&stored, (&State::from(state), &Status::from(status)), now)
    }))
}

async fn begin(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    due: &Due,
    now: Timestamp,
) -> Result<Option<StartedAttempt>, StoreError> {
    if !apply(tx, due.action, Event::Started, now).await? {
        return Ok(None);
    }
    let (id, n) = attempts::insert(tx, due.action, now).await?;
    let detail = json!({ "action": due.action, "kind": due.kind.word(), "n": n });
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&due.order.id)),
        "attempt.begun",
        detail,
    );
    Ok(Some(StartedAttempt {
        due: due.clone(),
        id,
        n,
    }))
}

async fn end(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ended: &Ended,
    retry: &RetryPolicy,
    now: Timestamp,
) -> Result<(), StoreError> {
    let due = &ended.attempt.due;
    let kind = ended.outcome.kind();
    let due_at = match &ended.outcome {
        Outcome::Applied => retry.due_after(now, ended.attempt.n, 0.0),
        Outcome::Unknown(_) if mutant("r4_repeat_at_once") => now,
        Outcome::Unknown(_) => retry.due_after(now, ended.attempt.n, ended.jitter),
        // After a definite refusal the order is read at once: the reading shows what it means.
        Outcome::Rejected(_) | Outcome::Denied { .. } => now,
        Outcome::Snoozed { until, .. } | Outcome::NotSent { until, .. } => *until,
    };
    attempts::end(tx, ended.attempt.id, &ended.outcome, now).await?;
    let handled_as = match kind {
        OutcomeKind::Snoozed if mutant("r2_snooze_is_unsent") => OutcomeKind::NotSent,
        kind => kind,
    };
    let event = Event::Ended {
        outcome: handled_as,
        due_at,
    };
    apply(tx, due.action, event, now).await?;
    let detail = json!({
        "action": due.action, "n": ended.attempt.n, "outcome": kind.word(), "detail": ended.outcome.why(),
    });
    tx.audit(
        now,
        "qabyl",
        (shop, Some(&due.order.id)),
        "attempt.ended",
        detail,
    );
    Ok(())
}

impl Store {
    /// POSTs that never got an outcome, as after a crash: their outcome is unknown (R3), and their
    /// order is read once `settle` has passed.
    pub async fn recover(
        &self,
        shop: &ShopName,
        settle: SignedDuration,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut reader = self.read().await?;
        let open: i64 = sqlx::query_scalar(attempts::OPEN_ATTEMPTS)
            .bind(shop.as_str())
            .fetch_one(&mut *reader)
            .await?;
        drop(reader);
        if open == 0 || mutant("r13_open_attempts_forgotten") {
            return Ok(0);
        }
        let mut tx = self.write().await?;
        let due = now.saturating_add(settle).unwrap_or(Timestamp::MAX);
        let lost: Vec<i64> = sqlx::query_scalar(
            "SELECT DISTINCT a.id FROM attempts t INDEXED BY attempts_open CROSS JOIN actions a ON a.id = t.action_id
             WHERE t.ended_at IS NULL AND a.shop = ? AND a.state = 'sent'",
        )
        .bind(shop.as_str())
        .fetch_all(tx.conn()?)
        .await?;
        for action in &lost {
            apply(&mut tx, *action, Event::Lost { due_at: due }, now).await?;
        }
        let lost = u64::try_from(lost.len()).unwrap_or(u64::MAX);
        if open > 0 {
            attempts::end_lost(&mut tx, shop, now).await?;
            tx.audit(
                now,
                "qabyl",
                (shop, None),
                "actions.recovered",
                json!({ "unknown": lost }),
            );
        }
        crash_point("recover.before_commit");
        tx.commit().await?;
        crash_point("recover.after_commit");
        Ok(lost)
    }

    /// Writes the rows of POSTs about to leave. What no longer stands is withdrawn instead, and is
    /// missing from the answer.
    pub async fn begin_attempts(
        &self,
        shop: &ShopName,
        wanted: &[Due],
        recheck: &Recheck<'_>,
        now: Timestamp,
    ) -> Result<StartedAttempts, StoreError> {
        let mut tx = self.write().await?;
        let mut started = StartedAttempts::default();
        let freshness = &recheck.policy.limits.freshness;
        let evidence = tx.evidence(shop).await?;
        let (account, mismatch) = shop_identity::identity(tx.conn()?, shop).await?;
        let mut stored = None;
        for (place, due) in wanted.iter().enumerate() {
            if !still_due(&mut tx, due, now).await? {
                continue;
            }
            if mismatch.is_some() {
                let later = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
                apply(&mut tx, due.action, Event::PutOff(later), now).await?;
                continue;
            }
            let foreign = not_ours(&mut tx, shop, due, account.as_ref()).await?;
            let obstacle = match foreign {
                Some(why) => Some((why, HoldCause::Account)),
                None => changed_since_decided(&mut tx, shop, due)
                    .await?
                    .map(|why| (why, HoldCause::Changed)),
            };
            if let Some((why, cause)) = obstacle {
                withdraw(&mut tx, shop, due, &why, now).await?;
                stored = None;
                orders::hold(&mut tx, (shop, &due.order.id), (&why, cause), "qabyl", now).await?;
                tx.notice_hold(shop, &due.order, now).await?;
                continue;
            }
            if let Some(why) = namesake(&mut tx, shop, due).await? {
                withdraw(&mut tx, shop, due, &why, now).await?;
                stored = None;
                continue;
            }
            // The evidence is checked again: an order found since the decision may have taken these units.
            let needed = evidence_needed(due);
            let evidence = match needed {
                Some(_) => evidence_about(&mut tx, shop, due, &evidence).await?,
                None => evidence.clone(),
            };
            let gap = needed.and_then(|needed| evidence.gap(needed, freshness, now));
            if let Some(Gap::Unaccounted(orders)) = &gap
                && orders.iter().any(Unaccounted::needs_person)
            {
                let why = gap.map_or_else(String::new, |gap| gap.to_string());
                withdraw(&mut tx, shop, due, &why, now).await?;
                stored = None;
                continue;
            }
            if gap.is_some() {
                started.wants_sweep = true;
                let later = now.saturating_add(LOOK_AGAIN).unwrap_or(now);
                apply(&mut tx, due.action, Event::PutOff(later), now).await?;
                continue;
            }
            let outcome = if due.by_person {
                Rechecked::StillValid
            } else {
                let stored = match &stored {
                    Some(stored) => stored,
                    None => stored
                        .insert(Stored::load(&mut tx, shop, &wanted[place..], recheck, now).await?),
                };
                decide_again(&mut tx, (shop, due), stored, recheck, now).await?
            };
            match outcome {
                Rechecked::StillValid => {
                    started
                        .attempts
                        .extend(begin(&mut tx, shop, due, now).await?);
                }
                Rechecked::WaitForEvidence { until, sweeps_of } => {
                    started.wants_sweep = true;
                    started.wants_sweep_of.extend(sweeps_of);
                    apply(&mut tx, due.action, Event::PutOff(until), now).await?;
                }
                Rechecked::Changed(why) => {
                    withdraw(&mut tx, shop, due, &why, now).await?;
                    stored = None;
                }
            }
        }
        let begins = !started.attempts.is_empty();
        if begins {
            crash_point("attempt.before_commit");
        }
        tx.commit().await?;
        if begins {
            crash_point("attempt.after_commit");
        }
        Ok(started)
    }

    /// Writes the outcomes of POSTs.
    pub async fn end_attempts(
        &self,
        shop: &ShopName,
        ended: &[Ended],
        retry: &RetryPolicy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for ended in ended {
            end(&mut tx, shop, ended, retry, now).await?;
        }
        crash_point("outcome.before_commit");
        tx.commit().await?;
        crash_point("outcome.after_commit");
        Ok(())
    }

    /// Ends an action that a reading shows without effect, and leaves its order to a person. Its
    /// reservation stays: that person may accept the order. `false` when it had ended already.
    pub async fn refuse(
        &self,
        shop: &ShopName,
        due: &Due,
        (why, cause): (&str, HoldCause),
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let closed = close(&mut tx, due.action, End::Refused, why, now).await?;
        if closed {
            orders::hold(&mut tx, (shop, &due.order.id), (why, cause), "qabyl", now).await?;
        }
        if closed && cause != HoldCause::Refused {
            tx.notice_hold(shop, &due.order, now).await?;
        } else if closed {
            let (code, action) = (due.order.code.as_str(), due.kind.word());
            let facts = json!({ "order": code, "action": action });
            let what = due.action.to_string();
            tx.notice(
                now,
                Notice::of_shop(notice::Kind::ActionRefused, shop, &what, facts),
            );
        }
        tx.commit().await?;
        Ok(closed)
    }

    /// Leaves an action to a person: no POST of it has an effect.
    pub async fn leave_to_person(
        &self,
        shop: &ShopName,
        due: &Due,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if !apply(&mut tx, due.action, Event::LeftToPerson, now).await? {
            return tx.commit().await;
        }
        let detail = json!({ "action": due.action, "attempts": due.attempts_towards_max });
        let order = Some(&due.order.id);
        tx.audit(now, "qabyl", (shop, order), "action.stuck", detail);
        let (code, action) = (due.order.code.as_str(), due.kind.word());
        let facts =
            json!({ "order": code, "action": action, "attempts": due.attempts_towards_max });
        let what = due.action.to_string();
        tx.notice(
            now,
            Notice::of_shop(notice::Kind::ActionStuck, shop, &what, facts),
        );
        tx.commit().await
    }

    /// Puts an action off without an attempt.
    pub async fn put_off(
        &self,
        action: i64,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        apply(&mut tx, action, Event::PutOff(until), now).await?;
        tx.commit().await
    }
}
