//! Readings of lists, kept so that a decision can rest on a complete one (R7).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::{FromRow, SqliteConnection};

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::availability::Sweep;
use crate::domain::ids::ShopName;
use crate::mutant::mutant;

/// Scans older than this are deleted as new ones come: they show nothing about the present, and a deep scan
/// is repeated more often. The last complete one of its kind stays: a pause begins with it.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Maximum number of old scans deleted for each new one; more than one, so that they do not accumulate.
const DROPPED_AT_ONCE: i64 = 4;

/// What was listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanKind {
    /// `NEW` + `APPROVED_BY_BANK`.
    New,
    /// The accepted and archived states.
    Sweep,
}

impl ScanKind {
    const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Sweep => "sweep",
        }
    }
}

/// One reading of a list, over one span of `creationDate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// What was listed.
    pub kind: ScanKind,
    /// When the first request was sent.
    pub started_at: Timestamp,
    /// The same by Kaspi's clock, where its answers had a date.
    pub kaspi_at: Timestamp,
    /// When the last answer was in.
    pub finished_at: Timestamp,
    /// Start of the span.
    pub from: Timestamp,
    /// End of the span.
    pub to: Timestamp,
    /// Why it is not complete, if it is not.
    pub problem: Option<String>,
    /// Whether it read archived orders too, as far back as they matter, and all their lines.
    pub archive_read: bool,
}

#[derive(FromRow)]
struct Row {
    started_at: i64,
    kaspi_at: i64,
    finished_at: i64,
    window_from: i64,
    window_to: i64,
    archive_read: bool,
}

/// Gives a shop the scans that were made under its earlier name.
pub(crate) async fn move_to_shop(
    tx: &mut WriteTx<'_>,
    (from, to): (&ShopName, &ShopName),
) -> Result<(), StoreError> {
    sqlx::query("UPDATE scans SET shop = ? WHERE shop = ?")
        .bind(to.as_str())
        .bind(from.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Writes a scan's row and returns its number.
pub(crate) async fn insert(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    scan: &Scan,
    orders: usize,
) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar(
        "INSERT INTO scans (shop, kind, started_at, kaspi_at, finished_at, window_from, window_to,
           complete, orders, problem, archive_read) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(shop.as_str())
    .bind(scan.kind.word())
    .bind(ms(scan.started_at))
    .bind(ms(scan.kaspi_at))
    .bind(ms(scan.finished_at))
    .bind(ms(scan.from))
    .bind(ms(scan.to))
    .bind(scan.problem.is_none() || mutant("r7_incomplete_is_complete"))
    .bind(i64::try_from(orders).unwrap_or(i64::MAX))
    .bind(scan.problem.as_deref())
    .bind(scan.archive_read)
    .fetch_one(tx.conn()?)
    .await?;
    Ok(id)
}

/// Deletes a few scans that show nothing about the present.
pub(crate) async fn delete_old(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let kept_from = now.saturating_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
    sqlx::query(
        "DELETE FROM scans WHERE started_at < ?2 AND id IN (SELECT id FROM scans s
           WHERE id <> COALESCE((SELECT MAX(id) FROM scans WHERE shop = s.shop AND kind = s.kind
             AND complete = 1), 0)
           AND id <> COALESCE((SELECT MAX(id) FROM scans WHERE shop = s.shop AND kind = 'sweep'
             AND complete = 1 AND archive_read = 1), 0)
           ORDER BY id LIMIT ?1)",
    )
    .bind(DROPPED_AT_ONCE)
    .bind(ms(kept_from))
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Deletes all scans: a reading from before a backup is no evidence after it.
pub(crate) async fn delete_all(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM scans").execute(tx.conn()?).await?;
    Ok(())
}

/// When the last complete list of a kind was asked for.
pub(crate) async fn last_read_at(
    connection: &mut SqliteConnection,
    shop: &ShopName,
    kind: ScanKind,
) -> Result<Option<Timestamp>, StoreError> {
    let started: Option<i64> = sqlx::query_scalar(
        "SELECT started_at FROM scans WHERE shop = ? AND kind = ? AND complete = 1
         ORDER BY started_at DESC LIMIT 1",
    )
    .bind(shop.as_str())
    .bind(kind.word())
    .fetch_optional(connection)
    .await?;
    started.map(at).transpose()
}

/// The last complete sweep of a shop.
pub(crate) async fn last_sweep(
    connection: &mut SqliteConnection,
    shop: &ShopName,
) -> Result<Option<Sweep>, StoreError> {
    let row: Option<(i64, i64)> = sqlx::query_as(
        "SELECT started_at, finished_at FROM scans WHERE shop = ? AND kind = 'sweep' AND complete = 1
         ORDER BY id DESC LIMIT 1",
    )
    .bind(shop.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(|(started_at, finished_at)| {
        Ok(Sweep {
            started_at: at(started_at)?,
            finished_at: at(finished_at)?,
        })
    })
    .transpose()
}

/// When each shop's newest complete list of new orders was asked for; NULL: it never was.
pub(crate) const NEWEST_LISTS: &str = "
SELECT s.name, (SELECT c.started_at FROM scans c WHERE c.shop = s.name AND c.kind = 'new' AND c.complete = 1
  ORDER BY c.id DESC LIMIT 1) FROM shops s";

impl Store {
    /// When the newest complete list of new orders of these shops was asked for: of the shop read longest ago; `None`
    /// where one of them never was.
    pub async fn oldest_list(&self, shops: &[ShopName]) -> Result<Option<Timestamp>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(String, Option<i64>)> =
            sqlx::query_as(NEWEST_LISTS).fetch_all(&mut *reader).await?;
        let lists: BTreeMap<&str, Option<i64>> = rows
            .iter()
            .map(|(shop, list)| (shop.as_str(), *list))
            .collect();
        let of_shop = |shop: &ShopName| lists.get(shop.as_str()).copied().flatten();
        // `None` comes first: a shop never read.
        shops
            .iter()
            .map(of_shop)
            .min()
            .flatten()
            .map(at)
            .transpose()
    }

    /// The last complete scan reaching back to `from` or further.
    pub async fn last_complete_scan(
        &self,
        shop: &ShopName,
        kind: ScanKind,
        from: Timestamp,
    ) -> Result<Option<Scan>, StoreError> {
        self.last_scan(shop, kind, from, false).await
    }

    /// The last complete sweep that read the archive too.
    pub async fn last_sweep_with_archive(
        &self,
        shop: &ShopName,
    ) -> Result<Option<Scan>, StoreError> {
        self.last_scan(shop, ScanKind::Sweep, Timestamp::MAX, true)
            .await
    }

    /// When lists of this kind that failed since then were begun, and why each failed.
    pub async fn failed_lists(
        &self,
        shop: &ShopName,
        kind: ScanKind,
        since: Timestamp,
    ) -> Result<Vec<(Timestamp, String)>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT started_at, problem FROM scans
             WHERE shop = ? AND kind = ? AND complete = 0 AND started_at >= ? AND problem IS NOT NULL",
        )
        .bind(shop.as_str())
        .bind(kind.word())
        .bind(ms(since))
        .fetch_all(&mut *reader)
        .await?;
        let dated = |(begun, why)| Ok((at(begun)?, why));
        rows.into_iter().map(dated).collect()
    }

    async fn last_scan(
        &self,
        shop: &ShopName,
        kind: ScanKind,
        from: Timestamp,
        archive_read: bool,
    ) -> Result<Option<Scan>, StoreError> {
        let mut reader = self.read().await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT started_at, kaspi_at, finished_at, window_from, window_to,
               archive_read
             FROM scans WHERE shop = ? AND kind = ? AND complete = 1 AND window_from <= ? AND archive_read >= ?
             ORDER BY id DESC LIMIT 1",
        )
        .bind(shop.as_str())
        .bind(kind.word())
        .bind(ms(from))
        .bind(archive_read)
        .fetch_optional(&mut *reader)
        .await?;
        row.map(|row| {
            Ok(Scan {
                kind,
                started_at: at(row.started_at)?,
                kaspi_at: at(row.kaspi_at)?,
                finished_at: at(row.finished_at)?,
                from: at(row.window_from)?,
                to: at(row.window_to)?,
                problem: None,
                archive_read: row.archive_read,
            })
        })
        .transpose()
    }
}
