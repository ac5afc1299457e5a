//! Reading a whole list: windows Kaspi allows, all pages, no order twice, and whether it is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};

use super::Ctx;
use crate::crash_point::crash_point;
use crate::domain::ids::OrderId;
use crate::domain::order::{State, Status};
use crate::kaspi::{ApiError, ListQuery, Page};
use crate::store::Reading;

/// Longest span of one request; Kaspi allows 14 days (KASPI_API §2), and a day is left for clocks.
const WINDOW: SignedDuration = SignedDuration::from_hours(13 * 24);

/// Windows share this much, so that an order at a boundary instant is in one of them.
const OVERLAP: SignedDuration = SignedDuration::from_mins(1);

/// Most orders Kaspi puts on a page (KASPI_API §2).
const PAGE_SIZE: u32 = 100;

/// A list that keeps changing under the reader is read again this often.
const ROUNDS_MAX: u32 = 3;

/// What to list.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) state: State,
    pub(super) status: Option<Status>,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) include_entries: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) readings: BTreeMap<OrderId, Reading>,
    /// Why it is not complete, if it is not.
    pub(super) problem: Option<String>,
    /// Orders that could not be read: code or id, and why.
    pub(super) unreadable: Vec<(String, String)>,
    pub(super) requests: u32,
}

/// Reads a list over all its windows, oldest first. An API failure leaves what was read so far, and
/// says so.
pub(super) async fn read(ctx: &Ctx, wanted: &Wanted) -> (Listed, Option<ApiError>) {
    let mut listed = Listed::default();
    for (from, to) in windows(wanted.from, wanted.to) {
        if let Err(error) = read_window(ctx, wanted, (from, to), &mut listed).await {
            listed.problem = Some(error.to_string());
            return (listed, Some(error));
        }
    }
    (listed, None)
}

fn windows(from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let mut windows = Vec::new();
    let mut start = from;
    while start < to {
        let end = start.saturating_add(WINDOW).unwrap_or(to).min(to);
        windows.push((start, end));
        if end >= to {
            break;
        }
        start = end.saturating_sub(OVERLAP).unwrap_or(end);
    }
    windows
}

/// Pages shift while a list shrinks (KASPI_API §2): it is read again until its count is met, or two
/// rounds show the same orders.
async fn read_window(
    ctx: &Ctx,
    wanted: &Wanted,
    span: (Timestamp, Timestamp),
    listed: &mut Listed,
) -> Result<(), ApiError> {
    let mut before: Option<BTreeSet<OrderId>> = None;
    for _ in 0..ROUNDS_MAX {
        let round = read_round(ctx, wanted, span, listed).await?;
        let same = before.as_ref() == Some(&round.ids);
        if round.is_whole || same {
            return Ok(());
        }
        before = Some(round.ids);
    }
    listed.problem = Some(format!("the list changed in each of {ROUNDS_MAX} readings"));
    Ok(())
}

struct Round {
    ids: BTreeSet<OrderId>,
    is_whole: bool,
}

async fn read_round(
    ctx: &Ctx,
    wanted: &Wanted,
    (from, to): (Timestamp, Timestamp),
    listed: &mut Listed,
) -> Result<Round, ApiError> {
    let query = |page: u32| ListQuery {
        state: Some(wanted.state.clone()),
        status: wanted.status.clone(),
        from,
        to,
        page,
        size: PAGE_SIZE,
        include_entries: wanted.include_entries,
    };
    let fetch = async |page: u32| {
        let asked_at = ctx.clock.now();
        let page = ctx.reader.list(&query(page)).await?;
        crash_point("list.page_read");
        Ok((asked_at, page))
    };
    let first = fetch(0).await?;
    let total = first.1.total_count;
    let by_count = total.map_or(0, |total| total.div_ceil(u64::from(PAGE_SIZE)));
    let told = first
        .1
        .page_count
        .unwrap_or(1)
        .max(u32::try_from(by_count).unwrap_or(u32::MAX));
    let pages = told.min(ctx.settings.pages_max);
    if told > pages {
        listed.problem = Some(format!(
            "the list has {told} pages, over kaspi.pages_max = {pages}"
        ));
    }
    // A full last page may be followed by another, whatever the counts say: asked for in one go.
    let is_full_to_the_end =
        total.is_some_and(|total| total > 0 && total.is_multiple_of(u64::from(PAGE_SIZE)));
    let asked = (pages + u32::from(is_full_to_the_end)).min(ctx.settings.pages_max);
    let rest: Vec<(Timestamp, Page)> = stream::iter(1..asked)
        .map(async |page| match fetch(page).await {
            Err(ApiError::Parameters { .. } | ApiError::NotFound) if page >= pages => {
                Ok((ctx.clock.now(), Page::default()))
            }
            answer => answer,
        })
        .buffered(ctx.settings.max_in_flight.max(1))
        .try_collect()
        .await?;
    let mut read: Vec<(Timestamp, Page)> = std::iter::once(first).chain(rest).collect();
    read_beyond(ctx, &mut read, fetch, listed).await?;
    let mut ids = BTreeSet::new();
    let mut unreadable = 0;
    let requests = u32::try_from(read.len()).unwrap_or(u32::MAX);
    listed.requests = listed.requests.saturating_add(requests);
    for (asked_at, page) in read {
        for bad in page.unreadable {
            unreadable += 1;
            let name = bad
                .code
                .or(bad.id)
                .unwrap_or_else(|| "without a code".to_owned());
            if !listed.unreadable.iter().any(|(known, _)| *known == name) {
                listed.unreadable.push((name, bad.why));
            }
        }
        for read in page.orders {
            ids.insert(read.order.id.clone());
            let reading = Reading {
                order: read.order,
                lines: read.lines,
                asked_at,
            };
            listed.readings.insert(reading.order.id.clone(), reading);
        }
    }
    let seen = u64::try_from(ids.len())
        .unwrap_or(u64::MAX)
        .saturating_add(unreadable);
    Ok(Round {
        is_whole: total.is_none_or(|total| seen >= total),
        ids,
    })
}

/// Counts may be missing or too small: after a full last page there may be another. One that brings
/// nothing new, or that Kaspi does not know, is the end.
async fn read_beyond<F: Future<Output = Result<(Timestamp, Page), ApiError>>>(
    ctx: &Ctx,
    read: &mut Vec<(Timestamp, Page)>,
    fetch: impl Fn(u32) -> F,
    listed: &mut Listed,
) -> Result<(), ApiError> {
    let ids = |page: &Page| -> BTreeSet<OrderId> {
        page.orders
            .iter()
            .map(|read| read.order.id.clone())
            .collect()
    };
    let mut known: BTreeSet<OrderId> = read.iter().flat_map(|(_, page)| ids(page)).collect();
    while read.last().is_some_and(|(_, page)| page.is_full(PAGE_SIZE)) {
        let next = u32::try_from(read.len()).unwrap_or(u32::MAX);
        if next >= ctx.settings.pages_max {
            listed.problem = Some(format!(
                "the list does not end within kaspi.pages_max = {next} pages"
            ));
            return Ok(());
        }
        let page = match fetch(next).await {
            Ok(page) => page,
            Err(ApiError::Parameters { .. } | ApiError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let found = ids(&page.1);
        if found.is_subset(&known) {
            return Ok(());
        }
        known.extend(found);
        read.push(page);
    }
    Ok(())
}
