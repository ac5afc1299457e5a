//! The table `product_imports`: which files of products were sent to Kaspi's catalogue. Kaspi cannot tell a repeated
//! import from a new one, so whoever sends one claims its content first.

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::ids::ShopName;

/// The products of a file, for one shop.
#[derive(Debug, Clone, Copy)]
pub struct ProductsOf<'a> {
    /// The shop.
    pub shop: &'a ShopName,
    /// A digest of the products.
    pub digest: &'a str,
}

/// What is known of an earlier import of the same products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportClaim {
    /// There is none: the caller sends it now.
    Ours,
    /// Another command is sending it.
    Sending,
    /// It was sent then, and it is unknown whether Kaspi took it.
    Unknown(Timestamp),
    /// Kaspi took it then, under this code, and no other products since.
    Taken(Timestamp, String),
}

/// How a claimed import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportEnd<'a> {
    /// Kaspi took it under this code.
    Taken(&'a str),
    /// It is unknown whether Kaspi took it.
    Unknown,
    /// Kaspi does not have it.
    NotTaken,
}

impl Store {
    /// Claims the products unless an earlier import of them stands; with `again` only one that is being sent stands,
    /// for as long as a sending may take.
    pub async fn claim_import(
        &self,
        products: ProductsOf<'_>,
        (again, sending_max): (bool, SignedDuration),
        now: Timestamp,
    ) -> Result<ImportClaim, StoreError> {
        let mut tx = self.write().await?;
        let standing = standing(&mut tx, products, sending_max, now).await?;
        let is_free = match &standing {
            None => true,
            Some(ImportClaim::Sending) => false,
            Some(_) => again,
        };
        if let Some(standing) = standing.filter(|_| !is_free) {
            return Ok(standing);
        }
        sqlx::query(
            "INSERT INTO product_imports (shop, digest, state, begun_at) VALUES (?1, ?2, 'sending', ?3)
             ON CONFLICT (shop, digest) DO UPDATE SET state = 'sending', begun_at = ?3, code = NULL",
        )
        .bind(products.shop.as_str())
        .bind(products.digest)
        .bind(ms(now))
        .execute(tx.conn()?)
        .await?;
        tx.commit().await?;
        Ok(ImportClaim::Ours)
    }

    /// Records how an import ended. One that Kaspi took replaces the shop's earlier ones: their products may be sent
    /// again.
    pub async fn end_import(
        &self,
        products: ProductsOf<'_>,
        end: ImportEnd<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (shop, digest) = (products.shop.as_str(), products.digest);
        let statement = match end {
            ImportEnd::Taken(code) => {
                sqlx::query("DELETE FROM product_imports WHERE shop = ? AND state = 'taken'")
                    .bind(shop)
                    .execute(tx.conn()?)
                    .await?;
                sqlx::query(
                    "UPDATE product_imports SET state = 'taken', code = ?3 WHERE shop = ?1 AND digest = ?2",
                )
                .bind(shop)
                .bind(digest)
                .bind(code)
            }
            ImportEnd::Unknown => sqlx::query(
                "UPDATE product_imports SET state = 'unknown' WHERE shop = ?1 AND digest = ?2",
            )
            .bind(shop)
            .bind(digest),
            ImportEnd::NotTaken => {
                sqlx::query("DELETE FROM product_imports WHERE shop = ?1 AND digest = ?2")
                    .bind(shop)
                    .bind(digest)
            }
        };
        statement.execute(tx.conn()?).await?;
        tx.commit().await
    }

    /// Forgets an import that Kaspi did not carry out: its products may be sent again as they are.
    pub async fn forget_import(&self, shop: &ShopName, code: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM product_imports WHERE shop = ? AND code = ?")
            .bind(shop.as_str())
            .bind(code)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await
    }
}

async fn standing(
    tx: &mut WriteTx<'_>,
    products: ProductsOf<'_>,
    sending_max: SignedDuration,
    now: Timestamp,
) -> Result<Option<ImportClaim>, StoreError> {
    let row: Option<(String, i64, Option<String>)> = sqlx::query_as(
        "SELECT state, begun_at, code FROM product_imports WHERE shop = ? AND digest = ?",
    )
    .bind(products.shop.as_str())
    .bind(products.digest)
    .fetch_optional(tx.conn()?)
    .await?;
    let Some((state, begun, code)) = row else {
        return Ok(None);
    };
    let begun = at(begun)?;
    let is_recent = now.duration_since(begun).abs() < sending_max;
    Ok(Some(match (state.as_str(), code) {
        ("sending", _) if is_recent => ImportClaim::Sending,
        // Whoever was sending it was killed.
        ("sending" | "unknown", _) => ImportClaim::Unknown(begun),
        ("taken", Some(code)) => ImportClaim::Taken(begun, code),
        (other, _) => return Err(StoreError::corrupt("an import of products", other)),
    }))
}
