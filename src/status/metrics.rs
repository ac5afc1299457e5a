//! `/metrics`: every metric, for the dashboard and the alert rules in `deploy/`.

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

/// Metrics in the order they are written.
#[derive(Default)]
struct Registry {
    families: Vec<Family>,
    indexes: BTreeMap<&'static str, usize>,
}

impl Registry {
    fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut Family {
        let next = self.families.len();
        let index = *self.indexes.entry(name).or_insert(next);
        if index == next {
            self.families.push(Family::new(name, kind, help));
        }
        &mut self.families[index]
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
    let mut registry = Registry::default();
    let now = shared.clock.now();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry
        .gauge(
            "qabyl_build_info",
            "Always 1; the label is the running version",
        )
        .add(&version, 1);
    for ctx in shared.shops.iter() {
        orders(&mut registry, shared, ctx, now).await?;
        requests(&mut registry, ctx);
        lists(&mut registry, shared, ctx, now).await?;
    }
    shared_by_all(&mut registry, shared, now).await?;
    stages(&mut registry, shared, now);
    Ok(registry.families)
}

async fn orders(
    registry: &mut Registry,
    shared: &Shared,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<(), StoreError> {
    let shop = ("shop", ctx.shop.as_str());
    let totals = shared.store.totals(Some(&ctx.shop)).await?;
    let orders = registry.gauge("qabyl_orders", "Orders by state");
    for (standing, count) in [
        ("accepted", totals.accepted),
        ("cancelled", totals.cancelled),
        ("held", totals.held),
        ("waiting", totals.waiting),
        ("undecided", totals.undecided),
    ] {
        orders.add(&[shop, ("standing", standing)], count);
    }
    registry
        .gauge(
            "qabyl_actions_open",
            "Accepts and cancels not confirmed yet",
        )
        .add(&[shop], totals.open_actions);
    registry
        .gauge(
            "qabyl_actions_stuck",
            "Accepts and cancels without effect that need a person",
        )
        .add(&[shop], totals.stuck);
    let unread = shared.store.unread_orders(&ctx.shop).await?;
    let unaccounted = unread
        .iter()
        .filter(|order| order.uncounted.is_some())
        .count();
    registry
        .gauge(
            "qabyl_orders_unread",
            "Open orders that could not be read in full, or whose status contradicts an earlier reading",
        )
        .add(&[shop], unread.len());
    registry
        .gauge(
            "qabyl_orders_unaccounted",
            "Of those, orders that may hold units which no reservation counts: accepts wait for them",
        )
        .add(&[shop], unaccounted);
    let policy = ctx.policy();
    let mut reasons: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    for held in shared.store.held_now(&ctx.shop).await? {
        let left = left(&held, &policy.limits.schedule, ctx.kaspi_clock.now()).as_secs_f64();
        for reason in &held.because {
            let (count, least) = reasons.entry(reason.clone()).or_insert((0, f64::INFINITY));
            (*count, *least) = (*count + 1, least.min(left));
        }
    }
    for (reason, (count, least)) in &reasons {
        let labels = [shop, ("reason", reason.as_str())];
        registry
            .gauge("qabyl_held_orders", "Held orders by reason")
            .add(&labels, count);
        registry
            .gauge(
                "qabyl_held_left_seconds",
                "Shortest time left to the deadline of a held order, by reason",
            )
            .add(&labels, least);
    }
    let accepts = ctx.meter.accepts();
    let ends = BUCKETS_S.into_iter().map(f64::from);
    let buckets: Vec<(f64, u64)> = ends.zip(accepts.counts).collect();
    let took = "Time from an order's appearance to its accept";
    registry
        .family("qabyl_accept_seconds", Kind::Histogram, took)
        .add_histogram(&[shop], &buckets, (accepts.count, accepts.sum_s));
    let counters = shared
        .store
        .counters(&ctx.shop, ctx.policy().limits.cancel_budget_window, now)
        .await?;
    let share = crate::pipeline::share(counters.cancelled, counters.decided);
    registry
        .gauge(
            "qabyl_cancel_ratio",
            "Share of cancelled orders among those decided, over the budget's window",
        )
        .add(&[shop], share);
    if let Some(limit) = ctx.policy().limits.cancel_budget_share {
        registry
            .gauge("qabyl_cancel_budget_ratio", "Share at which cancels stop")
            .add(&[shop], limit);
    }
    registry
        .gauge(
            "qabyl_cancel_max_ratio",
            "Share of cancels above which Kaspi switches a shop off",
        )
        .add(&[shop], shared.loaded.config.interlocks.cancel_share_max);
    Ok(())
}

fn requests(registry: &mut Registry, ctx: &Ctx) {
    let shop = ("shop", ctx.shop.as_str());
    let view = ctx.reader.view();
    let requests = registry.counter("qabyl_requests", "Requests to Kaspi by result");
    for method in ["read", "write"] {
        for class in CLASSES {
            let count = view.classes.get(&(method, class)).copied().unwrap_or(0);
            requests.add(&[shop, ("method", method), ("class", class)], count);
        }
    }
    registry
        .counter(
            "qabyl_rate_limit_wait_seconds",
            "Time that requests waited for the rate limit and a free slot",
        )
        .add(&[shop], view.waited.as_secs_f64());
    registry
        .gauge(
            "qabyl_pace_requests_per_second",
            "Requests a second that are sent at most now: the pace adapts to what Kaspi takes",
        )
        .add(&[shop], view.pace);
    let is_open = u8::from(view.breaker == BreakerState::Open);
    registry
        .gauge(
            "qabyl_breaker_open",
            "1 while the circuit breaker is open after several outages",
        )
        .add(&[shop], is_open);
    if let Some(skew) = view.skew {
        registry
            .gauge("qabyl_clock_skew_seconds", "Kaspi's clock minus this one's")
            .add(&[shop], skew.as_secs_f64());
    }
}

async fn lists(
    registry: &mut Registry,
    shared: &Shared,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<(), StoreError> {
    let shop = ("shop", ctx.shop.as_str());
    let state = shared.store.shop_state(&ctx.shop).await?;
    registry
        .gauge("qabyl_shop_denied", "1 while Kaspi denies the shop access")
        .add(&[shop], u8::from(state.denied.is_some()));
    registry
        .gauge("qabyl_shop_paused", "1 while a person has paused the shop")
        .add(&[shop], u8::from(state.paused.is_some()));
    let (new, sweep) = shared.store.lists_read(&ctx.shop).await?;
    for (list, read) in [("new", new), ("accepted", sweep)] {
        if let Some(at) = read {
            registry
                .gauge(
                    "qabyl_list_age_seconds",
                    "Time since a list was last read completely",
                )
                .add(&[shop, ("list", list)], age(now, at));
        }
    }
    Ok(())
}

async fn shared_by_all(
    registry: &mut Registry,
    shared: &Shared,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some((newest, oldest)) = shared.store.stock_age().await? {
        let stock = registry.gauge(
            "qabyl_stock_age_seconds",
            "Time since stock levels were counted",
        );
        stock.add(&[("level", "newest")], age(now, newest));
        stock.add(&[("level", "oldest")], age(now, oldest));
    }
    let size = registry.gauge(
        "qabyl_database_bytes",
        "Size of the database and of its write-ahead log",
    );
    size.add(&[("file", "database")], shared.store.file_bytes());
    size.add(&[("file", "log")], shared.store.log_bytes());
    for channel in shared.store.channels().await? {
        let label = [("channel", channel.name.as_str())];
        registry
            .gauge("qabyl_channel_waiting", "Messages waiting for a channel")
            .add(&label, channel.due);
        let failing = channel.failing_since.map_or(0.0, |since| age(now, since));
        registry
            .gauge(
                "qabyl_channel_failing_seconds",
                "How long a channel has been failing",
            )
            .add(&label, failing);
    }
    Ok(())
}

fn stages(registry: &mut Registry, shared: &Shared, now: Timestamp) {
    for (shop, stage, status) in shared.board.snapshot() {
        let labels = [("shop", shop.as_str()), ("stage", stage.name())];
        registry
            .counter("qabyl_stage_runs", "Runs of a stage")
            .add(&labels, status.runs);
        registry
            .counter("qabyl_stage_failures", "Runs of a stage that failed")
            .add(&labels, status.failures);
        if let Some(at) = status.last_ok {
            registry
                .gauge(
                    "qabyl_stage_ok_age_seconds",
                    "Time since a stage last succeeded",
                )
                .add(&labels, age(now, at));
        }
    }
}
