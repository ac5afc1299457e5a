//! The table `stock_overdrawn`: levels of which more is promised than there is, since when.

use jiff::Timestamp;

use super::{Store, StoreError, WriteTx, at, ms};

/// A level: stock (empty: of every shop), SKU, warehouse.
pub(crate) type Level<'a> = (&'a str, &'a str, &'a str);

/// Since when more of a level is promised than there is.
pub(crate) struct Episode {
    stock: String,
    sku: String,
    warehouse: String,
}

impl Episode {
    /// The level.
    pub(crate) fn level(&self) -> Level<'_> {
        (&self.stock, &self.sku, &self.warehouse)
    }
}

pub(crate) async fn episodes(tx: &mut WriteTx<'_>) -> Result<Vec<Episode>, StoreError> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT stock_name, sku, warehouse FROM stock_overdrawn")
            .fetch_all(tx.conn()?)
            .await?;
    let episode = |(stock, sku, warehouse)| Episode {
        stock,
        sku,
        warehouse,
    };
    Ok(rows.into_iter().map(episode).collect())
}

pub(crate) async fn begin(
    tx: &mut WriteTx<'_>,
    (stock, sku, warehouse): Level<'_>,
    since: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO stock_overdrawn (stock_name, sku, warehouse, since) VALUES (?, ?, ?, ?)",
    )
    .bind(stock)
    .bind(sku)
    .bind(warehouse)
    .bind(ms(since))
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

pub(crate) async fn end(
    tx: &mut WriteTx<'_>,
    (stock, sku, warehouse): Level<'_>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stock_overdrawn WHERE stock_name = ? AND sku = ? AND warehouse = ?")
        .bind(stock)
        .bind(sku)
        .bind(warehouse)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

impl Store {
    /// Since when more of a level of that stock (empty: of every shop) is promised than there is, as was last noted.
    pub async fn overdrawn_since(
        &self,
        stock: &str,
        (sku, warehouse): (&str, &str),
    ) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let since: Option<i64> = sqlx::query_scalar(
            "SELECT since FROM stock_overdrawn WHERE stock_name = ? AND sku = ? AND warehouse = ?",
        )
        .bind(stock)
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
