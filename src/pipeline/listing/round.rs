//! One reading of a window: all its pages.

use std::collections::BTreeSet;
use std::future::Future;

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

use super::{Listed, Wanted};
use crate::crash_point::crash_point;
use crate::domain::ids::OrderId;
use crate::domain::order::State;
use crate::kaspi::{ApiError, ListQuery, Page};
use crate::ledger::Reading;
use crate::mutant::mutant;
use crate::pipeline::{Ctx, StageError, Window};
use crate::store::StoreError;

/// Most orders on one page (KASPI_API §2).
const PAGE_SIZE: u32 = 100;

/// Readings held before they are stored.
const HELD_MAX: usize = 1_000;

/// Whether our own accepts take orders out of the list while it is read.
pub(super) fn is_shortened_by_acts(wanted: &Wanted) -> bool {
    wanted.state == State::New && !mutant("r7_acts_change_the_list")
}

/// One reading of a window.
#[derive(Default)]
pub(super) struct Round {
    pub(super) ids: BTreeSet<OrderId>,
    unreadable: u64,
    pages: u32,
    /// Whether its last page may be followed by another.
    is_full: bool,
    /// Orders that Kaspi counts on its first page.
    pub(super) total: Option<u64>,
    /// Whether it holds as many orders as Kaspi counts.
    pub(super) is_whole: bool,
}

impl Round {
    /// Compares its orders, and those that our own accepts took out of the list since, with what Kaspi counted.
    fn count(&mut self, (ctx, wanted): (&Ctx, &Wanted), window: Window) {
        let taken = if is_shortened_by_acts(wanted) {
            ctx.sending.taken_besides(&self.ids, window)
        } else {
            0
        };
        let seen = u64::try_from(self.ids.len() + taken).unwrap_or(u64::MAX);
        let seen = seen.saturating_add(self.unreadable);
        self.is_whole = self.total.is_none_or(|total| seen >= total);
    }

    /// Adds one page.
    async fn take(
        &mut self,
        (ctx, wanted): (&Ctx, &Wanted),
        (asked_at, page): (Timestamp, Page),
        listed: &mut Listed,
    ) -> Result<(), StoreError> {
        self.pages += 1;
        self.is_full = page.is_full(PAGE_SIZE);
        for bad in page.unreadable {
            self.unreadable += 1;
            let name = bad.code.unwrap_or_else(|| "without a code".to_owned());
            if wanted.state != State::New {
                // What it holds is unknown, and there is no id to find out by.
                let why = || format!("order {name} cannot be read: {}", bad.why);
                listed.problem.get_or_insert_with(why);
            }
            listed.report(name, bad.why);
        }
        for read in page.orders {
            if let (true, Some(words)) = (wanted.state != State::Archive, read.order.unread_words())
            {
                listed.report(read.order.code.to_string(), words);
            }
            self.ids.insert(read.order.id.clone());
            let reading = Reading {
                order: read.order,
                lines: read.lines,
                asked_at,
                skew: ctx.kaspi_clock.skew(),
            };
            listed.readings.insert(reading.order.id.clone(), reading);
        }
        if listed.readings.len() >= HELD_MAX {
            listed.store(ctx, wanted).await?;
        }
        Ok(())
    }
}

/// Reads all pages of a window once.
pub(super) async fn read_round(
    ctx: &Ctx,
    wanted: &Wanted,
    (window, is_quiet): (Window, bool),
    listed: &mut Listed,
) -> Result<Round, StageError> {
    let Window { from, to } = window;
    let query = |page: u32| ListQuery {
        state: Some(wanted.state.clone()),
        status: wanted.status.clone(),
        from,
        to,
        page,
        size: PAGE_SIZE,
        include_entries: wanted.include_entries,
    };
    let reader = ctx.reader.of_class(wanted.class);
    let fetch = async |page: u32| {
        let asked_at = ctx.clock.now();
        let page = reader.list(&query(page)).await?;
        crash_point("list.page_read");
        Ok((asked_at, page))
    };
    let mut round = Round::default();
    let first = first_page(ctx, wanted, is_quiet, || fetch(0)).await?;
    let total = first.1.total_count;
    round.total = total;
    let stated = pages_stated(&first.1);
    let pages = stated.min(ctx.settings.pages_max);
    if stated > pages {
        listed.problem = Some(format!(
            "the list has {stated} pages, over kaspi.pages_max = {pages}"
        ));
    }
    round.take((ctx, wanted), first, listed).await?;
    // A full last page may be followed by another, even beyond the stated counts: both are requested together.
    let is_full_to_the_end =
        total.is_some_and(|total| total > 0 && total.is_multiple_of(u64::from(PAGE_SIZE)));
    let asked = (pages + u32::from(is_full_to_the_end)).min(ctx.settings.pages_max);
    let if_there = async |page: u32| match fetch(page).await {
        Err(ApiError::Parameters { .. } | ApiError::NotFound) => {
            Ok((ctx.clock.now(), Page::default()))
        }
        answer => answer,
    };
    let mut rest = stream::iter(1..asked)
        .map(async |page| {
            if page >= pages {
                if_there(page).await
            } else {
                fetch(page).await
            }
        })
        .buffered(ctx.settings.max_in_flight.max(1));
    while let Some(page) = rest.next().await {
        let page = page?;
        let is_empty = page.1.orders.is_empty() && page.1.unreadable.is_empty();
        round.take((ctx, wanted), page, listed).await?;
        if is_empty && stated > pages {
            // The stated count is wrong, and the list is incomplete anyway.
            break;
        }
    }
    read_beyond((ctx, wanted), &mut round, fetch, listed).await?;
    round.count((ctx, wanted), window);
    if !round.is_whole && is_shortened_by_acts(wanted) && !is_quiet {
        // What accepts moved to the page before, which had been read already, is there now.
        let unreadable = round.unreadable;
        let mut again = stream::iter(0..round.pages.saturating_sub(1))
            .map(if_there)
            .buffered(ctx.settings.max_in_flight.max(1));
        while let Some(page) = again.next().await {
            round.take((ctx, wanted), page?, listed).await?;
        }
        round.unreadable = unreadable;
        round.count((ctx, wanted), window);
    }
    Ok(round)
}

/// The first page. Where others follow, no accept is on its way while it is asked for: of each one that was, it is
/// unknown whether Kaspi counted its order.
async fn first_page<F: Future<Output = Result<(Timestamp, Page), ApiError>>>(
    ctx: &Ctx,
    wanted: &Wanted,
    is_quiet: bool,
    fetch: impl Fn() -> F,
) -> Result<(Timestamp, Page), ApiError> {
    if !is_shortened_by_acts(wanted) {
        return fetch().await;
    }
    let sending = &ctx.sending;
    let before = sending.at_rest();
    sending.follow();
    let first = fetch().await?;
    let is_only_page = pages_stated(&first.1) <= 1 && !first.1.is_full(PAGE_SIZE);
    let is_certain = is_only_page || is_quiet || sending.has_rested(before);
    if is_certain || mutant("r7_acts_begun_before_are_counted") {
        return Ok(first);
    }
    let quiet = sending.quiet().await;
    sending.follow();
    let first = fetch().await?;
    drop(quiet);
    Ok(first)
}

/// Pages of the list by Kaspi's counts of pages and of orders: the larger.
fn pages_stated(first: &Page) -> u32 {
    let total = first.total_count.unwrap_or(0);
    let by_count = u32::try_from(total.div_ceil(u64::from(PAGE_SIZE))).unwrap_or(u32::MAX);
    first.page_count.unwrap_or(1).max(by_count)
}

/// Reads beyond the stated counts, which may be missing or too small, while the last page is full. A page
/// without new orders, or one that Kaspi rejects, is the end.
async fn read_beyond<F: Future<Output = Result<(Timestamp, Page), ApiError>>>(
    (ctx, wanted): (&Ctx, &Wanted),
    round: &mut Round,
    fetch: impl Fn(u32) -> F,
    listed: &mut Listed,
) -> Result<(), StageError> {
    while round.is_full {
        let next = round.pages;
        if next >= ctx.settings.pages_max {
            listed.problem = Some(format!(
                "the list does not end within kaspi.pages_max = {next} pages"
            ));
            return Ok(());
        }
        let page = match fetch(next).await {
            Ok(page) => page,
            Err(ApiError::Parameters { .. } | ApiError::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut orders = page.1.orders.iter();
        if orders.all(|read| round.ids.contains(&read.order.id)) {
            return Ok(());
        }
        round.take((ctx, wanted), page, listed).await?;
    }
    Ok(())
}
