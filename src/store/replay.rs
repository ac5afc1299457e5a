//! Decisions made before, with all they rested on: read in pages, so that neither memory nor the log
//! of a running daemon grows with their number.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{Store, StoreError, at, ms};
use crate::domain::decision::Decision;
use crate::domain::facts::Facts;
use crate::domain::ids::ShopName;
use crate::domain::replay::Replay;

/// A decision as it was made.
#[derive(Debug, Clone)]
pub struct Past {
    /// Its row.
    pub id: i64,
    /// When it was made.
    pub at: Timestamp,
    /// What it rested on.
    pub facts: Facts,
    /// The decision.
    pub decision: Decision,
}

/// Which decisions to read.
#[derive(Debug, Clone)]
pub struct PastFilter {
    /// Made then or later.
    pub since: Timestamp,
    /// Of one shop.
    pub shop: Option<String>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    shop: String,
    at: i64,
    body: String,
    facts: String,
}

/// Decisions read at once.
const PAGE_ROWS: u32 = 1_000;

const PAGE: &str = "
SELECT id, shop, at, body, facts FROM decisions
WHERE id > ?1 AND at >= ?2 AND actor = 'qabyl' AND (?3 IS NULL OR shop = ?3)
ORDER BY id LIMIT ?4";

impl Store {
    /// Decides again all decisions that the filter selects.
    pub async fn replay(
        &self,
        filter: &PastFilter,
        replay: &mut Replay<'_>,
    ) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.past_decisions(filter, after, PAGE_ROWS).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.id;
            for past in &page {
                replay.look(past.id, &past.facts, &past.decision, past.at);
            }
        }
    }

    /// The engine's decisions after the row `after`, in order, `limit` at most.
    pub async fn past_decisions(
        &self,
        filter: &PastFilter,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Past>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(PAGE)
            .bind(after)
            .bind(ms(filter.since))
            .bind(filter.shop.as_deref())
            .bind(limit)
            .fetch_all(&mut *reader)
            .await?;
        drop(reader);
        rows.iter().map(past).collect()
    }
}

fn past(row: &Row) -> Result<Past, StoreError> {
    let mut facts: Facts = serde_json::from_str(&row.facts)
        .map_err(|_| StoreError::corrupt("facts", row.id.to_string()))?;
    if facts.shop.is_none() {
        facts.shop = ShopName::new(&row.shop).ok();
    }
    let decision = serde_json::from_str(&row.body)
        .map_err(|_| StoreError::corrupt("a decision", row.id.to_string()))?;
    Ok(Past {
        id: row.id,
        at: at(row.at)?,
        facts,
        decision,
    })
}
