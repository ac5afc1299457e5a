//! With nothing to do, the daemon asks for new orders and little else.

use std::time::Duration;

use qabyl_sandbox::Settings;

use crate::shop::{Shop, second};

/// Requests a second once everything is done.
async fn idle(orders: u32, seconds: f64) -> f64 {
    let settings = Settings {
        latency: Duration::from_millis(50),
        ..Settings::default()
    };
    let shop = Shop::open(settings, orders, "");
    while shop.age() < 20.0 || shop.waiting() > 0 {
        second().await;
    }
    let from = shop.age();
    while shop.age() < from + seconds {
        second().await;
    }
    let asked = shop.asked((from, from + seconds)).all() / seconds;
    println!(
        "{orders} orders accepted, nothing to do: {asked:.2} requests/s; {:?}",
        shop.requests_by_kind()
    );
    asked
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn nothing_to_do_costs_less_than_a_request_a_second() {
    let none = idle(0, 120.0).await;
    assert!(none <= 0.25, "{none}");
    let some = idle(100, 120.0).await;
    assert!(some <= 1.0, "{some}");
}
