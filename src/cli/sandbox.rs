//! `qabyl sandbox`

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use super::args::Sandbox;
use super::{Done, Failure, say};
use crate::clock::Clock;
use qabyl_sandbox::{Faults, Server, Settings, World, seed_orders, stock_csv};

pub(super) async fn run(args: &Sandbox) -> Done {
    let now = Clock::System.now();
    let mut faults = Faults::default();
    for fault in &args.faults {
        faults.push(*fault);
    }
    let settings = Settings {
        seed: args.seed,
        tokens: vec![args.token.clone()],
        latency: args.latency,
        faults,
        limit: args.limit,
        ..Settings::default()
    };
    let seeded = seed_orders(args.seed, args.orders, now);
    if let Some(file) = &args.stock {
        crate::files::replace(file, stock_csv(&seeded.stock).as_bytes()).map_err(|error| {
            Failure::usage(anyhow::anyhow!("cannot write {}: {error}", file.display()))
        })?;
    }
    let mut world = World::new(settings);
    for order in seeded.orders {
        world.place(order);
    }
    for command in &args.commands {
        world
            .carry_out_commands(command, now)
            .map_err(|error| Failure::usage(anyhow::anyhow!("--do {error}")))?;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let server =
        Server::start(address, world, Arc::new(|| Clock::System.now())).map_err(|error| {
            anyhow::anyhow!("cannot listen at {address}: {error}; choose another --port")
        })?;
    say(&format!(
        "sandbox at {} with {} orders, token {}; its record: http://{}/ledger; commands: http://{}/control; stop with Ctrl-C",
        server.base_url(),
        args.orders,
        args.token,
        server.addr(),
        server.addr()
    ));
    super::signals::Signals::listen(false)?
        .stop
        .cancelled()
        .await;
    say(&totals(&server));
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn totals(server: &Server) -> String {
    let world = server.world();
    let ledger = world.ledger();
    format!(
        "{} requests; {} orders accepted, {} cancelled, {} sent both an accept and a cancel",
        ledger.requests_total(),
        ledger.accepted_codes().len(),
        ledger.cancelled_codes_by_api().len(),
        ledger.both_actions_sent().len()
    )
}
