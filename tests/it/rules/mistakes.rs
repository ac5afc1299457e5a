//! What the loader says of each mistake in a condition or an outcome, word for word.

use crate::rules::loader::problems;

/// Asserts what is said of a rule named `r` with this `when` on line 3.
fn when(condition: &str, said: &str) {
    let text = format!("[[rule]]\nname = \"r\"\nwhen = {condition}\nthen = \"hold\"\n");
    assert_eq!(
        problems(&text),
        format!("rules.toml:3:{said}"),
        "{condition}"
    );
}

/// Asserts what is said of a rule named `r` with this `then` on line 3.
fn then(outcome: &str, said: &str) {
    let text = format!("[[rule]]\nname = \"r\"\nthen = {outcome}\n");
    assert_eq!(problems(&text), format!("rules.toml:3:{said}"), "{outcome}");
}

#[test]
fn unknown_words() {
    when(
        "{ totl = 5 }",
        "10: rule 'r': unknown condition 'totl'; did you mean 'total'?",
    );
    when(
        "{ any_line = { shortge = { over = 0 } } }",
        "23: rule 'r': unknown line condition 'shortge'; did you mean 'shortage'?",
    );
    when(
        "{ any_line = { colour = 1 } }",
        "23: rule 'r': unknown line condition 'colour'; known here: sku, category, quantity, \
         measured, stock, on_hand, reserved, available, shortage, all, any, not",
    );
    when(
        "{ shortage = { over = 0 } }",
        "10: rule 'r': 'shortage' is no condition; it is asked of lines: put it into \
         any_line = { … } or all_lines = { … }",
    );
    when(
        "{ any_line = { express = true } }",
        "23: rule 'r': 'express' is no line condition; it is asked of the whole order: put it \
         beside any_line, not into it",
    );
    when(
        "{ total = { above = 5 } }",
        "20: rule 'r': unknown bound of total 'above'; known here: over, under",
    );
    when(
        "{ delivery_mode = [\"DELIVERY_LOCAL\", \"delivery_pikup\"] }",
        "45: rule 'r': unknown delivery_mode 'delivery_pikup'; did you mean 'DELIVERY_PICKUP'?",
    );
    when(
        "{ payment_mode = \"CASH\" }",
        "25: rule 'r': unknown payment_mode 'CASH'; known here: PAY_WITH_CREDIT, PREPAID",
    );
    when(
        "{ any_line = { stock = \"unkown\" } }",
        "31: rule 'r': unknown stock 'unkown'; did you mean 'unknown'?",
    );
}

#[test]
fn conditions_within_conditions() {
    let nested = |levels: usize| format!("{{ {}express = true }}", "not.".repeat(levels));
    let text = |levels| {
        format!(
            "[[rule]]\nname = \"r\"\nwhen = {}\nthen = \"hold\"\n",
            nested(levels)
        )
    };
    assert_eq!(crate::rules::facts::load(&text(15)).list.len(), 1);
    when(
        &nested(16),
        "70: rule 'r': more than 16 conditions within each other; make several rules of it",
    );
}

#[test]
fn wrong_types() {
    when(
        "{ total = \"5000\" }",
        "18: rule 'r': total: expected a whole number of tenge, found a string; write 5000, \
         without quotes",
    );
    when(
        "{ total = { over = \"many\" } }",
        "27: rule 'r': total.over: expected a whole number of tenge, found a string; write digits \
         without quotes, such as 5000",
    );
    when(
        "{ total = { over = 5.5 } }",
        "27: rule 'r': total.over: expected a whole number of tenge, found a number with a fraction",
    );
    when(
        "{ lines = 99999999999999999999 }",
        "18: rule 'r': lines: 99999999999999999999 is too large a number",
    );
    when(
        "{ express = \"yes\" }",
        "20: rule 'r': express: expected true or false, found a string",
    );
    when(
        "{ age = \"20m\" }",
        "16: rule 'r': age: expected a range such as { over = \"20m\", under = \"1h\" }, \
         found a duration",
    );
    when(
        "{ age = { under = 20 } }",
        "26: rule 'r': age.under: expected a duration in quotes such as \"20m\", \
         found a whole number",
    );
    when(
        "{ pickup_point = 1 }",
        "25: rule 'r': pickup_point: expected a string or a list of strings, found a whole number",
    );
    when(
        "true",
        "8: rule 'r': when: expected a table of conditions, found true",
    );
    when(
        "{ any = { express = true } }",
        "16: rule 'r': any: expected a list of tables such as [{ … }, { … }], found a table",
    );
    when(
        "{ any_line = { stock = true } }",
        "31: rule 'r': stock: expected \"known\", \"unknown\" or \"doubtful\", found true",
    );
}

#[test]
fn ranges_and_lists_that_ask_nothing() {
    when(
        "{ total = { over = 10, under = 5 } }",
        "18: rule 'r': total: nothing lies between 'over' and 'under'; 'over' is the lower bound: \
         write { over = 5, under = 10 }",
    );
    when(
        "{ lines = { over = 5, under = 6 } }",
        "18: rule 'r': lines: nothing lies between 'over' and 'under'; both bounds are \
         excluded, and 'over' is the lower one",
    );
    when(
        "{ age = {} }",
        "16: rule 'r': age: the range has no bound, so it asks nothing; write one such as \
         { over = \"20m\", under = \"1h\" }",
    );
    when(
        "{ age = { under = \"soon\" } }",
        "26: rule 'r': age.under: 'soon' is not a duration; write one such as 30s, 20m, \
         1h 30m or 2d",
    );
    when(
        "{ pickup_point = [] }",
        "25: rule 'r': pickup_point: the list is empty, so it asks nothing; name at least one, \
         or remove the key",
    );
    when(
        "{ all = [] }",
        "16: rule 'r': all: the list is empty, so it asks nothing; name at least one, \
         or remove the key",
    );
    when(
        "{ pickup_point = \" \" }",
        "25: rule 'r': pickup_point: the text is empty",
    );
    when(
        "{}",
        "8: rule 'r': when: the table is empty, so it asks nothing; remove 'when' if the rule \
         is for every order",
    );
    when(
        "{ not = {} }",
        "16: rule 'r': not: the table is empty, so it asks nothing; ask something, or remove \
         the key",
    );
}

#[test]
fn days_hours_and_shares() {
    when(
        "{ weekday = [\"sat\", \"sunday\"] }",
        "28: rule 'r': unknown weekday 'sunday'; known here: mon, tue, wed, thu, fri, sat, sun",
    );
    when(
        "{ weekday = \"son\" }",
        "20: rule 'r': unknown weekday 'son'; did you mean 'mon'?",
    );
    when(
        "{ hour = 22 }",
        "17: rule 'r': hour: expected hours such as { from = 22, to = 8 }, found a whole number",
    );
    when(
        "{ hour = { from = 22 } }",
        "17: rule 'r': hour: 'from' or 'to' is missing; write both ends, such as \
         { from = 22, to = 8 }; it may go over midnight",
    );
    when(
        "{ hour = { from = 22, till = 8 } }",
        "30: rule 'r': unknown end of hour 'till'; known here: from, to",
    );
    when(
        "{ hour = { from = 8, to = 8 } }",
        "17: rule 'r': hour: it begins where it ends, so it asks nothing; write both ends, such \
         as { from = 22, to = 8 }; it may go over midnight",
    );
    when(
        "{ hour = { from = \"22.30\", to = 25 } }",
        "26: rule 'r': hour.from: \"22.30\" is no time of day; write a whole hour from 0 to 24, or \
         hours and minutes such as \"22:30\"\nrules.toml:3:40: rule 'r': hour.to: 25 is no time of \
         day; write a whole hour from 0 to 24, or hours and minutes such as \"22:30\"",
    );
    when(
        "{ shop_cancelled_share = { over = 3 } }",
        "42: rule 'r': shop_cancelled_share.over: 3 is no share from 0 to 1; 3 % is 0.03",
    );
    when(
        "{ shop_cancelled_share = { over = \"3%\" } }",
        "42: rule 'r': shop_cancelled_share.over: expected a share from 0 to 1, found a string; \
         write one such as 0.03, which is 3 %",
    );
    when(
        "{ shop_canceled = { over = 3 } }",
        "10: rule 'r': unknown condition 'shop_canceled'; did you mean 'shop_cancelled'?",
    );
}

#[test]
fn outcomes() {
    then(
        "\"acept\"",
        "8: rule 'r': unknown outcome 'acept'; did you mean 'accept'?",
    );
    then(
        "\"cancel\"",
        "8: rule 'r': outcome 'cancel' needs more; write then = { cancel = \
         \"MERCHANT_OUT_OF_STOCK\" }",
    );
    then(
        "{ accept = true }",
        "10: rule 'r': outcome 'accept' stands alone; write then = \"accept\"",
    );
    then(
        "{ cancel = \"OUT_OF_STOCK\" }",
        "19: rule 'r': unknown reason to cancel 'OUT_OF_STOCK'; known here: \
         MERCHANT_OUT_OF_STOCK, BUYER_CANCELLATION_BY_MERCHANT, BUYER_NOT_REACHABLE",
    );
    then(
        "{ cancel = \"BUYER_NOT_REACHABLE\" }",
        "8: rule 'r': a cancel for BUYER_NOT_REACHABLE needs a comment; add comment = \"…\": \
         the buyer reads it",
    );
    then(
        "{ cancel = \"MERCHANT_OUT_OF_STOCK\", comment = \"\" }",
        "54: rule 'r': comment: the text is empty",
    );
    then(
        &format!(
            "{{ cancel = \"MERCHANT_OUT_OF_STOCK\", comment = \"{}\" }}",
            "ж".repeat(1001)
        ),
        "54: rule 'r': comment: 1001 characters, and Kaspi takes 1000 at most",
    );
    then(
        "{ wait = \"5m\", comment = \"x\" }",
        "33: rule 'r': comment: a buyer reads it only when the order is cancelled; \
         put it into 'note' if it is for you",
    );
    then(
        "{ wait = \"0s\" }",
        "17: rule 'r': wait: 0s is too short: orders are looked at every few seconds anyway; \
         write \"10s\" or more, such as \"5m\"",
    );
    then(
        "{ wait = \"1ms\" }",
        "17: rule 'r': wait: 1ms is too short: orders are looked at every few seconds anyway; \
         write \"10s\" or more, such as \"5m\"",
    );
    for months in ["1M", "1mo", "2 months", "1d 1M"] {
        then(
            &format!("{{ wait = \"{months}\" }}"),
            &format!(
                "17: rule 'r': wait: '{months}' counts in months, which have no fixed length; write \"1m\" \
                 for a minute, and days for a longer time: \"30d\""
            ),
        );
    }
    then(
        "{ wait = \"5m\", cancel = \"MERCHANT_OUT_OF_STOCK\" }",
        "8: rule 'r': a rule says either 'cancel' or 'wait', not both",
    );
    then(
        "{}",
        "8: rule 'r': then: no outcome in the table; write then = { cancel = \
         \"MERCHANT_OUT_OF_STOCK\" }, or \"accept\" or \"hold\" in quotes",
    );
    then(
        "5",
        "8: rule 'r': then: expected an outcome such as \"accept\", found a whole number",
    );
}
