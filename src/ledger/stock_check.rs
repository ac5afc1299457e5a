//! Checks stock levels and reservations against the audit log, and recomputes availability independently.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::FromRow;

use super::pickup_points::MOVED;
use crate::store::audit::LEVELS_CHANGED;
use crate::store::reservations::{CHANGED, REOPENED};
use crate::store::{Store, StoreError, at};

/// Audit rows read at once.
const PAGE: i64 = 5_000;

/// Units reserved for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The stock that the shop sold from when they were promised.
    pub stock: String,
    /// SKU in the warehouse.
    pub sku: String,
    /// Where it is taken from.
    pub warehouse: String,
    /// Units.
    pub quantity: i64,
    /// The shop.
    pub shop: String,
    /// The order's code.
    pub code: String,
    /// Its status at Kaspi, as last read.
    pub status: String,
    /// Whether Kaspi was seen to hold it as accepted.
    pub is_confirmed: bool,
    /// Since when they are promised.
    pub since: Timestamp,
}

/// A level or reservation that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// SKU.
    pub sku: String,
    /// Warehouse.
    pub warehouse: String,
    /// What differs, with both figures.
    pub what: String,
}

/// What a check compared, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockCheck {
    /// Levels.
    pub levels: usize,
    /// Promises, open and closed.
    pub promises: usize,
    /// Levels and promises older than the audit log, which were not compared.
    pub before_audit: usize,
    /// The differences.
    pub differences: Vec<Difference>,
}

/// A level's key: SKU, warehouse, source and stock.
type Key = [String; 4];
/// SKU and warehouse.
type Place = (String, String);

/// Levels and promises according to the audit log.
#[derive(Default)]
struct AuditedState {
    levels: BTreeMap<Key, Option<i64>>,
    /// By their id: place, units, state.
    promises: BTreeMap<i64, (Place, i64, String)>,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    sku: String,
    warehouse: String,
    quantity: i64,
    state: String,
    made_at: i64,
}

#[derive(FromRow)]
struct LevelRow {
    sku: String,
    warehouse: String,
    source: String,
    stock_name: String,
    on_hand: Option<i64>,
}

impl LevelRow {
    fn key(&self) -> [&str; 4] {
        [&self.sku, &self.warehouse, &self.source, &self.stock_name]
    }
}

impl AuditedState {
    fn apply(&mut self, event: &str, detail: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = |name: &str| detail[name].as_array().cloned().unwrap_or_default();
        match event {
            "ledger.baseline" => {
                *self = Self::default();
                for level in rows("levels") {
                    let key = [0, 1, 3, 4].map(|column| text(&level[column]));
                    self.levels.insert(key, level[2].as_i64());
                }
                for row in rows("reservations") {
                    let place = (text(&row[1]), text(&row[2]));
                    let units = row[3].as_i64().unwrap_or_default();
                    let id = row[0].as_i64().unwrap_or_default();
                    self.promises.insert(id, (place, units, text(&row[4])));
                }
            }
            LEVELS_CHANGED => {
                for level in rows("levels") {
                    let [sku, warehouse] = [0, 1].map(|column| text(&level[column]));
                    let [source, stock] = ["source", "stock"].map(|name| text(&detail[name]));
                    let key = [sku, warehouse, source, stock];
                    self.levels.insert(key, level[2].as_i64());
                }
                for level in rows("deleted") {
                    let [sku, warehouse, source] = [0, 1, 2].map(|column| text(&level[column]));
                    let key = [sku, warehouse, source, text(&detail["stock"])];
                    self.levels.remove(&key);
                }
            }
            "reservation.made" => {
                for take in rows("takes") {
                    let place = (text(&take[1]), text(&take[2]));
                    let units = take[3].as_i64().unwrap_or_default();
                    let id = take[0].as_i64().unwrap_or_default();
                    let state = text(&detail["state"]);
                    self.promises.insert(id, (place, units, state));
                }
            }
            MOVED => {
                for row in rows("moves") {
                    let known = self.promises.get_mut(&row[0].as_i64().unwrap_or_default());
                    if let Some(((_, warehouse), ..)) = known {
                        *warehouse = text(&row[1]);
                    }
                }
            }
            CHANGED => {
                for row in rows("rows") {
                    let place = (text(&row[1]), text(&row[2]));
                    let units = row[3].as_i64().unwrap_or_default();
                    let id = row[0].as_i64().unwrap_or_default();
                    self.promises.insert(id, (place, units, text(&row[4])));
                }
            }
            "reservation.closed" | REOPENED => {
                for id in rows("ids") {
                    let known = self.promises.get_mut(&id.as_i64().unwrap_or_default());
                    if let Some((_, _, state)) = known {
                        *state = text(&detail["state"]);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Store {
    /// Open promises, of these SKUs or of all.
    pub async fn promises(&self, skus: Option<&[&str]>) -> Result<Vec<Promise>, StoreError> {
        #[derive(FromRow)]
        struct Open {
            stock_name: String,
            sku: String,
            warehouse: String,
            quantity: i64,
            shop: String,
            code: String,
            status: String,
            confirmed: bool,
            made_at: i64,
        }
        let mut reader = self.read().await?;
        let rows: Vec<Open> = sqlx::query_as(
            "SELECT r.stock_name, r.sku, r.warehouse, r.quantity, r.shop, o.code, o.status,
               r.confirmed_at IS NOT NULL AS confirmed, r.made_at
             FROM reservations r INDEXED BY reservations_active
             JOIN orders o ON o.shop = r.shop AND o.id = r.order_id
             WHERE r.state = 'active' AND (?1 IS NULL OR r.sku IN (SELECT value FROM json_each(?1)))
             ORDER BY r.sku, r.warehouse, r.made_at, o.code",
        )
        .bind(skus.map(|skus| serde_json::json!(skus).to_string()))
        .fetch_all(&mut *reader)
        .await?;
        let promise = |row: Open| {
            Ok(Promise {
                stock: row.stock_name,
                sku: row.sku,
                warehouse: row.warehouse,
                quantity: row.quantity,
                shop: row.shop,
                code: row.code,
                status: row.status,
                is_confirmed: row.confirmed,
                since: at(row.made_at)?,
            })
        };
        rows.into_iter().map(promise).collect()
    }

    /// Compares the tables with the audit log. What promises do to a level is judged by `domain::availability`.
    pub async fn check_stock(&self) -> Result<StockCheck, StoreError> {
        let mut reader = self.read().await?;
        // One transaction, so that all is read as of one moment.
        sqlx::query("BEGIN").execute(&mut *reader).await?;
        let audited = replay_audit(&mut reader).await?;
        let since: Option<i64> = sqlx::query_scalar("SELECT deleted_before FROM audit_retention")
            .fetch_one(&mut *reader)
            .await?;
        let rows: Vec<Row> =
            sqlx::query_as("SELECT id, sku, warehouse, quantity, state, made_at FROM reservations")
                .fetch_all(&mut *reader)
                .await?;
        let known: Vec<LevelRow> = sqlx::query_as(
            "SELECT sku, warehouse, source, stock_name, on_hand FROM stock
             ORDER BY sku, warehouse, source, stock_name",
        )
        .fetch_all(&mut *reader)
        .await?;
        sqlx::query("COMMIT").execute(&mut *reader).await?;
        let mut check = StockCheck {
            levels: known.len(),
            promises: rows.len(),
            ..StockCheck::default()
        };
        compare_levels(&mut check, &audited, &known, since.is_some());
        compare_promises(&mut check, &audited, &rows, since);
        Ok(check)
    }
}

async fn replay_audit(connection: &mut sqlx::SqliteConnection) -> Result<AuditedState, StoreError> {
    let (mut audited, mut after) = (AuditedState::default(), 0_i64);
    loop {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT id, event, detail FROM audit WHERE id > ? AND event IN
               ('ledger.baseline', 'stock.levels', 'reservation.made', 'reservation.moved',
                'reservation.changed', 'reservation.closed', 'reservation.reopened')
             ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some((last, ..)) = rows.last() else {
            return Ok(audited);
        };
        after = *last;
        for (_, event, detail) in &rows {
            let detail = serde_json::from_str(detail)
                .map_err(|_| StoreError::corrupt("an audit row", event))?;
            audited.apply(event, &detail);
        }
    }
}

impl StockCheck {
    fn differ(&mut self, sku: &str, warehouse: &str, what: String) {
        self.differences.push(Difference {
            sku: sku.to_owned(),
            warehouse: warehouse.to_owned(),
            what,
        });
    }
}

fn words(units: Option<i64>) -> String {
    units.map_or_else(|| "unknown".to_owned(), |units| units.to_string())
}

fn compare_levels(
    check: &mut StockCheck,
    audited: &AuditedState,
    known: &[LevelRow],
    has_deleted_rows: bool,
) {
    for level in known {
        let key = level.key().map(str::to_owned);
        match audited.levels.get(&key) {
            Some(units) if *units == level.on_hand => {}
            Some(units) => {
                let what = format!(
                    "on hand is {}, and the audit log says {}",
                    words(level.on_hand),
                    words(*units)
                );
                check.differ(&level.sku, &level.warehouse, what);
            }
            None if has_deleted_rows => check.before_audit += 1,
            None => {
                let what = format!(
                    "on hand is {}, but the audit log does not contain it",
                    words(level.on_hand)
                );
                check.differ(&level.sku, &level.warehouse, what);
            }
        }
    }
    let is_missing = |key: &&Key| {
        let key = key.each_ref().map(String::as_str);
        let found = known.binary_search_by(|level| level.key().cmp(&key));
        found.is_err()
    };
    for place in audited.levels.keys().filter(is_missing) {
        let what = "the audit log contains a level that is not stored".to_owned();
        check.differ(&place[0], &place[1], what);
    }
}

fn compare_promises(
    check: &mut StockCheck,
    audited: &AuditedState,
    rows: &[Row],
    since: Option<i64>,
) {
    let mut left = audited.promises.clone();
    for row in rows {
        match left.remove(&row.id) {
            Some((place, units, state)) => {
                let same = place.0 == row.sku
                    && place.1 == row.warehouse
                    && units == row.quantity
                    && state == row.state;
                if !same {
                    let what = format!(
                        "{} units are {}, and the audit log says {units} of {} {state}",
                        row.quantity, row.state, place.0
                    );
                    check.differ(&row.sku, &row.warehouse, what);
                }
            }
            None if since.is_some_and(|since| row.made_at < since) => check.before_audit += 1,
            None => {
                let what = format!(
                    "{} units are {}, but the audit log does not contain them",
                    row.quantity, row.state
                );
                check.differ(&row.sku, &row.warehouse, what);
            }
        }
    }
    // Finished orders are deleted after their retention period, with reservations that no longer count.
    for ((sku, warehouse), units, state) in left.into_values() {
        if state == "active" {
            let what = format!("the audit log contains {units} active units that are not stored");
            check.differ(&sku, &warehouse, what);
        }
    }
}
