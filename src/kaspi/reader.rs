//! Reading orders. A read changes nothing, so it may be repeated, within a budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::blocked::Blocked;
use super::includes::Includes;
use super::page::{Asked, Page};
use super::transport::{Method, WireResponse};
use super::{ApiError, RequestClass, Shared, convert, entries, json};
use crate::domain::ids::{MasterProduct, OrderId, Sku};
use crate::domain::order::{Lines, Order, State, Status, UnreadableLines};
use crate::net::Backoff;

/// Pauses between the repeats of one read.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));
/// Longest pause that is waited for within a call.
const WAIT_FOR_MAX: SignedDuration = SignedDuration::from_secs(5);
/// Most pauses that are waited for within a call.
const PAUSES_MAX: u32 = 2;
/// Most master products whose SKU is cached.
const PRODUCTS_KEPT: usize = 10_000;

/// One page of a list (KASPI_API §2).
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Only orders in this state.
    pub state: Option<State>,
    /// Only orders with this status.
    pub status: Option<Status>,
    /// Created at or after.
    pub from: Timestamp,
    /// Created at or before; at most 14 days after `from`.
    pub to: Timestamp,
    /// From 0.
    pub page: u32,
    /// 1..=100.
    pub size: u32,
    /// Whether the entries are wanted too.
    pub include_entries: bool,
}

/// After what a read is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RepeatAfter {
    /// An outage, within the budget; and a pause that Kaspi or the circuit breaker asked for, where it is short.
    OutagesAndPauses,
    /// A pause that Kaspi asked for alone: there is another way to ask, which is tried first.
    Pauses,
}

/// Reads one shop's orders.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    class: RequestClass,
    products: Arc<Mutex<HashMap<MasterProduct, Sku>>>,
    includes: Arc<Includes>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            class: RequestClass::Other,
            products: Arc::default(),
            includes: Arc::default(),
        }
    }

    /// The same reader, for requests of this class.
    #[must_use]
    pub fn of_class(&self, class: RequestClass) -> Self {
        Self {
            class,
            ..self.clone()
        }
    }

    /// A number that changes with each change of the token.
    pub fn token_number(&self) -> u64 {
        self.shared.credentials.number()
    }

    /// Counters and state of the shop's requests.
    pub fn view(&self) -> super::GateView {
        self.shared.gate.view()
    }

    /// Whether another process of this machine acts for the shop, so that this one does not.
    pub fn acts_elsewhere(&self) -> bool {
        let claim = self.shared.claim.as_ref();
        claim.is_some_and(super::claim::Claim::is_elsewhere)
    }

    /// Kaspi's clock minus ours, from the last answer's `Date`.
    pub fn skew(&self) -> Option<SignedDuration> {
        self.shared.gate.skew()
    }

    /// One page of orders.
    pub async fn list(&self, query: &ListQuery) -> Result<Page, ApiError> {
        // A list is always there: where it is not found, the address is not that of the shop API.
        self.list_once(query).await.map_err(|error| match error {
            ApiError::NotFound => ApiError::Outage("HTTP 404 for a list of orders".to_owned()),
            other => other,
        })
    }

    async fn list_once(&self, query: &ListQuery) -> Result<Page, ApiError> {
        let mut pairs = vec![
            ("page[number]".to_owned(), query.page.to_string()),
            ("page[size]".to_owned(), query.size.to_string()),
            (
                "filter[orders][creationDate][$ge]".to_owned(),
                query.from.as_millisecond().to_string(),
            ),
            (
                "filter[orders][creationDate][$le]".to_owned(),
                query.to.as_millisecond().to_string(),
            ),
        ];
        if let Some(state) = &query.state {
            pairs.push((
                "filter[orders][state]".to_owned(),
                state.as_str().to_owned(),
            ));
        }
        if let Some(status) = &query.status {
            pairs.push((
                "filter[orders][status]".to_owned(),
                status.as_str().to_owned(),
            ));
        }
        let path = || "/v2/orders".to_owned();
        let placed_at = match query.state {
            // Its deadline then is at the latest what it would be for an order that is just seen.
            Some(State::New) => self.shared.clock.now(),
            // As long ago as the list reaches.
            _ => query.from,
        };
        let asked = Asked {
            state: query.state.clone(),
            status: query.status.clone(),
            placed_at,
        };
        let page = |bytes: &[u8]| convert::page(bytes, &asked);
        // A probe after an outage uses only what Kaspi is sure to know.
        let are_wanted = query.include_entries && self.shared.gate.is_closed();
        if are_wanted && self.includes.are_used(self.shared.clock.ticks()) {
            let mut with = pairs.clone();
            with.push(("include[orders]".to_owned(), "entries".to_owned()));
            let request = self.shared.request(Method::Get, path(), with, None);
            let answer = self.repeat(&request, &page, RepeatAfter::Pauses).await;
            let is_refused = match answer {
                Ok(page) => {
                    self.includes.succeeded();
                    return Ok(page);
                }
                // To ask without the entries would cost a request for each order, while Kaspi asks for fewer.
                Err(error @ (ApiError::Token | ApiError::Snooze { .. })) => return Err(error),
                Err(ApiError::Breaker { .. }) => {
                    return self.get(path(), pairs, page).await;
                }
                Err(error) => matches!(error, ApiError::Parameters { .. }),
            };
            let plain = self.get(path(), pairs, page).await;
            if plain.is_ok() {
                self.includes.failed(is_refused, self.shared.clock.ticks());
            }
            return plain;
        }
        self.get(path(), pairs, page).await
    }

    /// One order as it is now; `None` when Kaspi knows none with this id.
    pub async fn order(&self, id: &OrderId) -> Result<Option<Order>, ApiError> {
        let path = format!("/v2/orders/{}", segment(id.as_spelled()));
        let asked = self.asked_of_one();
        let answer = self
            .get(path, Vec::new(), |bytes| {
                let order = convert::single_order(bytes, &asked)?;
                if order.id != *id {
                    return Err(format!("asked for order {id}, got {}", order.id));
                }
                Ok(order)
            })
            .await;
        match answer {
            Err(ApiError::NotFound) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Nothing is known of an order beside what its own answer says.
    fn asked_of_one(&self) -> Asked {
        Asked {
            state: None,
            status: None,
            placed_at: self.shared.clock.now(),
        }
    }

    /// The lines of an order. Where an entry has no SKU, it is looked up by the master product
    /// (KASPI_API §4).
    pub async fn lines(&self, id: &OrderId) -> Result<Lines, ApiError> {
        let path = format!("/v2/orders/{}/entries", segment(id.as_spelled()));
        let read = self.get(path, Vec::new(), entries::lines).await;
        let mut lines = match read {
            Err(ApiError::NotFound) => {
                let why = "Kaspi shows no entries (404)";
                return Ok(Lines::Unreadable(UnreadableLines::of_any(why)));
            }
            Err(error) => return Err(error),
            Ok(Lines::Known(lines)) => lines,
            Ok(unreadable) => return Ok(unreadable),
        };
        for line in &mut lines {
            if let (None, Some(product)) = (&line.sku, &line.master_product) {
                line.sku = match self.sku_of(product).await {
                    // Not the same as "there is no SKU": the lines are unreadable and read again.
                    Err(ApiError::Unreadable(why)) => {
                        let why = format!("the SKU of a line: {why}");
                        return Ok(Lines::Unreadable(UnreadableLines::of_any(why)));
                    }
                    sku => sku?,
                };
            }
        }
        Ok(Lines::Known(lines))
    }

    async fn sku_of(&self, product: &MasterProduct) -> Result<Option<Sku>, ApiError> {
        let cached = |products: &Mutex<HashMap<MasterProduct, Sku>>| {
            products
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(product)
                .cloned()
        };
        if let Some(sku) = cached(&self.products) {
            return Ok(Some(sku));
        }
        let path = format!(
            "/v2/masterproducts/{}/merchantProduct",
            segment(product.as_str())
        );
        let answer = self.get(path, Vec::new(), convert::merchant_product).await;
        let sku = match answer {
            Err(ApiError::NotFound) => None,
            answer => answer?,
        };
        if let Some(sku) = &sku {
            let mut products = self.products.lock().unwrap_or_else(PoisonError::into_inner);
            if products.len() >= PRODUCTS_KEPT {
                products.clear();
            }
            products.insert(product.clone(), sku.clone());
        }
        Ok(sku)
    }

    /// Sends a read, repeated after an outage within the budget.
    async fn get<T>(
        &self,
        path: String,
        query: Vec<(String, String)>,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let request = self.shared.request(Method::Get, path, query, None);
        let after = RepeatAfter::OutagesAndPauses;
        self.repeat(&request, parse, after).await
    }

    /// Sends a prepared read, and repeats it after what `after` says.
    pub(super) async fn repeat<T>(
        &self,
        request: &super::WireRequest,
        parse: impl Fn(&[u8]) -> Result<T, String>,
        after: RepeatAfter,
    ) -> Result<T, ApiError> {
        let are_outages_repeated = after == RepeatAfter::OutagesAndPauses;
        let mut tried = 0;
        loop {
            let error = match self.try_until_stopped(request, &parse).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let wait = match &error {
                ApiError::Outage(_)
                    if are_outages_repeated
                        && tried < self.shared.settings.retries_max
                        && self.shared.gate.take_retry() =>
                {
                    BACKOFF.jittered(tried, self.shared.jitter())
                }
                ApiError::Breaker { until } if are_outages_repeated => {
                    self.pause(*until, tried).ok_or(error)?
                }
                ApiError::Snooze { until } => self.pause(*until, tried).ok_or(error)?,
                _ => return Err(error),
            };
            tried += 1;
            self.wait(wait).await?;
        }
    }

    /// How long to wait for a pause to end, where that is worth it.
    fn pause(&self, until: Timestamp, tried: u32) -> Option<Duration> {
        let left = until.duration_since(self.shared.clock.now());
        let is_short = tried < PAUSES_MAX && left <= WAIT_FOR_MAX;
        is_short.then(|| Duration::try_from(left).unwrap_or_default())
    }

    /// Waits, unless this process stops.
    async fn wait(&self, time: Duration) -> Result<(), ApiError> {
        let ended = &self.shared.reads_ended;
        let pause = ended.run_until_cancelled(self.shared.clock.sleep(time));
        pause.await.ok_or_else(process_stopping)
    }

    /// Sends a read once; an error as soon as this process stops.
    async fn try_until_stopped<T>(
        &self,
        request: &super::WireRequest,
        parse: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let ended = &self.shared.reads_ended;
        let answer = ended.run_until_cancelled(self.try_get(request, parse));
        answer.await.unwrap_or_else(|| Err(process_stopping()))
    }

    async fn try_get<T>(
        &self,
        request: &super::WireRequest,
        parse: &impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let mut turn = self
            .shared
            .gate
            .acquire(Method::Get, self.class)
            .await
            .map_err(|blocked| match blocked {
                Blocked::Paused { until } => ApiError::Snooze { until },
                Blocked::Breaker { until } => ApiError::Breaker { until },
            })?;
        turn.sent();
        let answer = self.shared.transport.send(request).await;
        turn.record(Method::Get, &answer);
        let answer = answer.map_err(|error| ApiError::Outage(error.to_string()))?;
        self.judge(&answer)?;
        parse(&answer.body).map_err(|why| {
            if json::is_json(&answer.body) {
                ApiError::Unreadable(why)
            } else {
                ApiError::Outage(format!(
                    "HTTP {} with a body that is not JSON",
                    answer.status
                ))
            }
        })
    }

    pub(super) fn judge(&self, answer: &WireResponse) -> Result<(), ApiError> {
        match answer.status {
            200..=299 => Ok(()),
            401 => Err(ApiError::Token),
            403 => Err(ApiError::Forbidden),
            404 => Err(ApiError::NotFound),
            429 => {
                let until = self
                    .shared
                    .gate
                    .paused_until()
                    .unwrap_or_else(|| self.shared.clock.now());
                Err(ApiError::Snooze { until })
            }
            status if is_refusal(status) => Err(ApiError::Parameters {
                status,
                title: convert::error_title(&answer.body),
            }),
            status => Err(ApiError::Outage(format!("HTTP {status}"))),
        }
    }
}

fn process_stopping() -> ApiError {
    ApiError::Outage("this process is stopping".to_owned())
}

/// Whether a status says that the request itself was wrong, and not the connection or the moment: a proxy's
/// login (407), a slow request (408), the wrong host (421) and early data (425) are no answer of Kaspi, and
/// neither is anything outside 4xx.
pub(super) const fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 407 | 408 | 421 | 425)
}

/// One path segment, percent-encoded only where necessary: an id may end with `=`, and Kaspi compares paths
/// without decoding them.
fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}
