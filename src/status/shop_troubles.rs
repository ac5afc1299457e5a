//! What keeps one shop's orders from being handled.

use jiff::{SignedDuration, Timestamp};

use super::LIST_AGE_MAX;
use super::troubles::{DAEMON_SILENT_MAX, NAMED_MAX, Trouble, local};
use crate::config::{Loaded, Shop};
use crate::domain::ids::ShopName;
use crate::domain::not_found::REPORTED_FROM;
use crate::runtime::build;
use crate::store::{Page, ScanKind, Store, StoreError, Worker};
use crate::text::counted;

/// Hints of troubles that `qabyl doctor` looks into itself.
const DOCTOR_SAYS: &str = "`qabyl doctor` says what to do";
const DOCTOR_ASKS: &str = "`qabyl doctor` asks Kaspi now";

/// Orders on one page.
const BATCH: u32 = 1_000;

/// Everything that is wrong with a shop.
pub(super) async fn of_shop(
    loaded: &Loaded,
    store: &Store,
    shop: &Shop,
    now: Timestamp,
) -> Result<Vec<Trouble>, StoreError> {
    let name = ShopName::new(&shop.name).map_err(|_| StoreError::corrupt("a shop", &shop.name))?;
    let mut found = Vec::new();
    let mut add = |what: String, hint: &str| found.push(Trouble::new(&shop.name, what, hint));
    let state = store.shop_state(&name).await?;
    if let Some((since, why)) = &state.denied {
        let since = local(*since);
        add(format!("{why} since {since}"), DOCTOR_SAYS);
    } else {
        let failing = store.lists_failing(&name).await?;
        let lasts = |since: Timestamp| now.duration_since(since) > LIST_AGE_MAX;
        let listed = store
            .last_complete_scan(&name, ScanKind::New, Timestamp::MAX)
            .await?;
        if let Some((since, why)) = failing.filter(|(since, _)| lasts(*since)) {
            let since = local(since);
            add(
                format!("new orders not listed since {since}: {why}"),
                DOCTOR_ASKS,
            );
        } else if let (Some((Worker::Daemon, at)), Some(scan)) =
            (store.last_worked().await?, listed)
            && now.duration_since(at) <= DAEMON_SILENT_MAX
            && lasts(scan.started_at)
        {
            let since = local(scan.started_at);
            add(
                format!("new orders not listed since {since}, although the daemon runs"),
                "look at its log, and restart it if it stays so",
            );
        }
    }
    if let Some(why) = &state.mismatch {
        add(
            format!("K008: {why}"),
            "nothing is sent for it until its token is the right one",
        );
    }
    if let Some(restored) = store.restored_since(&name).await? {
        let since = local(restored);
        add(
            format!("restored at {since}, and still reading what happened since the backup"),
            "nothing is sent until then: wait, and see that the daemon runs",
        );
    }
    let missing = store.not_found_orders(&name).await?;
    if let Some(missing) = missing.filter(|missing| missing.count >= REPORTED_FROM) {
        let since = local(missing.since);
        add(
            format!(
                "K405: Kaspi knows none of {} that it showed before, since {since}",
                counted(
                    usize::try_from(missing.count).unwrap_or(usize::MAX),
                    "order"
                )
            ),
            "is this the right shop's token? If it is, wait: what comes back is known again at once",
        );
    }
    let unread = store.unread_orders(&name).await?;
    let unread: Vec<_> = unread
        .iter()
        .filter(|order| order.is_trouble(now))
        .collect();
    for order in unread.iter().take(NAMED_MAX) {
        add(order.words(), &order.remedy());
    }
    if let more @ 1.. = unread.len().saturating_sub(NAMED_MAX) {
        let what = format!("{} more could not be read", counted(more, "order"));
        add(what, "`qabyl status` names every one");
    }
    let skew = SignedDuration::from_secs(state.clock_skew_s.unwrap_or_default());
    let kaspi_now = now.saturating_add(skew).unwrap_or(now);
    let late = past_deadline(loaded, store, &name, kaspi_now).await?;
    if !late.is_empty() {
        let named = late[..late.len().min(NAMED_MAX)].join(", ");
        add(
            format!(
                "{} past the deadline and still new: {named}",
                counted(late.len(), "order")
            ),
            "look at them in the cabinet at once: `qabyl orders list --held`",
        );
    }
    if let Some(why) = &state.paused {
        let mut paused = Trouble::new(&shop.name, "paused", "`qabyl resume` ends it");
        paused.note = Some(why.clone());
        found.push(paused);
    }
    Ok(found)
}

/// The codes of new orders whose deadline has passed.
async fn past_deadline(
    loaded: &Loaded,
    store: &Store,
    shop: &ShopName,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let schedule = build::schedule(&loaded.config);
    let since = now.saturating_sub(schedule.deadline).unwrap_or(now);
    let (mut late, mut page) = (Vec::new(), Some(Page::first(BATCH)));
    while let Some(here) = page {
        let (waiting, next) = store.waiting(shop, since, &here).await?;
        let passed = |order| schedule.left(order, now).is_negative();
        let passed = waiting.iter().filter(|waiting| passed(&waiting.order));
        late.extend(passed.map(|waiting| waiting.order.code.to_string()));
        page = next;
    }
    Ok(late)
}

/// Whether `qabyl doctor` looks into it itself.
pub(crate) fn is_asked_by_doctor(trouble: &Trouble) -> bool {
    [DOCTOR_SAYS, DOCTOR_ASKS].contains(&trouble.hint.as_str())
}
