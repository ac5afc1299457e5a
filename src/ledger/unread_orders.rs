//! Orders that could not be read, or whose lines could not: which there are, and what a person says of them.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::known_orders::known;
use super::order_units::reconcile_units;
use crate::domain::ids::{EntryId, OrderCode, OrderId, ShopName, Sku};
use crate::domain::order::{Line, Order, UnitType};
use crate::domain::unaccounted::{LinesState, MayHold, NAMED_AFTER, OrderWithoutLines};
use crate::mutant::mutant;
use crate::store::{Store, StoreError, WriteTx, namesakes, order_lists, orders, unaccounted};

/// What an unreadable order holds, as a person saw it in the cabinet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// These units.
    Lines(Vec<(Sku, u32)>),
    /// Nothing that is counted.
    HoldsNothing,
}

/// An open order that could not be read in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadOrder {
    /// Its id.
    pub id: OrderId,
    /// Its number.
    pub code: OrderCode,
    /// What could not be read.
    pub problem: String,
    /// Its units, where no reservation counts them.
    #[serde(flatten)]
    pub uncounted: Option<Uncounted>,
    /// Whether a person must say what it holds.
    pub needs_person: bool,
}

/// Units of an order that no reservation counts: accepts of what it may hold wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Uncounted {
    /// What it may hold.
    pub may_hold: MayHold,
    /// Since when, as far as it is known.
    pub since: Timestamp,
}

impl UnreadOrder {
    /// Whether people hear of it at once: only a person can settle it, or it keeps accepts back for long.
    pub fn is_trouble(&self, now: Timestamp) -> bool {
        self.needs_person || self.keeps_back_accepts(now)
    }

    /// Whether accepts have waited for it for longer than most such orders take to be read.
    pub fn keeps_back_accepts(&self, now: Timestamp) -> bool {
        // A clock that was set back makes nothing younger.
        let is_long = |units: &Uncounted| now.duration_since(units.since).abs() >= NAMED_AFTER;
        self.uncounted.as_ref().is_some_and(is_long) && !mutant("i4_unaccounted_order_unnamed")
    }

    fn may_hold(&self) -> Option<&MayHold> {
        self.uncounted.as_ref().map(|units| &units.may_hold)
    }

    /// The SKUs that it may hold; none where it may hold any.
    pub fn skus(&self) -> Vec<&str> {
        match self.may_hold() {
            Some(MayHold::Of(skus)) => skus.iter().map(Sku::as_str).collect(),
            Some(MayHold::Any) | None => Vec::new(),
        }
    }

    /// Which order it is, what could not be read, and what that holds up.
    pub fn words(&self) -> String {
        let of_order = format!("order {}: {}", self.code, self.problem);
        match self.may_hold() {
            None => of_order,
            Some(MayHold::Any) => {
                format!("{of_order}; accepts wait, as it may hold units of any SKU")
            }
            Some(MayHold::Of(_)) => {
                let skus = self.skus().join(", ");
                format!("{of_order}; accepts of {skus} wait, as it may hold their units")
            }
        }
    }

    /// What a person can do.
    pub fn remedy(&self) -> String {
        let code = &self.code;
        match (self.needs_person, self.may_hold()) {
            (true, Some(_)) => format!(
                "look at it in the cabinet, then `qabyl orders resolve {code} --lines SKU=N` or `--holds-nothing`"
            ),
            (true, None) => "look at it in the cabinet".to_owned(),
            (false, _) => format!("it is read again by itself; `qabyl explain {code}` shows it"),
        }
    }
}

impl fmt::Display for UnreadOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words())?;
        if self.needs_person {
            write!(f, "; {}", self.remedy())?;
        }
        Ok(())
    }
}

impl Store {
    /// Open orders with fields that could not be read, those whose lines could not, those with the number of another, and
    /// those that readings show in an earlier status, the oldest first.
    pub async fn unread_orders(&self, shop: &ShopName) -> Result<Vec<UnreadOrder>, StoreError> {
        let mut reader = self.read().await?;
        let mut found: Vec<UnreadOrder> = Vec::new();
        let is_unread = |order: &OrderWithoutLines| order.is_unaccounted() && order.failures > 0;
        for stored in unaccounted::without_lines(&mut reader, shop, is_unread).await? {
            let order = &stored.order.order;
            let problem = stored.problem.unwrap_or_else(|| "no answer".to_owned());
            found.push(UnreadOrder {
                needs_person: !order.lines.are_awaited(order.failures),
                uncounted: Some(Uncounted {
                    may_hold: stored.may_hold,
                    since: order.status_since,
                }),
                id: stored.order.id,
                code: stored.order.code,
                problem: format!("its lines could not be read: {problem}"),
            });
        }
        for order in order_lists::with_unread_fields(&mut reader, shop).await? {
            let unread = order.unread_words().unwrap_or_default();
            let problem = format!("fields could not be read: {unread}");
            match found.iter_mut().find(|known| known.id == order.id) {
                Some(known) => known.problem = format!("{}; {problem}", known.problem),
                None => found.push(UnreadOrder {
                    id: order.id,
                    code: order.code,
                    problem,
                    uncounted: None,
                    needs_person: false,
                }),
            }
        }
        let namesakes = namesakes::namesakes(&mut reader, shop).await?;
        drop(reader);
        let namesakes = namesakes.into_iter().map(|(order, others)| UnreadOrder {
            problem: format!(
                "Kaspi shows this number under several ids, {} and {}: they may be one order, so it is not decided by \
                 itself and its units are in doubt",
                order.id,
                others.join(", ")
            ),
            id: order.id,
            code: order.code,
            uncounted: None,
            needs_person: true,
        });
        let others = self.reverted_orders(shop).await?;
        for order in namesakes.chain(others) {
            match found.iter_mut().find(|known| known.id == order.id) {
                Some(known) => known.problem = format!("{}; {}", known.problem, order.problem),
                None => found.push(order),
            }
        }
        Ok(found)
    }

    /// Takes a manual decision about what an unreadable order holds. Its units are reserved, or counted as departed, as
    /// if its lines had been read; when they are read after all, they replace it.
    pub async fn resolve_order(
        &self,
        shop: &ShopName,
        id: &OrderId,
        resolution: &Resolution,
        actor: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let Some((order, _)) = tx.order_and_lines(shop, id).await? else {
            return Err(StoreError::NoOrder(id.as_str().to_owned()));
        };
        check_resolvable(&mut tx, shop, &order).await?;
        let lines = match resolution {
            Resolution::Lines(lines) => lines.as_slice(),
            Resolution::HoldsNothing => &[],
        };
        let lines: Vec<Line> = (1..)
            .zip(lines)
            .map(|(number, (sku, quantity))| line_of_person(number, sku, *quantity))
            .collect::<Result<_, _>>()?;
        orders::resolve_lines(&mut tx, shop, id, &lines).await?;
        let detail = lines.iter().map(|line| json!([line.sku, line.quantity]));
        let detail = json!({ "lines": detail.collect::<Vec<_>>() });
        tx.audit(now, actor, (shop, Some(id)), "order.resolved", detail);
        let stored = known(&mut tx, shop, &[id.as_str()]).await?;
        reconcile_units(&mut tx, shop, (&order, None), stored.get(id.as_str()), now).await?;
        tx.commit_manual_decision().await
    }
}

/// Refuses an order whose lines are known, and one that is decided instead.
async fn check_resolvable(
    tx: &mut WriteTx<'_>,
    shop: &ShopName,
    order: &Order,
) -> Result<(), StoreError> {
    let code = &order.code;
    if order.awaits_merchant() {
        return Err(StoreError::Refused(format!(
            "order {code} awaits a decision and holds nothing yet: `qabyl accept {code}` or `qabyl cancel {code}`"
        )));
    }
    let reading = orders::lines_reading(tx, shop, &order.id).await?;
    match reading.map(|reading| reading.lines) {
        Some(LinesState::Unread | LinesState::Unreadable | LinesState::Resolved) => Ok(()),
        _ => Err(StoreError::Refused(format!(
            "the lines of order {code} are known (`qabyl orders show {code}`): nothing is to be resolved"
        ))),
    }
}

fn line_of_person(number: i64, sku: &Sku, quantity: u32) -> Result<Line, StoreError> {
    let entry = format!("person-{number}");
    Ok(Line {
        entry: EntryId::new(&entry).map_err(|_| StoreError::corrupt("an entry", entry))?,
        number,
        sku: Some(sku.clone()),
        quantity,
        unit: UnitType::Pieces,
        unit_price: None,
        total: None,
        name: None,
        category: None,
        master_product: None,
    })
}
