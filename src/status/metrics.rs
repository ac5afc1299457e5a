//! `/metrics`: what there is to measure. Every name is in a dashboard or an alert rule below `deploy/`,
//! or could be.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::Shared;
use super::exposition::{Family, Format, Kind, page as written};
use super::held::left;
use crate::kaspi::{BreakerState, CLASSES};
use crate::pipeline::Ctx;
use crate::pipeline::meter::BUCKETS_S;
use crate::store::StoreError;

pub(super) async fn page(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = match accepted {
        Some(accepted) if accepted.contains("application/openmetrics-text") => Format::OpenMetrics,
        _ => Format::Prometheus,
    };
    match families(&shared).await {
        Ok(families) => {
            let kind = [(header::CONTENT_TYPE, format.content_type())];
            (StatusCode::OK, kind, written(&families, format)).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

/// Families in the order they are written.
#[derive(Default)]
struct Book {
    families: Vec<Family>,
    places: BTreeMap<&'static str, usize>,
}

impl Book {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut Family {
        let next = self.families.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.families.push(Family::new(name, kind, help));
        }
        &mut self.families[place]
    }

    fn gauge(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, Kind::Gauge, help)
    }

    fn counter(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.family(name, Kind::Counter, help)
    }
}

fn age(now: Timestamp, then: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64()
}

async fn families(shared: &Shared) -> Result<Vec<Family>, StoreError> {
    let mut book = Book::default();
    let now = shared.clock.now();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    book.gauge(
        "qabyl_build_info",
        "Always 1; its label says which version runs",
    )
    .add(&version, 1);
    for ctx in shared.shops.iter() {
        orders(&mut book, shared, ctx, now).await?;
        requests(&mut book, ctx);
        lists(&mut book, shared, ctx, now).await?;
    }
    of_all(&mut book, shared, now).await?;
    stages(&mut book, shared, now);
    Ok(book.families)
}

async fn orders(
    book: &mut Book,
    shared: &Shared,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<(), StoreError> {
    let shop = ("shop", ctx.shop.as_str());
    let totals = shared.store.totals(Some(&ctx.shop)).await?;
    let orders = book.gauge("qabyl_orders", "Orders by what was made of them");
    for (standing, count) in [
        ("accepted", totals.accepted),
        ("cancelled", totals.cancelled),
        ("held", totals.held),
        ("waiting", totals.waiting),
        ("undecided", totals.undecided),
    ] {
        orders.add(&[shop, ("standing", standing)], count);
    }
    book.gauge(
        "qabyl_actions_open",
        "Accepts and cancels whose effect is not seen yet",
    )
    .add(&[shop], totals.open_actions);
    book.gauge(
        "qabyl_actions_stuck",
        "Accepts and cancels without effect, left to a person",
    )
    .add(&[shop], totals.stuck);
    let policy = ctx.policy();
    let mut reasons: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for held in shared.store.held_now(&ctx.shop).await? {
        let left = left(&held, &policy.limits.schedule, now).as_secs_f64();
        for reason in &held.because {
            let (count, least) = reasons.entry(reason.clone()).or_insert((0, f64::INFINITY));
            (*count, *least) = (*count + 1, least.min(left));
        }
    }
    for (reason, (count, least)) in &reasons {
        let labels = [shop, ("reason", reason.as_str())];
        book.gauge("qabyl_held_orders", "Orders held for a person, by why")
            .add(&labels, count);
        book.gauge(
            "qabyl_held_left_seconds",
            "Least time left to the deadline of an order held, by why",
        )
        .add(&labels, least);
    }
    let accepts = ctx.meter.accepts();
    let ends = BUCKETS_S.into_iter().map(f64::from);
    let buckets: Vec<(f64, u64)> = ends.zip(accepts.counts).collect();
    let took = "Time from when an order could be seen to its accept";
    book.family("qabyl_accept_seconds", Kind::Histogram, took)
        .add_histogram(&[shop], &buckets, (accepts.count, accepts.sum_s));
    let counters = shared
        .store
        .counters(&ctx.shop, ctx.settings.budget_window, now)
        .await?;
    let share = crate::pipeline::share(counters.cancelled, counters.decided);
    book.gauge(
        "qabyl_cancel_ratio",
        "Cancelled orders among those decided, over the budget's window",
    )
    .add(&[shop], share);
    if let Some(limit) = ctx.policy().limits.cancel_budget_share {
        book.gauge("qabyl_cancel_budget_ratio", "Share at which cancels stop")
            .add(&[shop], limit);
    }
    Ok(())
}

fn requests(book: &mut Book, ctx: &Ctx) {
    let shop = ("shop", ctx.shop.as_str());
    let view = ctx.reader.view();
    let requests = book.counter("qabyl_requests", "Requests to Kaspi by what came of them");
    for method in ["read", "write"] {
        for class in CLASSES {
            let count = view.classes.get(&(method, class)).copied().unwrap_or(0);
            requests.add(&[shop, ("method", method), ("class", class)], count);
        }
    }
    book.counter(
        "qabyl_rate_limit_wait_seconds",
        "Time that requests waited for their place in line",
    )
    .add(&[shop], view.waited.as_secs_f64());
    let is_open = u8::from(view.breaker == BreakerState::Open);
    book.gauge(
        "qabyl_breaker_open",
        "1 while requests are held back after several outages",
    )
    .add(&[shop], is_open);
    if let Some(skew) = view.skew {
        book.gauge("qabyl_clock_skew_seconds", "Kaspi's clock minus this one's")
            .add(&[shop], skew.as_secs_f64());
    }
}

async fn lists(
    book: &mut Book,
    shared: &Shared,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<(), StoreError> {
    let shop = ("shop", ctx.shop.as_str());
    let state = shared.store.shop_state(&ctx.shop).await?;
    book.gauge("qabyl_shop_denied", "1 while Kaspi refuses the shop")
        .add(&[shop], u8::from(state.denied.is_some()));
    book.gauge("qabyl_shop_paused", "1 while a person has paused the shop")
        .add(&[shop], u8::from(state.paused.is_some()));
    let (new, sweep) = shared.store.lists_read(&ctx.shop).await?;
    for (list, read) in [("new", new), ("accepted", sweep)] {
        if let Some(at) = read {
            book.gauge(
                "qabyl_list_age_seconds",
                "Time since a list was last read completely",
            )
            .add(&[shop, ("list", list)], age(now, at));
        }
    }
    Ok(())
}

async fn of_all(book: &mut Book, shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
    if let Some((newest, oldest)) = shared.store.stock_age().await? {
        let stock = book.gauge(
            "qabyl_stock_age_seconds",
            "Time since stock levels were counted",
        );
        stock.add(&[("level", "newest")], age(now, newest));
        stock.add(&[("level", "oldest")], age(now, oldest));
    }
    let size = book.gauge(
        "qabyl_database_bytes",
        "Size of the database and of its log",
    );
    size.add(&[("file", "database")], shared.store.file_bytes());
    size.add(&[("file", "log")], shared.store.log_bytes());
    for channel in shared.store.channels().await? {
        let label = [("channel", channel.name.as_str())];
        book.gauge("qabyl_channel_waiting", "Messages that wait for a channel")
            .add(&label, channel.due);
        let failing = channel.failing_since.map_or(0.0, |since| age(now, since));
        book.gauge(
            "qabyl_channel_failing_seconds",
            "How long a channel has been failing",
        )
        .add(&label, failing);
    }
    Ok(())
}

fn stages(book: &mut Book, shared: &Shared, now: Timestamp) {
    for (shop, stage, status) in shared.board.snapshot() {
        let labels = [("shop", shop.as_str()), ("stage", stage.name())];
        book.counter("qabyl_stage_runs", "Runs of a stage")
            .add(&labels, status.runs);
        book.counter("qabyl_stage_failures", "Runs of a stage that failed")
            .add(&labels, status.failures);
        if let Some(at) = status.last_ok {
            book.gauge(
                "qabyl_stage_ok_age_seconds",
                "Time since a stage last ended well",
            )
            .add(&labels, age(now, at));
        }
    }
}
