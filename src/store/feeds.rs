//! Configured sources of stock: the last reading of each, and its current problem.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sqlx::FromRow;

use super::audit::LEVELS_CHANGED;
use super::{Store, StoreError, WriteTx, at, ms, stock};
use crate::crash_point::crash_point;
use crate::domain::notice::{Kind, Notice};
use crate::domain::stock::ImportReport;
use crate::domain::stock_sources::Standing;

/// A reading of a source.
#[derive(Debug, Clone, Copy)]
pub struct SourceRead<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// SHA-256 of its content, in hexadecimal.
    pub hash: &'a str,
    /// When the content was made.
    pub made_at: Timestamp,
    /// The time of its newest count.
    pub as_of: Timestamp,
    /// Whether it ended with a line end; `None` for formats without lines.
    pub ends_lines: Option<bool>,
}

/// The last stored reading of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRead {
    /// When it was read.
    pub at: Timestamp,
    /// When its content was made.
    pub made_at: Timestamp,
    /// The time of its newest count.
    pub as_of: Timestamp,
    /// SHA-256 of its content, in hexadecimal.
    pub hash: String,
    /// Whether it ended with a line end; `None` for formats without lines.
    pub ends_lines: Option<bool>,
}

/// What is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A heading in the runbook.
    pub code: String,
    /// What is wrong.
    pub problem: String,
}

/// The stored state of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Its name.
    pub name: String,
    /// The stock that it lists; empty: that of every shop.
    pub stock: String,
    /// How it is to be read; `None`: it is no longer configured.
    pub standing: Option<Standing>,
    /// When it was last checked.
    pub tried_at: Option<Timestamp>,
    /// The last complete reading without an error.
    pub read: Option<LastRead>,
    /// Rows imported from that reading.
    pub rows: i64,
    /// Rows of that reading that were older than what was known already.
    pub older: i64,
    /// Levels it had before that are missing from that reading.
    pub absent: i64,
    /// What is wrong with it, and since when.
    pub trouble: Option<(Timestamp, Trouble)>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    stock_name: String,
    standing: bool,
    priority: i64,
    posting_lag: i64,
    order_lag_max: i64,
    tried_at: Option<i64>,
    read_at: Option<i64>,
    made_at: Option<i64>,
    as_of: Option<i64>,
    hash: Option<String>,
    ends_lines: Option<bool>,
    rows: i64,
    older: i64,
    absent: i64,
    failing_since: Option<i64>,
    error_code: Option<String>,
    problem: Option<String>,
}

fn state(row: Row) -> Result<SourceState, StoreError> {
    let read = match (row.read_at, row.made_at, row.as_of, row.hash) {
        (Some(read), Some(made), Some(as_of), Some(hash)) => Some(LastRead {
            at: at(read)?,
            made_at: at(made)?,
            as_of: at(as_of)?,
            hash,
            ends_lines: row.ends_lines,
        }),
        _ => None,
    };
    let trouble = match (row.failing_since, row.error_code, row.problem) {
        (Some(since), Some(code), Some(problem)) => Some((at(since)?, Trouble { code, problem })),
        _ => None,
    };
    Ok(SourceState {
        name: row.name,
        stock: row.stock_name,
        standing: row.standing.then_some(Standing {
            priority: row.priority,
            posting_lag: SignedDuration::from_millis(row.posting_lag),
            order_lag_max: SignedDuration::from_millis(row.order_lag_max),
        }),
        tried_at: row.tried_at.map(at).transpose()?,
        read,
        rows: row.rows,
        older: row.older,
        absent: row.absent,
        trouble,
    })
}

fn millis(time: SignedDuration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl WriteTx<'_> {
    /// Stores the reading of a source with the counts of its import.
    pub(crate) async fn source_read(
        &mut self,
        read: &SourceRead<'_>,
        report: &ImportReport,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO stock_sources
               (name, tried_at, read_at, as_of, hash, rows, older, absent, made_at, ends_lines)
             VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (name) DO UPDATE SET tried_at = ?2, read_at = ?2, as_of = ?3, hash = ?4,
               rows = ?5, older = ?6, absent = ?7, made_at = ?8, ends_lines = ?9",
        )
        .bind(read.name)
        .bind(ms(now))
        .bind(ms(read.as_of))
        .bind(read.hash)
        .bind(i64::try_from(report.rows).unwrap_or(i64::MAX))
        .bind(i64::try_from(report.older).unwrap_or(i64::MAX))
        .bind(report.absent)
        .bind(ms(read.made_at))
        .bind(read.ends_lines)
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}

/// A configured source: its name, the stock that it lists (empty: that of every shop), and how it stands.
pub type Configured<'a> = (&'a str, (&'a str, Standing));

/// Deletes levels of a source in other stocks than its own, and has it read again.
async fn delete_other_stocks(
    tx: &mut WriteTx<'_>,
    (name, own): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    for (other, levels) in stock::levels_elsewhere(tx, name, own).await? {
        stock::delete_levels(tx, &other, &levels).await?;
        let detail = json!({ "source": name, "stock": other, "deleted": levels });
        tx.audit_row(now, "qabyl", (None, None), LEVELS_CHANGED, detail);
    }
    sqlx::query(
        "UPDATE stock_sources SET read_at = NULL, made_at = NULL, as_of = NULL, hash = NULL
         WHERE name = ? AND stock_name <> ?",
    )
    .bind(name)
    .bind(own)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

impl Store {
    /// Stores how the sources are configured. The levels of one that is not among them any more count as a count by
    /// hand. Those of one that lists another stock now are deleted, and it is read again.
    pub async fn configure_sources(
        &self,
        sources: &[Configured<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let known = self.stock_sources().await?;
        let known = known.iter().filter_map(|state| {
            Some((state.name.as_str(), (state.stock.as_str(), state.standing?)))
        });
        let known: BTreeMap<&str, (&str, Standing)> = known.collect();
        let wanted: BTreeMap<&str, (&str, Standing)> = sources.iter().copied().collect();
        if known == wanted {
            return Ok(());
        }
        let mut tx = self.write().await?;
        for name in known.keys().filter(|name| !wanted.contains_key(*name)) {
            sqlx::query("UPDATE stock_sources SET standing = 0 WHERE name = ?")
                .bind(name)
                .execute(tx.conn()?)
                .await?;
        }
        for (name, (stock, standing)) in wanted
            .iter()
            .filter(|(name, it)| known.get(*name) != Some(it))
        {
            delete_other_stocks(&mut tx, (name, stock), now).await?;
            sqlx::query(
                "INSERT INTO stock_sources (name, stock_name, priority, posting_lag, order_lag_max) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (name) DO UPDATE SET standing = 1, stock_name = excluded.stock_name, priority = excluded.priority,
                   posting_lag = excluded.posting_lag, order_lag_max = excluded.order_lag_max",
            )
            .bind(name)
            .bind(stock)
            .bind(standing.priority)
            .bind(millis(standing.posting_lag))
            .bind(millis(standing.order_lag_max))
            .execute(tx.conn()?)
            .await?;
        }
        tx.commit().await
    }

    /// Stores that the content of a source is about to be read, and returns how often its reading was begun without
    /// an end: a file may end the whole program, and is not read at each of its starts.
    pub async fn source_begun(&self, name: &str, hash: &str) -> Result<i64, StoreError> {
        let mut tx = self.write().await?;
        let before: Option<(Option<String>, i64)> =
            sqlx::query_as("SELECT begun_hash, begun FROM stock_sources WHERE name = ?")
                .bind(name)
                .fetch_optional(tx.conn()?)
                .await?;
        let begun = match before {
            Some((Some(same), begun)) if same == hash => begun.saturating_add(1),
            _ => 1,
        };
        sqlx::query(
            "INSERT INTO stock_sources (name, begun_hash, begun) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET begun_hash = ?2, begun = ?3",
        )
        .bind(name)
        .bind(hash)
        .bind(begun)
        .execute(tx.conn()?)
        .await?;
        tx.commit().await?;
        Ok(begun)
    }

    /// Stores that a reading has come to its end, with levels or with a refusal in words.
    pub async fn source_ended(&self, name: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE stock_sources SET begun_hash = NULL, begun = 0 WHERE name = ?")
            .bind(name)
            .execute(tx.conn()?)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// All sources that were ever configured.
    pub async fn stock_sources(&self) -> Result<Vec<SourceState>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM stock_sources ORDER BY name")
            .fetch_all(&mut *reader)
            .await?;
        rows.into_iter().map(state).collect()
    }

    /// Stores that a source was checked, and its current problem, if it has one.
    pub async fn source_tried(
        &self,
        name: &str,
        trouble: Option<&Trouble>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let before: Option<(Option<String>, Option<i64>)> =
            sqlx::query_as("SELECT error_code, failing_since FROM stock_sources WHERE name = ?")
                .bind(name)
                .fetch_optional(tx.conn()?)
                .await?;
        let (failed_with, failing_since) = before.unwrap_or_default();
        let code = trouble.map(|trouble| trouble.code.as_str());
        let is_same = failed_with.as_deref() == code;
        let since = failing_since.filter(|_| is_same).unwrap_or_else(|| ms(now));
        sqlx::query(
            "INSERT INTO stock_sources (name, tried_at, failing_since, error_code, problem)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET tried_at = ?2, failing_since = ?3, error_code = ?4, problem = ?5",
        )
        .bind(name)
        .bind(ms(now))
        .bind(code.map(|_| since))
        .bind(code)
        .bind(trouble.map(|trouble| trouble.problem.as_str()))
        .execute(tx.conn()?)
        .await?;
        if !is_same {
            let detail = json!({ "source": name, "code": code,
                "problem": trouble.map(|trouble| trouble.problem.as_str()) });
            tx.audit_row(now, "qabyl", (None, None), "stock.source", detail);
            if let Some(code) = code {
                let facts = json!({ "source": name, "code": code });
                let what = format!("{name}:{code}:{}", ms(now));
                tx.notice(now, Notice::of_all(Kind::StockSourceFailed, &what, facts));
            }
        }
        crash_point("stock.before_commit");
        tx.commit().await?;
        crash_point("stock.after_commit");
        Ok(())
    }
}
