//! What a verdict rests on beside the order itself: readings, counts, pauses and the stored lines.

use jiff::{SignedDuration, Timestamp};

use super::availability::Viewpoint;
use super::stock_settings::StockSettings;
use crate::domain::facts::{ShopFacts, ShortageSeen};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::order::{Line, Lines, Order, UnreadableLines};
use crate::domain::unaccounted::LinesState;
use crate::mutant::mutant;
use crate::store::orders::parse_order;
use crate::store::unaccounted::lines_state;
use crate::store::{StoreError, WriteTx, at, counters, shop_identity, shops};

/// What the pass needs to know beside the database.
#[derive(Debug, Clone, Copy)]
pub struct DecidingInput {
    /// How stock numbers are read.
    pub stock: StockSettings,
    /// Window of the cancel budget.
    pub budget_window: SignedDuration,
    /// Kaspi's clock minus ours, in seconds.
    pub clock_skew_s: Option<i64>,
    /// A shop whose accepted orders were last read longer ago than this may have given units back since, to
    /// all that share its stock.
    pub other_shops_max_age: SignedDuration,
}

impl DecidingInput {
    pub(crate) fn viewpoint<'a>(
        &self,
        shop: &'a ShopName,
        now: Timestamp,
    ) -> Option<Viewpoint<'a>> {
        let since = now.saturating_sub(self.other_shops_max_age).unwrap_or(now);
        Some((shop, since)).filter(|_| !mutant("r8_other_shops_are_certain"))
    }
}

pub(crate) fn skus(lines: &Lines) -> impl Iterator<Item = &str> {
    let lines = match lines {
        Lines::Known(lines) => lines.as_slice(),
        Lines::Unreadable(_) => &[],
    };
    lines
        .iter()
        .filter_map(|line| line.sku.as_ref())
        .map(crate::domain::ids::Sku::as_str)
}

/// What an order holds, by how far its lines are read.
pub(crate) fn stored_lines(state: LinesState, lines: Vec<Line>, problem: Option<String>) -> Lines {
    if state.are_known() {
        return Lines::Known(lines);
    }
    let why = problem.unwrap_or_else(|| "not read yet".to_owned());
    Lines::Unreadable(UnreadableLines::of_any(why))
}

impl WriteTx<'_> {
    pub(crate) async fn shop_facts(
        &mut self,
        shop: &ShopName,
        input: &DecidingInput,
        now: Timestamp,
    ) -> Result<ShopFacts, StoreError> {
        self.write_counts().await?;
        let counters = counters::counters(self.conn()?, shop, input.budget_window, now).await?;
        let paused: Option<Option<String>> =
            sqlx::query_scalar("SELECT paused_why FROM shops WHERE name = ?")
                .bind(shop.as_str())
                .fetch_optional(self.conn()?)
                .await?;
        let (account, mismatch) = shop_identity::identity(self.conn()?, shop).await?;
        let stock = shops::stock_of(self.conn()?, shop).await?;
        Ok(ShopFacts {
            account,
            mismatch,
            counters,
            collapse: self.collapse(&stock).await?,
            evidence: self.evidence(shop).await?,
            restored_at: self.restored_at(shop).await?,
            clock_skew_s: input.clock_skew_s,
            paused: paused.flatten(),
        })
    }

    /// One order's shortage so far.
    pub(crate) async fn shortage(
        &mut self,
        shop: &ShopName,
        id: &OrderId,
    ) -> Result<Option<ShortageSeen>, StoreError> {
        let row: Option<(Option<i64>, i64)> = sqlx::query_as(
            "SELECT shortage_since, shortage_scans FROM orders WHERE shop = ? AND id = ?",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_optional(self.conn()?)
        .await?;
        let Some((Some(since), scans)) = row else {
            return Ok(None);
        };
        Ok(Some(ShortageSeen {
            since: at(since)?,
            scans: u32::try_from(scans).unwrap_or(u32::MAX),
        }))
    }

    /// The order and lines of one order, as stored.
    pub(crate) async fn order_and_lines(
        &mut self,
        shop: &ShopName,
        id: &OrderId,
    ) -> Result<Option<(Order, Lines)>, StoreError> {
        let row: Option<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT body, lines_state, lines_problem FROM orders WHERE shop = ? AND id = ?",
        )
        .bind(shop.as_str())
        .bind(id.as_str())
        .fetch_optional(self.conn()?)
        .await?;
        let Some((body, state, problem)) = row else {
            return Ok(None);
        };
        let lines = crate::store::lines::of_order(self, shop, id).await?;
        let lines = stored_lines(lines_state(&state)?, lines, problem);
        Ok(Some((parse_order(&body)?, lines)))
    }
}
