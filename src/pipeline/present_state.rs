//! Whether a notice still says what is so. It is asked when a message is about to leave, and when a channel is added.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::notify::Notifier;
use crate::domain::ids::ShopName;
use crate::domain::notice::Kind;
use crate::ledger::UnreadOrder;
use crate::mutant::mutant;
use crate::store::{ScanKind, StoreError, StoredNotice};

/// Two kinds that end each other: the first reports trouble, the second its end.
const PAIRS: [[Kind; 2]; 2] = [
    [Kind::ShopDenied, Kind::ShopAdmitted],
    [Kind::KaspiDown, Kind::KaspiUp],
];

/// After so many messages of a pair within [`FLAPS_WITHIN`] the next one waits until what it reports has settled.
const FLAPS_MAX: usize = 4;
const FLAPS_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// A state that lasts for this long has settled: access that was denied is tried again twice in that time.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

/// Kinds that report what an order was like when it was last read.
const OF_ORDERS: [Kind; 6] = [
    Kind::OrderHeld,
    Kind::DeadlineNear,
    Kind::DeadlinePast,
    Kind::ActionRefused,
    Kind::ActionStuck,
    Kind::OrderUnread,
];

/// Kinds that report the state of a shop or of stock.
const OF_SHOPS: [Kind; 7] = [
    Kind::ShopDenied,
    Kind::KaspiDown,
    Kind::ShopUnread,
    Kind::StockStale,
    Kind::StockCollapsed,
    Kind::StockOverdrawn,
    Kind::StockSourceFailed,
];

/// Kinds that report a state and not only an event: a new channel is sent those that are so now.
pub(super) fn kinds_of_states() -> impl Iterator<Item = Kind> {
    OF_ORDERS.into_iter().chain(OF_SHOPS)
}

/// After a start, what was written before waits so long for the first list, which may show that it is not so any more.
const FIRST_LIST_WITHIN: Duration = Duration::from_mins(1);

/// How long a channel's messages are looked back at for the last one of a pair.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What becomes of a notice that is about to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is sent.
    Current,
    /// It is not so any more, or the channel knows already.
    Outdated,
    /// It changes too often: it waits.
    Unsettled,
}

/// What becomes of a notice that is about to leave for a channel.
pub(super) async fn standing(
    notifier: &Notifier,
    channel: &str,
    notice: &StoredNotice,
    now: Timestamp,
) -> Result<Standing, StoreError> {
    if mutant("i4_messages_unchecked") {
        return Ok(Standing::Current);
    }
    if !is_so(notifier, notice).await? {
        return Ok(Standing::Outdated);
    }
    if is_from_before(notifier, notice).await? {
        return Ok(Standing::Unsettled);
    }
    let pair = PAIRS.into_iter().find(|pair| pair.contains(&notice.kind));
    let (Some(pair), Some(shop)) = (pair, notice.shop.as_deref()) else {
        return Ok(Standing::Current);
    };
    let since = |span| now.saturating_sub(span).unwrap_or(now);
    let store = &notifier.store;
    let delivered = store
        .delivered_kinds(channel, shop, &pair, since(LOOK_BACK))
        .await?;
    // A channel that was not sent the trouble need not be sent its end.
    let known = delivered.first().copied().unwrap_or(pair[1]);
    if known == notice.kind {
        return Ok(Standing::Outdated);
    }
    let lately = store
        .delivered_kinds(channel, shop, &pair, since(FLAPS_WITHIN))
        .await?;
    let lasts = now.duration_since(notice.at) >= SETTLED;
    Ok(if lately.len() >= FLAPS_MAX && !lasts {
        Standing::Unsettled
    } else {
        Standing::Current
    })
}

/// Whether the notice was written before this start, and its shop's orders were not listed since.
async fn is_from_before(notifier: &Notifier, notice: &StoredNotice) -> Result<bool, StoreError> {
    let (began_at, began) = notifier.began;
    let is_late = notifier.clock.ticks().saturating_sub(began) >= FIRST_LIST_WITHIN;
    if is_late || notice.at >= began_at || !OF_ORDERS.contains(&notice.kind) {
        return Ok(false);
    }
    let shop = notice.shop.as_deref();
    let Some(shop) = shop.and_then(|shop| ShopName::new(shop).ok()) else {
        return Ok(false);
    };
    let list = notifier
        .store
        .last_complete_scan(&shop, ScanKind::New, Timestamp::MAX)
        .await?;
    Ok(list.is_none_or(|list| list.started_at < began_at) && !mutant("i4_old_messages_at_start"))
}

/// Whether what the notice reports is so now.
pub(super) async fn is_so(notifier: &Notifier, notice: &StoredNotice) -> Result<bool, StoreError> {
    let store = &notifier.store;
    let shop = notice
        .shop
        .as_deref()
        .and_then(|shop| ShopName::new(shop).ok());
    let named = |at: Timestamp| notice.key.ends_with(&format!(":{}", at.as_millisecond()));
    Ok(match (notice.kind, shop) {
        (Kind::OrderHeld | Kind::ActionRefused, Some(shop)) => {
            store
                .is_hold_current(&shop, &notice.key, &notice.facts)
                .await?
        }
        (Kind::ActionStuck, _) => {
            let action = notice.key.rsplit(':').next();
            match action.and_then(|id| id.parse().ok()) {
                Some(action) => store.is_stuck(action).await?,
                None => false,
            }
        }
        (kind @ (Kind::DeadlineNear | Kind::DeadlinePast), Some(shop)) => {
            let code = notice.facts["order"].as_str().unwrap_or_default();
            match store.waiting_order(&shop, code).await? {
                None => false,
                Some(waiting) if kind == Kind::DeadlineNear => {
                    let deadlines = notifier.deadlines(&shop);
                    let left = deadlines.map(|(schedule, now)| schedule.left(&waiting.order, now));
                    !waiting.on_its_way && left.is_none_or(|left| !left.is_negative())
                }
                Some(_) => true,
            }
        }
        (Kind::OrderUnread, Some(shop)) => {
            let unread = store.unread_orders(&shop).await?;
            let is_it = |order: &UnreadOrder| {
                order.uncounted.is_some() && notice.facts["id"] == order.id.as_str()
            };
            unread.iter().any(is_it)
        }
        (kind @ (Kind::ShopDenied | Kind::ShopAdmitted), Some(shop)) => {
            let is_denied = store.shop_state(&shop).await?.denied.is_some();
            is_denied == (kind == Kind::ShopDenied)
        }
        (kind @ (Kind::KaspiDown | Kind::KaspiUp), Some(shop)) => {
            let is_down = store.lists_failing(&shop).await?.is_some();
            is_down == (kind == Kind::KaspiDown)
        }
        (Kind::ShopUnread, Some(shop)) => {
            let patience = notifier.watch.group_patience;
            let silent = store.silent_shops(patience, notifier.clock.now()).await?;
            silent
                .iter()
                .any(|silent| silent.shop == shop && named(silent.since))
        }
        (Kind::StockStale, _) => {
            let age = store.stock_age().await?;
            age.is_some_and(|(newest, _)| named(newest))
        }
        (Kind::StockCollapsed, _) => {
            let fall = store.collapses_now().await?.into_iter().next();
            fall.is_some_and(|fall| named(fall.at))
        }
        (Kind::StockOverdrawn, _) => {
            let fact = |name: &str| notice.facts[name].as_str().unwrap_or_default();
            let since = store
                .overdrawn_since(fact("stock"), (fact("sku"), fact("warehouse")))
                .await?;
            since.is_some_and(named)
        }
        (Kind::StockSourceFailed, _) => {
            let source = notice.facts["source"].as_str().unwrap_or_default();
            let code = notice.facts["code"].as_str().unwrap_or_default();
            let states = store.stock_sources().await?;
            let state = states.into_iter().find(|state| state.name == source);
            let trouble = state.and_then(|state| state.trouble);
            trouble.is_some_and(|(_, trouble)| trouble.code == code)
        }
        _ => true,
    })
}
