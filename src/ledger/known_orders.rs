//! What is stored of orders that a reading is about: the order, its reservations and its live action.

use std::collections::HashMap;

use serde_json::json;
use sqlx::FromRow;

use super::due_actions::cancels_accepted_order;
use crate::domain::action::Action;
use crate::domain::availability::Changed;
use crate::domain::ids::ShopName;
use crate::domain::order::Status;
use crate::domain::reconcile::{self, LiveAction};
use crate::domain::reservation;
use crate::domain::unaccounted::LinesState;
use crate::store::actions::{FieldsRow, parse_kind};
use crate::store::unaccounted::lines_state;
use crate::store::{StoreError, WriteTx, orders};

/// How many reservations an order has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Those that are not released: they count, or did until its goods left.
    pub(crate) kept: usize,
    /// Of those, the active ones.
    pub(crate) active: usize,
    /// Of the active ones, those whose order was not yet seen as accepted.
    pub(crate) unconfirmed: usize,
    /// Of the active ones, those whose order moved to another pickup point.
    pub(crate) moved: usize,
}

impl Counts {
    /// Adds a reservation.
    fn with(mut self, state: reservation::State, is_confirmed: bool, has_moved: bool) -> Self {
        if state == reservation::State::Released {
            return self;
        }
        self.kept += 1;
        if state == reservation::State::Active {
            self.active += 1;
            self.unconfirmed += usize::from(!is_confirmed);
            self.moved += usize::from(has_moved);
        }
        self
    }
}

#[derive(FromRow)]
pub(crate) struct Known {
    id: String,
    pub(crate) status: String,
    pub(crate) body: String,
    lines_state: String,
    reservations: String,
    action: Option<i64>,
    kind: Option<String>,
    reason: Option<String>,
    comment: Option<String>,
    state: Option<String>,
    attempts: Option<i64>,
    due_at: Option<i64>,
    needs_person: Option<bool>,
    pub(crate) seen_at: i64,
    origin: Option<String>,
    decided_status: Option<String>,
    lines_failures: i64,
    pub(crate) lines_digest: Option<String>,
}

impl Known {
    pub(crate) fn rank(&self) -> Result<Option<u8>, StoreError> {
        match Status::from(self.status.as_str()) {
            Status::Other(_) => Ok(reconcile::rank(&orders::parse_order(&self.body)?)),
            status => Ok(status.rank()),
        }
    }

    /// Whether its status determines where its goods are.
    pub(crate) fn is_plain(&self) -> bool {
        let status = Status::from(self.status.as_str());
        !matches!(status, Status::Cancelling | Status::Other(_))
    }

    /// Whether its lines are unknown, and another request for them may help.
    pub(crate) fn are_lines_awaited(&self) -> Result<bool, StoreError> {
        let failures = u32::try_from(self.lines_failures).unwrap_or(u32::MAX);
        Ok(self.lines()?.are_awaited(failures))
    }

    /// How far its lines are read.
    pub(crate) fn lines(&self) -> Result<LinesState, StoreError> {
        lines_state(&self.lines_state)
    }

    /// Its reservations.
    pub(crate) fn held(&self) -> Result<Counts, StoreError> {
        type Row = (String, Option<i64>, Option<String>);
        let corrupt = || StoreError::corrupt("the reservations of an order", &self.reservations);
        let rows: Vec<Row> = serde_json::from_str(&self.reservations).map_err(|_| corrupt())?;
        let with = |counts: Counts, (state, confirmed_at, changed): &Row| {
            let state = reservation::State::parse(state)?;
            let has_moved = match changed {
                Some(word) => Changed::parse(word)? == Changed::Point,
                None => false,
            };
            Some(counts.with(state, confirmed_at.is_some(), has_moved))
        };
        rows.iter()
            .try_fold(Counts::default(), with)
            .ok_or_else(corrupt)
    }

    /// Whether its goods lay on the shelf when it was last seen, by what was known then.
    pub(crate) fn is_there(&self) -> Result<bool, StoreError> {
        Ok(match Status::from(self.status.as_str()) {
            Status::ApprovedByBank | Status::AcceptedByMerchant => true,
            Status::Other(_) => orders::parse_order(&self.body)?.is_in_accepted_state(),
            _ => false,
        })
    }
}

// A cross join, as it keeps its order: the readings drive, and each order is searched. The other way
// round every order the shop ever had would be compared with every reading.
pub(crate) const KNOWN: &str = "
SELECT o.id, o.status, o.body, o.lines_state, o.seen_at, o.lines_failures, o.lines_digest,
  (SELECT json_group_array(json_array(r.state, r.confirmed_at, r.changed))
   FROM reservations r WHERE r.shop = o.shop AND r.order_id = o.id) AS reservations,
  a.id AS action, a.kind, a.reason, a.comment, a.state, a.attempts, a.due_at, a.needs_person, a.origin,
  d.facts ->> '$.order.status' AS decided_status
FROM json_each(?2) j CROSS JOIN orders o ON o.shop = ?1 AND o.id = j.value
LEFT JOIN actions a ON a.shop = o.shop AND a.order_id = o.id AND a.state IN ('pending', 'sent', 'unknown')
LEFT JOIN decisions d ON d.id = a.decision_id";

pub(crate) async fn known(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    ids: &[&str],
) -> Result<HashMap<String, Known>, StoreError> {
    let rows: Vec<Known> = sqlx::query_as(KNOWN)
        .bind(shop.as_str())
        .bind(json!(ids).to_string())
        .fetch_all(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// The order's live action: its row, its state, and what a reading judges it by.
pub(crate) fn live(row: &Known) -> Result<Option<(i64, Action, LiveAction)>, StoreError> {
    let (Some(id), Some(kind), Some(state)) = (row.action, &row.kind, &row.state) else {
        return Ok(None);
    };
    let stored = FieldsRow {
        state: state.clone(),
        attempts: row.attempts.unwrap_or_default(),
        due_at: row.due_at,
        needs_person: row.needs_person.unwrap_or_default(),
        closed_at: None,
        why: None,
    };
    let stored = stored.action()?;
    let live = LiveAction {
        kind: parse_kind(kind, row.reason.as_deref(), row.comment.clone())?,
        state: stored.state(),
        attempted: stored.attempts() > 0,
        cancels_accepted_order: cancels_accepted_order(
            row.origin.as_deref(),
            row.decided_status.as_deref(),
        ),
    };
    Ok(Some((id, stored, live)))
}
