//! A list of several pages is read while its orders are accepted: neither keeps the other up, and none is missed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use qabyl::kaspi::{Transport, TransportError, WireRequest, WireResponse};
use qabyl::pipeline::poll;
use qabyl_sandbox::{ListOrder, Settings};

use crate::cli::daemon::until;
use crate::world::world;

/// Keeps the later pages of a list back, once its first page was asked for twice.
struct Held {
    inner: Arc<dyn Transport>,
    is_armed: AtomicBool,
    first_pages: AtomicUsize,
    is_released: AtomicBool,
}

fn asks(request: &WireRequest, name: &str, value: &str) -> bool {
    let mut query = request.query.iter();
    query.any(|(asked, with)| asked == name && with == value)
}

impl Transport for Held {
    fn send<'a>(
        &'a self,
        request: &'a WireRequest,
    ) -> Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + 'a>> {
        Box::pin(async move {
            if self.is_armed.load(Ordering::SeqCst) && asks(request, "filter[orders][state]", "NEW")
            {
                if asks(request, "page[number]", "0") {
                    self.first_pages.fetch_add(1, Ordering::SeqCst);
                }
                while self.first_pages.load(Ordering::SeqCst) >= 2
                    && !asks(request, "page[number]", "0")
                    && !self.is_released.load(Ordering::SeqCst)
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            self.inner.send(request).await
        })
    }
}

/// An accept is on its way when the first page is counted: it is counted again once that has ended. From then on accepts
/// go on, and what they move from page to page is found all the same.
#[tokio::test(flavor = "multi_thread")]
async fn accepts_go_on_while_the_later_pages_of_a_list_are_read() {
    let settings = Settings {
        list_order: ListOrder::CreatedAsc,
        ..Settings::default()
    };
    let mut world = world(settings).begin().await;
    let mut held = None;
    world
        .through(|inner| {
            let link = Arc::new(Held {
                inner,
                is_armed: AtomicBool::new(false),
                first_pages: AtomicUsize::new(0),
                is_released: AtomicBool::new(false),
            });
            held = Some(Arc::clone(&link));
            link
        })
        .await;
    let held = held.unwrap();
    world.stock(&[("A", 10_000)]).await;
    world.once().await;
    world.time.advance(Duration::from_mins(1));
    for n in 0..250 {
        world.place_plain(&[(&format!("98600{n:04}"), "A", 1)]);
    }
    world.poll_and_decide().await;
    let ctx = &world.shop.ctx;
    let accept = ctx.sending.begin().await;
    held.is_armed.store(true, Ordering::SeqCst);
    let accepted = || world.kaspi().ledger().accepted_codes().len();
    let (polled, ()) = tokio::join!(poll::run_once(ctx), async {
        until("the list waits for the accept", || ctx.sending.is_held_up()).await;
        drop(accept);
        tokio::join!(world.act(), async {
            until("accepts go on", || accepted() >= 10).await;
            held.is_released.store(true, Ordering::SeqCst);
        });
    });
    assert_eq!(polled.unwrap().problem, None);
    world.quiet().await;
    assert_eq!(accepted(), 250);
    world.finish().await;
}
