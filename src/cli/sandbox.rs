//! `qabyl sandbox`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::args::duration;
use super::{Done, Failure, say};
use crate::clock::Clock;
use qabyl_sandbox::{
    COMMANDS, FaultRate, Faults, Limit, Server, Settings, World, seed_orders, stock_csv,
};

#[derive(Debug, Args)]
#[command(after_long_help = help())]
pub(super) struct Sandbox {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 8088)]
    port: u16,
    /// Number of sample orders
    #[arg(long, default_value_t = 46)]
    orders: usize,
    /// Seed of all random choices: the same seed gives the same run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Delay before every response
    #[arg(long, value_parser = duration, default_value = "0s")]
    latency: Duration,
    /// Fault and its probability, such as drop_after=0.1 or get:http_500=0.05; may be repeated
    #[arg(long = "fault", value_name = "NAME=P")]
    faults: Vec<FaultRate>,
    /// Hidden limit of requests a second, such as 5, 5/10 (with its burst) or 5:silent
    #[arg(long, value_name = "RATE")]
    limit: Option<Limit>,
    /// Command carried out at the start; may be repeated, and sent later by POST /control
    #[arg(long = "do", value_name = "COMMAND")]
    commands: Vec<String>,
    /// Token the sandbox accepts
    #[arg(long, default_value = "sandbox-token")]
    token: String,
    /// Write the stock of the sample shop to this CSV file
    #[arg(long, value_name = "FILE")]
    stock: Option<PathBuf>,
}

fn help() -> String {
    format!(
        "Commands, for --do and, one in each line, for a running sandbox:\n\n{COMMANDS}\n\
         curl --data-binary 'limit 5:silent' http://127.0.0.1:8088/control\n\
         curl http://127.0.0.1:8088/ledger      sums, and what came of the orders\n\
         curl http://127.0.0.1:8088/requests    every request with its answer"
    )
}

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
