//! `GET /ledger` and `GET /requests`: for scripts, beside the API and not counted as requests.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ledger::RequestRow,
    route::{EndpointKind, WriteKind},
    terms::Status,
    world::World,
};

/// The path of the summary.
pub(super) const PATH: &str = "/ledger";

/// The path of the list of requests.
pub(super) const REQUESTS: &str = "/requests";

/// Every request with its answer, the oldest first.
pub(super) fn requests(world: &World) -> Value {
    let rows = world.ledger().requests().iter();
    let row = |row: &RequestRow| {
        json!({
            "at": row.at.as_millisecond(), "kind": format!("{:?}", row.kind), "state": row.state, "code": row.code,
            "answered": row.answered,
        })
    };
    rows.map(row).collect()
}

/// Requests and their effects, by order code.
pub(super) fn report(world: &World) -> Value {
    let ledger = world.ledger();
    let mut writes: BTreeMap<&str, usize> = BTreeMap::new();
    for row in ledger.requests() {
        if let (Some(code), Some(WriteKind::Accept | WriteKind::Cancel)) = (&row.code, row.write) {
            *writes.entry(code).or_default() += 1;
        }
    }
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for row in ledger.requests() {
        let seen = row.answered.map(|status| status.to_string());
        *answers
            .entry(seen.unwrap_or_else(|| "none".to_owned()))
            .or_default() += 1;
    }
    let repeated: Vec<_> = writes.iter().filter(|(_, times)| **times > 1).collect();
    let repeated: Vec<&str> = repeated.into_iter().map(|(code, _)| *code).collect();
    let posts = ledger.requests().iter().filter(|row| row.write.is_some());
    let last_post_at = posts.map(|row| row.at.as_millisecond()).max();
    let waiting = world.orders().iter();
    let waiting = waiting.filter(|order| order.status == Status::ApprovedByBank);
    json!({
        "requests": ledger.requests_total(),
        "lists": ledger.requests_of(EndpointKind::List),
        "answers": answers,
        "posts": ledger.requests_of(EndpointKind::Write),
        "last_post_at": last_post_at,
        "accepted": ledger.accepted_codes(),
        "cancelled": ledger.cancelled_codes_by_api(),
        "both_actions_sent": ledger.both_actions_sent(),
        "written_more_than_once": repeated,
        "waiting": waiting.count(),
    })
}
