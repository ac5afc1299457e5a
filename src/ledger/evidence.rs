//! Loads what verdicts rest on besides stock: the last complete sweeps, and orders not accounted for.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use crate::domain::evidence::{Cause, Evidence, Interval, Unaccounted};
use crate::domain::ids::ShopName;
use crate::store::unaccounted as stored;
use crate::store::{Store, StoreError, WriteTx, at, shops};

impl WriteTx<'_> {
    /// What the shop's verdicts rest on.
    pub(crate) async fn evidence(&mut self, shop: &ShopName) -> Result<Evidence, StoreError> {
        evidence(self.conn()?, shop).await
    }
}

impl Store {
    /// Orders of all shops that may hold units which no reservation counts, and shops never read completely.
    pub async fn unaccounted(&self) -> Result<Evidence, StoreError> {
        let mut reader = self.read().await?;
        let mut evidence = Evidence::default();
        add_others(&mut reader, &mut evidence, None).await?;
        Ok(evidence)
    }
}

async fn evidence(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Evidence, StoreError> {
    let mut evidence = Evidence {
        accepted: last_sweep(connection, shop, false).await?,
        archive: last_sweep(connection, shop, true).await?,
        unaccounted: unaccounted(connection, shop).await?,
        unread_shops: Vec::new(),
    };
    add_others(connection, &mut evidence, Some(shop)).await?;
    Ok(evidence)
}

/// Adds the orders of the other shops that share the stock, and which of those shops were never read.
async fn add_others(
    connection: &mut SqliteConnection,
    evidence: &mut Evidence,
    own: Option<&ShopName>,
) -> Result<(), StoreError> {
    for other in shops::configured(connection).await? {
        if Some(&other) == own {
            continue;
        }
        if last_sweep(connection, &other, false).await?.is_none() {
            evidence.unread_shops.push(other);
            continue;
        }
        let of_other = unaccounted(connection, &other).await?;
        let named = of_other.into_iter().map(|order| Unaccounted {
            shop: Some(other.clone()),
            ..order
        });
        evidence.unaccounted.extend(named);
    }
    Ok(())
}

async fn unaccounted(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<Unaccounted>, StoreError> {
    let mut found = Vec::new();
    for stored in stored::without_lines(connection, shop).await? {
        let order = &stored.order.order;
        if order.is_unaccounted() {
            let (cause, left_by) = (order.cause(), order.left_by());
            let order = stored.order;
            found.push(order.unaccounted(cause, stored.may_hold, left_by));
        }
    }
    let mut missing = Vec::new();
    let mut read_at: HashMap<Option<i64>, Option<Timestamp>> = HashMap::new();
    for stored in stored::missing_from_new_list(connection, shop).await? {
        if !stored.order.is_unaccounted() {
            continue;
        }
        let list = stored.order.listed_scan;
        let since = match read_at.get(&list) {
            Some(known) => *known,
            None => stored::next_list_read_at(connection, shop, list).await?,
        };
        read_at.insert(list, since);
        missing.extend(since.map(|since| (since, stored)));
    }
    missing.sort_by_key(|(since, _)| Reverse(*since));
    for (since, stored) in missing {
        let may_hold = stored::may_hold_by_lines(connection, shop, &stored.id).await?;
        let cause = Cause::MissingFromNewList { since };
        found.push(stored.unaccounted(cause, may_hold, None));
    }
    Ok(found)
}

/// The last complete sweep, or the last one that read the archive too.
async fn last_sweep(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    with_archive: bool,
) -> Result<Option<Interval>, StoreError> {
    let sweep: Option<(i64, i64)> = sqlx::query_as(
        "SELECT started_at, finished_at FROM scans
         WHERE shop = ? AND kind = 'sweep' AND complete = 1 AND archive_read >= ? ORDER BY id DESC LIMIT 1",
    )
    .bind(shop.as_str())
    .bind(with_archive)
    .fetch_optional(connection)
    .await?;
    let Some((start, end)) = sweep else {
        return Ok(None);
    };
    Ok(Some(Interval {
        start: at(start)?,
        end: at(end)?,
    }))
}
