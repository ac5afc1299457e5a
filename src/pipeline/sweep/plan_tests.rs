use super::*;
use crate::pipeline::plan::tests::{clocks, hours, lists, now, scan, settings};

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// A shop with counted stock that was last swept so long ago.
fn swept(ago: SignedDuration) -> SweepState {
    let last = Some(scan(ScanKind::Sweep, ago));
    SweepState {
        lists: lists(ago),
        last: last.clone(),
        last_with_archive: last,
        counted_at: Some(now() - hours(72)),
        archive_page_from: None,
    }
}

#[test]
fn a_sweep_follows_the_last_one_with_bounded_single_reads() {
    let plan = Sweep::plan(&swept(minutes(2)), &settings(), false);
    assert_eq!(plan.class, RequestClass::Sweep);
    assert_eq!(plan.singles_max, Some(200));
    let archive = plan.archive.unwrap();
    assert!(!archive.is_after_outage && !archive.is_required);
    let seen_since = now() - minutes(2);
    assert_eq!(plan.lines, LinesPlan::AcceptedAndDeparted { seen_since });
}

#[test]
fn a_busy_archive_is_read_one_page_back_but_an_hour_at_least() {
    let from = |page: SignedDuration| {
        let state = SweepState {
            archive_page_from: Some(now() - page),
            ..swept(minutes(2))
        };
        let plan = Sweep::plan(&state, &settings(), false);
        now().duration_since(plan.archive.unwrap().window.from)
    };
    assert_eq!(
        from(minutes(10)),
        minutes(62),
        "an hour before the last sweep"
    );
    assert_eq!(from(hours(5)), hours(5));
    assert_eq!(from(hours(400)), hours(48) + minutes(2), "the lookback");
}

#[test]
fn what_happened_in_an_outage_is_read_whole() {
    let plan = Sweep::plan(&swept(hours(5)), &settings(), false);
    assert_eq!(plan.singles_max, None);
    let archive = plan.archive.unwrap();
    assert!(archive.is_after_outage && archive.is_required);
    assert_eq!(archive.window.from, now() - hours(53));
    let LinesPlan::AcceptedElsewhere { seen_since, .. } = plan.lines else {
        panic!("{:?}", plan.lines);
    };
    assert_eq!(seen_since, now() - hours(5));
}

#[test]
fn an_archive_that_could_not_be_read_does_not_hold_up_the_accepted_orders() {
    let state = SweepState {
        last_with_archive: Some(scan(ScanKind::Sweep, hours(5))),
        ..swept(minutes(2))
    };
    let archive = Sweep::plan(&state, &settings(), false).archive.unwrap();
    assert!(archive.is_after_outage && !archive.is_required);
}

#[test]
fn the_first_sweep_reads_what_was_placed_before_the_count() {
    let state = SweepState {
        last: None,
        last_with_archive: None,
        ..swept(hours(0))
    };
    let plan = Sweep::plan(&state, &settings(), false);
    assert!(plan.is_after_outage());
    let from = plan.archive.unwrap().window.from;
    assert_eq!(from, now() - hours(72 + 14 * 24), "an order takes days");
}

#[test]
fn without_counted_stock_the_archive_is_not_read() {
    let state = SweepState {
        counted_at: None,
        ..swept(hours(5))
    };
    let plan = Sweep::plan(&state, &settings(), true);
    assert_eq!((plan.archive, plan.lines), (None, LinesPlan::Accepted));
    assert_eq!(plan.class, RequestClass::Evidence);
    assert_eq!(plan.singles_max, Some(200));
}

#[test]
fn many_missing_orders_are_looked_for_in_the_archive_list() {
    let plan = Sweep::plan(&swept(minutes(2)), &settings(), false);
    assert_eq!(plan.archive_for_missing(3, 0), None, "three single reads");
    let window = plan.archive_for_missing(4, 0).unwrap();
    assert_eq!(window.from, plan.accepted.window.from);
    assert_eq!(window.to, plan.archive.unwrap().window.from);
    assert_eq!(
        plan.archive_for_missing(12, 1_000),
        None,
        "eleven pages and two"
    );
    assert!(plan.archive_for_missing(14, 1_000).is_some());
}

#[test]
fn a_sweep_is_due_after_its_period() {
    let next = |ago| not_due_before(Some(&scan(ScanKind::Sweep, ago)), &settings(), clocks());
    assert_eq!(next(minutes(1)), Some(now() + minutes(1)));
    assert_eq!(next(minutes(2)), None);
    assert_eq!(not_due_before(None, &settings(), clocks()), None);
}

#[test]
fn a_restored_database_waits_for_settle_and_a_deep_poll_then_reads_all_it_cannot_know() {
    let settle = minutes(2);
    let plan = |ago: SignedDuration, is_listed: bool| {
        let restored = Restored {
            at: now() - ago,
            known_until: Some(now() - hours(24)),
        };
        CatchUp::plan(&restored, (clocks(), settle), (is_listed, None))
    };
    let until = now() + minutes(1);
    assert_eq!(plan(minutes(1), true), SweepPlan::WaitForSettle { until });
    assert_eq!(plan(minutes(2), false), SweepPlan::WaitForDeepPoll);
    let SweepPlan::CatchUp(all) = plan(minutes(2), true) else {
        panic!("it waits");
    };
    assert_eq!(all.window.from, now() - hours(15 * 24));
}
