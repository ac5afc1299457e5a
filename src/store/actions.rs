//! The table `actions`: its rows, and every change of one. A change is a transition of `domain::action`, written
//! only where the row is still in the state it began with.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use crate::crash_point::crash_point;
use crate::domain::action::{Action, Event, Fields, InvalidTransition, Kind, Origin, State};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::Order;
use crate::domain::verdict::{CancelReason, Verdict};
use crate::store::orders::parse_order;
use crate::store::{Store, StoreError, WriteTx, at, ms};

pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &OrderId,
    decision: i64,
    verdict: &Verdict,
    origin: Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (reason, comment) = match verdict {
        Verdict::Accept => (None, None),
        Verdict::Cancel { reason, comment } => (Some(reason.as_str()), Some(comment.as_str())),
        Verdict::Hold | Verdict::Wait { .. } => return Ok(()),
    };
    let new = Fields::from(&Action::decided(now));
    sqlx::query(
        "INSERT INTO actions (shop, order_id, decision_id, kind, reason, comment, origin, state, made_at,
           due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(shop.as_str())
    .bind(order.as_str())
    .bind(decision)
    .bind(verdict.word())
    .bind(reason)
    .bind(comment)
    .bind(origin.as_str())
    .bind(new.state.as_str())
    .bind(ms(now))
    .bind(new.due_at.map(ms))
    .execute(tx.conn()?)
    .await?;
    if reason.is_some() {
        tx.recount.order(shop.as_str(), order.as_str());
    }
    crash_point("action.inserted");
    Ok(())
}

/// An action's row before and after a transition.
pub(crate) struct Change {
    action: i64,
    from: Action,
    to: Action,
}

impl Change {
    /// What an event makes of an action.
    ///
    /// # Errors
    /// The event is impossible in this state.
    pub(crate) fn new(
        action: i64,
        from: Action,
        event: Event,
        now: Timestamp,
    ) -> Result<Self, InvalidTransition> {
        let to = from.clone().transition(event, now)?;
        Ok(Self { action, from, to })
    }
}

/// Writes only where the row is still what the transition began with. Joined by key alone, so that the
/// changes drive and the table is searched.
pub(crate) const WRITE: &str = "
UPDATE actions SET state = j.value ->> 3, attempts = j.value ->> 4, due_at = j.value ->> 5,
  needs_person = j.value ->> 6, closed_at = j.value ->> 7, why = j.value ->> 8
FROM json_each(?) j WHERE actions.id = j.value ->> 0 AND state = j.value ->> 1 AND attempts = j.value ->> 2";

/// Writes transitions. Returns how many rows were written: fewer where a row was changed since it was read.
pub(crate) async fn write(tx: &mut WriteTx<'_>, changes: &[Change]) -> Result<u64, StoreError> {
    if changes.is_empty() {
        return Ok(0);
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|Change { action, from, to }| {
            let to = Fields::from(to);
            json!([
                action,
                from.state().as_str(),
                from.attempts(),
                to.state.as_str(),
                to.attempts,
                to.due_at.map(ms),
                i32::from(to.needs_person),
                to.closed_at.map(ms),
                to.why,
            ])
        })
        .collect();
    for change in changes {
        tx.recount.action(change.action);
    }
    let written = sqlx::query(WRITE)
        .bind(json!(rows).to_string())
        .execute(tx.conn()?)
        .await?;
    Ok(written.rows_affected())
}

/// The columns of an action's state.
#[derive(FromRow)]
pub(crate) struct FieldsRow {
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) due_at: Option<i64>,
    pub(crate) needs_person: bool,
    pub(crate) closed_at: Option<i64>,
    pub(crate) why: Option<String>,
}

/// What is asked of Kaspi, from its columns.
pub(crate) fn parse_kind(
    kind: &str,
    reason: Option<&str>,
    comment: Option<String>,
) -> Result<Kind, StoreError> {
    match (kind, reason.and_then(CancelReason::parse)) {
        ("accept", None) => Ok(Kind::Accept),
        ("cancel", Some(reason)) => Ok(Kind::Cancel {
            reason,
            comment: comment.unwrap_or_default(),
        }),
        _ => Err(StoreError::corrupt("an action", kind)),
    }
}

/// The state of an action, from its word.
pub(crate) fn parse_state(word: &str) -> Result<State, StoreError> {
    State::parse(word).ok_or_else(|| StoreError::corrupt("an action's state", word))
}

impl FieldsRow {
    pub(crate) fn action(self) -> Result<Action, StoreError> {
        let corrupt = |state: &str| StoreError::corrupt("an action's state", state);
        let fields = Fields {
            state: parse_state(&self.state)?,
            attempts: u32::try_from(self.attempts).map_err(|_| corrupt(&self.state))?,
            due_at: self.due_at.map(at).transpose()?,
            needs_person: self.needs_person,
            closed_at: self.closed_at.map(at).transpose()?,
            why: self.why,
        };
        Action::try_from(fields).map_err(|_| corrupt(&self.state))
    }
}

/// An action as stored.
pub(crate) async fn load(tx: &mut WriteTx<'_>, action: i64) -> Result<Action, StoreError> {
    let row: FieldsRow = sqlx::query_as(
        "SELECT state, attempts, due_at, needs_person, closed_at, why FROM actions WHERE id = ?",
    )
    .bind(action)
    .fetch_one(tx.conn()?)
    .await?;
    row.action()
}

/// The shop and the order of an action, and the word of its kind.
pub(crate) async fn order_of(
    tx: &mut WriteTx<'_>,
    action: i64,
) -> Result<(ShopName, Order, String), StoreError> {
    let (shop, body, kind): (String, String, String) = sqlx::query_as(
        "SELECT o.shop, o.body, a.kind FROM actions a JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
         WHERE a.id = ?",
    )
    .bind(action)
    .fetch_one(tx.conn()?)
    .await?;
    let shop = ShopName::new(&shop).map_err(|_| StoreError::corrupt("a shop", shop))?;
    Ok((shop, parse_order(&body)?, kind))
}

impl Store {
    /// Whether only a person can end this action.
    pub async fn is_stuck(&self, action: i64) -> Result<bool, StoreError> {
        let mut reader = self.read().await?;
        let stuck: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM actions WHERE id = ? AND needs_person = 1 AND closed_at IS NULL",
        )
        .bind(action)
        .fetch_one(&mut *reader)
        .await?;
        Ok(stuck > 0)
    }
}

/// Deletes the actions of these orders (JSON), whose attempts are deleted already.
pub(crate) async fn delete_of(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    orders: &str,
) -> Result<(), StoreError> {
    let statement =
        "DELETE FROM actions WHERE shop = ? AND order_id IN (SELECT value FROM json_each(?))";
    tx.execute_for(statement, shop, orders).await
}

/// A live action of any shop.
pub(crate) struct Live {
    pub(crate) id: i64,
    pub(crate) shop: ShopName,
    pub(crate) order: OrderId,
    pub(crate) origin: Origin,
    pub(crate) action: Action,
}

/// All live actions.
pub(crate) async fn live(tx: &mut WriteTx<'_>) -> Result<Vec<Live>, StoreError> {
    #[derive(FromRow)]
    struct Row {
        id: i64,
        shop: String,
        order_id: String,
        origin: String,
        #[sqlx(flatten)]
        fields: FieldsRow,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, shop, order_id, origin, state, attempts, due_at, needs_person, closed_at, why FROM actions
         WHERE state IN ('pending', 'sent', 'unknown') ORDER BY id",
    )
    .fetch_all(tx.conn()?)
    .await?;
    let live = |row: Row| {
        Ok(Live {
            id: row.id,
            shop: ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", row.shop))?,
            order: OrderId::new(&row.order_id)
                .map_err(|_| StoreError::corrupt("an order id", row.order_id))?,
            origin: Origin::parse(&row.origin)
                .ok_or_else(|| StoreError::corrupt("an action's origin", row.origin))?,
            action: row.fields.action()?,
        })
    };
    rows.into_iter().map(live).collect()
}

/// The live actions of an order that are due later.
pub(crate) async fn put_off(
    tx: &mut WriteTx<'_>,
    (shop, order): (&ShopName, &str),
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let later = sqlx::query_scalar(
        "SELECT id FROM actions WHERE shop = ? AND order_id = ? AND state IN ('pending', 'sent', 'unknown') AND due_at > ?",
    );
    let later = later.bind(shop.as_str()).bind(order).bind(ms(now));
    Ok(later.fetch_all(tx.conn()?).await?)
}
