//! The state of a shop as a whole: paused by a person, denied access by Kaspi, clock skew.

use jiff::Timestamp;
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::shop_identity::identity;
use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::denial::Denial;
use crate::domain::ids::{Account, ShopName};
use crate::domain::known_shop::StoredMismatch;
use crate::domain::notice::{Kind, Notice};
use crate::domain::people::{Actor, Verb};
use crate::domain::stock::STOCK_DEFAULT;

/// What stops a shop, and its clock skew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShopState {
    /// Why it was paused, while it is.
    pub paused: Option<String>,
    /// Since when Kaspi denies access to its token, and with which message.
    pub denied: Option<(Timestamp, String)>,
    /// Kaspi's clock minus ours, in seconds.
    pub clock_skew_s: Option<i64>,
    /// Why it is in doubt which merchant account it is, while that is so.
    pub mismatch: Option<String>,
    /// The stock that it sells from.
    pub stock: String,
    /// Since when the other shops of its stock go on without it, as a person said.
    pub waived: Option<Timestamp>,
}

/// Pauses a shop, or resumes it.
pub(crate) async fn set_paused(
    tx: &mut WriteTx<'_>,
    (shop, why): (&ShopName, Option<&str>),
    actor: &Actor,
    now: Timestamp,
) -> Result<(), StoreError> {
    actor.check(Verb::Pause, shop)?;
    tx.by(actor, Some(shop));
    sqlx::query(
        "INSERT INTO shops (name, paused_at, paused_why) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET paused_at = ?2, paused_why = ?3",
    )
    .bind(shop.as_str())
    .bind(why.map(|_| ms(now)))
    .bind(why)
    .execute(tx.conn()?)
    .await?;
    let event = if why.is_some() {
        "shop.paused"
    } else {
        "shop.resumed"
    };
    let detail = json!({ "why": why });
    tx.audit(now, actor.name(), (shop, None), event, detail);
    Ok(())
}

/// Stores the account of a shop.
pub(crate) async fn set_account(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    account: &Account,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE shops SET account = ? WHERE name = ?")
        .bind(account.as_str())
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    let detail = json!({ "account": account });
    tx.audit(now, "qabyl", (shop, None), "shop.account_learned", detail);
    Ok(())
}

/// Stores why what a shop reads is not its own (`Some`), or that it is.
pub(crate) async fn set_mismatch(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    mismatch: Option<&StoredMismatch>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let why = mismatch.map(|mismatch| mismatch.why.as_str());
    let with = mismatch.and_then(|mismatch| mismatch.with.as_ref());
    sqlx::query(
        "UPDATE shops SET mismatch_at = ?, mismatch_why = ?, mismatch_with = ?, mismatch_by = ? WHERE name = ?",
    )
    .bind(why.map(|_| ms(now)))
    .bind(why)
    .bind(with.map(ShopName::as_str))
    .bind(mismatch.map(|mismatch| mismatch.by.as_str()))
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    let event = if why.is_some() {
        "shop.mismatched"
    } else {
        "shop.identified"
    };
    let detail = json!({ "why": why, "with": with });
    tx.audit(now, "qabyl", (shop, None), event, detail);
    if why.is_some() {
        let notice = Notice::of_shop(Kind::ShopMismatch, shop, &ms(now).to_string(), json!({}));
        tx.notice(now, notice);
    }
    Ok(())
}

/// Marks a shop as configured or not.
pub(crate) async fn set_removed(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    removed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = if removed_at.is_some() {
        "UPDATE shops SET removed_at = ?2 WHERE name = ?1"
    } else {
        "UPDATE shops SET removed_at = NULL, forgotten_at = NULL, added_at = COALESCE(added_at, ?2) WHERE name = ?1"
    };
    sqlx::query(statement)
        .bind(shop.as_str())
        .bind(ms(removed_at.unwrap_or(now)))
        .execute(tx.conn()?)
        .await?;
    let event = if removed_at.is_some() {
        "shop.removed"
    } else {
        "shop.configured"
    };
    tx.audit(now, "qabyl", (shop, None), event, json!({}));
    Ok(())
}

/// Marks what a removed shop had promised as ended by a person.
pub(crate) async fn set_forgotten(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE shops SET forgotten_at = ? WHERE name = ? AND removed_at IS NOT NULL")
        .bind(ms(now))
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

pub(crate) async fn set_token_digest(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    digest: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE shops SET token_digest = ? WHERE name = ?")
        .bind(digest)
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

pub(crate) async fn add(tx: &mut WriteTx<'_>, shop: &ShopName) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO shops (name) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// What a shop keeps under another name.
#[derive(FromRow)]
struct Kept {
    paused_at: Option<i64>,
    paused_why: Option<String>,
    account: Option<String>,
    clock_skew_s: Option<i64>,
    orders_deleted_before: Option<i64>,
}

impl Kept {
    async fn of(tx: &mut WriteTx<'_>, shop: &ShopName) -> Result<Option<Self>, StoreError> {
        let row = sqlx::query_as(
            "SELECT paused_at, paused_why, account, clock_skew_s, orders_deleted_before FROM shops WHERE name = ?",
        )
        .bind(shop.as_str())
        .fetch_optional(tx.conn()?)
        .await?;
        Ok(row)
    }

    /// A pause of either stays, as do the account, the skew, and the later of both marks of deleted orders.
    fn joined(self, earlier: Self) -> Self {
        let (paused_at, paused_why) = if self.paused_at.is_some() {
            (self.paused_at, self.paused_why)
        } else {
            (earlier.paused_at, earlier.paused_why)
        };
        Self {
            paused_at,
            paused_why,
            account: self.account.or(earlier.account),
            clock_skew_s: self.clock_skew_s.or(earlier.clock_skew_s),
            orders_deleted_before: self
                .orders_deleted_before
                .max(earlier.orders_deleted_before),
        }
    }
}

/// Joins the row of a shop's earlier name into its row.
pub(crate) async fn join_earlier_name(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    earlier: &ShopName,
) -> Result<(), StoreError> {
    let (own, before) = (Kept::of(tx, shop).await?, Kept::of(tx, earlier).await?);
    let Some((own, before)) = own.zip(before) else {
        return Ok(());
    };
    let joined = own.joined(before);
    sqlx::query(
        "UPDATE shops SET paused_at = ?, paused_why = ?, account = ?, clock_skew_s = ?, orders_deleted_before = ?
         WHERE name = ?",
    )
    .bind(joined.paused_at)
    .bind(joined.paused_why)
    .bind(joined.account)
    .bind(joined.clock_skew_s)
    .bind(joined.orders_deleted_before)
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    sqlx::query("DELETE FROM shops WHERE name = ?")
        .bind(earlier.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    paused_why: Option<String>,
    denied_at: Option<i64>,
    denied_why: Option<String>,
    clock_skew_s: Option<i64>,
    stock: String,
    waived_at: Option<i64>,
}

fn shop_name(name: String) -> Result<ShopName, StoreError> {
    ShopName::new(&name).map_err(|_| StoreError::corrupt("a shop", name))
}

/// The stock that a shop sells from; that of one never configured is the default.
pub(crate) async fn stock_of(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<String, StoreError> {
    let stock: Option<String> = sqlx::query_scalar("SELECT stock FROM shops WHERE name = ?")
        .bind(shop.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(stock.unwrap_or_else(|| STOCK_DEFAULT.to_owned()))
}

/// The configured shops that sell from a stock.
pub(crate) async fn selling_from(
    connection: &mut SqliteConnection,
    stock: &str,
) -> Result<Vec<ShopName>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM shops WHERE removed_at IS NULL AND stock = ? ORDER BY name",
    )
    .bind(stock)
    .fetch_all(connection)
    .await?;
    names.into_iter().map(shop_name).collect()
}

/// The configured shops whose orders an accept of `own` waits for: those of the same stock, but for waived ones.
pub(crate) async fn sharing_stock(
    connection: &mut SqliteConnection,
    own: &ShopName,
) -> Result<Vec<ShopName>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT s.name FROM shops s JOIN shops own ON own.name = ? AND own.stock = s.stock
         WHERE s.removed_at IS NULL AND s.waived_at IS NULL AND s.name <> own.name ORDER BY s.name",
    )
    .bind(own.as_str())
    .fetch_all(connection)
    .await?;
    names.into_iter().map(shop_name).collect()
}

/// All configured shops.
pub(crate) async fn configured(
    connection: &mut SqliteConnection,
) -> Result<Vec<ShopName>, StoreError> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM shops WHERE removed_at IS NULL ORDER BY name")
            .fetch_all(connection)
            .await?;
    names.into_iter().map(shop_name).collect()
}

/// The configured shops of the same stock as this one, waived or not.
pub(crate) async fn of_same_stock(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Vec<ShopName>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT s.name FROM shops s JOIN shops own ON own.name = ? AND own.stock = s.stock
         WHERE s.removed_at IS NULL AND s.name <> own.name ORDER BY s.name",
    )
    .bind(shop.as_str())
    .fetch_all(connection)
    .await?;
    names.into_iter().map(shop_name).collect()
}

/// Configured shops that are not waived, and when each was first configured.
pub(crate) async fn not_waived(
    connection: &mut SqliteConnection,
) -> Result<Vec<(ShopName, Option<Timestamp>)>, StoreError> {
    let rows: Vec<(String, Option<i64>)> = sqlx::query_as(
        "SELECT name, added_at FROM shops WHERE removed_at IS NULL AND waived_at IS NULL ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    let shop = |(name, added_at): (String, Option<i64>)| {
        Ok((shop_name(name)?, added_at.map(at).transpose()?))
    };
    rows.into_iter().map(shop).collect()
}

/// Stores that the other shops of the same stock go on without this one, or no longer. `false` where that is so
/// already, or there is no such shop.
pub(crate) async fn set_waived(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    waived_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE shops SET waived_at = ?1 WHERE name = ?2 AND (waived_at IS NULL) <> (?1 IS NULL)",
    )
    .bind(waived_at.map(ms))
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Stores which stock a shop sells from.
pub(crate) async fn set_stock_group(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    group: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE shops SET stock = ? WHERE name = ?")
        .bind(group)
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

impl Store {
    /// Adds the shop. Idempotent.
    pub async fn add_shop(&self, shop: &ShopName) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        add(&mut tx, shop).await?;
        tx.commit().await
    }

    /// The shop's state.
    pub async fn shop_state(&self, shop: &ShopName) -> Result<ShopState, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT paused_why, denied_at, denied_why, clock_skew_s, stock, waived_at FROM shops WHERE name = ?",
        )
        .bind(shop.as_str())
        .fetch_optional(&mut *reader)
        .await?;
        let Some(row) = row else {
            return Ok(ShopState::default());
        };
        let denied = match (row.denied_at, row.denied_why) {
            (Some(since), Some(why)) => Some((at(since)?, why)),
            _ => None,
        };
        Ok(ShopState {
            paused: row.paused_why,
            denied,
            clock_skew_s: row.clock_skew_s,
            mismatch: identity(&mut reader, shop).await?.1,
            stock: row.stock,
            waived: row.waived_at.map(at).transpose()?,
        })
    }

    /// Pauses the shop (`Some(why)`) or resumes it.
    pub async fn set_paused(
        &self,
        shop: &ShopName,
        why: Option<&str>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        set_paused(&mut tx, (shop, why), actor, now).await?;
        tx.commit().await
    }

    /// Records that Kaspi denies the shop access, or grants it again. Every change has its notice: the channels
    /// leave out those that no longer state what is so. Returns whether it changed.
    pub async fn set_denied(
        &self,
        shop: &ShopName,
        denied: Option<(Denial, &str)>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let why = denied.map(|(_, why)| why);
        if self.shop_state(shop).await?.denied.is_some() == why.is_some() {
            return Ok(false);
        }
        let mut tx = self.write().await?;
        sqlx::query("UPDATE shops SET denied_at = ?2, denied_why = ?3 WHERE name = ?1")
            .bind(shop.as_str())
            .bind(why.map(|_| ms(now)))
            .bind(denied.map(|(denial, why)| format!("{}: {why}", denial.code())))
            .execute(tx.conn()?)
            .await?;
        let event = if why.is_some() {
            "shop.denied"
        } else {
            "shop.admitted"
        };
        tx.audit(now, "qabyl", (shop, None), event, json!({ "why": why }));
        let kind = if why.is_some() {
            Kind::ShopDenied
        } else {
            Kind::ShopAdmitted
        };
        let facts = json!({ "code": denied.map(|(denial, _)| denial.code()) });
        let notice = Notice::of_shop(kind, shop, &ms(now).to_string(), facts);
        tx.notice(now, notice);
        tx.commit().await?;
        Ok(true)
    }
}

/// Notes that finished orders placed before this moment were deleted.
pub(crate) async fn note_deleted(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    before: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE shops SET orders_deleted_before = ?1
         WHERE name = ?2 AND (orders_deleted_before IS NULL OR orders_deleted_before < ?1)",
    )
    .bind(ms(before))
    .bind(shop.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Notes that the lines of an order of the shop add up to its total.
pub(crate) async fn note_sums_agree(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE shops SET sums_agree_at = ? WHERE name = ? AND sums_agree_at IS NULL")
        .bind(ms(now))
        .bind(shop.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Whether the lines of an order of the shop were ever seen to add up to its total.
pub(crate) async fn do_sums_agree(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
) -> Result<bool, StoreError> {
    let agree: Option<bool> =
        sqlx::query_scalar("SELECT sums_agree_at IS NOT NULL FROM shops WHERE name = ?")
            .bind(shop.as_str())
            .fetch_optional(tx.conn()?)
            .await?;
    Ok(agree.unwrap_or(false))
}
