//! Settings that must agree with one another; only shows once all layers are put together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::{Origin, Problem};
use super::sections::Config;
use super::{duration, text};

/// What does not fit together, each at the setting that was changed.
pub(super) fn check(
    config: &Config,
    origins: &BTreeMap<String, Origin>,
    is_container: bool,
) -> Vec<Problem> {
    let origin = |key: &str| origins.get(key).cloned().unwrap_or(Origin::Default);
    let mut problems = Vec::new();
    if !config.kaspi.allow_plain_http && text::is_plain_and_remote(&config.kaspi.base_url) {
        let key = "kaspi.base_url";
        let what = "http:// would send the token in the clear; use https://, or set kaspi.allow_plain_http = true";
        problems.push(Problem::new(origin(key), key, what));
    }
    if let Some(what) = config.web.is_open(is_container) {
        let key = "web.listen";
        problems.push(Problem::new(origin(key), key, what));
    }
    let (actions, schedule, retention) = (&config.actions, &config.schedule, &config.retention);
    let window = config.interlocks.cancel_budget_window;
    let pairs: [[(&str, Duration); 2]; 4] = [
        [
            ("actions.retry_base", actions.retry_base),
            ("actions.retry_cap", actions.retry_cap),
        ],
        [
            ("schedule.last_call", schedule.last_call),
            ("schedule.deadline", schedule.deadline),
        ],
        // The budget counts finished orders, and the audit log is of orders.
        [
            ("interlocks.cancel_budget_window", window),
            ("retention.orders", retention.orders),
        ],
        [
            ("retention.orders", retention.orders),
            ("retention.audit", retention.audit),
        ],
    ];
    for [(lower, low), (upper, high)] in pairs {
        if low <= high {
            continue;
        }
        let (low, high) = (duration::format(low), duration::format(high));
        problems.push(if origin(lower) == Origin::Default {
            let what = format!("must be at least {lower}, {low}, found {high}");
            Problem::new(origin(upper), upper, what)
        } else {
            let what = format!("must be at most {upper}, {high}, found {low}");
            Problem::new(origin(lower), lower, what)
        });
    }
    problems
}
