//! The catch-up after the database was restored from a backup: it reads the current state of every order,
//! including orders that the backup lacks and that are finished by now. Nothing is sent until it is
//! complete.

use super::super::{Ctx, StageError};
use super::reading::{
    ACCEPTED, Part, list_archive, list_states, read_lines_of_accepted_elsewhere, read_singly,
    record,
};
use super::{CatchUp, Report, Start};
use crate::domain::ids::OrderId;
use crate::events::log_event;
use crate::kaspi::RequestClass;

/// Everything waits for it.
const CLASS: RequestClass = RequestClass::Evidence;

/// Orders read singly in one batch.
const BATCH: u32 = 200;

/// Carries the catch-up out.
pub(super) async fn run(ctx: &Ctx, plan: &CatchUp, start: Start) -> Result<Report, StageError> {
    let mut part = Part::default();
    read_all(ctx, plan, &mut part).await?;
    record(ctx, start, plan.window, true, &mut part).await?;
    ctx.log_action_ends(&part.observed);
    if part.problem.is_none() {
        let now = ctx.clock.now();
        ctx.store.caught_up(&ctx.shop, now).await?;
        log_event!(
            SHOP_CAUGHT_UP, shop = %ctx.shop, listed = part.listed, new = part.observed.new,
            changed = part.observed.changed, "what happened since the backup was made is known: work continues"
        );
    }
    ctx.note_access(part.error.as_ref()).await?;
    part.into_report()
}

async fn read_all(ctx: &Ctx, plan: &CatchUp, part: &mut Part) -> Result<(), StageError> {
    list_states((ctx, CLASS), &ACCEPTED, plan.window, part).await?;
    if part.error.is_some() {
        return Ok(());
    }
    list_archive((ctx, CLASS), plan.window, part).await?;
    // Unfinished orders that no list showed are read singly, each once.
    let mut last: Option<OrderId> = None;
    while part.error.is_none() {
        let ids = ctx
            .store
            .unfinished(&ctx.shop, plan.restored_at, last.as_ref(), BATCH)
            .await?;
        let Some(end) = ids.last() else {
            let since = (plan.restored_at, plan.window.from);
            return read_lines_of_accepted_elsewhere((ctx, CLASS), since, part).await;
        };
        last = Some(end.clone());
        read_singly((ctx, CLASS), ids, part).await?;
    }
    Ok(())
}
