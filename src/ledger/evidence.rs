//! Loads what verdicts rest on besides stock: the last complete sweeps, and orders not accounted for.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::SqliteConnection;

use crate::domain::evidence::{Cause, Evidence, Interval, OtherShop, Unaccounted};
use crate::domain::ids::ShopName;
use crate::domain::unaccounted::OrderWithoutLines;
use crate::store::unaccounted as stored;
use crate::store::{Store, StoreError, WriteTx, at, shops};

impl WriteTx<'_> {
    /// What the shop's verdicts rest on.
    pub(crate) async fn evidence(&mut self, shop: &ShopName) -> Result<Evidence, StoreError> {
        evidence(self.conn()?, shop).await
    }
}

/// A shop that could not be read for long, and those that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentShop {
    /// The shop.
    pub shop: ShopName,
    /// When its accepted orders were last read, or it was configured.
    pub since: Timestamp,
    /// The shops of the same stock, which wait for it.
    pub waiting: Vec<ShopName>,
}

impl Store {
    /// Shops that were not read for so long and keep others of the same stock waiting, as nobody has waived them.
    pub async fn silent_shops(
        &self,
        patience: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<SilentShop>, StoreError> {
        let mut reader = self.read().await?;
        let mut found = Vec::new();
        for (shop, added_at) in shops::not_waived(&mut reader).await? {
            let read = last_sweep(&mut reader, &shop, false).await?;
            let since = read.map(|sweep| sweep.start).or(added_at);
            let Some(since) = since.filter(|since| now.duration_since(*since) > patience) else {
                continue;
            };
            let waiting = shops::of_same_stock(&mut reader, &shop).await?;
            if !waiting.is_empty() {
                found.push(SilentShop {
                    shop,
                    since,
                    waiting,
                });
            }
        }
        Ok(found)
    }

    /// Lets the other shops of the same stock go on without a shop that cannot be read, until it is read again: they
    /// sell without knowing its orders. Or ends that.
    pub async fn waive_shop(
        &self,
        shop: &ShopName,
        is_waived: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if !shops::set_waived(&mut tx, shop, is_waived.then_some(now)).await? {
            return Err(StoreError::Refused(format!(
                "there is no shop {shop} that this would change: `qabyl shops list`"
            )));
        }
        let event = if is_waived {
            "shop.waived"
        } else {
            "shop.waiver_ended"
        };
        tx.audit(now, actor, (shop, None), event, json!({}));
        tx.commit().await
    }

    /// Stores which stock each shop sells from.
    pub async fn set_stock_groups(&self, groups: &[(&ShopName, &str)]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for (shop, group) in groups {
            shops::set_stock_group(&mut tx, shop, group).await?;
        }
        tx.commit().await
    }

    /// Orders of all shops of a stock, or of all (empty), that may hold units which no reservation counts, and shops
    /// never read completely.
    pub async fn unaccounted(&self, stock: &str) -> Result<Evidence, StoreError> {
        let mut reader = self.read().await?;
        let mut evidence = Evidence::default();
        let shops = if stock.is_empty() {
            shops::configured(&mut reader).await?
        } else {
            shops::selling_from(&mut reader, stock).await?
        };
        add_others(&mut reader, &mut evidence, shops).await?;
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
        other_shops: Vec::new(),
    };
    let others = shops::sharing_stock(connection, shop).await?;
    add_others(connection, &mut evidence, others).await?;
    Ok(evidence)
}

/// Adds the orders of other shops, and which of these were never read.
async fn add_others(
    connection: &mut SqliteConnection,
    evidence: &mut Evidence,
    others: Vec<ShopName>,
) -> Result<(), StoreError> {
    for other in others {
        let Some(accepted) = last_sweep(connection, &other, false).await? else {
            evidence.unread_shops.push(other);
            continue;
        };
        evidence.other_shops.push(OtherShop {
            shop: other.clone(),
            accepted,
            archive: last_sweep(connection, &other, true).await?,
        });
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
    for stored in stored::without_lines(connection, shop, OrderWithoutLines::is_unaccounted).await?
    {
        let order = &stored.order.order;
        let (cause, left_by) = (order.cause(), order.left_by());
        found.push(stored.order.unaccounted(cause, stored.may_hold, left_by));
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
