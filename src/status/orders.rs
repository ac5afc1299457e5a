//! What commands and the API say of an order, in short.

use crate::domain::explanation;
use crate::domain::order::{Lines, Status};
use crate::domain::order_version::OrderVersion;
use crate::domain::verdict::Verdict;
use crate::store::OrderView;

/// What Qabyl has done about an order, in short.
pub(crate) fn standing(view: &OrderView) -> String {
    if let Some((who, _)) = &view.held
        && view.order.awaits_merchant()
    {
        return format!("held by {who}");
    }
    if let Some(action) = view.actions.last()
        && view
            .decision
            .as_ref()
            .is_none_or(|d| matches!(d.decision.verdict.word(), "accept" | "cancel"))
    {
        let kind = action.kind.word();
        let is_late = action.state.as_str() == "refused" && view.order.status == Status::Cancelled;
        if is_late && kind == "accept" {
            return "cancelled before the accept".to_owned();
        }
        return format!("{kind} {}", action.state.as_str());
    }
    match &view.decision {
        Some(decision) if view.order.awaits_merchant() => {
            decision.decision.verdict.word().to_owned()
        }
        _ if view.order.awaits_merchant() => "not decided yet".to_owned(),
        _ if view.order.status.rank().is_none() => {
            "unknown status: look at it in the cabinet".to_owned()
        }
        _ => "decided elsewhere".to_owned(),
    }
}

/// The reason for it, in short.
pub(crate) fn reason(view: &OrderView) -> String {
    if let Some((_, why)) = &view.held {
        return why.clone();
    }
    let Some(decision) = &view.decision else {
        let is_unread = view.lines.is_empty() && view.order.awaits_merchant();
        return if is_unread {
            "its lines have not been read yet"
        } else {
            ""
        }
        .to_owned();
    };
    let is_open = matches!(
        decision.decision.verdict,
        Verdict::Hold | Verdict::Wait { .. }
    );
    match &view.present_why {
        Some(why) if is_open && view.order.awaits_merchant() => why.clone(),
        _ => explanation::in_short(&decision.decision, &decision.facts),
    }
}

/// The version of the order that is shown: a manual decision may name it.
pub(crate) fn version(view: &OrderView) -> String {
    let lines = Lines::Known(view.lines.clone());
    OrderVersion::of(&view.order, &lines).token()
}
