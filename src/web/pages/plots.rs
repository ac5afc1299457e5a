//! What "Today" draws: orders by the hour, and how close the shop is to the limits of cancels.

use jiff::{SignedDuration, Timestamp};

use super::super::Shared;
use crate::domain::calendar;
use crate::domain::counters::Counters;
use crate::lang::Lang;
use crate::pipeline::Ctx;
use crate::store::{HourSums, StoreError};

/// Hours in the plot.
pub(super) const HOURS: usize = 24;

/// How close the shop is to the limits of cancels.
pub(super) struct Meter {
    pub(super) shop: String,
    pub(super) share: String,
    pub(super) counts: String,
    pub(super) after: String,
    /// Widths and places in the plot, in its units.
    pub(super) filled: String,
    pub(super) budget: Option<String>,
    pub(super) max: String,
    pub(super) budget_words: String,
    pub(super) max_words: String,
}

/// One hour of the plot.
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) label: String,
    pub(super) parts: Vec<(&'static str, String, String)>,
}

/// A share in percent, as it is written: `2,1 %`.
fn percent(lang: Lang, cancelled: u64, decided: u64) -> String {
    let halves = (cancelled * 2000).checked_div(decided);
    let tenths = halves.unwrap_or_default().div_ceil(2);
    let mark = if lang == Lang::En { '.' } else { ',' };
    format!("{}{mark}{}\u{a0}%", tenths / 10, tenths % 10)
}

/// A place in a plot of 600 units, whose end is a fifth behind Kaspi's limit.
fn place(share: f64, max: f64) -> String {
    format!("{:.1}", (share / (max * 1.2)).clamp(0.0, 1.0) * 600.0)
}

/// A text with a limit in percent: `4 %`.
fn limit_words(lang: Lang, key: &str, share: f64) -> String {
    let share = format!("{}", (share * 1000.0).round() / 10.0);
    let share = if lang == Lang::En {
        share
    } else {
        share.replace('.', ",")
    };
    lang.text(key, &[("share", share.into())])
}

/// What one more cancel does to the share of cancels.
pub(super) struct OneMore {
    pub(super) words: String,
    /// Whether the share is above one of the limits then.
    pub(super) is_above: bool,
}

/// The share of cancels now and after one more, beside the limits: what who cancels reads first.
pub(super) async fn one_more(
    shared: &Shared,
    lang: Lang,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<OneMore, StoreError> {
    let limits = ctx.policy().limits.clone();
    let counters = shared
        .store
        .counters(&ctx.shop, limits.cancel_budget_window, now)
        .await?;
    let after = Counters {
        cancelled: counters.cancelled + 1,
        decided: counters.decided + 1,
        ..counters
    };
    let of = |counters: &Counters| percent(lang, counters.cancelled, counters.decided);
    let values = [("now", of(&counters).into()), ("after", of(&after).into())];
    let max = shared.loaded.config.interlocks.cancel_share_max;
    let budget = limits.cancel_budget_share;
    let budget_words = budget.map(|share| limit_words(lang, "web-meter-budget", share));
    let words = [
        Some(lang.text("web-cancel-share", &values)),
        budget_words,
        Some(limit_words(lang, "web-meter-max", max)),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    Ok(OneMore {
        words: words.join(" "),
        is_above: after.cancelled_share() > budget.unwrap_or(max).min(max),
    })
}

pub(super) async fn meter(
    shared: &Shared,
    lang: Lang,
    ctx: &Ctx,
    now: Timestamp,
) -> Result<Meter, StoreError> {
    let limits = ctx.policy().limits.clone();
    let counters = shared
        .store
        .counters(&ctx.shop, limits.cancel_budget_window, now)
        .await?;
    let held = shared.store.held_now(&ctx.shop).await?.len();
    let held = u64::try_from(held).unwrap_or(u64::MAX);
    let (cancelled, decided) = (counters.cancelled, counters.decided);
    let values = [
        (
            "cancelled",
            i64::try_from(cancelled).unwrap_or(i64::MAX).into(),
        ),
        ("decided", i64::try_from(decided).unwrap_or(i64::MAX).into()),
    ];
    let one = percent(lang, cancelled + 1, decided + 1);
    let all = percent(lang, cancelled + held, decided + held);
    let after = lang.text(
        "web-meter-after",
        &[("one", one.into()), ("all", all.into())],
    );
    let budget = limits.cancel_budget_share;
    let max = shared.loaded.config.interlocks.cancel_share_max;
    Ok(Meter {
        shop: ctx.shop.to_string(),
        share: percent(lang, cancelled, decided),
        counts: lang.text("web-meter-counts", &values),
        after: if held > 0 { after } else { String::new() },
        filled: place(counters.cancelled_share(), max),
        budget: budget.map(|share| place(share, max)),
        max: place(max, max),
        budget_words: budget.map_or_else(String::new, |share| {
            limit_words(lang, "web-meter-budget", share)
        }),
        max_words: limit_words(lang, "web-meter-max", max),
    })
}

/// Heights of the bars, 84 units for the largest.
pub(super) fn bars(hours: &[HourSums], now: Timestamp) -> Vec<Bar> {
    let most = hours
        .iter()
        .map(|hour| hour.seen.max(hour.accepted + hour.cancelled))
        .max();
    let most = most.unwrap_or(1).max(1);
    let first = now.saturating_sub(SignedDuration::from_hours(
        i64::try_from(HOURS).unwrap_or(24) - 1,
    ));
    let first = first.unwrap_or(now);
    let height = |count: u64| count * 84 / most;
    let bar = |(place, hour): (usize, &HourSums)| {
        let at = first.saturating_add(SignedDuration::from_hours(
            i64::try_from(place).unwrap_or_default(),
        ));
        let at = at.unwrap_or(now);
        let local = calendar::local(at);
        let rest = hour.seen.saturating_sub(hour.accepted + hour.cancelled);
        let mut top = 94;
        let mut parts = Vec::new();
        for (class, count) in [("b", hour.accepted), ("b h", rest), ("b c", hour.cancelled)] {
            let tall = if count == 0 { 0 } else { height(count).max(2) };
            if tall > 0 {
                top -= tall;
                parts.push((class, top.to_string(), tall.to_string()));
            }
        }
        Bar {
            x: 20 + place * 24,
            label: if local.hour() % 3 == 0 {
                format!("{:02}", local.hour())
            } else {
                String::new()
            },
            parts,
        }
    };
    hours.iter().enumerate().map(bar).collect()
}

/// What the plot shows, for who cannot see it.
pub(super) fn bars_label(lang: Lang, hours: &[HourSums]) -> String {
    let sum = |of: fn(&HourSums) -> u64| {
        i64::try_from(hours.iter().map(of).sum::<u64>()).unwrap_or(i64::MAX)
    };
    let values = [
        ("seen", sum(|hour| hour.seen).into()),
        ("accepted", sum(|hour| hour.accepted).into()),
        ("cancelled", sum(|hour| hour.cancelled).into()),
    ];
    lang.text("web-hours-label", &values)
}

/// How long accepts take: half of them, and nearly all.
pub(super) fn speed(lang: Lang, times: &[SignedDuration]) -> String {
    let (Some(half), Some(most)) = (times.get(times.len() / 2), times.get(times.len() * 19 / 20))
    else {
        return lang.word("web-speed-none");
    };
    let words = |time: &SignedDuration| {
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        lang.text(
            "web-seconds",
            &[("minutes", minutes.into()), ("seconds", seconds.into())],
        )
    };
    lang.text(
        "web-speed",
        &[("half", words(half).into()), ("most", words(most).into())],
    )
}
