//! Rows of the table `telegram_messages`, read.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::telegram_messages::ButtonMessage;
use super::{StoreError, at};
use crate::domain::buttons::{Asked, Panel, Second};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::interlocks::Name;

#[derive(FromRow)]
pub(super) struct Row {
    id: i64,
    channel: String,
    chat: Option<i64>,
    message: Option<i64>,
    shop: String,
    order_id: String,
    version: String,
    body: String,
    ends_at: i64,
    panel: String,
    panel_user: Option<i64>,
    panel_ends_at: Option<i64>,
    objections: Option<String>,
    revision: i64,
    shown: i64,
}

/// What interlocks object to, and which.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Objections {
    pub(super) asked: Asked,
    pub(super) names: Vec<String>,
}

fn names(words: &[String]) -> Result<Vec<Name>, StoreError> {
    let of = |word: &String| {
        let found = Name::ALL.into_iter().find(|name| name.as_str() == word);
        found.ok_or_else(|| StoreError::corrupt("an interlock", word))
    };
    words.iter().map(of).collect()
}

fn panel(row: &Row) -> Result<Panel, StoreError> {
    let corrupt = || StoreError::corrupt("what buttons ask", &row.panel);
    let second = || {
        let (user, until) = row.panel_user.zip(row.panel_ends_at).ok_or_else(corrupt)?;
        let until = at(until)?;
        Ok::<Second, StoreError>(Second { user, until })
    };
    Ok(match row.panel.as_str() {
        "decide" => Panel::Decide { again: false },
        "again" => Panel::Decide { again: true },
        "reason" => Panel::Reason(second()?),
        "override" => {
            let text = row.objections.as_deref().ok_or_else(corrupt)?;
            let found: Objections = serde_json::from_str(text).map_err(|_| corrupt())?;
            Panel::Override {
                second: second()?,
                asked: found.asked,
                names: names(&found.names)?,
            }
        }
        "kept" => Panel::Kept,
        "late" => Panel::Late,
        "decided" => Panel::Decided,
        "ended" => Panel::Ended,
        _ => return Err(corrupt()),
    })
}

pub(super) fn message(row: Row) -> Result<ButtonMessage, StoreError> {
    Ok(ButtonMessage {
        panel: panel(&row)?,
        id: row.id,
        place: row.chat.zip(row.message),
        shop: ShopName::new(&row.shop).map_err(|_| StoreError::corrupt("a shop", &row.shop))?,
        order: OrderId::new(&row.order_id)
            .map_err(|_| StoreError::corrupt("an order id", &row.order_id))?,
        channel: row.channel,
        version: row.version,
        text: row.body,
        ends_at: at(row.ends_at)?,
        revision: row.revision,
        shown: row.shown,
    })
}
