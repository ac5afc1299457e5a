//! `GET /v2/orders`: filters, windows and pages of the current orders (KASPI_API §2).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    message::Request,
    order::Order,
    render,
    replica::Reading,
    route::CODE_FILTER,
    settings::{IncludeSupport, ListOrder},
    wire::mix,
    world::World,
};

pub(super) const STATE_FILTER: &str = "filter[orders][state]";
const STATUS_FILTER: &str = "filter[orders][status]";
const SIGNATURE_FILTER: &str = "filter[orders][signatureRequired]";
const FROM_FILTER: &str = "filter[orders][creationDate][$ge]";
const TO_FILTER: &str = "filter[orders][creationDate][$le]";
const PAGE_NUMBER: &str = "page[number]";
const PAGE_SIZE: &str = "page[size]";
const INCLUDE: &str = "include[orders]";

/// The most orders a page may ask for.
const PAGE_SIZE_MAX: usize = 100;

/// The widest window, in milliseconds: 14 days.
const WINDOW_MS_MAX: i64 = 14 * 24 * 3600 * 1000;

/// The requested page of a list.
struct Page {
    number: usize,
    size: usize,
}

impl World {
    /// The body of the list, or the title of a 400.
    pub(super) fn list(
        &self,
        now: Timestamp,
        reading: &Reading,
        request: &Request,
    ) -> Result<Value, String> {
        let (matches, page) = if code_alone(request) {
            (
                self.matching(reading, request, (i64::MIN, i64::MAX)),
                Page {
                    number: 0,
                    size: PAGE_SIZE_MAX,
                },
            )
        } else {
            let page = read_page(request)?;
            let window = read_window(now, request)?;
            refuse_double_signature(request)?;
            if self.settings.state_required && request.parameter(STATE_FILTER).is_none() {
                return Err("Required filter [orders][state] is empty.".to_owned());
            }
            (self.matching(reading, request, window), page)
        };
        let total = matches.len() + self.settings.replicas.overcount;
        let first = page.number.saturating_mul(page.size);
        let shown: Vec<&Order> = matches.into_iter().skip(first).take(page.size).collect();
        let data: Vec<Value> = shown
            .iter()
            .map(|order| render::order(order, &self.settings, self.request_number()))
            .collect();
        Ok(json!({
            "data": data,
            "included": self.included(request, &shown),
            "meta": {"pageCount": total.div_ceil(page.size), "totalCount": total},
        }))
    }

    /// Visible orders created within `window` (ms, both ends included) that pass the filters.
    fn matching(&self, reading: &Reading, request: &Request, window: (i64, i64)) -> Vec<&Order> {
        if window.0 > window.1 {
            return Vec::new();
        }
        let is =
            |name: &str, value: &str| request.parameter(name).is_none_or(|wanted| wanted == value);
        let passes = |order: &Order| {
            is(CODE_FILTER, order.code())
                && is(STATE_FILTER, order.state.as_str())
                && is(STATUS_FILTER, order.status.as_str())
                && is(
                    SIGNATURE_FILTER,
                    if order.seed.signature_required {
                        "true"
                    } else {
                        "false"
                    },
                )
        };
        if let Some(code) = request.parameter(CODE_FILTER) {
            let found = self.order(code).and_then(|order| reading.of(order));
            let found = found.filter(|order| {
                (window.0..=window.1).contains(&order.seed.created_at.as_millisecond())
                    && passes(order)
            });
            return found.into_iter().collect();
        }
        let range = self
            .by_created
            .range((window.0, usize::MIN)..=(window.1, usize::MAX));
        let mut found: Vec<&Order> = range
            .filter_map(|(_, index)| reading.of(&self.orders[*index]))
            .filter(|order| passes(order))
            .collect();
        match self.settings.list_order {
            ListOrder::CreatedAsc => {}
            ListOrder::CreatedDesc => found.reverse(),
            ListOrder::Scattered => {
                found.sort_by_cached_key(|order| mix(self.settings.seed, &["list", order.code()]));
            }
        }
        found
    }

    fn included(&self, request: &Request, shown: &[&Order]) -> Vec<Value> {
        let asked = |what| {
            request
                .parameter(INCLUDE)
                .is_some_and(|list| list.split(',').any(|item| item == what))
        };
        let mut included = Vec::new();
        for order in shown {
            let entries = match self.settings.include_support {
                IncludeSupport::Yes => true,
                IncludeSupport::Ignored => false,
                IncludeSupport::Partial => {
                    !mix(self.settings.seed, &["include", order.code()]).is_multiple_of(3)
                }
            };
            if entries && asked("entries") {
                included.extend(render::entries(order, &self.settings));
            }
            if asked("user") {
                included.extend(render::user(order, &self.settings));
            }
        }
        included
    }
}

/// Whether the code filter is the only parameter besides `include`.
fn code_alone(request: &Request) -> bool {
    request.parameter(CODE_FILTER).is_some()
        && request
            .query
            .iter()
            .all(|(name, _)| name == CODE_FILTER || name == INCLUDE)
}

fn read_page(request: &Request) -> Result<Page, String> {
    let number = |name: &str| {
        let text = request
            .parameter(name)
            .ok_or_else(|| format!("Required {name} is empty."))?;
        text.parse::<usize>()
            .map_err(|_| format!("Parameter {name} is invalid."))
    };
    let page = Page {
        number: number(PAGE_NUMBER)?,
        size: number(PAGE_SIZE)?,
    };
    if !(1..=PAGE_SIZE_MAX).contains(&page.size) {
        return Err(format!(
            "Parameter {PAGE_SIZE} must be between 1 and {PAGE_SIZE_MAX}."
        ));
    }
    Ok(page)
}

fn read_window(now: Timestamp, request: &Request) -> Result<(i64, i64), String> {
    let instant = |name: &str| {
        let value = request.parameter(name).filter(|text| !text.is_empty());
        value
            .map(str::parse::<i64>)
            .transpose()
            .map_err(|_| format!("Parameter {name} is invalid."))
    };
    let from = instant(FROM_FILTER)?
        .ok_or_else(|| "Required filter [orders][creationDate][$ge] is empty.".to_owned())?;
    let to = instant(TO_FILTER)?.unwrap_or_else(|| now.as_millisecond());
    if to.saturating_sub(from) > WINDOW_MS_MAX {
        return Err("Date range must not exceed 14 days.".to_owned());
    }
    Ok((from, to))
}

fn refuse_double_signature(request: &Request) -> Result<(), String> {
    let both = request.parameter(SIGNATURE_FILTER).is_some()
        && request.parameter(STATE_FILTER) == Some("SIGN_REQUIRED");
    if both {
        Err(format!(
            "{SIGNATURE_FILTER} cannot be used with state SIGN_REQUIRED."
        ))
    } else {
        Ok(())
    }
}
