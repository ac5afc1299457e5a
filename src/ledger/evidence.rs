//! Loads what verdicts rest on besides stock: the last complete sweeps, and orders not accounted for.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::evidence::{Cause, Evidence, Interval, Unaccounted};
use crate::domain::ids::ShopName;
use crate::store::{StoreError, WriteTx, at, unaccounted};

impl WriteTx<'_> {
    /// What the shop's verdicts rest on.
    pub(crate) async fn evidence(&mut self, shop: &ShopName) -> Result<Evidence, StoreError> {
        Ok(Evidence {
            accepted: self.last_sweep(shop, false).await?,
            archive: self.last_sweep(shop, true).await?,
            unaccounted: self.unaccounted(shop).await?,
        })
    }

    async fn unaccounted(&mut self, shop: &ShopName) -> Result<Vec<Unaccounted>, StoreError> {
        let mut found = Vec::new();
        for stored in unaccounted::without_lines(self.conn()?, shop).await? {
            let order = &stored.order.order;
            if order.is_unaccounted() {
                let (cause, left_by) = (order.cause(), order.left_by());
                let order = stored.order;
                found.push(order.unaccounted(cause, stored.may_hold, left_by));
            }
        }
        let mut missing = Vec::new();
        let mut read_at: HashMap<Option<i64>, Option<Timestamp>> = HashMap::new();
        for stored in unaccounted::missing_from_new_list(self.conn()?, shop).await? {
            if !stored.order.is_unaccounted() {
                continue;
            }
            let list = stored.order.listed_scan;
            let since = match read_at.get(&list) {
                Some(known) => *known,
                None => unaccounted::next_list_read_at(self.conn()?, shop, list).await?,
            };
            read_at.insert(list, since);
            missing.extend(since.map(|since| (since, stored)));
        }
        missing.sort_by_key(|(since, _)| Reverse(*since));
        for (since, stored) in missing {
            let may_hold = unaccounted::may_hold_by_lines(self.conn()?, shop, &stored.id).await?;
            let cause = Cause::MissingFromNewList { since };
            found.push(stored.unaccounted(cause, may_hold, None));
        }
        Ok(found)
    }

    /// The last complete sweep, or the last one that read the archive too.
    async fn last_sweep(
        &mut self,
        shop: &ShopName,
        with_archive: bool,
    ) -> Result<Option<Interval>, StoreError> {
        let sweep: Option<(i64, i64)> = sqlx::query_as(
            "SELECT started_at, finished_at FROM scans
             WHERE shop = ? AND kind = 'sweep' AND complete = 1 AND archive_read >= ? ORDER BY id DESC LIMIT 1",
        )
        .bind(shop.as_str())
        .bind(with_archive)
        .fetch_optional(self.conn()?)
        .await?;
        let Some((start, end)) = sweep else {
            return Ok(None);
        };
        Ok(Some(Interval {
            start: at(start)?,
            end: at(end)?,
        }))
    }
}
