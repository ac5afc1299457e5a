//! A batch of waiting orders decided in one transaction: what it reads, the decisions, and what they write (R1).

use jiff::{SignedDuration, Timestamp};

use super::candidates::{Candidate, candidates};
use super::decisions::{NewDecision, record};
use super::facts::{DecidingInput, skus};
use crate::crash_point::crash_point;
use crate::domain::decision::{Decision, decide};
use crate::domain::explanation;
use crate::domain::facts::{Facts, ShopFacts, ShortageSeen};
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::policy::Policy;
use crate::domain::stock_ledger::{Demand, Ledger};
use crate::domain::verdict::Verdict;
use crate::mutant::mutant;
use crate::store::page::Page;
use crate::store::{Store, StoreError, WriteTx, orders, present_reasons};

/// Lines of an order are asked for as soon as it is seen: one first seen at its last moment waits so long for them.
const LINES_COME_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// How a shop's waiting orders are decided.
pub struct DecidingBatch<'a> {
    /// The shop.
    pub shop: &'a ShopName,
    /// The rules and limits in force.
    pub policy: &'a Policy,
    /// What the pass knows beside the database.
    pub input: DecidingInput,
    /// Whether decisions are carried out; otherwise they are proposals.
    pub acts: bool,
}

/// The sum of the proposals of earlier batches of a pass: proposals write no reservation and no action.
#[derive(Debug, Default)]
pub struct Proposed {
    demands: Vec<Demand>,
    accepts: u64,
    cancels: u64,
}

/// One order decided.
#[derive(Debug)]
pub struct Decided {
    /// What the decision rests on.
    pub facts: Facts,
    /// The decision.
    pub decision: Decision,
    /// Its row; `None` where it says nothing new and none was written.
    pub written: Option<i64>,
}

/// A batch decided and committed.
#[derive(Debug)]
pub struct BatchDecided {
    /// Its orders, oldest first.
    pub orders: Vec<Decided>,
    /// Where there may be more.
    pub next: Option<Page>,
}

impl Store {
    /// Decides a page of the orders that wait, oldest first, and writes what is new, in one transaction.
    /// `None` when no order waits, or there is no complete scan to decide from (R7).
    pub async fn decide_batch(
        &self,
        batch: &DecidingBatch<'_>,
        page: &Page,
        proposed: &mut Proposed,
        now: Timestamp,
    ) -> Result<Option<BatchDecided>, StoreError> {
        let mut tx = self.write().await?;
        let Some((scan, candidates)) = candidates(&mut tx, batch.shop, page).await? else {
            tx.commit().await?;
            return Ok(None);
        };
        let next = page.next(candidates.len(), candidates.last().map(|c| &c.order));
        let skus: Vec<&str> = candidates.iter().flat_map(|c| skus(&c.lines)).collect();
        let viewpoint = batch.input.viewpoint(batch.shop, now);
        let stock = tx.stock(batch.input.stock, (batch.shop, &skus), viewpoint, now);
        let mut pass = Pass {
            ledger: stock.await?.ledger(None),
            shop_facts: tx.shop_facts(batch.shop, &batch.input, now).await?,
            tx,
            batch,
            scan,
            now,
            reasons: Vec::new(),
        };
        if !batch.acts {
            pass.ledger.promise(&proposed.demands, None, now);
            pass.count(proposed.accepts, proposed.cancels);
        }
        let mut orders = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if pass.is_too_early(&candidate) {
                continue;
            }
            let (decided, demands) = pass.decide(&candidate).await?;
            if !batch.acts {
                proposed.add(&decided.decision.verdict, demands);
            }
            orders.push(decided);
        }
        present_reasons::note(&mut pass.tx, batch.shop, &pass.reasons, now).await?;
        crash_point("deciding.before_commit");
        pass.tx.commit().await?;
        crash_point("deciding.after_commit");
        Ok(Some(BatchDecided { orders, next }))
    }
}

impl Proposed {
    fn add(&mut self, verdict: &Verdict, demands: Vec<Demand>) {
        self.demands.extend(demands);
        let (accepts, cancels) = counted(verdict);
        self.accepts += accepts;
        self.cancels += cancels;
    }
}

/// How an order counts against the limits: as an accept, a cancel or not at all.
const fn counted(verdict: &Verdict) -> (u64, u64) {
    match verdict {
        Verdict::Accept => (1, 0),
        Verdict::Cancel { .. } => (0, 1),
        Verdict::Hold | Verdict::Wait { .. } => (0, 0),
    }
}

/// A batch under way: each order is decided with the stock and the counts that the orders before it left.
struct Pass<'a, 's> {
    tx: WriteTx<'s>,
    batch: &'a DecidingBatch<'a>,
    scan: i64,
    now: Timestamp,
    ledger: Ledger,
    shop_facts: ShopFacts,
    /// Why orders are held or wait.
    reasons: Vec<(OrderId, String)>,
}

impl Pass<'_, '_> {
    async fn decide(
        &mut self,
        candidate: &Candidate,
    ) -> Result<(Decided, Vec<Demand>), StoreError> {
        let (shop, policy) = (self.batch.shop, self.batch.policy);
        let point = candidate.order.pickup_point.as_ref();
        let mut facts = Facts {
            shop: Some(shop.clone()),
            order: candidate.order.clone(),
            first_seen_at: Some(candidate.first_seen_at),
            lines: self.ledger.facts(&candidate.lines, point),
            shortage: candidate.shortage,
            sent: candidate.sent,
            namesakes: candidate.namesakes.clone(),
            shop_facts: self.shop_facts.clone(),
        };
        let evidence = self.shop_facts.evidence.about(&facts.lines.wanted());
        facts.shop_facts.evidence = evidence;
        facts.shortage = self.note_shortage(candidate, facts.is_short()).await?;
        let decision = decide(&facts, policy, self.now);
        let demands = match decision.verdict {
            Verdict::Accept => self.ledger.demands(&candidate.lines, point),
            _ => Vec::new(),
        };
        let (accepts, cancels) = counted(&decision.verdict);
        self.count(accepts, cancels);
        if !mutant("r1_promised_twice") {
            let order = Some(&candidate.order.code);
            self.ledger.promise(&demands, order, self.now);
        }
        let mut written = None;
        if !self.says_nothing_new(candidate, &decision) {
            let new = NewDecision {
                facts: &facts,
                decision: &decision,
                policy_digest: policy.digest(),
                demands: &demands,
                act: self.batch.acts,
            };
            written = Some(record(&mut self.tx, shop, &new, "qabyl", self.now).await?);
        }
        if matches!(decision.verdict, Verdict::Hold | Verdict::Wait { .. }) {
            let why = explanation::in_short(&decision, &facts);
            self.reasons.push((candidate.order.id.clone(), why));
        }
        let decided = Decided {
            facts,
            decision,
            written,
        };
        Ok((decided, demands))
    }

    /// Whether the order waits for its lines: they are asked for until the last moment, at which it is decided without.
    fn is_too_early(&self, candidate: &Candidate) -> bool {
        let schedule = &self.batch.policy.limits.schedule;
        let is_just_seen = self.now.duration_since(candidate.first_seen_at) < LINES_COME_WITHIN;
        let has_time = self.now < schedule.last_moment(&candidate.order);
        candidate.awaits_lines && (has_time || is_just_seen || mutant("i4_unread_lines_undecided"))
    }

    /// Counts an order decided, so that the limits for the next one include it.
    const fn count(&mut self, accepts: u64, cancels: u64) {
        let counters = &mut self.shop_facts.counters;
        counters.decided += accepts + cancels;
        counters.cancelled += cancels;
        counters.accepted_last_hour += accepts;
        counters.cancelled_last_hour += cancels;
    }

    /// Whether writing the decision would say nothing new. An accept or cancel that is carried out is always
    /// written: it has no live action, or the order would not be a candidate.
    fn says_nothing_new(&self, candidate: &Candidate, decision: &Decision) -> bool {
        let Some((previous, digest)) = &candidate.previous else {
            return false;
        };
        let acts = self.batch.acts;
        let is_same_policy = digest == self.batch.policy.digest();
        // A proposal stands while it merely waits for the next sweep.
        let is_proposed =
            previous.verdict == previous.proposed && previous.proposed == decision.proposed;
        if !acts && decision.waits_only_for_readings() && is_proposed && is_same_policy {
            return true;
        }
        let carried_out =
            acts && matches!(decision.verdict, Verdict::Accept | Verdict::Cancel { .. });
        previous.same_as(decision) && is_same_policy && !carried_out
    }

    /// How long the order has been short once this pass has seen it: counted once for each complete scan,
    /// forgotten as soon as it is covered.
    async fn note_shortage(
        &mut self,
        candidate: &Candidate,
        is_short: bool,
    ) -> Result<Option<ShortageSeen>, StoreError> {
        let seen = match (is_short, candidate.shortage) {
            (false, None) => return Ok(None),
            (true, Some(seen)) if candidate.shortage_scan == Some(self.scan) => {
                return Ok(Some(seen));
            }
            (false, Some(_)) => None,
            (true, None) => Some(ShortageSeen {
                since: self.now,
                scans: 1,
            }),
            (true, Some(seen)) => Some(ShortageSeen {
                since: seen.since,
                scans: seen.scans.saturating_add(1),
            }),
        };
        let order = (self.batch.shop, &candidate.order.id);
        orders::set_shortage(&mut self.tx, order, seen, self.scan).await?;
        Ok(seen)
    }
}
