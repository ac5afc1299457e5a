//! What finished orders cost: the same work with 1 000 and with 1 000 000 of them stored, side by side.
//!
//! A few orders are handled by the daemon itself, from their appearance to the archive. Their rows are then copied, so
//! that each finished order has all the rows it has in a shop. Printed are the time in which 300 new orders are
//! accepted, the time of commands and pages, and the bytes an order takes.
//!
//! `cargo bench --bench history`; QABYL_HISTORY="1000,200000" sets other numbers. A million take some 5 GB in the
//! folder for temporary files.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints its figures, and reads the environment and the real clock"
)]

#[path = "../../tests/binary/mod.rs"]
mod binary;
mod copies;
mod shop;

use std::time::Duration;

use anyhow::Context as _;

use crate::shop::Shop;

/// New orders to be accepted.
const NEW: u32 = 300;
/// Each command and page is asked for so often, and the fastest counts.
const TRIES: u32 = 5;

/// What was measured with a number of finished orders.
struct Figures {
    finished: u32,
    accepted_in: Duration,
    accepted_cpu: Duration,
    asked: Vec<(&'static str, Duration, Duration)>,
    bytes_an_order: u64,
}

fn main() -> anyhow::Result<()> {
    let sizes = std::env::var("QABYL_HISTORY").unwrap_or_else(|_| "1000,1000000".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut all = Vec::new();
    for size in sizes.split(',') {
        let finished = size.trim().parse().context("QABYL_HISTORY")?;
        all.push(runtime.block_on(measure(finished))?);
    }
    print(&all);
    Ok(())
}

async fn measure(finished: u32) -> anyhow::Result<Figures> {
    let mut shop = Shop::open()?;
    shop.finish_some_orders().await?;
    shop.stop()?;
    let bytes = copies::fill(shop.database(), finished).await?;
    println!("{finished} finished orders are stored");
    let mut asked = Vec::new();
    for (name, words, goal) in [
        ("orders list", "orders list", 100),
        ("orders list --held", "orders list --held", 100),
        ("explain", "explain 900000000", 20),
        ("status", "status", 20),
    ] {
        let took = fastest(|| shop.command(words))?;
        asked.push((name, took, Duration::from_millis(goal)));
    }
    shop.start()?;
    shop.is_ready().await?;
    let cpu = shop.cpu()?;
    let accepted_in = shop.accept(NEW).await?;
    let accepted_cpu = shop.cpu()?.saturating_sub(cpu);
    for path in ["/metrics", "/status", "/"] {
        let took = fastest(|| shop.page(path))?;
        asked.push((path, took, Duration::from_millis(20)));
    }
    shop.stop()?;
    Ok(Figures {
        finished,
        accepted_in,
        accepted_cpu,
        asked,
        bytes_an_order: bytes / u64::from(finished),
    })
}

fn fastest(mut ask: impl FnMut() -> anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    let mut fastest = Duration::MAX;
    for _ in 0..TRIES {
        fastest = fastest.min(ask()?);
    }
    Ok(fastest)
}

fn print(all: &[Figures]) {
    let row = |name: &str, goal: &str, cell: &dyn Fn(&Figures) -> String| {
        let cells: Vec<String> = all
            .iter()
            .map(|figures| format!("{:>12}", cell(figures)))
            .collect();
        println!("{name:<28}{}  {goal}", cells.join(""));
    };
    let seconds = |time: Duration| format!("{:.3} s", time.as_secs_f64());
    row("finished orders", "goal", &|figures| {
        figures.finished.to_string()
    });
    let accepted = format!("{NEW} new orders accepted");
    row(&accepted, "<= 1.3 x", &|figures| {
        seconds(figures.accepted_in)
    });
    row("  CPU of it", "", &|figures| seconds(figures.accepted_cpu));
    let names = all.first().map_or(&[][..], |figures| &figures.asked);
    for (place, (name, _, goal)) in names.iter().enumerate() {
        row(name, &format!("<= {}", seconds(*goal)), &|figures| {
            seconds(figures.asked[place].1)
        });
    }
    row("bytes an order", "<= 2000", &|figures| {
        figures.bytes_an_order.to_string()
    });
    if let [small, .., large] = all {
        let ratio = large.accepted_in.as_secs_f64() / small.accepted_in.as_secs_f64();
        println!("{NEW} new orders: {ratio:.2} times as long");
    }
}
