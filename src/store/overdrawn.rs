//! The table `stock_overdrawn`: levels of which more is promised than there is, since when.

use jiff::Timestamp;

use super::{Store, StoreError, WriteTx, at, ms};

/// An episode: SKU, warehouse, since when.
pub(crate) type Episode = (String, String, Timestamp);

pub(crate) async fn episodes(tx: &mut WriteTx<'_>) -> Result<Vec<Episode>, StoreError> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT sku, warehouse, since FROM stock_overdrawn")
            .fetch_all(tx.conn()?)
            .await?;
    rows.into_iter()
        .map(|(sku, warehouse, since)| Ok((sku, warehouse, at(since)?)))
        .collect()
}

pub(crate) async fn begin(
    tx: &mut WriteTx<'_>,
    (sku, warehouse): (&str, &str),
    since: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO stock_overdrawn (sku, warehouse, since) VALUES (?, ?, ?)")
        .bind(sku)
        .bind(warehouse)
        .bind(ms(since))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

pub(crate) async fn end(
    tx: &mut WriteTx<'_>,
    (sku, warehouse): (&str, &str),
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stock_overdrawn WHERE sku = ? AND warehouse = ?")
        .bind(sku)
        .bind(warehouse)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

impl Store {
    /// Since when more of a level is promised than there is, as was last noted.
    pub async fn overdrawn_since(
        &self,
        sku: &str,
        warehouse: &str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let since: Option<i64> =
            sqlx::query_scalar("SELECT since FROM stock_overdrawn WHERE sku = ? AND warehouse = ?")
                .bind(sku)
                .bind(warehouse)
                .fetch_optional(&mut *reader)
                .await?;
        since.map(at).transpose()
    }

    /// SKUs that open orders have reservations of.
    pub(crate) async fn reserved_skus(&self) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let skus = sqlx::query_scalar(
            "SELECT DISTINCT sku FROM reservations INDEXED BY reservations_active WHERE state = 'active'",
        );
        Ok(skus.fetch_all(&mut *reader).await?)
    }
}
