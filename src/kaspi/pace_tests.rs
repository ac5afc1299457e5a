use proptest::prelude::*;

use super::super::hidden_limit::{Answer, CEILING, Hidden, Over, Run};
use super::*;

const LIMITS: [f64; 5] = [2.0, 5.0, 10.0, 20.0, 50.0];

/// What a run showed within these seconds, where it is not good: less than 2 % refused, 85 % of the limit used.
fn falls_short(run: &Run, within: (f64, f64), limit: f64) -> Option<String> {
    let (refused, used) = (run.refused_share(within), run.used_share(within, limit));
    let is_good = refused < 0.02 && used >= 0.85;
    (!is_good).then(|| format!("limit {limit}: {refused:.3} refused, {used:.2} used"))
}

#[test]
fn a_hidden_limit_is_used_and_kept() {
    let mut short = Vec::new();
    for (seed, limit) in (0..16).flat_map(|seed| LIMITS.map(|limit| (seed, limit))) {
        let mut random = fastrand::Rng::with_seed(seed);
        let hidden = Hidden {
            latency: 0.02 + 0.05 * random.f64(),
            pause: 1.0 + random.f64(),
            jitter: 0.01 * random.f64(),
            seed,
            ..Hidden::of(limit)
        };
        short.extend(falls_short(&hidden.run(240.0), (60.0, 240.0), limit));
    }
    assert!(short.len() <= 2, "of 80 runs: {short:?}");
}

#[test]
fn a_limit_that_changes_is_found_within_a_minute() {
    let mut short = Vec::new();
    for (before, after) in LIMITS.iter().flat_map(|a| LIMITS.map(|b| (*a, b))) {
        for seed in 0..3 {
            let changes = vec![(0.0, before), (120.0, after)];
            let hidden = Hidden {
                limits: changes,
                seed,
                ..Hidden::of(before)
            };
            short.extend(falls_short(&hidden.run(300.0), (180.0, 300.0), after));
        }
    }
    assert!(short.len() <= 3, "of 75 runs: {short:?}");
}

/// After each rest a burst passes: it says nothing of the limit.
#[test]
fn a_limit_is_kept_where_work_comes_and_goes() {
    for (seed, limit) in (0..8_u32).flat_map(|seed| LIMITS.map(|limit| (seed, limit))) {
        let work = Some((3.0 + f64::from(seed), 2.0));
        let hidden = Hidden {
            seed: u64::from(seed),
            work,
            ..Hidden::of(limit)
        };
        let refused = hidden.run(240.0).refused_share((60.0, 240.0));
        assert!(refused < 0.03, "limit {limit}, seed {seed}: {refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_pace_stays_between_its_bounds(
        events in prop::collection::vec((0_u8..4, 0_u64..400), 0..400), start in 0.1..80.0_f64, ceiling in 0.1..100.0_f64,
    ) {
        let mut pace = Pace::new(start, ceiling);
        let mut now = Duration::from_secs(1);
        let (mut last, mut fell_at) = (pace.rate(), None);
        for (event, after) in events {
            now += Duration::from_millis(after);
            pace.waited(now);
            match event {
                0 => pace.refused(now, Duration::ZERO),
                1 => pace.timed_out(now),
                _ => pace.answered(now, Duration::from_millis(after), 0),
            }
            let rate = pace.rate();
            prop_assert!(rate <= ceiling && rate >= SLOWEST_OF_ALL.min(start).min(ceiling), "{rate}");
            if rate < last * (1.0 - 1e-9) {
                prop_assert!(fell_at.is_none_or(|at| now >= at + FALL_SPACING), "twice in a second");
                fell_at = Some(now);
            }
            last = rate;
        }
    }
}

#[test]
fn the_pace_doubles_each_second_until_the_first_trouble() {
    let hidden = Hidden::of(1000.0);
    let run = hidden.run(5.0);
    let at = |second: f64| {
        run.paces
            .iter()
            .rev()
            .find(|(at, _)| *at <= second)
            .unwrap()
            .1
    };
    assert!((13.0..19.0).contains(&at(1.0)), "{}", at(1.0));
    assert!((26.0..37.0).contains(&at(2.0)), "{}", at(2.0));
    assert!((at(4.0) - CEILING).abs() < f64::EPSILON, "{}", at(4.0));
}

#[test]
fn a_pace_that_nothing_waits_for_does_not_rise() {
    let mut pace = Pace::new(8.0, CEILING);
    for second in 0..600 {
        pace.answered(Duration::from_secs(second), Duration::from_millis(50), 0);
    }
    assert!((pace.rate() - 8.0).abs() < f64::EPSILON);
}

#[test]
fn silence_halves_the_pace_after_three_timeouts() {
    for limit in [2.0, 5.0, 10.0, 20.0] {
        let hidden = Hidden {
            over: Over::Silent,
            ..Hidden::of(limit)
        };
        let run = hidden.run(120.0);
        let before = run
            .paces
            .windows(2)
            .find(|two| two[1].1 <= two[0].1 * 0.51 || two[1].1 <= SLOWEST);
        let (halved_at, _) = before.unwrap()[1];
        let silent = run
            .sent
            .iter()
            .filter(|(at, kind)| *kind == Answer::Silent && at + 20.0 < halved_at);
        assert!(silent.count() <= 3, "{limit}");
    }
}

#[test]
fn single_timeouts_and_errors_count_for_nothing() {
    let mut pace = Pace::new(8.0, 8.0);
    for second in 0..600 {
        let now = Duration::from_secs(second);
        pace.waited(now);
        pace.answered(now, Duration::from_millis(50), 0);
        if second % 60 == 0 {
            pace.timed_out(now);
        }
    }
    assert!((pace.rate() - 8.0).abs() < f64::EPSILON);
}

#[test]
fn answers_three_times_as_slow_halve_the_pace() {
    let mut pace = Pace::new(8.0, CEILING);
    let mut halved_after = None;
    for second in 0..660 {
        let took = if second < 600 { 200 } else { 700 };
        pace.answered(Duration::from_secs(second), Duration::from_millis(took), 0);
        if pace.rate() < 5.0 && halved_after.is_none() {
            halved_after = Some(second - 600);
        }
    }
    assert!(
        halved_after.is_some_and(|seconds| (0..15).contains(&seconds)),
        "{halved_after:?}"
    );
    assert!((pace.rate() - 4.0).abs() < 0.01, "once: {}", pace.rate());
}

/// A long list takes longer than an accept: many of its pages in a row are no sign.
#[test]
fn pages_of_a_list_are_not_slow_accepts() {
    let mut pace = Pace::new(8.0, CEILING);
    for second in 0..600 {
        pace.answered(Duration::from_secs(second), Duration::from_millis(50), 300);
        let page = second % 60 == 59;
        for _ in 0..if page { 20 } else { 0 } {
            let took = Duration::from_millis(700);
            pace.answered(Duration::from_secs(second), took, 100_000);
        }
        assert!(pace.rate() >= 8.0, "after {second} s: {}", pace.rate());
    }
}

/// Of 6 % of answers that are refusals or errors at random, nothing follows for the pace.
#[test]
fn refusals_at_random_leave_the_pace_above_half_of_the_limit() {
    for limit in LIMITS {
        let mut low = 0;
        for seed in 0..16 {
            let hidden = Hidden {
                refused: 0.03,
                errors: 0.03,
                seed,
                ..Hidden::of(limit)
            };
            let run = hidden.run(240.0);
            low += usize::from(run.time_below(60.0, limit / 2.0) > 0.05);
        }
        assert!(
            low <= 1,
            "limit {limit}: {low} of 16 runs were below half of it for more than a twentieth of the time"
        );
    }
}

/// A limit below two requests a second is found, too.
#[test]
fn a_limit_of_one_request_a_second_is_found() {
    let mut refused = 0.0;
    for seed in 0..20 {
        let run = Hidden {
            seed,
            ..Hidden::of(1.0)
        }
        .run(300.0);
        refused += run.refused_share((60.0, 300.0)) / 20.0;
    }
    assert!(refused < 0.06, "{refused}");
}
