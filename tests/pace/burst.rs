//! A burst of orders and answers that take 50 ms: how soon the last is accepted, with the shipped settings and at the
//! limit of what may be in flight.

use std::time::{Duration, Instant};

use qabyl_sandbox::{EntriesForm, IncludeSupport, Settings};

use crate::shop::{Shop, second};

const ORDERS: u32 = 100;

/// Seconds from the placing of the orders to the last accept, at the first start.
async fn at_the_start(include_support: IncludeSupport) -> f64 {
    let settings = Settings {
        latency: Duration::from_millis(50),
        include_support,
        entries_form: EntriesForm::Data,
        ..Settings::default()
    };
    let shop = Shop::open(settings, ORDERS, "");
    let placed = Instant::now();
    while shop.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(placed.elapsed() < Duration::from_mins(2), "{}", shop.log());
    }
    let took = placed.elapsed().as_secs_f64();
    let asked = shop.asked((0.0, f64::INFINITY));
    let classes = shop.requests_by_kind();
    println!(
        "{ORDERS} orders, entries {include_support:?}: last accept after {took:.2} s; {asked:?}; {classes:?}"
    );
    second().await;
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_orders_are_accepted_within_seconds() {
    // The gate runs beside other work; `just pace` asserts the figures themselves.
    let took = at_the_start(IncludeSupport::Yes).await;
    assert!(took < 20.0, "{took}");
    let took = at_the_start(IncludeSupport::Ignored).await;
    assert!(took < 20.0, "{took}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and nothing else may run beside it: just pace"]
async fn a_hundred_orders_are_accepted_in_time() {
    for _ in 0..3 {
        let took = at_the_start(IncludeSupport::Yes).await;
        assert!(took <= 4.5, "{took}");
        let took = at_the_start(IncludeSupport::Ignored).await;
        assert!(took <= 6.5, "{took}");
    }
}

/// Sixteen requests in flight and no pace to find: the time over `requests / in flight × latency`, which no client can
/// beat, and the longest time without a request.
async fn at_the_limit(include_support: IncludeSupport) -> f64 {
    let settings = Settings {
        latency: Duration::from_millis(50),
        include_support,
        entries_form: EntriesForm::Data,
        ..Settings::default()
    };
    let fast = "max_in_flight = 16\nrate_start = 100000\nrate_per_second = 100000\n";
    let mut shop = Shop::open_with(fast, settings, 0, "");
    // It has listed and swept, and is at rest.
    while shop.age() < 5.0 {
        second().await;
    }
    let begun = shop.age();
    shop.place(600);
    while shop.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(shop.age() < begun + 120.0, "{}", shop.log());
    }
    let times = shop.times_from_list(begun);
    let (first, last) = (times[0], times[times.len() - 1]);
    let gap = times.windows(2).map(|two| two[1] - two[0]);
    let gap = gap.fold(0.0, f64::max);
    let requests: f64 = times.iter().map(|_| 1.0).sum();
    let least = requests / 16.0 * 0.05;
    let ratio = (last - first) / least;
    println!(
        "600 orders at the limit, entries {include_support:?}: {:.2} s, {:.2} requests an order, {ratio:.2} of the least \
         time, longest gap {gap:.2} s",
        last - first,
        requests / 600.0
    );
    ratio
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes, and nothing else may run beside it: just pace"]
async fn a_backlog_drains_at_the_limit_of_what_is_in_flight() {
    for include_support in [IncludeSupport::Yes, IncludeSupport::Ignored] {
        let mut ratios = Vec::new();
        for _ in 0..10 {
            ratios.push(at_the_limit(include_support).await);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{include_support:?}: {ratios:.2?}");
        assert!(ratios[5] <= 1.10 && ratios[9] <= 1.15, "{ratios:?}");
    }
}
