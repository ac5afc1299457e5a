//! Every change of one action. A step that is impossible is a fault of one row: its order is left to a person, and
//! the other orders of the same transaction go on.

use jiff::Timestamp;
use serde_json::json;

use crate::domain::action::{Action, End, Event, InvalidTransition};
use crate::domain::hold::HoldCause;
use crate::events::log_event;
use crate::mutant::mutant;
use crate::store::actions::{Change, load, order_of, write};
use crate::store::{StoreError, WriteTx, orders};

/// Applies an event to an action. `false` where nothing is to follow: another stage has closed it in the meantime,
/// or the step is impossible.
pub(crate) async fn apply(
    tx: &mut WriteTx<'_>,
    action: i64,
    event: Event,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let stored = load(tx, action).await?;
    if matches!(stored, Action::Closed { .. }) {
        return Ok(false);
    }
    match Change::new(action, stored, event, now) {
        Ok(change) => Ok(write(tx, &[change]).await? > 0),
        Err(impossible) => {
            leave_to_person(tx, action, &impossible, now).await?;
            Ok(false)
        }
    }
}

/// Closes an action. `false` as for [`apply`].
pub(crate) async fn close(
    tx: &mut WriteTx<'_>,
    action: i64,
    end: End,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    apply(tx, action, Event::Closed(end, why.to_owned()), now).await
}

/// Leaves an action, and its order, to a person after a step that is impossible. Nothing more is sent for it.
pub(crate) async fn leave_to_person(
    tx: &mut WriteTx<'_>,
    action: i64,
    impossible: &InvalidTransition,
    now: Timestamp,
) -> Result<(), StoreError> {
    if mutant("r15_impossible_step_stops_batch") {
        return Err(impossible.clone().into());
    }
    let (shop, order, kind) = order_of(tx, action).await?;
    let stored = load(tx, action).await?;
    if let Ok(change) = Change::new(action, stored, Event::LeftToPerson, now) {
        write(tx, &[change]).await?;
    }
    log_event!(
        ACTION_IMPOSSIBLE, shop = %shop, order.code = %order.code, action = kind, code = "D006", why = %impossible,
        hint = "look at the order in the cabinet, accept or cancel it there, then check the database with `qabyl doctor`",
        "an action's stored state contradicts what happened: its order is left to a person"
    );
    let why = format!("the stored state of its {kind} contradicts what happened: {impossible}");
    let why = (why.as_str(), HoldCause::Contradiction);
    orders::hold(tx, (&shop, &order.id), why, "qabyl", now).await?;
    let detail = json!({ "action": action, "why": impossible.to_string() });
    let held = (&shop, Some(&order.id));
    tx.audit(now, "qabyl", held, "action.impossible", detail);
    tx.notice_hold(&shop, &order, now).await
}
