//! The supplier Al-Style (KASPI_API §9): a token in the query, about one request in five seconds, and
//! quantities such as `">50"`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::fetch::{Answer, ReadError, Web};
use crate::clock::Clock;
use crate::domain::ids::Sku;
use crate::domain::stock::{OnHand, StockRow};
use crate::text::Secrets;

/// Time between two requests.
const PACE: Duration = Duration::from_secs(5);
/// Pause after a request that came too soon.
const PAUSE: Duration = Duration::from_secs(10);
/// Refusals in a row that may mean too many requests; one more means a wrong token.
const REFUSALS_MAX: u32 = 3;
/// Articles per page.
const PAGE: usize = 250;
/// Most pages, 75 000 articles: at one page in five seconds they take a stage's longest run.
const PAGES_MAX: usize = 300;

/// Which of the supplier's numbers is the merchant's SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The supplier's article number: all come in one answer.
    Article,
    /// The manufacturer's part number: page by page.
    PartNumber,
}

/// The supplier.
pub struct AlStyle {
    web: Web,
    by: By,
}

impl AlStyle {
    /// The supplier at this address.
    pub const fn new(web: Web, by: By) -> Self {
        Self { web, by }
    }

    /// Reads all levels, as of the time of the request.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer that is not stock.
    pub async fn read(
        &self,
        token: &SecretString,
        clock: &Clock,
    ) -> Result<Vec<StockRow>, ReadError> {
        let as_of = clock.now();
        let mut found: BTreeMap<String, OnHand> = BTreeMap::new();
        match self.by {
            By::Article => {
                let answer = self.ask("/quantity-price", &[], token, clock).await?;
                for (article, item) in &answer {
                    put(&mut found, article, item.get("quantity"));
                }
            }
            By::PartNumber => self.pages(token, clock, &mut found).await?,
        }
        if found.is_empty() {
            let what = "the supplier lists nothing: an empty list is not taken for zero stock";
            return Err(ReadError::Unreadable(what.to_owned()));
        }
        Ok(rows(found, as_of))
    }

    async fn pages(
        &self,
        token: &SecretString,
        clock: &Clock,
        found: &mut BTreeMap<String, OnHand>,
    ) -> Result<(), ReadError> {
        let limit = PAGE.to_string();
        let (mut offset, mut total) = (0_usize, usize::MAX);
        for page in 0..PAGES_MAX {
            if offset >= total {
                return Ok(());
            }
            if page > 0 {
                clock.sleep(PACE).await;
            }
            let at = offset.to_string();
            let query = [("limit", limit.as_str()), ("offset", at.as_str())];
            let answer = self
                .ask("/elements-pagination", &query, token, clock)
                .await?;
            let count = answer.get("pagination").and_then(|p| p.get("totalCount"));
            let elements = answer.get("elements").and_then(Value::as_array);
            let (Some(count), Some(elements)) = (count.and_then(Value::as_u64), elements) else {
                return Err(unreadable());
            };
            total = usize::try_from(count).unwrap_or(usize::MAX);
            if elements.is_empty() && offset < total {
                let what = format!("the list ended at {offset} of {total} articles");
                return Err(ReadError::Unreadable(what));
            }
            offset += elements.len();
            for element in elements {
                let number = element.get("article_pn").map(plain).unwrap_or_default();
                if !number.is_empty() {
                    put(found, &number, element.get("quantity"));
                }
            }
        }
        Err(ReadError::Unreadable("the list does not end".to_owned()))
    }

    /// One request, repeated after a pause while the supplier refuses it as too soon.
    async fn ask(
        &self,
        path: &str,
        query: &[(&str, &str)],
        token: &SecretString,
        clock: &Clock,
    ) -> Result<Map<String, Value>, ReadError> {
        let secrets = Secrets::default().and(token.expose_secret());
        let mut refusals = 0;
        loop {
            let mut query = query.to_vec();
            query.push(("access-token", token.expose_secret()));
            let answer = self.web.get(path, &query, &secrets).await?;
            match answer.status.as_u16() {
                200 => return object(&answer),
                403 | 429 if refusals < REFUSALS_MAX => {
                    refusals += 1;
                    clock.sleep(PAUSE).await;
                }
                status @ (401 | 403) => {
                    let what = format!("the supplier refuses the token ({status})");
                    return Err(ReadError::Refused(what));
                }
                status => {
                    let what = format!("the supplier answers {status}");
                    return Err(ReadError::Unreadable(what));
                }
            }
        }
    }
}

fn unreadable() -> ReadError {
    ReadError::Unreadable("the supplier's answer cannot be read".to_owned())
}

/// The answer's object, or the one in its `data`.
fn object(answer: &Answer) -> Result<Map<String, Value>, ReadError> {
    let Ok(Value::Object(mut object)) = serde_json::from_slice(&answer.body) else {
        return Err(unreadable());
    };
    if object.get("success") == Some(&Value::Bool(false)) {
        let what = "the supplier answers that it failed (success: false)";
        return Err(ReadError::Unreadable(what.to_owned()));
    }
    match object.remove("data") {
        Some(Value::Object(data)) => Ok(data),
        None => Ok(object),
        Some(_) => Err(unreadable()),
    }
}

/// Adds a quantity. A number listed twice with different quantities is unknown.
fn put(found: &mut BTreeMap<String, OnHand>, number: &str, quantity: Option<&Value>) {
    let units = quantity.map_or(OnHand::Unknown, units);
    found
        .entry(number.trim().to_owned())
        .and_modify(|before| {
            if *before != units {
                *before = OnHand::Unknown;
            }
        })
        .or_insert(units);
}

fn rows(found: BTreeMap<String, OnHand>, as_of: Timestamp) -> Vec<StockRow> {
    let rows = found.into_iter().filter_map(|(number, on_hand)| {
        Some(StockRow {
            sku: Sku::new(number).ok()?,
            warehouse: String::new(),
            on_hand,
            as_of,
        })
    });
    rows.collect()
}

/// The units; anything that is no quantity is unknown, never zero.
fn units(quantity: &Value) -> OnHand {
    super::units::read(&plain(quantity)).unwrap_or(OnHand::Unknown)
}

/// A string or a number as text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_whole_number_is_a_quantity() {
        for (quantity, expected) in [
            (json!(7), OnHand::Exactly(7)),
            (json!(0), OnHand::Exactly(0)),
            (json!("12"), OnHand::Exactly(12)),
            (json!(">50"), OnHand::AtLeast(50)),
            (json!("> 50"), OnHand::AtLeast(50)),
            (json!(3.0), OnHand::Exactly(3)),
            (json!(-1), OnHand::Negative),
            (json!(2.5), OnHand::Unknown),
            (json!(null), OnHand::Unknown),
            (json!("много"), OnHand::Unknown),
            (json!(""), OnHand::Unknown),
            (json!("<5"), OnHand::Unknown),
            (json!(true), OnHand::Unknown),
        ] {
            assert_eq!(units(&quantity), expected, "{quantity}");
        }
    }
}
