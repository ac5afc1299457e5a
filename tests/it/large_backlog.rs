//! 250 new orders over 40 SKUs with short stock, on three pages: decided in one go, and what it cost.

use std::time::Duration;

use qabyl_sandbox::{EndpointKind, EntriesForm, IncludeSupport, OrderSeed, Settings};

use crate::world::{TestWorld, start, world};

const ORDERS: u32 = 250;
const SKUS: u32 = 40;
/// Units of each SKU: about one order in eight finds none left.
const ON_HAND: u32 = 10;

async fn shop(include: IncludeSupport) -> TestWorld {
    let settings = Settings {
        include_support: include,
        entries_form: EntriesForm::Data,
        ..Settings::default()
    };
    let mut world = world(settings)
        // The five that may be relaxed, relaxed: one pass is to decide every order.
        .config("interlocks", "cancel_confirm_after", "\"0s\"")
        .config("interlocks", "stock_max_age", "\"off\"")
        .begin()
        .await;
    let levels: Vec<String> = (0..SKUS).map(|sku| format!("SKU-{sku:02}")).collect();
    let levels: Vec<(&str, u32)> = levels.iter().map(|sku| (sku.as_str(), ON_HAND)).collect();
    world.stock(&levels).await;
    // The first sweep goes deep, whatever the backlog.
    world.once().await;
    for number in 0..ORDERS {
        let at = start() - Duration::from_secs(u64::from(ORDERS - number));
        let order = OrderSeed::new(&format!("{}", 900_000_000 + number), at)
            .line(&format!("SKU-{:02}", number % SKUS), 1 + number % 3);
        world.place(order);
    }
    world
}

/// Lists, and requests of all kinds.
fn requests(world: &TestWorld) -> (usize, usize) {
    let kaspi = world.kaspi();
    let ledger = kaspi.ledger();
    (
        ledger.requests_of(EndpointKind::List),
        ledger.requests_total(),
    )
}

/// Runs one pass and returns accepted orders, cancelled orders and requests.
async fn cost(include: IncludeSupport) -> (usize, usize, usize) {
    let world = shop(include).await;
    let begun = requests(&world);
    world.later(Duration::from_mins(1)).await;
    let figures = {
        let kaspi = world.kaspi();
        let ledger = kaspi.ledger();
        let pages = ledger.requests_of(EndpointKind::List) - begun.0;
        assert!(pages >= 3, "three pages at least: {pages}");
        (
            ledger.accepted_codes().len(),
            ledger.cancelled_codes_by_api().len(),
            ledger.requests_total() - begun.1,
        )
    };
    assert_eq!(
        figures.0 + figures.1,
        ORDERS as usize,
        "every order is decided"
    );
    assert!(figures.1 > 20, "some find nothing left: {}", figures.1);
    world.finish().await;
    figures
}

/// Requests of a sweep that was asked for: the last units are promised after one more.
const SWEEP: f64 = 6.0;

#[expect(clippy::print_stdout, reason = "the figures are to be read")]
fn report(form: &str, figures: (usize, usize, usize), bound: f64) {
    let [accepted, cancelled, requests] =
        [figures.0, figures.1, figures.2].map(|figure| f64::from(u32::try_from(figure).unwrap()));
    let per_cancel = bound + 1.0;
    let allowed = bound * accepted + per_cancel * cancelled + SWEEP;
    let per_accept = (requests - per_cancel * cancelled) / accepted;
    println!(
        "{form}: {accepted} accepted, {cancelled} cancelled, {requests} requests; \
         {per_accept:.3} an accepted order (at most {bound}), {per_cancel} counted for a cancelled one"
    );
    assert!(
        requests <= allowed,
        "{requests} requests, and {allowed} were allowed"
    );
}

#[tokio::test]
async fn without_include() {
    report("without include", cost(IncludeSupport::Ignored).await, 2.2);
}

#[tokio::test]
async fn with_include() {
    report("with include", cost(IncludeSupport::Yes).await, 1.3);
}

#[tokio::test]
async fn a_second_pass_does_nothing() {
    let world = shop(IncludeSupport::Yes).await;
    world.later(Duration::from_mins(1)).await;
    let effects = world.kaspi().ledger().effects().len();
    let again = world.later(Duration::from_mins(5)).await;
    assert_eq!((again.decided, again.sent), (0, 0));
    assert_eq!(world.kaspi().ledger().effects().len(), effects);
    world.finish().await;
}
