//! What must hold at the end of every story, whatever happened in it.

use std::collections::BTreeMap;

use qabyl::store::OrderView;
use qabyl_sandbox::{Cause, EffectRow, Status, World};

use super::TestWorld;

pub(super) async fn judge(world: &TestWorld) {
    let views = world.views().await;
    {
        let kaspi = world.kaspi();
        never_both(&kaspi);
        no_blind_repeat(&kaspi);
        no_wrong_cancel(&kaspi, &world.on_hand);
        no_oversell(&kaspi, &world.on_hand);
        same_as_kaspi(&kaspi, &views, world);
    }
    every_post_has_its_attempt(world, &views);
    ledger_balances(world, &views).await;
    books_balance(world).await;
    let wrong = world.store.miscounted().await.unwrap();
    assert!(
        wrong.is_empty(),
        "R8: counted otherwise than stored: {wrong:?}"
    );
    every_decision_is_audited(world, &views).await;
}

/// I1: never both actions sent for one order.
fn never_both(kaspi: &World) {
    let both = kaspi.ledger().both_actions_sent();
    assert!(both.is_empty(), "both actions were sent for {both:?}");
}

/// No POST again once its effect was there to be read.
fn no_blind_repeat(kaspi: &World) {
    let repeats = kaspi.ledger().blind_repeats();
    assert!(repeats.is_empty(), "sent again without need: {repeats:#?}");
}

/// I3: whenever a cancel took effect, some line of the order was not covered by what was left.
fn no_wrong_cancel(kaspi: &World, on_hand: &BTreeMap<String, u32>) {
    let mut left: BTreeMap<&str, i64> = on_hand
        .iter()
        .map(|(sku, units)| (sku.as_str(), i64::from(*units)))
        .collect();
    let own_cancel = |row: &EffectRow| row.cause.is_write() && row.to == Status::Cancelled;
    for row in kaspi.ledger().effects() {
        let sign = match (&row.from, &row.to) {
            (_, Status::AcceptedByMerchant) => -1,
            (Status::AcceptedByMerchant, Status::Cancelled) => 1,
            _ => 0,
        };
        if own_cancel(row) {
            let short = row.units.iter().any(|(sku, units)| {
                left.get(sku.as_str())
                    .is_some_and(|l| i64::from(*units) > *l)
            });
            assert!(
                short,
                "{} was cancelled, and stock covered it: {left:?}",
                row.code
            );
        }
        for (sku, units) in &row.units {
            if let Some(left) = left.get_mut(sku.as_str()) {
                *left += sign * i64::from(*units);
            }
        }
    }
}

/// I2: orders accepted by us never take more than there was. Units that people promised are theirs
/// to answer for.
fn no_oversell(kaspi: &World, on_hand: &BTreeMap<String, u32>) {
    let by_people = |sku: &str| {
        kaspi.ledger().effects().iter().any(|row| {
            row.cause == Cause::Cabinet
                && row.to == Status::AcceptedByMerchant
                && row.units.iter().any(|(of, _)| of == sku)
        })
    };
    for (sku, units) in kaspi.units_promised_by_sku() {
        let Some(there) = on_hand.get(&sku) else {
            assert!(by_people(&sku), "{sku} was promised without known stock");
            continue;
        };
        assert!(
            units <= u64::from(*there) || by_people(&sku),
            "{units} of {sku} are promised, and {there} were there"
        );
    }
}

/// I4, I5: every visible order is known as Kaspi holds it; what is still new is held or waits.
fn same_as_kaspi(kaspi: &World, views: &[OrderView], world: &TestWorld) {
    let now = world.now();
    for order in kaspi
        .orders()
        .iter()
        .filter(|order| order.visible_at <= now)
    {
        let known = views
            .iter()
            .find(|view| view.order.code.as_str() == order.code());
        let Some(known) = known else {
            // An order that came and went between two looks owes nobody anything.
            assert_ne!(
                order.status,
                Status::ApprovedByBank,
                "{} was missed",
                order.code()
            );
            continue;
        };
        assert_eq!(
            (known.order.state.as_str(), known.order.status.as_str()),
            (order.state.as_str(), order.status.as_str()),
            "{} is known otherwise than Kaspi holds it",
            order.code()
        );
        if order.status == Status::ApprovedByBank {
            let held = known.held.is_some()
                || known
                    .decision
                    .as_ref()
                    .is_some_and(|d| matches!(d.decision.verdict.word(), "hold" | "wait"));
            assert!(held, "{} waits and nobody is notified why", order.code());
        }
    }
}

/// I9: as many attempts are written as POSTs reached Kaspi, or more.
fn every_post_has_its_attempt(world: &TestWorld, views: &[OrderView]) {
    let kaspi = world.kaspi();
    for view in views {
        let code = view.order.code.as_str();
        let mut posts = kaspi.ledger().posts_for(code);
        posts.retain(|post| post.at >= world.put_back_at);
        let attempts: Vec<_> = view.actions.iter().flat_map(|a| &a.attempts).collect();
        assert!(
            attempts.len() >= posts.len(),
            "{code}: {posts:?} and {attempts:?}"
        );
        for (attempt, post) in attempts.iter().zip(&posts) {
            assert!(
                attempt.begun_at <= post.at,
                "{code}: sent before it was written"
            );
        }
    }
}

/// I6: what is reserved is what accepted orders took, SKU by SKU.
async fn ledger_balances(world: &TestWorld, views: &[OrderView]) {
    let mut owed: BTreeMap<String, i64> = BTreeMap::new();
    for view in views
        .iter()
        .filter(|v| v.order.status.as_str() == "ACCEPTED_BY_MERCHANT")
    {
        for line in &view.lines {
            if let Some(sku) = &line.sku {
                *owed.entry(sku.to_string()).or_default() += i64::from(line.quantity);
            }
        }
    }
    let handed_over = world
        .kaspi()
        .orders()
        .iter()
        .any(|order| order.handed_over_at.is_some());
    let imports_later = world.config.stock.semantics == qabyl::config::StockSemantics::Available;
    if handed_over || imports_later {
        return;
    }
    for level in world.levels().await {
        let sku = level.listing.sku.as_str();
        let consumed: i64 = views
            .iter()
            .filter(|v| v.order.status.as_str() == "COMPLETED")
            .flat_map(|v| &v.lines)
            .filter(|line| line.sku.as_ref().is_some_and(|of| of.as_str() == sku))
            .map(|line| i64::from(line.quantity))
            .sum();
        let promised = level.promised.confirmed + level.promised.in_doubt;
        let owed = owed.get(sku).copied().unwrap_or(0) + consumed;
        assert_eq!(
            promised, owed,
            "{sku}: reserved, and what accepted orders took"
        );
    }
}

/// I6: the audit log agrees with the tables.
async fn books_balance(world: &TestWorld) {
    let check = world.store.check_stock().await.unwrap();
    assert_eq!(check.differences, []);
}

async fn every_decision_is_audited(world: &TestWorld, views: &[OrderView]) {
    for view in views.iter().filter(|view| view.decision.is_some()) {
        let code = view.order.code.as_str();
        let rows = world.store.audit_rows(Some(code), 10_000).await.unwrap();
        let events: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
        assert!(events.contains(&"order.decided"), "{code}: {events:?}");
        let posts = world.kaspi().ledger().posts_for(code);
        let posts = posts.iter().filter(|post| post.at >= world.put_back_at);
        let posts = posts.count();
        let begun = events
            .iter()
            .filter(|event| **event == "attempt.begun")
            .count();
        assert!(
            begun >= posts,
            "{code}: {posts} POSTs and {begun} in the audit"
        );
    }
}
