use proptest::prelude::*;

use super::super::hidden_limit::{Answer, CEILING, Hidden, Over};
use super::*;

fn limit() -> impl Strategy<Value = f64> {
    prop_oneof![Just(2.0), Just(5.0), Just(10.0), Just(20.0)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_hidden_limit_is_used_and_kept(
        limit in limit(), seed in any::<u64>(), latency in 0.02..0.15_f64, pause in 1.0..2.5_f64,
    ) {
        let hidden = Hidden { latency, pause, seed, ..Hidden::of(limit) };
        let run = hidden.run(300.0);
        let within = (60.0, 300.0);
        prop_assert!(run.refused_share(within) < 0.02, "{}", run.refused_share(within));
        prop_assert!(run.used_share(within, limit) >= 0.85, "{}", run.used_share(within, limit));
    }

    #[test]
    fn a_limit_that_changes_is_found_within_a_minute(
        limits in (limit(), limit()), seed in any::<u64>(), changes_at in 100.0..150.0_f64,
    ) {
        let (before, after) = limits;
        let hidden = Hidden { limits: vec![(0.0, before), (changes_at, after)], seed, ..Hidden::of(before) };
        let run = hidden.run(400.0);
        let within = (changes_at + 60.0, 400.0);
        prop_assert!(run.refused_share(within) < 0.02, "{}", run.refused_share(within));
        prop_assert!(run.used_share(within, after) >= 0.85, "{}", run.used_share(within, after));
    }

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
                0 => pace.refused(now),
                1 => pace.timed_out(now),
                _ => pace.answered(now, Duration::from_millis(after)),
            }
            let rate = pace.rate();
            prop_assert!(rate <= ceiling && rate >= SLOWEST.min(start).min(ceiling), "{rate}");
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
        pace.answered(Duration::from_secs(second), Duration::from_millis(50));
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
        pace.answered(now, Duration::from_millis(50));
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
        pace.answered(Duration::from_secs(second), Duration::from_millis(took));
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

/// Of 6 % of answers that are refusals or errors at random, nothing follows for the pace.
#[test]
fn refusals_at_random_leave_the_pace_above_half_of_the_limit() {
    let mut low = 0;
    for seed in 0..20 {
        let hidden = Hidden {
            refused: 0.03,
            errors: 0.03,
            seed,
            ..Hidden::of(20.0)
        };
        let run = hidden.run(300.0);
        let paces: Vec<f64> = run
            .paces
            .iter()
            .filter(|(at, _)| *at > 60.0)
            .map(|(_, pace)| *pace)
            .collect();
        let below = paces.iter().filter(|pace| **pace < 10.0).count();
        low += usize::from(below * 20 > paces.len());
    }
    assert!(
        low <= 1,
        "{low} of 20 runs were below half for more than a twentieth of the time"
    );
}
