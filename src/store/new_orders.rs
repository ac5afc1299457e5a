//! Orders that Kaspi shows as new, and how far each has come. Statements load what is stored; `domain::hold` says what
//! it means.

use sqlx::{FromRow, SqliteConnection};

use super::StoreError;
use crate::domain::hold::{HoldCause, Progress};
use crate::domain::order::{State, Status, awaits_merchant};
use crate::domain::verdict::VerdictKind;

/// An order in the state `NEW`.
#[derive(Debug, Clone)]
pub(crate) struct NewOrder {
    pub(crate) shop: String,
    pub(crate) id: String,
    pub(crate) created_at: i64,
    pub(crate) status: Status,
    /// Why it is held outside the rules.
    pub(crate) cause: Option<HoldCause>,
    pub(crate) progress: Progress,
    /// Whether it has a live action that only a person can end.
    pub(crate) is_stuck: bool,
}

impl NewOrder {
    /// Whether it waits for the merchant.
    pub(crate) fn awaits_merchant(&self) -> bool {
        awaits_merchant(&State::New, &self.status)
    }

    /// Whether it waits for the merchant, and a person decides it.
    pub(crate) fn awaits_person(&self) -> bool {
        self.awaits_merchant() && self.progress == Progress::Held
    }

    /// Whether something about it needs a person: a hold, whatever its status is, or an action.
    pub(crate) fn needs_person(&self) -> bool {
        self.progress == Progress::Held || self.is_stuck
    }
}

#[derive(FromRow)]
struct Row {
    shop: String,
    id: String,
    created_at: i64,
    status: String,
    held_cause: Option<String>,
    verdict: Option<String>,
    needs_person: Option<bool>,
}

macro_rules! columns {
    () => {
        "
SELECT o.shop, o.id, o.created_at, o.status, o.held_cause, live.needs_person,
  (SELECT verdict FROM decisions d WHERE d.shop = o.shop AND d.order_id = o.id ORDER BY d.id DESC LIMIT 1) AS verdict "
    };
}

macro_rules! live_action {
    () => {
        "
LEFT JOIN actions live ON live.shop = o.shop AND live.order_id = o.id AND live.state IN ('pending', 'sent', 'unknown')"
    };
}

/// Of one shop or of all, those of a shop oldest first.
pub(crate) const NEW_ORDERS: &str = concat!(
    columns!(),
    "FROM shops s CROSS JOIN orders o INDEXED BY orders_open",
    live_action!(),
    "
WHERE o.shop = s.name AND o.state = 'NEW' AND (?1 IS NULL OR s.name = ?1) ORDER BY s.name, o.created_at, o.id"
);

pub(crate) const NEW_ORDER: &str = concat!(
    columns!(),
    "FROM orders o",
    live_action!(),
    "
WHERE o.shop = ?1 AND o.id = ?2 AND o.state = 'NEW'"
);

/// The new orders of a shop, or of all.
pub(crate) async fn new_orders(
    connection: &mut SqliteConnection,
    shop: Option<&str>,
) -> Result<Vec<NewOrder>, StoreError> {
    let found = sqlx::query_as(NEW_ORDERS).bind(shop);
    let rows: Vec<Row> = found.fetch_all(connection).await?;
    rows.into_iter().map(order).collect()
}

/// One order, while it is new.
pub(crate) async fn new_order(
    connection: &mut SqliteConnection,
    shop: &str,
    id: &str,
) -> Result<Option<NewOrder>, StoreError> {
    let found = sqlx::query_as(NEW_ORDER).bind(shop).bind(id);
    let row: Option<Row> = found.fetch_optional(connection).await?;
    row.map(order).transpose()
}

fn order(row: Row) -> Result<NewOrder, StoreError> {
    let cause = row.held_cause.as_deref().map(parse_cause).transpose()?;
    let verdict = row.verdict.as_deref().map(parse_verdict).transpose()?;
    Ok(NewOrder {
        progress: Progress::of(cause, verdict),
        is_stuck: row.needs_person.unwrap_or_default(),
        status: Status::from(row.status),
        created_at: row.created_at,
        shop: row.shop,
        id: row.id,
        cause,
    })
}

pub(crate) fn parse_cause(word: &str) -> Result<HoldCause, StoreError> {
    HoldCause::parse(word).ok_or_else(|| StoreError::corrupt("the cause of a hold", word))
}

pub(crate) fn parse_verdict(word: &str) -> Result<VerdictKind, StoreError> {
    VerdictKind::parse(word).ok_or_else(|| StoreError::corrupt("a verdict", word))
}
