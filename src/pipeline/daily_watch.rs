//! Conditions that develop over time and need a notice: stale stock, a collapsed feed, the cancel budget, the
//! daily digest. Also logs the hourly summary of each shop.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::notify::WatchSettings;
use super::{Ctx, Mode};
use crate::domain::calendar;
use crate::domain::ids::ShopName;
use crate::domain::notice::{Kind, Notice};
use crate::events::log_event;
use crate::store::{Store, StoreError};

/// A notice is written when this share of the budget is used up.
const NEAR: f64 = 0.8;

/// A digest later than this is not sent.
const DIGEST_LATE_MAX: SignedDuration = SignedDuration::from_hours(3);

/// A digest ends so long before it is made that no row with an earlier time is still being written.
const SETTLED: SignedDuration = SignedDuration::from_mins(1);

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Checks all conditions, and writes their notices.
pub(super) async fn run_once(
    store: &Store,
    shops: &[Arc<Ctx>],
    settings: WatchSettings,
    now: Timestamp,
) -> Result<(), StoreError> {
    stock(store, shops, now).await?;
    if let Some(first) = shops.first() {
        store.note_overdrawn(&first.settings.stock, now).await?;
    }
    silent_shops(store, settings.group_patience, now).await?;
    for ctx in shops {
        if ctx.mode == Mode::Act {
            budget(store, ctx, settings.cancel_share_max, now).await?;
        }
        outage(store, ctx, settings.outage_after, now).await?;
        unread(store, ctx, now).await?;
        if let Some(at) = settings.digest_at {
            digest(store, ctx, at, now).await?;
        }
    }
    Ok(())
}

/// Logs the summary of a shop's last hour: its orders, and its requests since the previous summary. `last`
/// holds the requests counted until then. Returns the requests counted until now.
pub(super) async fn log_hourly_summary(
    store: &Store,
    ctx: &Ctx,
    last: &BTreeMap<Class, u64>,
    now: Timestamp,
) -> Result<BTreeMap<Class, u64>, StoreError> {
    let view = ctx.reader.view();
    let since = |wanted: &str| {
        let of_class = view
            .classes
            .iter()
            .filter(|((_, class), _)| *class == wanted);
        let counts = of_class.map(|(key, count)| count - last.get(key).copied().unwrap_or(0));
        counts.sum::<u64>()
    };
    let hour = now.saturating_sub(SignedDuration::from_hours(1));
    let seen = store.day(&ctx.shop, hour.unwrap_or(now)).await?;
    let totals = store.totals(Some(&ctx.shop)).await?;
    let counters = store
        .counters(&ctx.shop, ctx.policy().limits.cancel_budget_window, now)
        .await?;
    let stock = store.stock_age().await?;
    let stock_age = stock.map(|(newest, _)| now.duration_since(newest).as_secs());
    log_event!(
        SHOP_HOUR, shop = %ctx.shop, new = seen.new, accepted = seen.accepted,
        cancelled = seen.cancelled, held = totals.held, waiting = totals.waiting, stuck = totals.stuck,
        requests = view.classes.values().sum::<u64>() - last.values().sum::<u64>(), ok = since("ok"),
        denied = since("denied"), refused = since("refused"), asked_to_wait = since("asked_to_wait"),
        server_error = since("server_error"), not_sent = since("not_sent"), timeout = since("timeout"),
        broken = since("broken"), cancel_share = share(counters.cancelled, counters.decided),
        stock_age_s = stock_age, "the last hour"
    );
    Ok(view.classes)
}

/// A request's method and the class of its outcome.
pub(super) type Class = (&'static str, &'static str);

/// Almaty's day and how far into it `now` is.
fn day_of(now: Timestamp) -> (String, SignedDuration) {
    let local = calendar::local(now);
    let since_midnight = i64::from(local.hour()) * 3600 + i64::from(local.minute()) * 60;
    let day = local.strftime("%Y-%m-%d").to_string();
    (day, SignedDuration::from_secs(since_midnight))
}

/// The share `of` has in `all`; 0 if `all` is 0.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn share(of: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        of as f64 / all as f64
    }
}

/// Checks the stock. All shops share it and its limits.
async fn stock(store: &Store, shops: &[Arc<Ctx>], now: Timestamp) -> Result<(), StoreError> {
    let Some(first) = shops.first() else {
        return Ok(());
    };
    let policy = first.policy();
    let limits = &policy.limits;
    if let (Some(limit), Some((newest, _))) = (limits.stock_max_age, store.stock_age().await?) {
        let age = now.duration_since(newest);
        if age > limit {
            let facts = json!({ "age_s": age.as_secs(), "limit_s": limit.as_secs() });
            // The same levels are notified once.
            let what = newest.as_millisecond().to_string();
            let notice = Notice::of_all(Kind::StockStale, &what, facts);
            store.add_notice(notice, now).await?;
        }
    }
    if let (Some(limit), Some(fall)) = (
        limits.stock_collapse_share,
        store.collapses_now().await?.into_iter().next(),
    ) && share(fall.fell, fall.had) > limit
    {
        let facts = json!({ "fell": fall.fell, "had": fall.had, "source": fall.source });
        let what = fall.at.as_millisecond().to_string();
        let notice = Notice::of_all(Kind::StockCollapsed, &what, facts);
        store.add_notice(notice, now).await?;
    }
    Ok(())
}

/// Reports that no list of new orders has succeeded for a while, and that one does again. A shop that is denied
/// access has a notice of its own.
async fn outage(
    store: &Store,
    ctx: &Ctx,
    after: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pair = [Kind::KaspiDown, Kind::KaspiUp];
    let newest = store.newest_notice(&ctx.shop, &pair).await?;
    let reported = newest.filter(|notice| notice.kind == Kind::KaspiDown);
    let failing = store.lists_failing(&ctx.shop).await?;
    let is_denied = store.shop_state(&ctx.shop).await?.denied.is_some();
    let (kind, since) = match (failing, reported) {
        (Some((since, _)), None) if now.duration_since(since) >= after && !is_denied => {
            (Kind::KaspiDown, since)
        }
        (None, Some(down)) => (Kind::KaspiUp, down.at),
        _ => return Ok(()),
    };
    let what = now.as_millisecond().to_string();
    let notice = Notice::of_shop(kind, &ctx.shop, &what, json!({ "since": since }));
    store.add_notice(notice, now).await
}

/// Reports shops that keep others of the same stock waiting, once for as long as each is not read.
async fn silent_shops(
    store: &Store,
    patience: SignedDuration,
    now: Timestamp,
) -> Result<(), StoreError> {
    for silent in store.silent_shops(patience, now).await? {
        let waiting: Vec<&str> = silent.waiting.iter().map(ShopName::as_str).collect();
        let facts = json!({ "since": silent.since, "waiting": waiting.join(", ") });
        let what = silent.since.as_millisecond().to_string();
        let notice = Notice::of_shop(Kind::ShopUnread, &silent.shop, &what, facts);
        store.add_notice(notice, now).await?;
    }
    Ok(())
}

/// Reports orders that cannot be read, once accepts have waited for them for a while.
async fn unread(store: &Store, ctx: &Ctx, now: Timestamp) -> Result<(), StoreError> {
    let orders = store.unread_orders(&ctx.shop).await?;
    let late = orders.iter().filter(|order| order.keeps_back_accepts(now));
    for (order, units) in late.filter_map(|order| Some((order, order.uncounted.as_ref()?))) {
        let what = format!("{}:{}", order.id, units.since.as_millisecond());
        let facts = json!({ "order": order.code, "id": order.id.as_str(), "skus": order.skus() });
        let notice = Notice::of_shop(Kind::OrderUnread, &ctx.shop, &what, facts);
        store.add_notice(notice, now).await?;
    }
    Ok(())
}

/// Reports a share of cancels that comes near the shop's limit, or near Kaspi's where the shop has none.
async fn budget(store: &Store, ctx: &Ctx, max: f64, now: Timestamp) -> Result<(), StoreError> {
    let policy = ctx.policy();
    let limit = policy.limits.cancel_budget_share.unwrap_or(max).min(max);
    let counters = store
        .counters(&ctx.shop, ctx.policy().limits.cancel_budget_window, now)
        .await?;
    let used = share(counters.cancelled, counters.decided);
    if counters.decided < policy.limits.cancel_budget_from || used < limit * NEAR {
        return Ok(());
    }
    let facts = json!({
        "cancelled": counters.cancelled, "decided": counters.decided, "share": used,
        "limit_share": limit,
    });
    let (day, _) = day_of(now);
    let notice = Notice::of_shop(Kind::CancelsNear, &ctx.shop, &day, facts);
    store.add_notice(notice, now).await
}

async fn digest(
    store: &Store,
    ctx: &Ctx,
    at_minutes: u16,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (day, into_it) = day_of(now);
    let late = into_it - SignedDuration::from_mins(i64::from(at_minutes));
    if late.is_negative() || late > DIGEST_LATE_MAX {
        return Ok(());
    }
    let mut notice = Notice::of_shop(Kind::Digest, &ctx.shop, &day, json!({}));
    // The orders of a shop that was never listed are unknown.
    let is_known = store.lists_read(&ctx.shop).await?.0.is_some();
    if !is_known || store.is_noticed(&notice.key).await? {
        return Ok(());
    }
    // It begins where the last one ended: each order and each action is in exactly one digest.
    let until = now.saturating_sub(SETTLED).unwrap_or(now);
    let newest = store.newest_notice(&ctx.shop, &[Kind::Digest]).await?;
    let ended = newest.and_then(|last| last.facts["until"].as_str()?.parse::<Timestamp>().ok());
    let day_before = until.saturating_sub(DAY).unwrap_or(until);
    let from = ended.map_or(day_before, |ended| ended.min(until));
    let seen = store.day_between(&ctx.shop, from, until).await?;
    let totals = store.totals(Some(&ctx.shop)).await?;
    let counters = store
        .counters(&ctx.shop, ctx.policy().limits.cancel_budget_window, now)
        .await?;
    notice.facts = json!({
        "from": from, "until": until,
        "new": seen.new, "accepted": seen.accepted, "cancelled": seen.cancelled,
        "held": totals.held + totals.stuck, "waiting": totals.waiting,
        "share": share(counters.cancelled, counters.decided),
    });
    store.add_notice(notice, now).await
}
