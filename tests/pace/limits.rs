//! Hidden limits: found, used, and kept to.

use std::time::Duration;

use qabyl_sandbox::{Limit, Settings};

use crate::shop::{Asked, Shop, second};

const LATENCY: Duration = Duration::from_millis(50);

/// From second to second, and the limit then.
type Span = (f64, f64, f64);

/// What a run showed.
struct Run {
    /// Requests of each span that was asked for.
    asked: Vec<Asked>,
    /// The pace each second.
    paces: Vec<(f64, f64)>,
}

/// Orders that wait at any time, so that there is always enough to do until new ones are listed again.
const BUSY: u32 = 80;
const BUSY_FOR_S: f64 = 30.0;

fn enough(limit: f64) -> u32 {
    // Whole and small.
    BUSY.max(format!("{:.0}", limit * BUSY_FOR_S).parse().unwrap())
}

/// Runs a busy shop for so many seconds, and counts the requests of these spans.
async fn busy(settings: Settings, spans: &[Span], commands: &str) -> Run {
    let settings = Settings {
        latency: LATENCY,
        ..settings
    };
    let limits = spans.iter().map(|span| span.2);
    let enough = enough(limits.fold(0.0, f64::max));
    let mut shop = Shop::open(settings, enough, "");
    shop.tell(commands);
    let end = spans.iter().map(|span| span.1).fold(0.0, f64::max);
    let mut paces = Vec::new();
    while shop.age() < end {
        second().await;
        let missing = enough.saturating_sub(shop.waiting());
        shop.place(missing);
        paces.extend(shop.pace().map(|pace| (shop.age(), pace)));
    }
    let asked = spans.iter().map(|span| shop.asked((span.0, span.1)));
    let asked = asked.collect();
    trace(&shop, &paces, end);
    Run { asked, paces }
}

/// Requests and the pace, ten seconds at a time.
fn trace(shop: &Shop, paces: &[(f64, f64)], end: f64) {
    let mut from = 0.0;
    while from < end {
        let asked = shop.asked((from, from + 10.0));
        let pace = paces.iter().find(|(at, _)| *at >= from);
        println!(
            "  {from:>4} s: {} good, {} refused, {} silent, {} failed; pace {:.1}",
            asked.good,
            asked.refused,
            asked.silent,
            asked.failed,
            pace.map_or(0.0, |(_, pace)| *pace)
        );
        from += 10.0;
    }
    println!("  {:?}", shop.requests_by_kind());
    let world = shop.server.world();
    let first = world
        .orders()
        .iter()
        .filter_map(|order| Some(order.accepted_at?.duration_since(order.seed.created_at)))
        .min();
    println!("  the first accept took {first:?}");
}

fn limited(limit: Limit) -> Settings {
    Settings {
        limit: Some(limit),
        ..Settings::default()
    }
}

/// Less than 2 % refused, and at least 85 % of the limit used.
#[track_caller]
fn judge(name: &str, asked: Asked, (from, to, limit): Span) {
    let used = asked.good / (limit * (to - from));
    let refused = asked.refused_share();
    println!(
        "{name}: {:.1} % refused, {:.0} % of the limit used ({asked:?})",
        100.0 * refused,
        100.0 * used
    );
    assert!(refused < 0.02, "{name}: {:.1} % refused", 100.0 * refused);
    assert!(used >= 0.85, "{name}: {:.0} % used", 100.0 * used);
}

async fn found(limit: f64, until: f64) {
    let span = (60.0, until, limit);
    let run = busy(limited(Limit::refusing(limit)), &[span], "").await;
    judge(&format!("limit {limit}"), run.asked[0], span);
}

/// A short one for the gate, with slack: the others say what holds.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute: just pace"]
async fn a_hidden_limit_is_found() {
    let span = (30.0, 60.0, 5.0);
    let run = busy(limited(Limit::refusing(5.0)), &[span], "").await;
    let used = run.asked[0].good / (5.0 * 30.0);
    println!(
        "limit 5, second half minute: {:?}, {used:.2} used",
        run.asked
    );
    assert!(run.asked[0].refused_share() < 0.06, "{:?}", run.asked);
    assert!(used > 0.7, "{used}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_of_2_is_used_and_kept() {
    found(2.0, 240.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_of_5_is_used_and_kept() {
    found(5.0, 240.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_of_10_is_used_and_kept() {
    found(10.0, 240.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_of_20_is_used_and_kept() {
    found(20.0, 240.0).await;
}

async fn changed(before: f64, after: f64) {
    let spans = [(60.0, 120.0, before), (180.0, 300.0, after)];
    let commands = format!("in 120s limit {after}");
    let run = busy(limited(Limit::refusing(before)), &spans, &commands).await;
    let name = |limit: f64| format!("limit {before}, then {after}, at {limit}");
    judge(&name(after), run.asked[1], spans[1]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_that_falls_is_found_within_a_minute() {
    changed(20.0, 5.0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn a_limit_that_rises_is_found_within_a_minute() {
    changed(2.0, 10.0).await;
}

async fn silent(limit: f64) {
    let settings = limited(Limit::silent(limit));
    let mut shop = Shop::open(
        Settings {
            latency: LATENCY,
            ..settings
        },
        BUSY,
        "",
    );
    let (mut highest, mut halved_at, mut before) = (0.0_f64, None, 0.0_f64);
    while shop.age() < 120.0 && halved_at.is_none() {
        tokio::time::sleep(Duration::from_millis(200)).await;
        shop.place(BUSY.saturating_sub(shop.waiting()));
        let Some((pace, timeouts)) = shop.pace_and_timeouts() else {
            continue;
        };
        highest = highest.max(pace);
        if pace <= (highest * 0.51).max(2.0) {
            halved_at = Some(shop.age());
        } else {
            before = before.max(timeouts);
        }
    }
    let halved_at = halved_at.unwrap_or(f64::INFINITY);
    let all = shop.asked((0.0, halved_at)).silent;
    println!(
        "silence beyond {limit}: {before} timeouts noticed while the pace was not halved, until {halved_at:.0} s; \
         {all} sent into silence"
    );
    // The pace and the number are of one moment: it falls with the third.
    assert!(before < 3.0, "{before}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn silence_halves_the_pace_after_three_timeouts() {
    for limit in [2.0, 5.0, 10.0, 20.0] {
        silent(limit).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: just pace"]
async fn answers_that_fail_at_random_leave_the_pace_above_half() {
    for limit in [5.0, 20.0] {
        let faults = "http_429=0.03,http_500=0.03".parse().unwrap();
        let settings = Settings {
            faults,
            ..limited(Limit::refusing(limit))
        };
        let span = (60.0, 240.0, limit);
        let run = busy(settings, &[span], "").await;
        let after = run.paces.iter().filter(|(at, _)| *at >= span.0);
        let paces: Vec<f64> = after.map(|(_, pace)| *pace).collect();
        let low = paces.iter().filter(|pace| **pace < limit / 2.0).count();
        println!(
            "6 % fail at random, limit {limit}: below half of it in {low} of {} seconds ({:?})",
            paces.len(),
            run.asked
        );
        assert!(low * 20 <= paces.len(), "{low} of {}", paces.len());
    }
}
