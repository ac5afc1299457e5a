//! Read model: which merchant account each shop is, and what is in doubt about it.

use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, at};
use crate::domain::ids::{Account, ShopName};
use crate::domain::known_shop::{KnownShop, Left, ShownBy, StoredMismatch, why_stopped};

/// A shop's row, as far as it identifies the shop.
#[derive(FromRow)]
struct IdentityRow {
    name: String,
    account: Option<String>,
    added_at: Option<i64>,
    removed_at: Option<i64>,
    forgotten_at: Option<i64>,
    mismatch_why: Option<String>,
    mismatch_with: Option<String>,
    mismatch_by: Option<String>,
}

impl IdentityRow {
    fn shop(self) -> Result<KnownShop, StoreError> {
        let name =
            |name: &str| ShopName::new(name).map_err(|_| StoreError::corrupt("a shop", name));
        let account = self.account.map(|account| {
            Account::new(&account).map_err(|_| StoreError::corrupt("an account", &account))
        });
        let with = self.mismatch_with.as_deref().map(name).transpose()?;
        let by = |word: String| {
            ShownBy::parse(&word).ok_or_else(|| StoreError::corrupt("what showed a mismatch", word))
        };
        let by = self.mismatch_by.map(by).transpose()?;
        Ok(KnownShop {
            name: name(&self.name)?,
            account: account.transpose()?,
            added_at: self.added_at.map(at).transpose()?,
            removed_at: self.removed_at.map(at).transpose()?,
            is_forgotten: self.forgotten_at.is_some(),
            mismatch: self
                .mismatch_why
                .zip(by)
                .map(|(why, by)| StoredMismatch { why, with, by }),
        })
    }
}

/// Every shop that was ever configured.
pub(crate) async fn known_shops(
    connection: &mut SqliteConnection,
) -> Result<Vec<KnownShop>, StoreError> {
    let rows: Vec<IdentityRow> = sqlx::query_as(
        "SELECT name, account, added_at, removed_at, forgotten_at, mismatch_why, mismatch_with, mismatch_by
         FROM shops ORDER BY name",
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(IdentityRow::shop).collect()
}

/// What is left of removed shops.
pub(crate) const LEFT: &str = "
SELECT s.name, s.paused_at IS NOT NULL AS is_paused,
  EXISTS (SELECT 1 FROM reservations r INDEXED BY reservations_active WHERE r.shop = s.name AND r.state = 'active')
    AS has_promises,
  EXISTS (SELECT 1 FROM orders o INDEXED BY orders_open WHERE o.shop = s.name AND o.state = 'NEW'
    AND o.status = 'APPROVED_BY_BANK') AS has_waiting_orders
FROM shops s WHERE s.removed_at IS NOT NULL";

/// Those of these shops that left the configuration with something that would be lost.
async fn at_stake(
    connection: &mut SqliteConnection,
    shops: &[KnownShop],
) -> Result<Vec<ShopName>, StoreError> {
    if shops.iter().all(KnownShop::is_configured) {
        return Ok(Vec::new());
    }
    let rows: Vec<(String, bool, bool, bool)> = sqlx::query_as(LEFT).fetch_all(connection).await?;
    let left = |shop: &&KnownShop| {
        let row = rows.iter().find(|(name, ..)| name == shop.name.as_str());
        row.is_some_and(|(_, is_paused, has_promises, has_waiting_orders)| {
            shop.is_at_stake(Left {
                is_paused: *is_paused,
                has_promises: *has_promises,
                has_waiting_orders: *has_waiting_orders,
            })
        })
    };
    Ok(shops
        .iter()
        .filter(left)
        .map(|shop| shop.name.clone())
        .collect())
}

/// A shop's account, and why nothing may be sent for it where its identity is in doubt.
pub(crate) async fn identity(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<(Option<Account>, Option<String>), StoreError> {
    let mut others = known_shops(connection).await?;
    let Some(own) = others.iter().position(|known| known.name == *shop) else {
        return Ok((None, None));
    };
    let own = others.swap_remove(own);
    let at_stake = at_stake(connection, &others).await?;
    let stopped = why_stopped(&own, &others, &at_stake);
    Ok((own.account, stopped))
}

/// The digest of the token that a shop had, where one is stored.
pub(crate) async fn token_digests(
    connection: &mut SqliteConnection,
) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let digests = sqlx::query_as("SELECT name, token_digest FROM shops ORDER BY name");
    Ok(digests.fetch_all(connection).await?)
}

/// The key of the digests.
pub(crate) async fn token_key(connection: &mut SqliteConnection) -> Result<String, StoreError> {
    let key = sqlx::query_scalar("SELECT key FROM token_key WHERE one = 1");
    Ok(key.fetch_one(connection).await?)
}

impl Store {
    /// Every shop that was ever configured, and of the removed ones those that a person must look at.
    pub async fn known_shops(&self) -> Result<(Vec<KnownShop>, Vec<ShopName>), StoreError> {
        let mut reader = self.read().await?;
        let shops = known_shops(&mut reader).await?;
        let at_stake = at_stake(&mut reader, &shops).await?;
        Ok((shops, at_stake))
    }
}
