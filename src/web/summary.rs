//! How the shops stand: what their day was, what waits for a person, and what is wrong.

use axum::Extension;
use axum::extract::State;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Shared;
use super::answer::Answer;
use super::guard::Caller;
use super::limits::Kind;
use super::orders::visible;
use crate::pipeline::{Ctx, Mode};
use crate::status::troubles;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// `GET /api/v1/summary`
pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Answer {
    let done = async {
        caller.take(&shared, Kind::Read)?;
        let shops = visible(&shared, &caller, None)?;
        let troubles = troubles::find(&shared.loaded, &shared.store, shared.clock.now()).await?;
        let mut all = Vec::new();
        for ctx in shops {
            let own = troubles
                .iter()
                .filter(|trouble| trouble.of == ctx.shop.as_str());
            let own: Vec<Value> = own.map(troubles::Trouble::as_json).collect();
            all.push(shop(&shared, ctx, own).await?);
        }
        Ok::<Answer, Answer>(Answer::ok(json!({
            "version": env!("CARGO_PKG_VERSION"), "shops": all,
        })))
    };
    done.await.unwrap_or_else(|problem| problem)
}

async fn shop(shared: &Shared, ctx: &Ctx, troubles: Vec<Value>) -> Result<Value, Answer> {
    let (store, now) = (&shared.store, shared.clock.now());
    let since = now.saturating_sub(DAY).unwrap_or(now);
    let day = store.day(&ctx.shop, since).await?;
    let totals = store.totals(Some(&ctx.shop)).await?;
    let state = store.shop_state(&ctx.shop).await?;
    let (listed, _) = store.lists_read(&ctx.shop).await?;
    let mode = match ctx.mode {
        Mode::Observe => "observe",
        Mode::Propose => "propose",
        Mode::Act => "act",
    };
    Ok(json!({
        "shop": ctx.shop, "mode": mode, "paused": state.paused,
        "day": { "new": day.new, "accepted": day.accepted, "cancelled": day.cancelled },
        "held": totals.held, "waiting": totals.waiting, "undecided": totals.undecided,
        "open_actions": totals.open_actions, "stuck": totals.stuck,
        "last_list_at": listed, "troubles": troubles,
    }))
}
