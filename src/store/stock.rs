//! Stock levels with what is promised of them.

use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::facts::Collapse;
use crate::domain::ids::{OrderId, ShopName, Sku};
use crate::domain::ledger::{Ledger, Listing, Promised};
use crate::domain::stock::Semantics;
use crate::ledger::parts::{PartRow, parts};

/// Fewer SKUs than this falling to zero at once say nothing about the feed: small shops sell out.
pub(crate) const COLLAPSE_SKUS_MIN: i64 = 3;

/// One level with what is promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockView {
    /// What the source told.
    pub listing: Listing,
    /// What is promised.
    pub promised: Promised,
}

#[derive(FromRow)]
struct LevelRow {
    sku: String,
    warehouse: String,
    on_hand: Option<i64>,
    as_of: i64,
    source: String,
    confirmed: i64,
    pending: i64,
    returned: i64,
}

/// Whether the level `s` may be without the units of `r` already, or never had them taken off: Kaspi does
/// not show them as promised yet; or they left at a moment that may lie before or after the count. In a
/// state where a courier comes, or the buyer, Kaspi tells of it (KASPI_API §3); of any other nobody does.
///
/// Nor is it known of an order that is being cancelled, or whose status nobody knows: its units may be back.
///
/// A promise of another shop than `?6` is no better known than that shop's orders: the last complete reading
/// of them began before the count, or ended before `?5`.
macro_rules! is_doubtful {
    () => {
        "(r.confirmed_at IS NULL OR (?6 IS NOT NULL AND r.shop <> ?6 AND NOT EXISTS (SELECT 1 FROM (
      SELECT started_at, finished_at FROM scans WHERE shop = r.shop AND kind = 'sweep' AND complete = 1
      ORDER BY id DESC LIMIT 1) WHERE finished_at >= ?5 AND started_at >= s.as_of))
    OR (r.state = 'active' AND o.status NOT IN ('APPROVED_BY_BANK', 'ACCEPTED_BY_MERCHANT'))
    OR r.departure IS 'unknown'
    OR IIF(s.physical, (r.state = 'consumed' AND r.left_after <= s.as_of)
    OR (r.state = 'active' AND o.state NOT IN ('NEW', 'SIGN_REQUIRED', 'PICKUP', 'KASPI_DELIVERY', 'ARCHIVE')
      AND o.created_at <= s.as_of), o.created_at <= s.as_of))"
    };
}

/// Levels with their promises: what counts as promised depends on what the numbers mean.
/// `?1` 1 for physical numbers where the import does not say, `?2` the wanted SKUs as a JSON array, or NULL for all; promises of the
/// order `?4` of the shop `?3` do not count.
///
/// Goods that the shop brings itself leave on a day nobody tells: whether a count made since their order was
/// placed still had them is not known.
///
/// A feed with accepted orders taken off knew of those accepted when it was made. One seen as accepted
/// by then is in it; one placed since is not; of one placed before and seen as accepted after, nobody
/// knows. Units given back since may be missing in it, as may
/// those of an order that was cancelled on its way.
pub(crate) const LEVELS: &str = concat!(
    "
SELECT s.sku, s.warehouse, s.on_hand, s.as_of, s.source,
  COALESCE(SUM(r.quantity) FILTER (WHERE r.state <> 'released'
    AND (s.physical OR r.confirmed_at IS NULL OR r.confirmed_at > s.as_of) AND NOT ",
    is_doubtful!(),
    "), 0) AS confirmed,
  COALESCE(SUM(r.quantity) FILTER (WHERE r.state <> 'released'
    AND (s.physical OR r.confirmed_at IS NULL OR r.confirmed_at > s.as_of) AND ",
    is_doubtful!(),
    "), 0) AS pending,
  COALESCE(SUM(r.quantity) FILTER (WHERE (r.state = 'released' OR NOT s.physical AND r.departure IS 'unknown')
    AND o.created_at <= s.as_of), 0) AS returned
FROM (SELECT st.*, im.source, COALESCE(im.semantics = 'physical', ?1 = 1) AS physical
  FROM stock st JOIN stock_imports im ON im.id = st.import_id
  WHERE ?2 IS NULL OR st.sku IN (SELECT value FROM json_each(?2))) s
LEFT JOIN reservations r ON r.id IN (
  SELECT id FROM reservations INDEXED BY reservations_of_level
  WHERE sku = s.sku AND warehouse = s.warehouse AND state <> 'released' AND closed_at IS NULL
    AND (s.physical OR confirmed_at IS NULL OR confirmed_at > s.as_of)
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_of_level
  WHERE sku = s.sku AND warehouse = s.warehouse AND state <> 'released' AND s.physical AND closed_at > s.as_of
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_confirmed
  WHERE sku = s.sku AND warehouse = s.warehouse AND state = 'consumed' AND NOT s.physical AND confirmed_at > s.as_of
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_of_level
  WHERE sku = s.sku AND warehouse = s.warehouse AND state <> 'released' AND NOT s.physical AND closed_at > s.as_of
    AND departure = 'unknown'
  UNION ALL
  SELECT id FROM reservations INDEXED BY reservations_released
  WHERE sku = s.sku AND warehouse = s.warehouse AND state = 'released' AND NOT s.physical AND closed_at > s.as_of)
  AND NOT (r.shop IS ?3 AND r.order_id IS ?4)
LEFT JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
GROUP BY s.sku, s.warehouse
ORDER BY s.sku, s.warehouse"
);

/// Whose look at the levels it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Viewpoint<'a> {
    /// The shop whose order is decided, and since when others must have been read completely for their
    /// promises to count as certain.
    pub(crate) shop: Option<(&'a ShopName, Timestamp)>,
    /// An order whose own promises do not stand in its way.
    pub(crate) own: Option<(&'a ShopName, &'a OrderId)>,
}

pub(crate) async fn levels(
    connection: &mut sqlx::SqliteConnection,
    semantics: Semantics,
    skus: Option<&[&str]>,
    Viewpoint { shop, own }: Viewpoint<'_>,
) -> Result<Vec<StockView>, StoreError> {
    let rows: Vec<LevelRow> = sqlx::query_as(LEVELS)
        .bind(i64::from(semantics == Semantics::Physical))
        .bind(skus.map(|skus| json!(skus).to_string()))
        .bind(own.map(|(shop, _)| shop.as_str()))
        .bind(own.map(|(_, order)| order.as_str()))
        .bind(shop.map(|(_, since)| ms(since)))
        .bind(shop.map(|(shop, _)| shop.as_str()))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StockView {
                listing: Listing {
                    sku: Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", row.sku))?,
                    warehouse: row.warehouse,
                    on_hand: row.on_hand,
                    as_of: at(row.as_of)?,
                    source: row.source,
                },
                promised: Promised {
                    confirmed: row.confirmed,
                    pending: row.pending,
                    returned: row.returned,
                },
            })
        })
        .collect()
}

/// Imports whose fall is still in force: their zeroed SKUs are still at zero.
pub(crate) const COLLAPSES: &str = "
SELECT i.source, i.at, i.had, COUNT(s.sku) AS fell FROM stock s JOIN stock_imports i ON i.id = s.fell_in
WHERE s.fell_in IS NOT NULL GROUP BY i.id HAVING COUNT(s.sku) >= ? AND i.had > 0
ORDER BY CAST(COUNT(s.sku) AS REAL) / i.had DESC LIMIT 1";

#[derive(FromRow)]
pub(crate) struct CollapseRow {
    source: String,
    at: i64,
    had: i64,
    fell: i64,
}

impl CollapseRow {
    pub(crate) fn collapse(self) -> Result<Collapse, StoreError> {
        Ok(Collapse {
            fell: self.fell.unsigned_abs(),
            had: self.had.unsigned_abs(),
            source: self.source,
            at: at(self.at)?,
        })
    }
}

impl WriteTx<'_> {
    /// The ledger for these SKUs, as it stands seen from there.
    pub(crate) async fn ledger(
        &mut self,
        semantics: Semantics,
        safety_stock: i64,
        skus: &[&str],
        viewpoint: Viewpoint<'_>,
    ) -> Result<Ledger, StoreError> {
        let mut ledger = Ledger::new(safety_stock);
        let mut names = skus.to_vec();
        let parts = parts(self.conn()?, Some(skus)).await?;
        names.extend(parts.iter().map(|part| part.part.as_str()));
        for view in levels(self.conn()?, semantics, Some(&names), viewpoint).await? {
            ledger.list(view.listing, view.promised);
        }
        for PartRow { sku, part, each } in parts {
            ledger.map(sku, part, each);
        }
        Ok(ledger)
    }

    /// The sharpest fall still in force.
    pub(crate) async fn collapse(&mut self) -> Result<Option<Collapse>, StoreError> {
        let row: Option<CollapseRow> = sqlx::query_as(COLLAPSES)
            .bind(COLLAPSE_SKUS_MIN)
            .fetch_optional(self.conn()?)
            .await?;
        row.map(CollapseRow::collapse).transpose()
    }
}

impl Store {
    /// All levels, or those of some SKUs, with what is promised of them.
    pub async fn stock_levels(
        &self,
        semantics: Semantics,
        skus: Option<&[&str]>,
    ) -> Result<Vec<StockView>, StoreError> {
        let mut reader = self.read().await?;
        levels(&mut reader, semantics, skus, Viewpoint::default()).await
    }

    /// When the newest level was taken in, and the oldest moment any level speaks of.
    pub async fn stock_age(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let mut reader = self.read().await?;
        let (newest, oldest): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT MAX(as_of), MIN(as_of) FROM stock")
                .fetch_one(&mut *reader)
                .await?;
        match (newest, oldest) {
            (Some(newest), Some(oldest)) => Ok(Some((at(newest)?, at(oldest)?))),
            _ => Ok(None),
        }
    }
}
