//! The append-only audit log: every write carries its row in the same transaction.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::FromRow;

use super::{Store, StoreError, WriteTx, at, ms};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::people::Actor;
use crate::operator;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The audit event that lists changed levels, some hundreds a row.
pub(crate) const LEVELS_CHANGED: &str = "stock.levels";

/// One row of the audit log.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// Who: `qabyl` or a person's name.
    pub actor: String,
    /// Who really ran the command of a person.
    pub operator: Option<String>,
    /// Which shop, if one.
    pub shop: Option<String>,
    /// Which order's code, if one.
    pub code: Option<String>,
    /// What happened.
    pub event: String,
    /// Its details, JSON.
    pub detail: String,
}

impl Store {
    /// The rules file that was in force last, or nothing where those embedded were.
    pub async fn rules_in_force(&self) -> Result<Option<String>, StoreError> {
        Ok(self.rules_noted().await?.and_then(|(file, _)| file))
    }

    /// The number of the newest row. Every change is audited, so a higher number means that something changed.
    pub async fn newest_audit_row(&self) -> Result<i64, StoreError> {
        let mut reader = self.read().await?;
        let newest = sqlx::query_scalar("SELECT id FROM audit ORDER BY id DESC LIMIT 1");
        let newest: Option<i64> = newest.fetch_optional(&mut *reader).await?;
        Ok(newest.unwrap_or_default())
    }

    async fn rules_noted(&self) -> Result<Option<(Option<String>, i64)>, StoreError> {
        let mut reader = self.read().await?;
        let noted = sqlx::query_as(
            "SELECT detail ->> '$.file', at FROM audit INDEXED BY audit_rules WHERE event = 'rules.in_force'
             ORDER BY id DESC LIMIT 1",
        );
        Ok(noted.fetch_optional(&mut *reader).await?)
    }

    /// Notes whose rules are in force from now on: those of a file, or the embedded ones. Once a day, as old
    /// audit rows are deleted after their retention period.
    pub async fn note_rules(&self, file: Option<&str>, now: Timestamp) -> Result<(), StoreError> {
        let noted = self.rules_noted().await?;
        let is_fresh = |at: i64| (ms(now) - at).abs() < DAY_MS;
        if noted.is_some_and(|(before, at)| before.as_deref() == file && is_fresh(at)) {
            return Ok(());
        }
        let mut tx = self.write().await?;
        let detail = json!({ "file": file });
        tx.audit_row(now, "qabyl", (None, None), "rules.in_force", detail);
        tx.commit().await
    }
}

impl WriteTx<'_> {
    /// Adds a row about a shop, or one of its orders.
    pub(crate) fn audit(
        &mut self,
        now: Timestamp,
        actor: &str,
        (shop, order): (&ShopName, Option<&OrderId>),
        event: &str,
        detail: Value,
    ) {
        self.audit_row(now, actor, (Some(shop), order), event, detail);
    }

    /// The rows of people that follow say how this one came, and as what.
    pub(crate) fn by(&mut self, actor: &Actor, shop: Option<&ShopName>) {
        self.origin = Some(actor.origin(shop, &operator::of_process()));
    }

    /// Adds a row about a shop, one of its orders, or neither.
    pub(crate) fn audit_row(
        &mut self,
        now: Timestamp,
        actor: &str,
        (shop, order): (Option<&ShopName>, Option<&OrderId>),
        event: &str,
        detail: Value,
    ) {
        let (shop, order) = (shop.map(ShopName::as_str), order.map(OrderId::as_str));
        let operator = (actor != "qabyl").then(|| {
            let of_actor = self.origin.clone();
            of_actor.unwrap_or_else(operator::of_process)
        });
        let head = json!([ms(now), actor, operator, self.epoch, shop, order, event]);
        self.audit.push((head, detail));
    }

    /// The number of rows of this event about an order.
    pub(crate) async fn audit_rows_of(
        &mut self,
        (shop, order): (&ShopName, &OrderId),
        event: &str,
    ) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM audit WHERE shop = ? AND order_id = ? AND event = ?",
        )
        .bind(shop.as_str())
        .bind(order.as_str())
        .bind(event)
        .fetch_one(self.conn()?)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// Puts the rows about a shop under the name that it goes by now.
    pub(crate) async fn rename_in_audit(
        &mut self,
        from: &ShopName,
        to: &ShopName,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE audit SET shop = ? WHERE shop = ?")
            .bind(to.as_str())
            .bind(from.as_str())
            .execute(self.conn()?)
            .await?;
        Ok(())
    }

    /// Writes the rows added so far: the last thing before the commit, in the same transaction.
    pub(crate) async fn write_audit(&mut self) -> Result<(), StoreError> {
        if self.audit.is_empty() {
            return Ok(());
        }
        let rows = serde_json::to_string(&std::mem::take(&mut self.audit))
            .map_err(|_| StoreError::corrupt("a row of the audit log", ""))?;
        sqlx::query(
            "INSERT INTO audit (at, actor, operator, epoch, shop, order_id, event, detail)
             SELECT value ->> '$[0][0]', value ->> '$[0][1]', value ->> '$[0][2]', value ->> '$[0][3]',
               value ->> '$[0][4]', value ->> '$[0][5]', value ->> '$[0][6]', value -> '$[1]'
             FROM json_each(?) ORDER BY key",
        )
        .bind(rows)
        .execute(self.conn()?)
        .await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct Row {
    at: i64,
    actor: String,
    operator: Option<String>,
    shop: Option<String>,
    code: Option<String>,
    event: String,
    detail: String,
}

impl Store {
    /// The last `limit` rows, newest last, without the levels of each import (`stock show` has them). With a code, the
    /// rows of that order, even if the order was deleted after its retention period.
    pub async fn audit_rows(
        &self,
        code: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut reader = self.read().await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT a.at, a.actor, a.operator, a.shop, COALESCE(o.code, ?1) AS code, a.event, a.detail FROM audit a
             LEFT JOIN orders o ON o.shop = a.shop AND o.id = a.order_id
             WHERE (?1 IS NULL AND a.event <> ?3) OR o.code = ?1
               OR (o.id IS NULL AND (a.shop, a.order_id) IN (
                 SELECT shop, order_id FROM audit WHERE event = 'order.deleted' AND detail ->> '$.code' = ?1))
             ORDER BY a.id DESC LIMIT ?2",
        )
        .bind(code)
        .bind(limit)
        .bind(LEVELS_CHANGED)
        .fetch_all(&mut *reader)
        .await?;
        rows.into_iter()
            .rev()
            .map(|row| {
                Ok(AuditRow {
                    at: at(row.at)?,
                    actor: row.actor,
                    operator: row.operator,
                    shop: row.shop,
                    code: row.code,
                    event: row.event,
                    detail: row.detail,
                })
            })
            .collect()
    }
}

/// Deletes rows (JSON) that are older than `before`, which the table allows from then on.
pub(crate) async fn delete(
    tx: &mut WriteTx<'_>,
    rows: &str,
    before: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE audit_retention SET deleted_before = ?1 WHERE deleted_before IS NULL OR deleted_before < ?1")
        .bind(ms(before))
        .execute(tx.conn()?)
        .await?;
    sqlx::query("DELETE FROM audit WHERE id IN (SELECT value FROM json_each(?))")
        .bind(rows)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
