//! Time to drain a backlog: 1 000 new orders at 50 ms per request and 16 requests in flight, over HTTP
//! against the sandbox, from the first list to the last confirmed accept.
//!
//! Printed as a ratio to the bound `(requests / in_flight) × latency`, which no client can beat.
//! Goal: at most 1.25.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use qabyl::clock::Clock;
use qabyl::config::{Config, Sources};
use qabyl::domain::ids::Sku;
use qabyl::domain::stock::{OnHand, StockRow};
use qabyl::runtime::{build, once};
use qabyl::store::{Access, Store};
use qabyl_sandbox::{LineSeed, OrderSeed, Server, Settings, World};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

const ORDERS: u32 = 1_000;
const LATENCY: Duration = Duration::from_millis(50);
const IN_FLIGHT: u32 = 16;
const SKUS: u32 = 40;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(drain())
}

async fn drain() -> anyhow::Result<()> {
    let clock = Clock::System;
    let now = clock.now();
    let settings = Settings {
        latency: LATENCY,
        ..Settings::default()
    };
    let token = settings.tokens.first().cloned().unwrap_or_default();
    let mut world = World::new(settings);
    for number in 0..ORDERS {
        let placed = now.saturating_sub(Duration::from_secs(u64::from(ORDERS - number)))?;
        let line = LineSeed::new(&format!("SKU-{}", number % SKUS), 1);
        world.place(OrderSeed::new(&(900_000_000 + number).to_string(), placed).with_line(line));
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::start(address, world, Arc::new(|| Clock::System.now()))?;

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("qabyl.toml");
    std::fs::write(
        &file,
        format!(
            "[database]\npath = \"bench.db\"\n[kaspi]\nbase_url = \"{}\"\nrate_start = 100000\nrate_per_second = 100000\n\
             max_in_flight = {IN_FLIGHT}\n[[shops]]\nname = \"bench\"\ntoken_env = \"UNUSED\"\nmode = \"act\"\n",
            server.base_url()
        ),
    )?;
    let env = std::collections::BTreeMap::new().into();
    let sources = Sources {
        file: Some(file),
        search: Vec::new(),
        env,
        overrides: Vec::new(),
    };
    let config = Config::load(sources)?.config;
    let store = Arc::new(Store::open(&config.database.path, Access::Daemon, now).await?);
    let rows: Vec<StockRow> = (0..SKUS)
        .map(|sku| {
            let sku = Sku::new(format!("SKU-{sku}"))?;
            Ok(StockRow {
                sku,
                warehouse: String::new(),
                on_hand: OnHand::Exactly(ORDERS),
                as_of: now,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    store
        .import_stock(
            "bench",
            &rows,
            (true, build::semantics(&config)),
            "bench",
            now,
        )
        .await?;
    let policy = build::policy(qabyl::rules_file::default_rules(), build::limits(&config));
    let shop = config
        .shops
        .first()
        .ok_or_else(|| anyhow::anyhow!("no shop"))?;
    let transport = build::http(&config, shop, &clock)?;
    let parts = (Arc::clone(&store), clock.clone(), Arc::new(policy));
    let shop = build::shop(
        &config,
        shop,
        SecretString::from(token),
        transport,
        parts,
        1,
    )
    .await?;

    let started = clock.ticks();
    let stop = CancellationToken::new();
    once::run((&shop, &[]), Duration::from_mins(2), &stop).await?;
    let took = clock.ticks().saturating_sub(started);

    let (accepted, requests) = {
        let world = server.world();
        let ledger = world.ledger();
        (ledger.accepted_codes().len(), ledger.requests_total())
    };
    anyhow::ensure!(
        accepted == ORDERS as usize,
        "{accepted} of {ORDERS} orders were accepted"
    );
    let requests = u32::try_from(requests)?;
    let bound = LATENCY * requests / IN_FLIGHT;
    let ratio = took.as_secs_f64() / bound.as_secs_f64();
    report(&format!(
        "drain: {accepted} orders in {took:.2?} with {requests} requests; bound {bound:.2?}; \
         ratio {ratio:.3} (goal 1.25)"
    ));
    server.shutdown().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench prints its figure")]
fn report(text: &str) {
    println!("{text}");
}
