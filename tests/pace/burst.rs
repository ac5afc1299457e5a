//! A burst of orders, with the shipped settings and answers that take 50 ms: how soon the last is accepted.

use std::time::{Duration, Instant};

use qabyl_sandbox::{IncludeSupport, Settings};

use crate::shop::{Shop, second};

const ORDERS: u32 = 100;

/// Seconds from the placing of the orders to the last accept, at the first start.
async fn at_the_start(include_support: IncludeSupport) -> f64 {
    let settings = Settings {
        latency: Duration::from_millis(50),
        include_support,
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
