//! Today's counts, for the status line that a service manager shows.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{Store, StoreError, ms};

/// Counts since a moment, of all shops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, FromRow)]
pub struct Today {
    /// Orders seen for the first time.
    pub orders: i64,
    /// Accepts that Kaspi was seen to have carried out.
    pub accepted: i64,
    /// Cancels that Kaspi was seen to have carried out.
    pub cancelled: i64,
}

pub(crate) const TODAY: &str = "
WITH a AS (SELECT a.kind FROM shops s CROSS JOIN actions a INDEXED BY actions_confirmed
  WHERE a.shop = s.name AND a.state = 'confirmed' AND a.closed_at >= ?1)
SELECT (SELECT COUNT(*) FROM shops s CROSS JOIN orders o INDEXED BY orders_seen
  WHERE o.shop = s.name AND o.first_seen_at >= ?1) AS orders,
 (SELECT COUNT(*) FROM a WHERE kind = 'accept') AS accepted,
 (SELECT COUNT(*) FROM a WHERE kind = 'cancel') AS cancelled";

impl Store {
    /// Counts since `since`.
    ///
    /// # Errors
    /// A database error.
    pub async fn today(&self, since: Timestamp) -> Result<Today, StoreError> {
        let mut reader = self.read().await?;
        Ok(sqlx::query_as(TODAY)
            .bind(ms(since))
            .fetch_one(&mut *reader)
            .await?)
    }
}
