//! `qabyl demo`: one full pass against the sandbox with a temporary database, and a check that the
//! sandbox and Qabyl agree on every order.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::args::Demo;
use super::{Done, FAILED, demo_web, orders, say, say_translated, table, translated};
use crate::clock::Clock;
use crate::config::{Config, Limit, Loaded, Sources};
use crate::domain::action::State;
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};
use crate::runtime::build::{self, ShopParts};
use crate::runtime::{once, telemetry};
use crate::store::{Access, OrderFilter, OrderView, Store};
use qabyl_sandbox::{LineSeed, OrderSeed, Seeded, Server, Settings, World, seed_orders};

const TOKEN: &str = "demo-token";
const TIME_MAX: Duration = Duration::from_secs(25);
/// Time between passes with `--stay`, and passes between new orders.
const PASS_EVERY: Duration = Duration::from_secs(1);
const PASSES_BETWEEN_ORDERS: u32 = 6;
/// Goods that are in no stock.
const UNLISTED: &str = "NOT-LISTED";

pub(super) async fn run(args: &Demo) -> Done {
    let clock = Clock::System;
    let seeded = seed_orders(args.seed, usize::from(args.orders), clock.now());
    let server = sandbox(args.seed, &seeded)?;
    let folder = Folder::make(&clock)?;
    let (loaded, shop) = configure(&server, &folder)?;
    let config = &loaded.config;
    telemetry::init(&config.log, false, telemetry::Target::Stderr)?;
    let store = Arc::new(Store::open(&config.database.path, Access::Daemon, clock.now()).await?);
    let trusted = (true, build::semantics(config));
    store
        .import_stock(
            "demo",
            &rows(&seeded, &clock)?,
            trusted,
            "demo",
            clock.now(),
        )
        .await?;
    let policy = build::policy(crate::rules_file::default_rules(), build::limits(config));
    let transport = build::http(config, &shop, &clock)?;
    let parts = (Arc::clone(&store), clock.clone(), Arc::new(policy));
    let shop = build::shop(
        config,
        &shop,
        SecretString::from(TOKEN),
        transport,
        parts,
        args.seed,
    )
    .await?;
    say_translated(&format!(
        "The sandbox at {} has {} new orders for Qabyl to process.\n\
         A shortage must be confirmed, here 2 s later, before an order is cancelled.\n",
        server.base_url(),
        args.orders
    ));
    once::run((&shop, &[]), TIME_MAX, &CancellationToken::new()).await?;
    let filter = OrderFilter {
        limit: u32::from(args.orders) * 2,
        ..OrderFilter::default()
    };
    let mut views = store.orders(&filter).await?;
    views.reverse();
    say(&show(&views).to_string());
    let agree = summary(&views, &server);
    if args.web || args.stay {
        let stop = super::signals::Signals::listen(false)?.stop;
        let served = if args.web {
            Some(demo_web::serve(&loaded, &shop, stop.clone()).await?)
        } else {
            None
        };
        let stayed = stay(&shop, &server, args.seed, &stop).await;
        stop.cancel();
        if let Some(served) = served {
            served.await;
        }
        stayed?;
    }
    drop(shop);
    server.shutdown().await;
    Ok(ExitCode::from(if agree { 0 } else { FAILED }))
}

fn sandbox(seed: u64, seeded: &Seeded) -> Result<Server, super::Failure> {
    let mut world = World::new(Settings {
        seed,
        tokens: vec![TOKEN.to_owned()],
        ..Settings::default()
    });
    for order in &seeded.orders {
        world.place(order.clone());
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(Server::start(
        address,
        world,
        Arc::new(|| Clock::System.now()),
    )?)
}

/// A temporary folder, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make(clock: &Clock) -> std::io::Result<Self> {
        let name = format!(
            "qabyl-demo-{}-{}",
            std::process::id(),
            clock.now().as_millisecond()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // One that cannot be removed is the operating system's to clean up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn configure(
    server: &Server,
    folder: &Folder,
) -> Result<(Loaded, crate::config::Shop), super::Failure> {
    let file = folder.0.join("qabyl.toml");
    let text = format!(
        "[database]\npath = \"demo.db\"\n[kaspi]\nbase_url = \"{}\"\nrate_start = 100\nrate_per_second = 100\nmax_in_flight = 8\n\
         [log]\nformat = \"text\"\nfilter = \"error\"\n[http]\nlisten = \"\"\n\
         [interlocks]\ncancel_confirm_after = \"2s\"\ncancels_per_hour_max = 200\n\
         [[shops]]\nname = \"demo\"\ntoken_env = \"QABYL_DEMO_TOKEN\"\nmode = \"act\"\n",
        server.base_url()
    );
    crate::files::replace(&file, text.as_bytes())?;
    let sources = Sources {
        file: Some(file),
        env: std::collections::BTreeMap::new().into(),
        search: Vec::new(),
        overrides: Vec::new(),
    };
    let mut loaded = Config::load(sources)?;
    let config = &mut loaded.config;
    // So few orders would reach the limit at once.
    config.interlocks.cancel_budget_share = Limit::Off;
    let shop = config
        .shops
        .first()
        .cloned()
        .ok_or_else(|| anyhow::anyhow!("the demo has no shop"))?;
    Ok((loaded, shop))
}

fn rows(seeded: &Seeded, clock: &Clock) -> Result<Vec<StockRow>, super::Failure> {
    let row = |row: &qabyl_sandbox::StockRow| -> Result<StockRow, super::Failure> {
        Ok(StockRow {
            sku: Sku::new(&row.sku)?,
            warehouse: String::new(),
            on_hand: OnHand::Exactly(row.on_hand),
            as_of: clock.now(),
        })
    };
    seeded.stock.iter().map(row).collect()
}

fn show(views: &[OrderView]) -> crate::cli::table::Table {
    let mut out = table::table(&["order", "total", "units", "kind", "Qabyl", "why"]);
    for view in views {
        let units: u32 = view.lines.iter().map(|line| line.quantity).sum();
        out.add_row(vec![
            view.order.code.to_string(),
            view.order.total_words(),
            translated(&format!(
                "{units} in {}",
                table::counted(view.lines.len(), "line")
            )),
            kind(view),
            translated(&orders::standing(view)),
            translated(&orders::reason(view)),
        ]);
    }
    out
}

fn kind(view: &OrderView) -> String {
    let order = &view.order;
    let mode = order
        .delivery_mode
        .as_ref()
        .map_or("-", |mode| mode.as_str());
    let mut words = vec![translated(
        &mode.trim_start_matches("DELIVERY_").to_lowercase(),
    )];
    for (is, word) in [
        (order.kaspi_delivery == Some(true), "Kaspi"),
        (order.express, "express"),
        (order.pre_order, "preorder"),
        (order.signature_required, "signature"),
        (order.credit_term_months.is_some(), "credit"),
    ] {
        if is {
            words.push(translated(word));
        }
    }
    words.join(", ")
}

/// Prints the totals and whether the sandbox agrees on every order.
fn summary(views: &[OrderView], server: &Server) -> bool {
    let by = |kind: &str| -> BTreeSet<String> {
        views
            .iter()
            .filter(|view| {
                view.actions
                    .iter()
                    .any(|a| a.kind.word() == kind && a.state == State::Confirmed)
            })
            .map(|view| view.order.code.as_str().to_owned())
            .collect()
    };
    let (accepted, cancelled) = (by("accept"), by("cancel"));
    let held = views
        .iter()
        .filter(|view| view.order.awaits_merchant())
        .count();
    let world = server.world();
    let ledger = world.ledger();
    let accepted_there: BTreeSet<String> = ledger.accepted_codes();
    let cancelled_there: BTreeSet<String> = ledger.cancelled_codes_by_api();
    let agree = accepted == accepted_there
        && cancelled == cancelled_there
        && ledger.both_actions_sent().is_empty()
        && ledger.blind_repeats().is_empty();
    say_translated(&format!(
        "\n{} orders: {} accepted, {} cancelled, {held} held for a person.\n\
         The sandbox's own ledger: {} accepted, {} cancelled, {} requests. {}",
        views.len(),
        accepted.len(),
        cancelled.len(),
        accepted_there.len(),
        cancelled_there.len(),
        ledger.requests_total(),
        if agree {
            "They agree, order by order."
        } else {
            "THEY DISAGREE: this is a bug."
        }
    ));
    agree
}

/// Keeps processing new orders until Ctrl-C.
async fn stay(
    shop: &ShopParts,
    server: &Server,
    seed: u64,
    stop: &CancellationToken,
) -> Result<(), super::Failure> {
    let mut random = fastrand::Rng::with_seed(seed);
    let skus: Vec<String> = server.world().units_promised_by_sku().into_keys().collect();
    say_translated("\nNew orders keep coming in; stop with Ctrl-C.");
    let mut next = 970_000_001_u64;
    while !stop.is_cancelled() {
        let now = shop.ctx.clock.now();
        let code = next.to_string();
        next += 1;
        let placed = now
            .saturating_sub(SignedDuration::from_secs(1))
            .unwrap_or(now);
        if let Some(sku) = random.choice(&skus) {
            // Every third order is of goods that no source lists, and waits for a person.
            let sku = if next.is_multiple_of(3) {
                UNLISTED
            } else {
                sku
            };
            let line = LineSeed::new(sku, random.u32(1..=3));
            server
                .world()
                .place(OrderSeed::new(&code, placed).with_line(line));
        }
        once::run((shop, &[]), Duration::from_secs(5), stop).await?;
        let Ok((_, id)) = shop.ctx.store.find_order(&code, None).await else {
            continue;
        };
        let filter = OrderFilter {
            id: Some(id),
            limit: 1,
            ..OrderFilter::default()
        };
        for view in shop.ctx.store.orders(&filter).await? {
            say_translated(&format!(
                "{}  {}  {}",
                view.order.code,
                orders::standing(&view),
                orders::reason(&view)
            ));
        }
        for _ in 0..PASSES_BETWEEN_ORDERS {
            tokio::select! { () = stop.cancelled() => return Ok(()), () = tokio::time::sleep(PASS_EVERY) => {} }
            // What a person decided is sent.
            once::run((shop, &[]), PASS_EVERY, stop).await?;
        }
    }
    Ok(())
}
