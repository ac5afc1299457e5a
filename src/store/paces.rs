//! The table `paces`: the last good pace of each shop's requests.

use super::{Store, StoreError};
use crate::domain::ids::ShopName;

impl Store {
    /// The last good pace of the shop's requests, in requests a second.
    pub async fn pace(&self, shop: &ShopName) -> Result<Option<f64>, StoreError> {
        let mut reader = self.read().await?;
        let pace = sqlx::query_scalar("SELECT per_second FROM paces WHERE shop = ?");
        let pace = pace.bind(shop.as_str()).fetch_optional(&mut *reader);
        Ok(pace.await?)
    }

    /// Stores the pace of the shop's requests.
    pub async fn set_pace(&self, shop: &ShopName, pace: f64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO paces (shop, per_second) VALUES (?1, ?2)
             ON CONFLICT (shop) DO UPDATE SET per_second = ?2",
        )
        .bind(shop.as_str())
        .bind(pace)
        .execute(tx.conn()?)
        .await?;
        tx.commit().await
    }
}
