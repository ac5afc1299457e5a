//! The tables of stock levels and of their imports.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::crash_point::crash_point;
use crate::domain::collapse::{Fall, collapses};
use crate::domain::facts::Collapse;
use crate::domain::ids::Sku;
use crate::domain::near_sku::look;
use crate::domain::stock::{ImportReport, Semantics};
use crate::domain::stock_import::{Before, Known, Other, Own, Place, Put};
use crate::domain::stock_ledger::Listing;
use crate::domain::stock_sources::{
    BY_HAND, Origin, Standing, StockReading, in_force, of_own_stock,
};

#[derive(FromRow)]
struct LevelRow {
    stock_name: String,
    sku: String,
    warehouse: String,
    source: String,
    on_hand: Option<i64>,
    at_least: bool,
    as_of: Option<i64>,
    import_source: String,
    semantics: String,
    priority: Option<i64>,
    posting_lag: Option<i64>,
    order_lag_max: Option<i64>,
}

macro_rules! levels {
    ($which:literal) => {
        concat!(
            "SELECT s.stock_name, s.sku, s.warehouse, s.source, s.on_hand, s.at_least, s.as_of,
  i.source AS import_source, i.semantics,
  f.priority, f.posting_lag, f.order_lag_max
FROM stock s JOIN stock_imports i ON i.id = s.import_id
LEFT JOIN stock_sources f ON f.name = s.source AND f.standing = 1 ",
            $which,
            " ORDER BY s.sku, s.stock_name, s.warehouse, s.source"
        )
    };
}

const LEVELS: &str = levels!("WHERE (?2 IS NULL OR s.stock_name IN ('', ?2))");

pub(crate) const LEVELS_OF: &str = levels!(
    "WHERE s.sku IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR s.stock_name IN ('', ?2))"
);

/// The levels of these SKUs, or all, that a shop of that stock sells from, or of every stock: what each source says.
async fn levels(
    connection: &mut SqliteConnection,
    stock: Option<&str>,
    skus: Option<&[&str]>,
) -> Result<Vec<StockReading>, StoreError> {
    let rows = match skus {
        Some(_) => sqlx::query_as(LEVELS_OF),
        None => sqlx::query_as(LEVELS),
    };
    let rows: Vec<LevelRow> = rows
        .bind(skus.map(|skus| json!(skus).to_string()))
        .bind(stock)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(reading).collect()
}

/// The levels of these SKUs, or all, that are in force for a shop of that stock, or of every stock, each by itself.
/// Where several stand for one SKU and warehouse of a stock, their sources differ.
pub(crate) async fn levels_in_force(
    connection: &mut SqliteConnection,
    stock: Option<&str>,
    skus: Option<&[&str]>,
) -> Result<Vec<StockReading>, StoreError> {
    let mut all = levels(connection, stock, skus)
        .await?
        .into_iter()
        .peekable();
    let mut chosen = Vec::new();
    while let Some(first) = all.next() {
        let (sku, name) = (first.listing.sku.clone(), first.stock.clone());
        let mut of_sku = vec![first];
        let is_same = |next: &StockReading| {
            next.listing.sku == sku && (stock.is_some() || next.stock == name)
        };
        while let Some(next) = all.next_if(is_same) {
            of_sku.push(next);
        }
        chosen.extend(in_force(of_own_stock(of_sku)));
    }
    Ok(chosen)
}

fn reading(row: LevelRow) -> Result<StockReading, StoreError> {
    let semantics = Semantics::parse(&row.semantics)
        .ok_or_else(|| StoreError::corrupt("a stock import", row.semantics))?;
    let origin = match (row.priority, row.posting_lag, row.order_lag_max) {
        (Some(priority), Some(posting_lag), Some(order_lag_max)) => Origin::Standing(Standing {
            priority,
            posting_lag: SignedDuration::from_millis(posting_lag),
            order_lag_max: SignedDuration::from_millis(order_lag_max),
        }),
        _ => Origin::Hand,
    };
    let source = if row.source == BY_HAND {
        row.import_source
    } else {
        row.source
    };
    Ok(StockReading {
        stock: row.stock_name,
        listing: Listing {
            sku: Sku::new(&row.sku).map_err(|_| StoreError::corrupt("a SKU", row.sku))?,
            warehouse: row.warehouse,
            on_hand: row.on_hand,
            is_at_least: row.at_least,
            as_of: row.as_of.map(at).transpose()?,
            source,
        },
        semantics,
        origin,
    })
}

type OwnRow = (
    String,
    String,
    Option<i64>,
    bool,
    Option<i64>,
    i64,
    i64,
    Option<i64>,
    bool,
);
type OtherRow = (String, String, String, Option<i64>, Option<i64>, bool, bool);

/// What is stored before an import of this name into the levels of this source, of that stock. Each column of a row
/// costs as much as reading the row: an import reads all levels, and no more of each than it compares.
pub(crate) async fn before_import(
    tx: &mut WriteTx<'_>,
    stock: &str,
    (source, name): (&str, &str),
) -> Result<Before, StoreError> {
    let own: Vec<OwnRow> = sqlx::query_as(
        "SELECT s.sku, s.warehouse, s.on_hand, s.at_least, s.as_of, s.import_id, s.first_import, s.fell_in,
           i.source = ?1 AS is_same_name
         FROM stock s JOIN stock_imports i ON i.id = s.import_id WHERE s.source = ?2 AND s.stock_name = ?3",
    )
    .bind(name)
    .bind(source)
    .bind(stock)
    .fetch_all(tx.conn()?)
    .await?;
    let others: Vec<OtherRow> = sqlx::query_as(
        "SELECT s.sku, s.warehouse, s.source, s.on_hand, s.as_of, COALESCE(f.standing, 0) = 0 AS is_hand,
           s.fell_in IS NOT NULL AS is_fallen
         FROM stock s LEFT JOIN stock_sources f ON f.name = s.source
         WHERE s.stock_name IN ('', ?2) AND NOT (s.source = ?1 AND s.stock_name = ?2)",
    )
    .bind(source)
    .bind(stock)
    .fetch_all(tx.conn()?)
    .await?;
    let mut known: HashMap<Place, Known> = HashMap::with_capacity(own.len().max(others.len()));
    for (
        sku,
        warehouse,
        on_hand,
        is_at_least,
        as_of,
        import,
        first_import,
        fell_in,
        is_same_name,
    ) in own
    {
        known.entry((sku, warehouse)).or_default().own = Some(Own {
            on_hand,
            is_at_least,
            as_of,
            import,
            first_import,
            fell_in,
            is_same_name,
        });
    }
    for (sku, warehouse, source, on_hand, as_of, is_hand, is_fallen) in others {
        known
            .entry((sku, warehouse))
            .or_default()
            .others
            .push(Other {
                source,
                has_some: on_hand > Some(0),
                as_of,
                is_hand,
                is_fallen,
            });
    }
    let last: Option<(i64, i64)> = sqlx::query_as(
        "SELECT id, as_of FROM stock_imports WHERE source = ? AND stock_name = ? ORDER BY id DESC LIMIT 1",
    )
    .bind(name)
    .bind(stock)
    .fetch_optional(tx.conn()?)
    .await?;
    Ok(Before { known, last })
}

/// Which of these SKUs are listed for pickup points alone in that stock, with their points. Levels of an earlier import of this name
/// do not count.
pub(crate) async fn points_without_pool(
    tx: &mut WriteTx<'_>,
    stock: &str,
    (skus, name): (&[&str], &str),
) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT DISTINCT s.sku, s.warehouse, i.source FROM stock s JOIN stock_imports i ON i.id = s.import_id
         WHERE s.sku IN (SELECT value FROM json_each(?)) AND s.stock_name = ? ORDER BY s.sku, s.warehouse",
    )
    .bind(json!(skus).to_string())
    .bind(stock)
    .fetch_all(tx.conn()?)
    .await?;
    let mut points: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (sku, warehouse, source) in rows {
        let of_sku = points.entry(sku).or_default();
        if source != name || name == BY_HAND {
            of_sku.push(warehouse);
        }
    }
    points.retain(|_, points| !points.is_empty() && !points.iter().any(String::is_empty));
    Ok(points)
}

/// Deletes levels of a stock: SKU, warehouse and source.
pub(crate) async fn delete_levels(
    tx: &mut WriteTx<'_>,
    stock: &str,
    levels: &[(String, String, String)],
) -> Result<(), StoreError> {
    let statement =
        "DELETE FROM stock WHERE sku = ? AND warehouse = ? AND source = ? AND stock_name = ?";
    for_each_level(tx, statement, (stock, levels)).await
}

/// The levels of a source in other stocks than that one, by stock: SKU, warehouse and source.
pub(crate) async fn levels_elsewhere(
    tx: &mut WriteTx<'_>,
    source: &str,
    stock: &str,
) -> Result<BTreeMap<String, Vec<(String, String, String)>>, StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT stock_name, sku, warehouse FROM stock WHERE source = ? AND stock_name <> ?",
    )
    .bind(source)
    .bind(stock)
    .fetch_all(tx.conn()?)
    .await?;
    let mut stocks: BTreeMap<String, Vec<(String, String, String)>> = BTreeMap::new();
    for (of, sku, warehouse) in rows {
        let level = (sku, warehouse, source.to_owned());
        stocks.entry(of).or_default().push(level);
    }
    Ok(stocks)
}

async fn for_each_level(
    tx: &mut WriteTx<'_>,
    statement: &'static str,
    (stock, levels): (&str, &[(String, String, String)]),
) -> Result<(), StoreError> {
    for (sku, warehouse, source) in levels {
        sqlx::query(statement)
            .bind(sku)
            .bind(warehouse)
            .bind(source)
            .bind(stock)
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}

pub(crate) const SKUS_THAT_LOOK: &str = "
SELECT DISTINCT sku FROM stock
WHERE look IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR stock_name IN ('', ?2)) ORDER BY sku";

/// The SKUs that have one of these looks and a level that shops of this stock, or of any, sell from.
pub(crate) async fn skus_that_look(
    connection: &mut SqliteConnection,
    stock: Option<&str>,
    looks: &[String],
) -> Result<Vec<String>, StoreError> {
    let listed = sqlx::query_scalar(SKUS_THAT_LOOK)
        .bind(json!(looks).to_string())
        .bind(stock);
    Ok(listed.fetch_all(connection).await?)
}

/// Which of these SKUs have a level.
pub(crate) async fn listed(tx: &mut WriteTx<'_>, skus: &[&str]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT sku FROM stock WHERE sku IN (SELECT value FROM json_each(?)) ORDER BY sku",
    )
    .bind(json!(skus).to_string())
    .fetch_all(tx.conn()?)
    .await?)
}

/// Writes the row of an import and returns its number.
pub(crate) async fn insert_import(
    tx: &mut WriteTx<'_>,
    (stock, source): (&str, &str),
    semantics: Semantics,
    (rows, as_of): (usize, Timestamp),
    now: Timestamp,
) -> Result<i64, StoreError> {
    let import = sqlx::query_scalar(
        "INSERT INTO stock_imports (stock_name, source, at, as_of, rows, had, fell, semantics)
         VALUES (?, ?, ?, ?, ?, 0, 0, ?) RETURNING id",
    )
    .bind(stock)
    .bind(source)
    .bind(ms(now))
    .bind(ms(as_of))
    .bind(i64::try_from(rows).unwrap_or(i64::MAX))
    .bind(semantics.word())
    .fetch_one(tx.conn()?)
    .await?;
    Ok(import)
}

// WHERE true, so that ON is not taken for a join's.
const PUT: &str = "
INSERT INTO stock
  (stock_name, sku, warehouse, source, on_hand, as_of, import_id, first_import, fell_in, at_least, look)
SELECT ?4, value ->> 0, value ->> 1, ?3, value ->> 2, value ->> 3, ?2, value ->> 4, value ->> 5, value ->> 6,
  value ->> 7
FROM json_each(?1) WHERE true
ON CONFLICT (sku, warehouse, source, stock_name) DO UPDATE SET on_hand = excluded.on_hand, as_of = excluded.as_of,
  import_id = excluded.import_id, first_import = excluded.first_import, fell_in = excluded.fell_in,
  at_least = excluded.at_least";

/// Writes levels of a source, of that stock.
pub(crate) async fn put(
    tx: &mut WriteTx<'_>,
    puts: &[Put],
    (import, stock, source): (i64, &str, &str),
) -> Result<(), StoreError> {
    let rows = puts.iter().map(|put| {
        let (sku, warehouse) = &put.place;
        (
            sku,
            warehouse,
            put.on_hand,
            put.as_of,
            put.first_import,
            put.fell_in,
            i64::from(put.is_at_least),
            look(sku),
        )
    });
    let rows = serde_json::to_string(&rows.collect::<Vec<_>>())
        .map_err(|_| StoreError::corrupt("a level", source))?;
    sqlx::query(PUT)
        .bind(rows)
        .bind(import)
        .bind(source)
        .bind(stock)
        .execute(tx.conn()?)
        .await?;
    for _ in puts {
        crash_point("stock.row_put");
    }
    Ok(())
}

/// Writes what an import changed as a whole.
pub(crate) async fn finish_import(
    tx: &mut WriteTx<'_>,
    import: i64,
    report: &ImportReport,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE stock_imports SET had = ?, fell = ? WHERE id = ?")
        .bind(report.had)
        .bind(report.fell)
        .bind(import)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// A person vouches for these levels: their falls to zero are no collapse.
pub(crate) async fn end_falls(
    tx: &mut WriteTx<'_>,
    stock: &str,
    levels: &[(String, String, String)],
) -> Result<(), StoreError> {
    let statement = "UPDATE stock SET fell_in = NULL
         WHERE sku = ? AND warehouse = ? AND source = ? AND stock_name = ?";
    for_each_level(tx, statement, (stock, levels)).await
}

/// Levels of one source that fell to zero and that nobody confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    /// The stock; empty: that of every shop.
    pub stock: String,
    /// The source.
    pub source: String,
    /// The newest import in which one fell.
    pub until: i64,
    /// How many fell and are still there.
    pub levels: u64,
}

/// A person confirms falls, as far as they saw them. Returns the number of levels.
pub(crate) async fn confirm_falls(tx: &mut WriteTx<'_>, seen: &Fallen) -> Result<u64, StoreError> {
    let confirmed = sqlx::query(
        "UPDATE stock SET fell_in = NULL WHERE fell_in IN (
           SELECT id FROM stock_imports WHERE source = ?1 AND stock_name = ?2 AND id <= ?3)",
    )
    .bind(&seen.source)
    .bind(&seen.stock)
    .bind(seen.until)
    .execute(tx.conn()?)
    .await?;
    Ok(confirmed.rows_affected())
}

/// Falls to zero that are still in force: by import, the levels that are still at zero.
pub(crate) const FALLS: &str = "
SELECT i.source, i.at, i.had, COUNT(s.sku) AS fell FROM stock s JOIN stock_imports i ON i.id = s.fell_in
WHERE s.fell_in IS NOT NULL AND (?1 IS NULL OR s.stock_name IN ('', ?1)) GROUP BY i.id";

#[derive(FromRow)]
struct FallRow {
    source: String,
    at: i64,
    had: i64,
    fell: i64,
}

async fn falls(
    connection: &mut SqliteConnection,
    stock: Option<&str>,
) -> Result<Vec<Fall>, StoreError> {
    let rows: Vec<FallRow> = sqlx::query_as(FALLS)
        .bind(stock)
        .fetch_all(connection)
        .await?;
    let fall = |row: FallRow| {
        Ok(Fall {
            at: at(row.at)?,
            source: row.source,
            had: row.had.unsigned_abs(),
            fell: row.fell.unsigned_abs(),
        })
    };
    rows.into_iter().map(fall).collect()
}

impl WriteTx<'_> {
    /// The sharpest fall still in force of what a shop of that stock sells.
    pub(crate) async fn collapse(&mut self, stock: &str) -> Result<Option<Collapse>, StoreError> {
        Ok(collapses(falls(self.conn()?, Some(stock)).await?)
            .into_iter()
            .next())
    }
}

impl Store {
    /// The sharpest fall of each source that is still in force, the sharpest of all first.
    pub async fn collapses_now(&self) -> Result<Vec<Collapse>, StoreError> {
        let mut reader = self.read().await?;
        Ok(collapses(falls(&mut reader, None).await?))
    }

    /// Levels that fell to zero and that nobody confirmed, by stock and source.
    pub async fn fallen(&self) -> Result<Vec<Fallen>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT i.stock_name, i.source, MAX(i.id), COUNT(s.sku) FROM stock s JOIN stock_imports i ON i.id = s.fell_in
             WHERE s.fell_in IS NOT NULL GROUP BY i.stock_name, i.source ORDER BY 1, 2",
        )
        .fetch_all(&mut *reader)
        .await?;
        let rows = rows.into_iter();
        let rows = rows.map(|(stock, source, until, levels)| Fallen {
            stock,
            source,
            until,
            levels: levels.unsigned_abs(),
        });
        Ok(rows.collect())
    }

    /// SKUs listed in this stock, or in any, that look like another one.
    pub async fn skus_like(
        &self,
        stock: Option<&str>,
        sku: &Sku,
    ) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let looks = [look(sku.as_str())];
        let mut found = skus_that_look(&mut reader, stock, &looks).await?;
        found.retain(|found| found != sku.as_str());
        Ok(found)
    }

    /// SKUs that are listed in these stocks, in their order, behind this one.
    pub async fn skus_after(
        &self,
        stocks: &[&str],
        sku: &str,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let mut reader = self.read().await?;
        let skus = sqlx::query_scalar(
            "SELECT DISTINCT sku FROM stock
             WHERE sku > ?1 AND stock_name IN (SELECT value FROM json_each(?2)) ORDER BY sku LIMIT ?3",
        )
        .bind(sku)
        .bind(json!(stocks).to_string())
        .bind(limit);
        Ok(skus.fetch_all(&mut *reader).await?)
    }

    /// When the newest level was imported, and the oldest moment at which any level was counted.
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

/// Deletes imports (JSON) that no level comes from.
pub(crate) async fn delete_imports(tx: &mut WriteTx<'_>, imports: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM stock_imports WHERE id IN (SELECT value FROM json_each(?))")
        .bind(imports)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Every level, as the first row of the audit log after a restore lists them.
pub(crate) async fn levels_listed(tx: &mut WriteTx<'_>) -> Result<serde_json::Value, StoreError> {
    let all: Vec<(String, String, Option<i64>, String, String)> = sqlx::query_as(
        "SELECT sku, warehouse, on_hand, source, stock_name FROM stock
         ORDER BY sku, warehouse, source, stock_name",
    )
    .fetch_all(tx.conn()?)
    .await?;
    Ok(json!(all))
}
