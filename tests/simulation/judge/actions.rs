//! How actions end: one kind for an order, each POST after its row, none blindly again (I1, I9, R3, R4).

use std::collections::BTreeMap;

use jiff::SignedDuration;
use qabyl::domain::action::{Kind, OutcomeKind, State};
use qabyl::store::{ActionView, OrderView};
use qabyl_sandbox::{EffectRow, Status, World};

use super::{Known, Sight};

/// `actions.settle` and `actions.attempts_max`, as they are by default.
const SETTLE: SignedDuration = SignedDuration::from_mins(3);
const ATTEMPTS_MAX: usize = 5;

pub(super) fn never_both(world: &World, known: &Known) -> Result<(), String> {
    let both = world.ledger().both_actions_sent();
    match both.iter().find(|code| !known.by_people.contains(*code)) {
        Some(code) => Err(format!("I1: accept and cancel were both sent for {code}")),
        None => Ok(()),
    }
}

/// A POST again after the effect of an earlier one of ours could be read.
pub(super) fn no_blind_repeat(world: &World, views: &[OrderView]) -> Result<(), String> {
    let ledger = world.ledger();
    for row in ledger.blind_repeats() {
        let code = row.code.as_deref().unwrap_or_default();
        let ours = ledger.effects().iter().find(|effect| {
            effect.code == code && effect.cause.is_write() && effect.request != Some(row.n)
        });
        // Two minutes: a late effect, or a lagging replica, may come between the reading and the POST.
        let seen = |effect: &EffectRow| row.at.duration_since(effect.at).as_secs() > 120;
        if ours.is_some_and(seen) {
            let attempts: Vec<_> = views
                .iter()
                .filter(|view| view.order.code.as_str() == code)
                .map(|view| &view.actions)
                .collect();
            return Err(format!(
                "blind repeat of {row:?}; effect {ours:?}; {attempts:#?}"
            ));
        }
    }
    Ok(())
}

/// R3, R4: no action ended otherwise than Kaspi shows it, was sent too often, or is still under way.
pub(super) fn actions_end_true(
    world: &World,
    known: &Known,
    views: &[OrderView],
    sight: &Sight,
) -> Result<(), String> {
    for view in views {
        let code = view.order.code.as_str();
        for (n, action) in view.actions.iter().enumerate() {
            let to = |row: &EffectRow| match action.kind {
                Kind::Accept => row.to == Status::AcceptedByMerchant,
                Kind::Cancel { .. } => matches!(row.to, Status::Cancelled | Status::Cancelling),
            };
            let of_it = |row: &&EffectRow| row.code == code && to(row);
            let mut effects = world.ledger().effects().iter().filter(of_it);
            let last = world
                .ledger()
                .effects()
                .iter()
                .rfind(|row| row.code == code);
            let seen = action.closed_at.map(|closed| closed - sight.lag);
            let is_true = match (action.state, seen) {
                (State::Confirmed, _) => effects.next().is_some(),
                // One that was overtaken by others had its effect all the same.
                (State::Refused, Some(seen)) => !last.is_some_and(|row| {
                    // A clock set back may put this action's end after the effect of one that came later.
                    let tried = view.actions.iter().take(n + 1);
                    let tried: usize = tried.map(|it| it.attempts.len()).sum();
                    let is_its = to(row) && row.cause.is_write() && row.at < seen;
                    is_its && posts_before(world, row) < tried
                }),
                _ => true,
            };
            let counted = action.attempts.iter().filter(|attempt| {
                use OutcomeKind::{Denied, NotSent, Snoozed};
                !matches!(attempt.outcome, Some(Snoozed | NotSent | Denied))
            });
            let is_bounded = counted.count() <= ATTEMPTS_MAX || known.by_people.contains(code);
            let is_over = action
                .attempts
                .iter()
                .all(|attempt| attempt.outcome.is_some());
            let is_read =
                action.state != State::Refused || !sight.is_steady || is_read_back(world, action);
            if !(is_true && is_bounded && is_over && is_read) {
                return Err(format!("R3: {code} does not hold {action:#?}"));
            }
        }
    }
    Ok(())
}

/// How many POSTs about its order came before the one that had this effect.
fn posts_before(world: &World, effect: &EffectRow) -> usize {
    let requests = world.ledger().requests().iter();
    requests
        .filter(|row| row.write.is_some() && row.code.as_ref() == Some(&effect.code))
        .take_while(|row| Some(row.n) != effect.request)
        .count()
}

/// R3: whether anything was read between the last POST of an action and its end, where the end does not
/// name a reading that was under way already.
fn is_read_back(world: &World, action: &ActionView) -> bool {
    let why = action.why.as_deref().unwrap_or_default();
    if why.starts_with("Kaspi shows") {
        return true;
    }
    let ended = action.attempts.last().and_then(|attempt| attempt.ended_at);
    let (Some(ended), Some(closed)) = (ended, action.closed_at) else {
        return true;
    };
    // The database holds milliseconds, the world what is smaller too.
    let closed = closed + SignedDuration::from_millis(1);
    let mut requests = world.ledger().requests().iter();
    requests.any(|row| row.write.is_none() && ended <= row.at && row.at < closed)
}

/// R4: a POST whose outcome was not a clear no is not repeated before it has settled.
pub(super) fn no_early_repeat(world: &World) -> Result<(), String> {
    let mut last = BTreeMap::new();
    let posts = world.ledger().requests().iter();
    for row in posts.filter(|row| row.write.is_some()) {
        let is_open = !row
            .answered
            .is_some_and(|status| (400..500).contains(&status));
        let before = last.insert((&row.code, row.write), (row.at, is_open));
        if let Some((at, true)) = before
            && row.at.duration_since(at) < SETTLE
        {
            return Err(format!("R4: {row:?} repeats one of {at}"));
        }
    }
    Ok(())
}

/// I9: the row was there before the POST.
pub(super) fn attempts_precede_posts(world: &World, views: &[OrderView]) -> Result<(), String> {
    for view in views {
        let code = view.order.code.as_str();
        let posts = world.ledger().posts_for(code);
        let attempts: usize = view
            .actions
            .iter()
            .map(|action| action.attempts.len())
            .sum();
        if attempts < posts.len() {
            return Err(format!(
                "I9: {} POSTs for {code} and {attempts} attempts",
                posts.len()
            ));
        }
    }
    Ok(())
}
