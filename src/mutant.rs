//! Protocol mutants: places where a test takes one rule of the protocol out, to show that the tests notice.
//!
//! Only the feature `failpoints` gives them life; without it [`mutant`] is `false` at compile time. With it,
//! the environment variable `QABYL_MUTANT` names the one rule that is out, for the whole life of the process.
//! `tests/mutants/run` runs each with the seed or test that is known to fail then (`tests/mutants/seeds.txt`).
//! A name begins with the rule of `docs/ARCHITECTURE.md` that it breaks.

/// Every mutant, and what the program does wrong with it.
pub const MUTANTS: &[(&str, &str)] = &[
    (
        "r15_doubtful_row_is_left_out",
        "a row of a stock file that is not understood leaves the level of its SKU as it was",
    ),
    (
        "r15_contradiction_is_zero",
        "a price list that says both none and some is taken for none",
    ),
    (
        "r8_falls_do_not_add_up",
        "a source that loses its stock in two imports looks sound",
    ),
    (
        "r15_unused_pool_is_made",
        "a count that names no warehouse makes a level that no order uses",
    ),
    (
        "r15_last_source_wins",
        "of two sources that list an SKU, the one read last is believed",
    ),
    (
        "r15_absent_keeps_its_level",
        "an SKU that its source no longer lists keeps its level",
    ),
    (
        "r15_old_pool_stays",
        "a common pool stays in use where its source lists pickup points now",
    ),
    (
        "i4_old_messages_at_start",
        "a message of before a start leaves before the orders are listed",
    ),
    (
        "i4_messages_unchecked",
        "a message is sent although what it reports is no longer so",
    ),
    (
        "r1_promised_twice",
        "a batch promises the same units to several orders",
    ),
    (
        "r1_reservations_lost",
        "a decision is recorded without its reservations",
    ),
    (
        "r2_snooze_is_unsent",
        "an attempt answered by 429 no longer makes its action sticky",
    ),
    (
        "r2_cancel_of_another_state",
        "a cancel asked for a waiting order is sent once it is accepted",
    ),
    (
        "r3_unknown_order_is_a_refusal",
        "an order that Kaspi did not know, and shows again, stays refused",
    ),
    (
        "i8_found_again_waits",
        "an order that Kaspi shows again waits as long as it was put off",
    ),
    (
        "r7_acts_change_the_list",
        "a list of new orders is read again while accepts shorten it",
    ),
    (
        "r7_acts_begun_before_are_counted",
        "an accept that was on its way when Kaspi counted a list makes up for an order missed in it",
    ),
    (
        "r3_lost_reply_is_not_sent",
        "a POST without an answer counts as never sent",
    ),
    (
        "r4_settle_ignored",
        "a POST of unknown outcome is repeated before the settle time has passed",
    ),
    (
        "r4_repeat_without_reading",
        "a POST is repeated without reading the order again",
    ),
    (
        "r4_repeat_at_once",
        "a POST of unknown outcome is due again at once",
    ),
    ("r4_repeat_for_ever", "attempts are not limited"),
    (
        "r5_cancelled_keeps_units",
        "a cancelled order keeps its units",
    ),
    (
        "r5_accepted_releases_units",
        "an accepted order releases its units",
    ),
    (
        "r5_lines_of_earlier_status",
        "lines are judged by the status the order had when they were asked for",
    ),
    ("r6_no_sweep", "accepted orders are never listed"),
    (
        "r6_not_in_new_list_ignored",
        "orders missing from the list of new ones are not read",
    ),
    (
        "r6_not_in_accepted_list_ignored",
        "orders missing from the list of accepted ones are not read",
    ),
    (
        "r6_unaccounted_order_ignored",
        "an accept does not wait for an order found missing since it was decided",
    ),
    (
        "r6_sent_is_accounted_for",
        "an order whose accept had no answer counts as accounted for once it left the list of new orders",
    ),
    (
        "r6_old_sweep_suffices",
        "a POST is repeated on a sweep of any age",
    ),
    (
        "r6_last_units_unread",
        "an accept of the last units rests on a sweep of any age",
    ),
    (
        "r6_other_shops_are_fresh",
        "an accept of the last units rests on any sweep of the other shops of the stock",
    ),
    (
        "r6_swept_before_order_seen",
        "an accept of the last units rests on a sweep begun before its order was seen",
    ),
    (
        "r6_archive_not_read_between_sweeps",
        "orders that came and went between two sweeps are not looked for",
    ),
    (
        "r6_archive_taken_as_read",
        "a sweep that could not read the archive counts as one that did",
    ),
    (
        "r6_departed_lines_not_read",
        "lines of orders that came and went between two sweeps are not read",
    ),
    (
        "r6_departed_without_lines",
        "an order that departed before its lines were read is forgotten",
    ),
    (
        "r6_outage_not_read",
        "the archive is not read after an outage",
    ),
    (
        "r6_outage_lines_not_read",
        "lines of orders that came and went in an outage are not read",
    ),
    (
        "r6_outage_without_lookback",
        "orders placed before an outage and approved in it are not looked for",
    ),
    (
        "r6_outage_half_read",
        "accepts go out before an outage is read",
    ),
    (
        "r6_count_during_outage_believed",
        "a count made in an outage is believed about an order without a departure",
    ),
    (
        "r6_unreadable_order_forgotten",
        "an accepted order whose lines cannot be read holds nothing after five requests",
    ),
    (
        "r15_line_sums_ignored",
        "lines are believed although they contradict the order's total",
    ),
    (
        "r8_other_lines_ignored",
        "a list that shows other lines with the same total changes nothing",
    ),
    (
        "r9_unread_order_is_certain",
        "units of an order whose new lines are unread count as sold, and cancel others",
    ),
    (
        "r15_unread_fields_ignored",
        "a new order is decided although one of its fields could not be read",
    ),
    (
        "r6_unknown_status_holds_nothing",
        "an accepted order with an unknown status holds no units",
    ),
    (
        "r8_cancel_not_counted",
        "a cancel does not count against the budget for the next ones",
    ),
    (
        "r7_incomplete_is_complete",
        "a list with missing pages counts as complete",
    ),
    (
        "r8_not_decided_again",
        "a cancel is sent without being decided again",
    ),
    (
        "r8_count_after_sweep",
        "a cancel rests on a count made after the last sweep",
    ),
    (
        "r8_pending_is_certain",
        "units promised to undecided orders count as sold, and cancel others",
    ),
    (
        "r8_dated_by_its_answer",
        "a reading counts as of its answer, not of its request",
    ),
    (
        "r8_other_shops_are_certain",
        "promises of a shop that is not read cancel other shops' orders",
    ),
    (
        "r9_stock_not_rechecked",
        "an accept is sent although its units were taken since",
    ),
    (
        "r9_departed_goods_forgotten",
        "goods that departed after a count are not taken off",
    ),
    (
        "r9_departed_goods_twice",
        "goods that departed before a count are taken off again",
    ),
    (
        "r9_goods_of_every_stock",
        "a shop sells the goods of every stock",
    ),
    (
        "r9_departure_stays_shown",
        "goods count as departed at the first date shown, although Kaspi took it back or corrected it",
    ),
    (
        "r9_returned_goods_stay_away",
        "goods that the buyer has returned are certainly not there, and others are cancelled",
    ),
    (
        "r9_doubt_is_certain",
        "goods that may have departed before a count count as taken, and cancel others",
    ),
    (
        "r9_own_delivery_is_certain",
        "goods of an own delivery, whose departure is not shown, count as taken, and cancel others",
    ),
    (
        "r9_promises_never_left",
        "an accepted order that Kaspi does not show as departed counts as taken of every count, and cancels others",
    ),
    (
        "r9_courier_lag_ignored",
        "a reading proves that goods are on the shelf as of its own moment, though Kaspi shows departures hours late",
    ),
    (
        "r9_late_date_disbelieved",
        "a courier's date older than a reading that did not show it yet is not believed",
    ),
    (
        "r9_pre_orders_take_the_shelf",
        "a pre-order takes units of today's shelf, and cancels others",
    ),
    (
        "r9_moved_order_stays",
        "an order that moved to another pickup point still takes the goods of the first",
    ),
    (
        "r9_moved_point_is_believed",
        "goods of an order that moved are free at its first point as soon as one reading shows the other",
    ),
    (
        "r9_new_map_ignores_promises",
        "units promised before an SKU was mapped, unmapped or listed count by the old map alone",
    ),
    (
        "r6_one_order_without_lines_stops_all",
        "a sweep is not complete while one order that was found has unreadable lines",
    ),
    (
        "i4_unaccounted_order_unnamed",
        "an order that keeps accepts back is not reported until a person must resolve it",
    ),
    (
        "r15_respelled_id_is_another",
        "an id that Kaspi spells with other padding is another order",
    ),
    (
        "r15_order_under_two_ids_is_two",
        "two orders of a shop with one number are both decided",
    ),
    (
        "r9_order_under_two_ids_is_certain",
        "units of two orders with one number count as taken twice, and cancel others",
    ),
    (
        "r9_changed_promise_is_certain",
        "units promised before a map changed count as taken by both maps, and cancel others",
    ),
    (
        "r9_feed_knows_the_level",
        "a source is believed to have taken an order off at both of the levels that it may be of",
    ),
    (
        "r9_feed_follows_at_once",
        "a source is believed to take an order off at the level to which it came before it can know",
    ),
    (
        "r6_unread_shop_ignored",
        "units are promised although another shop that sells them was never read",
    ),
    (
        "r6_large_orders_forgotten",
        "an accept that leaves more than the last units rests on any sweep, however large the SKU's orders are",
    ),
    (
        "r9_falls_are_no_departures",
        "goods count as still there though the counts fell by as much",
    ),
    (
        "r9_being_cancelled_is_certain",
        "units of an order being cancelled count as taken, and cancel others",
    ),
    (
        "r9_linked_after_departure_ignored",
        "goods linked to a SKU after they departed are not counted as departed",
    ),
    (
        "r9_courier_goods_return_at_once",
        "an order cancelled with the courier is back on the shelf at once",
    ),
    (
        "r9_count_from_the_future",
        "a count keeps the date of a clock that runs ahead",
    ),
    (
        "r9_unknown_departure_is_certain",
        "goods whose departure is unknown count as departed, and cancel others",
    ),
    (
        "r7_short_list_is_complete",
        "a list of fewer orders than Kaspi counts is complete at once",
    ),
    (
        "r15_equal_sources_are_one",
        "two sources that list as many units are one stock",
    ),
    (
        "r6_first_archive_is_short",
        "the first sweep misses what was finished since the count of orders placed days before it",
    ),
    (
        "r9_status_behind_is_certain",
        "units of an order that lies among accepted ones as a new one count as taken, and cancel others",
    ),
    (
        "r9_demand_of_every_stock",
        "what another stock sells makes the last units of this one",
    ),
    (
        "r10_no_deep_scan",
        "new orders are never listed to their full depth",
    ),
    (
        "r10_deep_scan_of_two_weeks",
        "orders placed more than 14 days ago are in no list unless they are known",
    ),
    (
        "r11_any_status_overwrites",
        "an older status overwrites a newer one",
    ),
    (
        "r13_open_attempts_forgotten",
        "attempts left open by a dead process are not read back",
    ),
    (
        "r14_lease_not_checked",
        "a process that lost its lease goes on writing",
    ),
    (
        "i4_deadline_by_own_clock",
        "deadlines are reckoned by this machine's clock",
    ),
    (
        "r15_clock_not_repaired",
        "due times stay in the future after the clock was set back",
    ),
    (
        "r15_impossible_step_stops_batch",
        "an impossible step of one action stops all orders of its batch",
    ),
    ("r15_lines_never_read", "lines of new orders are not read"),
    (
        "r11_reverted_status_ignored",
        "a status that goes back and stays is never believed",
    ),
    (
        "r9_reverted_status_is_certain",
        "goods of a completed order that Kaspi shows as accepted again are free until lists settle it",
    ),
    (
        "r6_stale_shop_ignored",
        "a shop that is no longer read does not keep others of the same stock from selling its units",
    ),
    (
        "r8_unsteady_order_decided",
        "an order whose total differs from reading to reading is decided whenever it is read",
    ),
    (
        "r6_status_behind_holds_nothing",
        "an order in a state of accepted ones holds nothing until its status follows",
    ),
    (
        "r15_unknown_order_waits",
        "an order that Kaspi does not know before its cancel waits half an hour unseen",
    ),
    (
        "r2_version_unchecked",
        "a manual decision about a version of the order that is no more is taken",
    ),
    (
        "r9_overdrawn_unreported",
        "people are not notified of an SKU of which more is promised than there is",
    ),
    (
        "i4_unread_lines_undecided",
        "a new order whose lines cannot be requested is never decided",
    ),
    (
        "r9_handed_over_unknown",
        "goods that a person said were handed over may have left or not",
    ),
    (
        "r2_new_again_for_ever",
        "an order that is new again after each answer is answered for ever",
    ),
    (
        "r2_changed_since_decided",
        "a person's accept is sent for an order that changed since",
    ),
    (
        "r16_order_of_other_shop",
        "an order that another shop has is stored for this one too",
    ),
    (
        "r16_account_of_other_shop",
        "orders of another shop's account are stored for this one",
    ),
    (
        "r16_foreign_account",
        "a token that shows only orders of another merchant is believed",
    ),
    (
        "r16_foreign_order",
        "an order of another merchant's pickup point is accepted",
    ),
    (
        "r16_exchanged_token",
        "a token that another shop had is believed",
    ),
    (
        "r16_sent_to_other_shop",
        "actions are sent with a token that may be another shop's",
    ),
    (
        "r16_both_shops_act",
        "an order known under two shops is acted on from both",
    ),
    (
        "r16_renamed_shop_starts_again",
        "a shop under a new name knows nothing of its orders, holds and pause",
    ),
    (
        "r17_stock_role_unchecked",
        "who is signed in edits stock whatever their role",
    ),
    (
        "r17_role_unchecked",
        "a person or a program does what its role does not allow",
    ),
    (
        "r17_press_done_again",
        "an update that Telegram sends again is done again",
    ),
    (
        "r17_button_used_twice",
        "a button that was used does the same again",
    ),
    (
        "r17_button_without_end",
        "a button is good after the deadline, and a second press after its minute",
    ),
    (
        "r17_second_press_of_anybody",
        "the second press of a cancel may be somebody else's",
    ),
    (
        "r2_message_of_another_version",
        "a message shows an order as it was before it changed",
    ),
    (
        "r17_codes_without_end",
        "somebody may try codes of Telegram accounts without end",
    ),
    (
        "r17_link_in_a_group",
        "a link by which one signs in is written where others read it",
    ),
    (
        "r17_revoked_token_lets_in",
        "a token that was revoked, or has expired, still lets in",
    ),
    (
        "r17_link_lets_in_twice",
        "a link signs in as often as it is followed",
    ),
    (
        "r17_ended_session_lets_in",
        "a session that was ended, or not used for a month, still lets in",
    ),
    (
        "r17_other_origin_decides",
        "a page of another site sends the forms of a user who is signed in",
    ),
    (
        "r17_key_unchecked",
        "a request that is repeated with its key is done again",
    ),
    (
        "r15_override_of_one_is_of_all",
        "who overrides one interlock by name overrides all",
    ),
    (
        "r8_people_cancel_without_end",
        "cancels by people are not limited",
    ),
];

/// Whether this rule is taken out. A test of `tests/it/tidy.rs` holds the names to [`MUTANTS`].
#[cfg(feature = "failpoints")]
pub fn mutant(name: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test names the rule in the environment of the process"
    )]
    static OUT: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("QABYL_MUTANT").ok());
    OUT.as_deref() == Some(name)
}

/// Whether this rule is taken out: never in a program that is shipped.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn mutant(_: &str) -> bool {
    false
}
