//! Time of `qabyl rules replay` over 1 000 000 stored decisions in a SQLite file, on one core. Goal: under
//! 10 s.
//!
//! `cargo bench --bench replay`; QABYL_REPLAY_DECISIONS sets another number, QABYL_REPLAY_FILE keeps
//! the file for the next run (creating it takes longer than replaying it).
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints its figure, and reads the environment and the real clock"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::decision::decide;
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, LineFacts, LinesFacts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, ShopName, Sku};
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Line, Order, PaymentMode, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::replay::Replay;
use qabyl::domain::stock::{Level, LineStock, UnknownStock};
use qabyl::rules_file;
use qabyl::store::{Access, PastFilter, Store};
use sqlx::{ConnectOptions as _, Connection as _};

const GOAL_S: f64 = 10.0;
/// Rules that hold what the default ones would accept, for some orders.
const OTHER: &str =
    "[[rule]]\nname = \"large\"\nwhen = { total = { over = 40000 } }\nthen = \"hold\"\n";

fn main() -> anyhow::Result<()> {
    // One core for all threads, including SQLite's.
    let mut one = rustix::thread::CpuSet::new();
    one.set(0);
    rustix::thread::sched_setaffinity(None, &one)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(bench())
}

async fn bench() -> anyhow::Result<()> {
    let count: u32 = match std::env::var("QABYL_REPLAY_DECISIONS") {
        Ok(text) => text.parse()?,
        Err(_) => 1_000_000,
    };
    let folder = tempfile::tempdir()?;
    let kept = std::env::var("QABYL_REPLAY_FILE").ok().map(PathBuf::from);
    let file = kept.unwrap_or_else(|| folder.path().join("replay.db"));
    let now: Timestamp = "2026-03-02T09:00:00Z".parse()?;
    if !file.exists() {
        fill(&file, count, now).await?;
    }
    let bytes = std::fs::metadata(&file)?.len();
    let store = Store::open(&file, Access::Tool, now).await?;
    let policy = |rules| Policy::new(rules, Limits::default(), "bench".to_owned());
    let same = policy(rules_file::default_rules());
    let text = format!("{OTHER}{}", rules_file::DEFAULT_RULES);
    let other = policy(rules_file::load(&text, Path::new("other.toml"))?);
    for (name, policy) in [("the same rules", &same), ("other rules", &other)] {
        let (wall, cpu, replay) = replay(&store, policy, now).await?;
        anyhow::ensure!(
            replay.compared == u64::from(count),
            "{} looked at",
            replay.compared
        );
        println!(
            "replay, {name}: {count} decisions ({} MB) on one core in {wall:.2} s, {cpu:.2} s of processor \
             time, {} differ (goal: {GOAL_S:.0} s)",
            bytes >> 20,
            replay.differ(),
        );
    }
    Ok(())
}

async fn replay<'p>(
    store: &Store,
    policy: &'p Policy,
    now: Timestamp,
) -> anyhow::Result<(f64, f64, Replay<'p>)> {
    let filter = PastFilter {
        since: now - SignedDuration::from_hours(24 * 400),
        shop: None,
    };
    let (begun, cpu) = (Instant::now(), processor_time());
    let mut replay = Replay::new(policy, 50);
    store.replay(&filter, &mut replay).await?;
    Ok((
        begun.elapsed().as_secs_f64(),
        processor_time() - cpu,
        replay,
    ))
}

/// CPU seconds of this process, all threads together.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// Writes decisions as the deciding stage does: the facts and the decision as they are stored.
async fn fill(file: &Path, count: u32, now: Timestamp) -> anyhow::Result<()> {
    let store = Store::open(file, Access::Tool, now).await?;
    store.add_shop(&ShopName::new("main")?).await?;
    store.close().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut database = options.disable_statement_logging().connect().await?;
    let policy = Policy::new(
        rules_file::default_rules(),
        Limits::default(),
        "bench".to_owned(),
    );
    let mut seed = 0;
    while seed < count {
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut database)
            .await?;
        for _ in 0..20_000.min(count - seed) {
            // One a minute gives two years of them.
            let at = now - SignedDuration::from_secs(i64::from(count - seed) * 20);
            let facts = order(seed, at)?;
            let decision = decide(&facts, &policy, at);
            sqlx::query(
                "INSERT INTO orders (shop, id, code, state, status, created_at, body, first_seen_at, seen_at, lines_due_at)
                 VALUES ('main', ?, ?, 'NEW', 'APPROVED_BY_BANK', ?, ?, ?, ?, 0)",
            )
            .bind(facts.order.id.as_str())
            .bind(facts.order.code.as_str())
            .bind(at.as_millisecond())
            .bind(serde_json::to_string(&facts.order)?)
            .bind(at.as_millisecond())
            .bind(at.as_millisecond())
            .execute(&mut database)
            .await?;
            let until = match decision.verdict {
                qabyl::domain::verdict::Verdict::Wait { until } => Some(until.as_millisecond()),
                _ => None,
            };
            sqlx::query(
                "INSERT INTO decisions (shop, order_id, at, verdict, wait_until, rule, actor, policy_digest, body, facts)
                 VALUES ('main', ?, ?, ?, ?, ?, 'qabyl', 'bench', ?, ?)",
            )
            .bind(facts.order.id.as_str())
            .bind(at.as_millisecond())
            .bind(decision.verdict.word())
            .bind(until)
            .bind(&decision.rule)
            .bind(serde_json::to_string(&decision)?)
            .bind(serde_json::to_string(&facts)?)
            .execute(&mut database)
            .await?;
            seed += 1;
        }
        sqlx::query("COMMIT").execute(&mut database).await?;
    }
    database.close().await?;
    Ok(())
}

/// Order number `seed`: three in four have one line, most are plain, some short, unknown or express.
fn order(seed: u32, now: Timestamp) -> anyhow::Result<Facts> {
    let ago = |minutes: i64| now - SignedDuration::from_mins(minutes);
    let sweep = Interval {
        start: ago(1),
        end: now,
    };
    let count = match seed % 20 {
        0..15 => 1,
        15..18 => 2,
        18 => 3,
        _ => 5,
    };
    let lines = (1..=count)
        .map(|number| line(seed, number, ago(30)))
        .collect::<anyhow::Result<_>>()?;
    Ok(Facts {
        shop: Some(ShopName::new("main")?),
        order: Order {
            approved_at: Some(ago(12)),
            total: Some(Money::from_tenge(i64::from(seed % 50) * 1_000 + 990)),
            payment_mode: Some(PaymentMode::Prepaid),
            delivery_mode: Some(DeliveryMode::Local),
            kaspi_delivery: Some(true),
            express: seed.is_multiple_of(23),
            pre_order: seed.is_multiple_of(29),
            pickup_point: Some(PickupPoint::new("30000001_PP1")?),
            planned_delivery_at: Some(now + SignedDuration::from_hours(48)),
            ..Order::new(
                OrderId::new(format!("OTAw{seed:08}"))?,
                OrderCode::new(format!("{}", 400_000_000 + seed))?,
                ago(15),
            )
        },
        first_seen_at: None,
        lines: LinesFacts::Known(lines),
        sent: None,
        namesakes: Vec::new(),
        shortage: seed.is_multiple_of(7).then(|| ShortageSeen {
            since: ago(11),
            scans: 3,
        }),
        shop_facts: ShopFacts {
            counters: Counters {
                decided: 400,
                cancelled: 4,
                cancelled_last_hour: 1,
                accepted_last_hour: 30,
            },
            collapse: None,
            evidence: Evidence {
                accepted: Some(sweep),
                archive: Some(sweep),
                unaccounted: Vec::new(),
                unread_shops: Vec::new(),
                other_shops: Vec::new(),
            },
            restored_at: None,
            clock_skew_s: Some(1),
            paused: None,
            account: None,
            mismatch: None,
        },
    })
}

fn line(seed: u32, number: i64, as_of: Timestamp) -> anyhow::Result<LineFacts> {
    let sku = Sku::new(format!("{}_{number}", 100_000_000 + seed % 50_000))?;
    let stock = if seed.is_multiple_of(17) {
        LineStock::Unknown(UnknownStock::NotListed(sku.clone()))
    } else {
        LineStock::Known(Level {
            warehouse: "PP1".to_owned(),
            on_hand: if seed.is_multiple_of(7) { 0 } else { 10 },
            reserved_confirmed: 0,
            reserved_pending: 0,
            returned: 0,
            is_unbounded: false,
            recent_demand: 0,
            safety_stock: 0,
            as_of,
            source: "stock.csv".to_owned(),
            doubts: Vec::new(),
        })
    };
    Ok(LineFacts {
        line: Line {
            entry: EntryId::new(format!("OTAw{seed:08}IyM{number}"))?,
            number,
            sku: Some(sku),
            quantity: 2,
            unit: UnitType::Pieces,
            unit_price: Some(Money::from_tenge(1_000)),
            total: Some(Money::from_tenge(2_000)),
            name: Some("Чехол для телефона силиконовый, чёрный".to_owned()),
            category: Some("Master - Phone cases".to_owned()),
            master_product: None,
        },
        stock,
        wanted: 2,
        parts: Vec::new(),
    })
}
